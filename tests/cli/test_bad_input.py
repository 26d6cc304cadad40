"""Files that are not what they should be: exit code 2, words that name them, no traceback."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import wellposed

from .conftest import Cli, process

DEEP = "[" * 100_000
"""JSON in which a parser that calls itself runs out of stack."""

BAD_SPECS: dict[str, tuple[bytes, str]] = {
    "a picture": (b"\x89PNG\r\n\x1a\n", "bad.yaml:1:1: error[E002]: byte 0x89 is not UTF-8"),
    "UTF-16": ("wellposed: 1\n".encode("utf-16"), "bad.yaml:1:1: error[E002]"),
    "nothing": (b"", "bad.yaml:1:1: error[E005]"),
    "brackets": (b"a: " + DEEP.encode(), "bad.yaml:1:43: error[E012]"),
    "Python": (b"name: !!python/object/apply:os.system [ls]\n", "bad.yaml:1:7: error[E011]"),
    "a huge number": (b"seed: 1e999\n", "bad.yaml:1:7: error[E108]: 1e999 is beyond the range"),
}


@pytest.mark.parametrize(("content", "said"), BAD_SPECS.values(), ids=BAD_SPECS.keys())
def test_a_spec_that_is_none_is_refused_at_its_place(
    cli: Cli, folder: Path, content: bytes, said: str
) -> None:
    (folder / "bad.yaml").write_bytes(content)
    for verb in ("validate", "compile", "check"):
        called = cli(verb, "bad.yaml")
        assert called.code == 2 and said in called.err


BAD_OVERRIDES = {
    "name=../../x": "command line:1:6: error[E109]: name cannot be",
    "model.time.steps.x=1": "command line:1:12: error[E014]: steps is 4",
    "regularizers.0.alpha=1": "command line:1:14: error[E014]: there is no list",
    "seed=[": "command line:1:7: error[E004]",
    "seed=\udcff": "command line:1:6: error[E002]",
    "model.time.steps=1e400": "command line:1:18: error[E108]",
    "data={kind: csv, path: ., label: k}": "command line:1:24: error[E401]: '.': is not a regular",
    "": "command line:1:1: error[E014]",
}


@pytest.mark.parametrize(("override", "said"), BAD_OVERRIDES.items())
def test_an_override_that_cannot_be_is_refused_at_its_place(
    cli: Cli, override: str, said: str
) -> None:
    called = cli("validate", "tiny.yaml", override)
    assert called.code == 2 and said in called.err


def test_a_name_longer_than_a_file_may_have_is_no_file(cli: Cli) -> None:
    called = cli("show", "a" * 5000)
    assert called.code == 2 and "error[E001]" in called.err
    with pytest.raises(wellposed.SpecError):
        wellposed.load("a" * 5000)


# --- runs ------------------------------------------------------------------------------------


def _changed(key: str, value: object) -> Callable[[Path], object]:
    def change(run: Path) -> None:
        facts = json.loads((run / "run.json").read_text()) | {key: value}
        (run / "run.json").write_text(json.dumps(facts))

    return change


BAD_RUNS: dict[str, tuple[Callable[[Path], object], str]] = {
    "facts that are none": (lambda r: (r / "run.json").write_text("what"), "is no run"),
    "facts of brackets": (lambda r: (r / "run.json").write_text(DEEP), "is no run"),
    "another folder": (_changed("folder", 7), "is no run"),
    "another backend": (_changed("backend", "theano"), "there is no backend theano"),
    "other overrides": (_changed("overrides", [1, 2]), "was changed"),
    "metrics without an epoch": (
        lambda r: (r / "metrics.jsonl").write_text('{"a": 1}\n'),
        "metrics.jsonl cannot be read: a line is no row of metrics",
    ),
    "metrics of brackets": (
        lambda r: (r / "metrics.jsonl").write_text(DEEP + "\n"),
        "metrics.jsonl cannot be read: a line is no row of metrics",
    ),
    "metrics that are no JSON": (
        lambda r: (r / "metrics.jsonl").write_text('{"epoch": \n'),
        "metrics.jsonl cannot be read: it is no JSON\n",
    ),
    "metrics that are no text": (
        lambda r: (r / "metrics.jsonl").write_bytes(b"\xff\n"),
        "metrics.jsonl cannot be read: it is no text in UTF-8\n",
    ),
    "no metrics": (
        lambda r: (r / "metrics.jsonl").unlink(),
        "metrics.jsonl cannot be read: no such file or directory\n",
    ),
    "weights that are none": (
        lambda r: (r / "weights.safetensors").write_bytes(b"what"),
        "weights.safetensors is no file of weights, or a damaged one\n",
    ),
    "no weights": (
        lambda r: (r / "weights.safetensors").unlink(),
        "weights.safetensors is not there\n",
    ),
}


@pytest.mark.parametrize(("change", "said"), BAD_RUNS.values(), ids=BAD_RUNS.keys())
def test_a_broken_run_is_refused_by_its_file(
    cli: Cli, folder: Path, change: Callable[[Path], object], said: str
) -> None:
    trained = ("train", "tiny.yaml", "train.epochs=1", "-b", "numpy", "--no-plots", "--out", "r")
    assert cli(*trained).code == 0
    change(folder / "r")
    called = cli("plot", "r")
    assert called.code == 2 and said in called.err


def test_a_damaged_checkpoint_is_told_in_words(cli: Cli, folder: Path) -> None:
    trained = ("train", "tiny.yaml", "-b", "numpy", "--no-plots", "--out", "r", "--stop-after", "1")
    assert cli(*trained).code == 0
    (folder / "r" / "checkpoint.safetensors").write_bytes(b"what")
    said = "is no checkpoint or a damaged one: it is no whole safetensors file\n"
    assert cli("resume", "r").err.endswith(said)


def test_a_full_disk_is_told_with_the_file(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    said = cli("compile", "tiny.yaml", "-b", "torch", "--out", "out").err
    assert said == "error: out/tiny_net_torch.py: no space left on device\n"


@pytest.mark.parametrize(("size", "code"), [("1e39", 2), ("3e38", 1)])
def test_a_dry_run_says_what_training_would(cli: Cli, folder: Path, size: str, code: int) -> None:
    """No number of the dtype, or one that the network makes infinite. No warning of a library comes
    before: the suite makes an error of each."""
    text = (folder / "tiny.yaml").read_text().replace("tanh", "relu")
    points = f"data: {{kind: points, features: [[{size}, 2e38], [3, 4]], labels: [0, 1]}}"
    (folder / "tiny.yaml").write_text(
        "\n".join(points if line.startswith("data") else line for line in text.splitlines())
    )
    for backend in ("torch", "jax"):
        call = ("train", "tiny.yaml", "-b", backend, "--no-plots", "-q")
        rehearsed, trained = cli(*call, "--dry-run"), cli(*call, "--out", f"run-{backend}")
        assert rehearsed.code == trained.code == code and "float32" in rehearsed.err
        assert rehearsed.err == trained.err


def test_warnings_of_libraries_are_no_users_matter(folder: Path) -> None:
    plugin = "import warnings; warnings.warn('old')"
    info = folder / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[wellposed.plugins]\nmine = a_plugin\n")
    (folder / "a_plugin.py").write_text(plugin)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    shown = {"PYTHONPATH": path, "PYTHONWARNINGS": "default"}
    assert "UserWarning: old" in process("validate", "tiny.yaml", env=shown).err
    called = process("validate", "tiny.yaml", env={**shown, "PYTHONWARNINGS": ""})
    assert (called.code, called.err) == (0, "")


def test_a_folder_of_features_is_named(cli: Cli) -> None:
    trained = ("train", "tiny.yaml", "train.epochs=1", "-b", "numpy", "--no-plots", "--out", "r")
    assert cli(*trained).code == 0
    err = cli("predict", "r", ".").err
    assert err.startswith("command line:1:1: error[E401]: '.': is not a regular file")


# --- plugins ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("{}['x']", "KeyError: 'x'"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_named(folder: Path, text: str, said: str) -> None:
    info = folder / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[wellposed.plugins]\nmine = a_plugin\n")
    (folder / "a_plugin.py").write_text(text + "\n")
    called = process("validate", "tiny.yaml", env={"PYTHONPATH": str(folder)})
    assert called.code == 2
    assert f"error[E015]: plugin mine (a_plugin) cannot be loaded: {said}" in called.err
