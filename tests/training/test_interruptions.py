"""A training that is killed within an epoch, and two that want the same run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wellposed.backends.stepper import Stepper
from wellposed.compiler.pipeline import compiled
from wellposed.data.dataset import Dataset
from wellposed.training import checkpoint as checkpoints
from wellposed.training.checkpoint import RunError, read_checkpoint
from wellposed.training.lock import locked
from wellposed.training.progress import Quiet
from wellposed.training.results import Result
from wellposed.training.train import train

from .conftest import Tiny, make_spec

PER_EPOCH = 7
"""Updates: 45 examples by 7, the last batch of 3."""


def go(out: Path, model: Tiny, dataset: Dataset, **how: Any) -> Result:
    return train(compiled(make_spec(epochs=2)), model, dataset, out, progress=Quiet(), **how)


def assert_same_run(out: Path, other: Path) -> None:
    rows, others = (
        [row.rsplit(b'"seconds"')[0] for row in (run / "metrics.jsonl").read_bytes().splitlines()]
        for run in (out, other)
    )
    assert rows == others
    for name in ("checkpoint.safetensors", "weights.safetensors"):
        assert (out / name).read_bytes() == (other / name).read_bytes()


class Killed(BaseException):
    """Stands for a SIGKILL: nobody catches it."""


def killed_at(patch: pytest.MonkeyPatch, update: int) -> None:
    """Die in the update of this number (from 0) of the call."""
    step, count = Stepper.step, iter(range(10_000))

    def dying(*arguments: Any) -> Any:
        if next(count) == update:
            raise Killed
        return step(*arguments)

    patch.setattr(Stepper, "step", dying)


@pytest.fixture
def every_update_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wellposed.training.loop.KEEP_EVERY", 0.0)


def test_a_short_epoch_is_repeated_from_its_start(
    tmp_path: Path, model: Tiny, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No minute has passed: the epoch begins again, with the same batches."""
    go(tmp_path / "whole", model, dataset)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_at(patch, PER_EPOCH + 4)
        go(tmp_path / "a", model, dataset)
    found = read_checkpoint(tmp_path / "a/checkpoint.safetensors")
    assert (found.epoch, len(found.taken)) == (1, 0)
    go(tmp_path / "a", model, dataset, resume=True)
    assert_same_run(tmp_path / "a", tmp_path / "whole")


@pytest.mark.parametrize("update", range(1, 2 * PER_EPOCH))
@pytest.mark.usefixtures("every_update_is_kept")
def test_a_long_epoch_goes_on_where_it_was(
    tmp_path: Path,
    model: Tiny,
    dataset: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    update: int,
) -> None:
    go(tmp_path / "whole", model, dataset)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_at(patch, update)
        go(tmp_path / "a", model, dataset)
    found = read_checkpoint(tmp_path / "a/checkpoint.safetensors")
    assert (found.epoch, len(found.taken)) == divmod(update, PER_EPOCH)
    assert found.state["count"] == update
    with monkeypatch.context() as patch:
        killed_at(patch, 2 * PER_EPOCH - update)  # it takes no update twice
        go(tmp_path / "a", model, dataset, resume=True)
    assert_same_run(tmp_path / "a", tmp_path / "whole")


@pytest.mark.parametrize("write", range(3, 36, 3))
@pytest.mark.usefixtures("every_update_is_kept")
def test_a_kill_at_any_write_within_an_epoch(
    tmp_path: Path,
    model: Tiny,
    dataset: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    write: int,
) -> None:
    go(tmp_path / "whole", model, dataset)
    replace, count = checkpoints.replace, iter(range(1000))

    def killing(path: Path, data: bytes) -> None:
        if next(count) == write:
            path.with_name(f".{path.name}.0.new").write_bytes(data[: len(data) // 2])
            raise Killed
        replace(path, data)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("wellposed.training.run.replace", killing)
        patch.setattr("wellposed.training.checkpoint.replace", killing)
        go(tmp_path / "a", model, dataset)
    go(tmp_path / "a", model, dataset, resume=True)
    assert_same_run(tmp_path / "a", tmp_path / "whole")
    assert not list((tmp_path / "a").glob("*.new"))


@pytest.mark.usefixtures("every_update_is_kept")
def test_the_comparison_sees_a_forgotten_place(
    tmp_path: Path, model: Tiny, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(tmp_path / "whole", model, dataset)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_at(patch, 4)
        go(tmp_path / "a", model, dataset)
    monkeypatch.setattr("wellposed.training.checkpoint.TAKEN", "epoch/elsewhere")
    go(tmp_path / "a", model, dataset, resume=True)
    with pytest.raises(AssertionError):
        assert_same_run(tmp_path / "a", tmp_path / "whole")


def test_weights_that_overflow_are_never_kept(
    tmp_path: Path, model: Tiny, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint of them would make every resume diverge at once."""
    monkeypatch.setattr("wellposed.training.loop.KEEP_EVERY", 0.0)
    monkeypatch.setattr("wellposed.training.train.diagnose", lambda *arguments: None)
    weights, count = Stepper.weights, iter(range(1000))

    def overflowing(stepper: Stepper) -> dict[str, np.ndarray]:
        found = weights(stepper)
        return {n: w * np.inf for n, w in found.items()} if next(count) == 6 else found

    monkeypatch.setattr(Stepper, "weights", overflowing)
    assert go(tmp_path / "a", model, dataset).status == "diverged"
    found = read_checkpoint(tmp_path / "a/checkpoint.safetensors")
    assert all(np.isfinite(w).all() for w in found.weights.values())
    assert len(found.taken) == 3


# --- two processes --------------------------------------------------------------------------------


def test_a_run_that_is_trained_is_not_resumed_too(
    tmp_path: Path, model: Tiny, dataset: Dataset
) -> None:
    out = go(tmp_path / "a", model, dataset, stop_after=1).folder
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    with locked(out), pytest.raises(RunError, match=r"/a is being trained by process \d+: wait"):
        go(out, model, dataset, resume=True)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    assert go(out, model, dataset, resume=True).status == "finished"


HOLD = """
import sys
from pathlib import Path
from wellposed.training.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_goes_with_its_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        message = f"is being trained by process {holder.pid}:"
        with pytest.raises(RunError, match=message), locked(tmp_path):
            raise AssertionError("it was locked twice")
        holder.kill()
        holder.wait()
        with locked(tmp_path):
            pass
    finally:
        holder.kill()
        holder.communicate()


def test_a_folder_that_cannot_be_locked_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    with pytest.raises(RunError, match="cannot be written"), locked(tmp_path):
        raise AssertionError("it was locked")
