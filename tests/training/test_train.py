"""The run folder and its life: whole, stopped, killed anywhere, resumed, tampered with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from wellposed.compiler.pipeline import compiled
from wellposed.data.dataset import Dataset
from wellposed.spec.model import Spec
from wellposed.training import checkpoint as checkpoints
from wellposed.training.checkpoint import RunError, read_checkpoint
from wellposed.training.origin import Origin
from wellposed.training.progress import Quiet
from wellposed.training.results import Result
from wellposed.training.run import open_run
from wellposed.training.scores import ACCURACY
from wellposed.training.table import best_epoch, final_table
from wellposed.training.train import train

from .conftest import Tiny, make_spec

TEXT = b"# \xce\xb3 as given\r\nwellposed: 1\n"


def go(out: Path, model: Tiny, dataset: Dataset, spec: Spec | None = None, **kwargs: Any) -> Result:
    return train(compiled(spec or make_spec()), model, dataset, out, progress=Quiet(), **kwargs)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def numbers(out: Path) -> list[dict[str, Any]]:
    """The metrics without the time they took."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in lines(out)]


def assert_same_run(out: Path, other: Path) -> None:
    assert numbers(out) == numbers(other)
    for name in ("checkpoint.safetensors", "weights.safetensors"):
        assert (out / name).read_bytes() == (other / name).read_bytes()


def test_a_run_folder_holds_all_of_the_run(tmp_path: Path, model: Tiny, dataset: Dataset) -> None:
    out = tmp_path / "runs" / "a"
    origin = Origin(TEXT, ("train.epochs=6",), tmp_path / "specs")
    result = go(out, model, dataset, origin=origin)
    assert (result.status, result.epoch, result.exit_code) == ("finished", 6, 0)
    assert sorted(p.name for p in out.iterdir()) == [
        ".lock",
        "best.safetensors",
        "checkpoint.safetensors",
        "environment.json",
        "metrics.jsonl",
        "resolved.yaml",
        "result.json",
        "run.json",
        "spec.yaml",
        "tiny_net_numpy.txt",
        "weights.safetensors",
    ]
    assert (out / "spec.yaml").read_bytes() == TEXT
    assert (out / "tiny_net_numpy.txt").read_text() == model.source
    assert [p.name for p in out.parent.iterdir()] == ["a"]
    run = open_run(out)
    assert run.overrides == ("train.epochs=6",)
    assert run.base.resolve() == (tmp_path / "specs").resolve()
    for file in ("environment.json", "run.json", "resolved.yaml", "result.json"):
        assert str(tmp_path) not in (out / file).read_text()


def test_the_resolved_spec_reads_as_the_spec(tmp_path: Path, model: Tiny, dataset: Dataset) -> None:
    out = go(tmp_path / "a", model, dataset).folder
    assert Spec.model_validate(yaml.safe_load((out / "resolved.yaml").read_text())) == make_spec()
    assert (out / "spec.yaml").read_bytes() == (out / "resolved.yaml").read_bytes()


def test_metrics_are_what_they_say(tmp_path: Path, model: Tiny, dataset: Dataset) -> None:
    spec = make_spec(batch=None, schedule={"kind": "step", "every": 2, "factor": 0.1})
    result = go(tmp_path / "a", model, dataset, spec)
    rows, w = lines(tmp_path / "a"), model.init(3)
    assert rows == result.metrics
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0]["loss"] == model.loss(w, dataset.train.x, dataset.train.targets)
    assert rows[0]["lr"] == 0.05 and rows[2]["lr"] == pytest.approx(0.005)
    norm = sum((g**2).sum() for g in model.gradient(w, *_examples(dataset)).values()) ** 0.5
    assert rows[0]["gradient_norm"] == pytest.approx(norm, rel=1e-14)
    logits = model.forward(result.weights, dataset.validation.x)
    hits = logits.argmax(axis=1) == dataset.validation.targets
    assert rows[-1]["validation_accuracy"] == np.mean(hits)
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert (tmp_path / "a" / "environment.json").read_text().count("numpy") >= 2


def _examples(dataset: Dataset) -> tuple[np.ndarray, Any]:
    return dataset.train.x, dataset.train.targets


def test_the_loss_of_an_epoch_is_the_mean_over_examples(
    tmp_path: Path, model: Tiny, dataset: Dataset
) -> None:
    """45 examples by 20: the short batch of 5 weighs 5, not 20. The rate is too small to matter."""
    spec = make_spec(optimizer={"kind": "sgd", "lr": 1e-13}, batch=20, epochs=1)
    result = go(tmp_path / "a", model, dataset, spec)
    whole = model.loss(model.init(3), *_examples(dataset))
    assert result.metrics[0]["loss"] == pytest.approx(whole, rel=1e-11)


def test_weights_and_checkpoint_are_the_final_ones(
    tmp_path: Path, model: Tiny, dataset: Dataset
) -> None:
    result = go(tmp_path / "a", model, dataset)
    saved = load_file(tmp_path / "a" / "weights.safetensors")
    checkpoint = read_checkpoint(tmp_path / "a" / "checkpoint.safetensors")
    assert checkpoint.epoch == 6 and checkpoint.state["count"] == 6 * 7
    assert saved.keys() == checkpoint.weights.keys() == result.weights.keys()
    for name, weight in result.weights.items():
        assert saved[name].shape == weight.shape == model.init(0)[name].shape
        np.testing.assert_array_equal(saved[name], weight)
        np.testing.assert_array_equal(checkpoint.weights[name], weight)


@pytest.mark.parametrize("stops", [(1, 2), (5,), (3, 3)])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(
    tmp_path: Path, model: Tiny, dataset: Dataset, stops: tuple[int, ...]
) -> None:
    schedule = {"kind": "cosine", "final": 1e-3, "warmup": 1}
    spec = make_spec(schedule=schedule, clip=0.1)
    go(tmp_path / "whole", model, dataset, spec)
    for i, stop in enumerate(stops):
        result = go(tmp_path / "parts", model, dataset, spec, stop_after=stop, resume=i > 0)
        done = sum(stops[: i + 1])
        assert (result.status, result.exit_code) == ("stopped" if done < 6 else "finished", 0)
        assert result.epoch == done == len(lines(tmp_path / "parts"))
    result = go(tmp_path / "parts", model, dataset, spec, resume=True)
    assert result.status == "finished"
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_the_comparison_sees_a_forgotten_optimizer_state(
    tmp_path: Path, model: Tiny, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(tmp_path / "whole", model, dataset)
    go(tmp_path / "parts", model, dataset, stop_after=3)
    load = checkpoints.read_checkpoint

    def forgetful(path: Path) -> Any:
        found = load(path)
        fresh = {name: 0 * part for name, part in found.state.items()}
        return checkpoints.Checkpoint(found.epoch, found.weights, fresh, found.spec)

    monkeypatch.setattr("wellposed.training.run.read_checkpoint", forgetful)
    go(tmp_path / "parts", model, dataset, resume=True)
    with pytest.raises(AssertionError):
        assert_same_run(tmp_path / "parts", tmp_path / "whole")


class Killed(BaseException):
    """Stands for a SIGKILL: nobody catches it."""


@pytest.mark.parametrize("torn", [False, True], ids=["before", "torn"])
@pytest.mark.parametrize("write", range(12))
def test_a_kill_at_any_write_leaves_a_run_that_goes_on(
    tmp_path: Path,
    model: Tiny,
    dataset: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    write: int,
    torn: bool,
) -> None:
    """The write-th replacement of a file is never made; `torn`: half of its bytes lie aside."""
    go(tmp_path / "whole", model, dataset)
    replace, count = checkpoints.replace, iter(range(100))

    def killing(path: Path, data: bytes) -> None:
        if next(count) == write:
            if torn:
                path.with_name(f".{path.name}.0.new").write_bytes(data[: len(data) // 2])
            raise Killed
        replace(path, data)

    with monkeypatch.context() as patch:
        patch.setattr("wellposed.training.run.replace", killing)
        patch.setattr("wellposed.training.checkpoint.replace", killing)
        with pytest.raises(Killed):
            go(tmp_path / "a", model, dataset)
    if not (tmp_path / "a").exists():
        assert not list(tmp_path.glob(".a*"))
        go(tmp_path / "a", model, dataset)
    else:
        go(tmp_path / "a", model, dataset, resume=True)
    assert_same_run(tmp_path / "a", tmp_path / "whole")
    assert not list((tmp_path / "a").glob("*.new"))


def test_a_torn_line_of_metrics_is_written_again(
    tmp_path: Path, model: Tiny, dataset: Dataset
) -> None:
    go(tmp_path / "whole", model, dataset)
    go(tmp_path / "a", model, dataset, stop_after=2)
    with (tmp_path / "a" / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "lo')
    go(tmp_path / "a", model, dataset, resume=True)
    assert_same_run(tmp_path / "a", tmp_path / "whole")


def test_an_interrupt_leaves_the_last_whole_epoch(
    tmp_path: Path, model: Tiny, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(tmp_path / "whole", model, dataset)
    gradient, calls = model.gradient, iter(range(1000))

    def interrupted(*args: Any, draw: int = 0) -> Any:
        if next(calls) == 17:  # the fourth step of epoch 3
            raise KeyboardInterrupt
        return gradient(*args)

    with monkeypatch.context() as patch:
        patch.setattr(model, "gradient", interrupted)
        result = go(tmp_path / "a", model, dataset)
    assert (result.status, result.epoch, result.exit_code) == ("interrupted", 2, 130)
    assert json.loads((tmp_path / "a" / "result.json").read_text())["status"] == "interrupted"
    go(tmp_path / "a", model, dataset, resume=True)
    assert_same_run(tmp_path / "a", tmp_path / "whole")


def test_a_finished_run_stays_as_it_is(tmp_path: Path, model: Tiny, dataset: Dataset) -> None:
    first = go(tmp_path / "a", model, dataset)
    before = {p.name: p.read_bytes() for p in first.folder.iterdir()}
    again = go(tmp_path / "a", model, dataset, resume=True)
    assert again.status == "finished" and again.metrics == first.metrics
    assert {p.name: p.read_bytes() for p in first.folder.iterdir()} == before


def test_the_other_backend_may_go_on(tmp_path: Path, model: Tiny, dataset: Dataset) -> None:
    go(tmp_path / "a", model, dataset, stop_after=2)
    model.backend, model.source = "jax", "def forward(): ..."
    assert go(tmp_path / "a", model, dataset, resume=True).status == "finished"
    sessions = json.loads((tmp_path / "a" / "environment.json").read_text())
    assert [session["backend"] for session in sessions] == ["numpy", "jax"]
    assert sessions[1]["versions"].keys() == {"wellposed", "numpy", "jax", "jaxlib"}
    assert (tmp_path / "a" / "tiny_net_jax.py").read_text() == model.source


def test_a_run_is_never_overwritten(tmp_path: Path, model: Tiny, dataset: Dataset) -> None:
    (tmp_path / "a").mkdir()
    go(tmp_path / "a", model, dataset)  # an empty folder is none that is lost
    before = (tmp_path / "a" / "weights.safetensors").read_bytes()
    with pytest.raises(RunError, match=r"not empty.*resume"):
        go(tmp_path / "a", model, dataset)
    assert (tmp_path / "a" / "weights.safetensors").read_bytes() == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="is a file"):
        go(tmp_path / "file", model, dataset)
    with pytest.raises(RunError, match="cannot be made"):
        go(tmp_path / "file" / "below", model, dataset)
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "file"]


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _drop(path: Path, key: str) -> None:
    facts = json.loads(path.read_text())
    del facts[key]
    path.write_text(json.dumps(facts))


TAMPERED = {
    "spec changed": (lambda a: (a / "spec.yaml").write_bytes(b"wellposed: 1\n"), "was changed"),
    "override changed": (
        lambda a: (a / "run.json").write_text(
            (a / "run.json").read_text().replace('"overrides": []', '"overrides": ["seed=1"]')
        ),
        "was changed",
    ),
    "no run.json": (lambda a: (a / "run.json").unlink(), "is no run"),
    "run.json a list": (lambda a: (a / "run.json").write_text("[]"), "is no run"),
    "run.json without a key": (lambda a: _drop(a / "run.json", "content"), "is no run"),
    "no spec": (lambda a: (a / "spec.yaml").unlink(), "is no run"),
    "no checkpoint": (lambda a: (a / "checkpoint.safetensors").unlink(), "has no checkpoint"),
    "checkpoint torn": (
        lambda a: (a / "checkpoint.safetensors").write_bytes(
            (a / "checkpoint.safetensors").read_bytes()[:-8]
        ),
        "damaged",
    ),
    "checkpoint empty": (lambda a: (a / "checkpoint.safetensors").write_bytes(b""), "damaged"),
    "one bit": (lambda a: _flip(a / "checkpoint.safetensors"), "damaged"),
    "weights for it": (
        lambda a: (a / "weights.safetensors").replace(a / "checkpoint.safetensors"),
        "damaged",
    ),
    "metrics": (lambda a: (a / "metrics.jsonl").write_text("what\n"), "metrics.jsonl cannot"),
    "metrics of nothing": (lambda a: (a / "metrics.jsonl").write_text("[]\n"), "cannot be read"),
    "metrics cut": (lambda a: (a / "metrics.jsonl").write_text('{"epoch": 1}\n'), "no row of"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_resume_refuses_what_is_no_run_of_this_spec(
    tmp_path: Path, model: Tiny, dataset: Dataset, name: str
) -> None:
    tamper, message = TAMPERED[name]
    go(tmp_path / "a", model, dataset, stop_after=1)
    tamper(tmp_path / "a")
    with pytest.raises(RunError, match=message):
        go(tmp_path / "a", model, dataset, resume=True)


def test_resume_refuses_a_folder_that_is_none_and_a_checkpoint_of_another_run(
    tmp_path: Path, model: Tiny, dataset: Dataset
) -> None:
    with pytest.raises(RunError, match="is no run"):
        go(tmp_path / "nowhere", model, dataset, resume=True)
    assert not (tmp_path / "nowhere").exists()
    go(tmp_path / "a", model, dataset, stop_after=1)
    go(tmp_path / "b", model, dataset, make_spec(epochs=9), stop_after=1)
    with pytest.raises(RunError, match="does not say what it said"):
        go(tmp_path / "a", model, dataset, make_spec(epochs=9), resume=True)
    (tmp_path / "b" / "checkpoint.safetensors").replace(tmp_path / "a" / "checkpoint.safetensors")
    with pytest.raises(RunError, match="another spec"):
        go(tmp_path / "a", model, dataset, resume=True)


def test_resume_refuses_weights_of_another_shape(
    tmp_path: Path, model: Tiny, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(tmp_path / "a", model, dataset, stop_after=1)
    monkeypatch.setattr(model, "init", lambda seed: {"g": np.array(0.1), "W": np.zeros((2, 4))})
    with pytest.raises(RunError, match="not of this network"):
        go(tmp_path / "a", model, dataset, resume=True)


def test_what_cannot_be_trained_is_refused(tmp_path: Path, model: Tiny, dataset: Dataset) -> None:
    with pytest.raises(RunError, match="at least one epoch"):
        go(tmp_path / "a", model, dataset, stop_after=0)
    spec = make_spec().model_copy(update={"train": None})
    with pytest.raises(RunError, match="no `train`"):
        go(tmp_path / "a", model, dataset, spec)
    assert not (tmp_path / "a").exists()


def test_an_origin_is_the_bytes_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_bytes(TEXT)
    origin = Origin((tmp_path / "m.yaml").read_bytes(), ("seed=1",), tmp_path)
    assert origin == Origin(TEXT, ("seed=1",), tmp_path)
    assert origin.digest != Origin(TEXT, (), tmp_path).digest


def test_the_model_learns_and_the_table_says_so(
    tmp_path: Path, model: Tiny, dataset: Dataset
) -> None:
    result = go(tmp_path / "a", model, dataset, make_spec(epochs=30))
    table = dict(final_table(result))
    assert table["status"] == "finished" and table["epochs"] == "30 of 30"
    assert table["weights"] == "10 numbers in 3 arrays"
    assert float(table["validation accuracy"].removesuffix(" %")) >= 95
    best = best_epoch(result.metrics, ACCURACY)
    assert best is not None
    scores = [(r["validation_accuracy"], -r["validation_loss"]) for r in result.metrics]
    assert scores.index(max(scores)) == best["epoch"] - 1
