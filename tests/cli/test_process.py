"""The command line as a process: what it imports, how it ends, what a terminal sees."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import process, start

HEAVY = {"torch", "jax", "jaxlib", "matplotlib", "sklearn"}
LIGHT_CALLS = {
    ("--help",): {"numpy", "scipy", "pydantic"},
    ("ls",): {"scipy"},
    ("validate", "digits-antisymmetric"): {"scipy"},
    ("show", "ellipses-antisymmetric"): set(),  # the digits themselves are those of scikit-learn
    ("schema",): {"numpy", "scipy"},
    ("init", "ellipses-resnet"): {"scipy"},
}
PROBE = """
import sys
from wellposed.cli.app import run
code = run(sys.argv[1:])
print(sorted({name.split(".")[0] for name in sys.modules}), file=sys.stderr)
sys.exit(code)
"""


def imported(*arguments: str, code: str = PROBE) -> set[str]:
    command = [sys.executable, "-c", code, *arguments]
    env = {name: value for name, value in os.environ.items() if name != "WELLPOSED_CHECK_PASSES"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return set(json.loads(done.stderr.replace("'", '"')))


@pytest.mark.parametrize("arguments", LIGHT_CALLS, ids=lambda arguments: arguments[0])
def test_light_verbs_import_nothing_heavy(folder: Path, arguments: tuple[str, ...]) -> None:
    assert imported(*arguments) & (HEAVY | LIGHT_CALLS[arguments]) == set()


def test_the_package_imports_nothing_heavy(folder: Path) -> None:
    code = "import sys, wellposed, wellposed.api\n" + PROBE.splitlines()[-2]
    assert imported(code=code) & HEAVY == set()


def test_emitting_programs_needs_no_framework(folder: Path) -> None:
    assert imported("compile", "tiny.yaml") & HEAVY == set()


def test_the_reference_trains_without_a_framework(folder: Path) -> None:
    call = ("train", "tiny.yaml", "--backend", "numpy", "--no-plots")
    assert imported(*call) & HEAVY == set()


def test_exit_codes_of_the_process(folder: Path) -> None:
    assert process("validate", "tiny.yaml").code == 0
    refused = process("validate", "tiny.yaml", "seed=-1")
    assert refused.code == 2 and refused.out == ""
    assert process("--version").out.startswith("wellposed ")


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["at the end", "at once"])
def test_a_closed_pipe_gives_no_traceback(folder: Path, unbuffered: str) -> None:
    started = start("ls", env=os.environ | {"PYTHONUNBUFFERED": unbuffered})
    assert started.stdout is not None and started.stderr is not None
    started.stdout.close()
    assert started.wait(60) == 141
    assert started.stderr.read() == ""
    started.stderr.close()


def test_a_terminal_without_unicode_is_no_error(folder: Path) -> None:
    called = process("show", "tiny.yaml", env={"PYTHONIOENCODING": "ascii"})
    assert called.code == 0 and called.err == ""


ENDINGS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


@pytest.mark.parametrize(("number", "code", "status"), ENDINGS)
def test_ctrl_c_and_sigterm_keep_the_run(
    folder: Path, number: signal.Signals, code: int, status: str
) -> None:
    call = ("train", "tiny.yaml", "train.epochs=1000000", "--backend", "numpy", "--out", "a")
    started = start(*call)
    metrics = folder / "a/metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    started.send_signal(number)
    out, err = started.communicate(timeout=60)
    assert started.returncode == code
    assert "Traceback" not in err and "wellposed resume a" in out and status in out
    result = json.loads((folder / "a/result.json").read_text())
    assert result["status"] == status and result["metrics"]["epoch"] == result["epoch"] >= 1
    assert process("evaluate", "a", "--json").json["epoch"] >= 1


def on_terminal(*arguments: str, env: dict[str, str]) -> str:
    """What the call writes when its output is a terminal."""
    leader, follower = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | env
    started = start(*arguments, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    written = b""
    try:
        while chunk := os.read(leader, 4096):
            written += chunk
    except OSError:  # Linux says so when the other side is closed
        pass
    os.close(leader)
    started.wait(60)
    return written.decode()


def test_errors_are_coloured_on_a_terminal_unless_no_color_is_set(folder: Path) -> None:
    bad = ("validate", "tiny.yaml", "seed=-1")
    coloured = on_terminal(*bad, env={"TERM": "xterm-256color"})
    assert "\x1b[1;31merror[E102]\x1b[0m" in coloured
    plain = on_terminal(*bad, env={"TERM": "xterm-256color", "NO_COLOR": "1"})
    assert "error[E102]" in plain and "\x1b" not in plain


def test_training_on_a_terminal_shows_a_bar(folder: Path) -> None:
    call = ("train", "tiny.yaml", "--backend", "numpy", "--no-plots")
    shown = on_terminal(*call, env={"TERM": "xterm-256color"})
    assert "epoch 4/4" in shown and "━" in shown and "finished" in shown
