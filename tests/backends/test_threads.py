"""How many threads share an operation: by its work, and never by the load of the machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from specs import Case

from wellposed import api
from wellposed.backends import threads
from wellposed.backends.model import Model
from wellposed.backends.registry import BackendError
from wellposed.backends.threads import Threads, cores, on_threads, threads_for
from wellposed.compiler.analysis.cost import largest_operation
from wellposed.compiler.front.load import load
from wellposed.compiler.pipeline import compiled
from wellposed.spec.model import Spec
from wellposed.training.progress import Quiet


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(threads.SAID, raising=False)


def model(backend: str = "torch", state: int = 2, **changes: Any) -> Model:
    made = compiled(Spec.model_validate(Case("layer").plain(state=state, **changes)))
    return api.model_of(made, backend)


@pytest.mark.parametrize(
    ("field", "state", "batch", "flops"),
    [
        ("layer", 40, 10, 2 * 40 * 40 * 10),  # K y
        ("layer", 40, 1, 2 * 40 * 40),
    ],
)
def test_the_largest_operation_is_a_product_with_the_batch(
    field: str, state: int, batch: int, flops: int
):
    case = Case(field, integrator="rk4")
    module = compiled(Spec.model_validate(case.plain(state=state))).module
    assert largest_operation(module, batch) >= flops
    assert largest_operation(module, 2 * batch) <= 2 * largest_operation(module, batch)


def test_of_weights_that_are_made_the_product_counts_too():
    case = Case("layer", "negative-gram")
    module = compiled(Spec.model_validate(case.plain(state=40))).module
    assert largest_operation(module, 1) == 2 * 40**3  # Cᵀ C


def test_small_operations_are_not_shared_and_large_ones_are():
    small = threads_for(model(), 1000)
    large = threads_for(model(state=100), 1000)
    assert small is not None and small.count == 1 and "too few to share" in str(small)
    assert large is not None and large.count == cores()
    assert "on 1,000 examples takes 20,000,000 FLOP" in str(large)


def test_what_is_said_goes_before_the_rule(monkeypatch: pytest.MonkeyPatch):
    net: Any = model()
    monkeypatch.setenv(threads.SAID, "3")
    with on_threads(net, Threads(3, "")):
        assert threads_for(net, 1000) == Threads(3, "by OMP_NUM_THREADS")
    assert threads_for(net, 1000, asked=2) == Threads(2, "as asked for")


@pytest.mark.parametrize("backend", ["jax", "numpy"])
def test_other_backends_share_by_themselves(backend: str):
    assert threads_for(model(backend), 1000) is None
    with pytest.raises(BackendError, match=f"{backend} on cpu shares its work by itself"):
        threads_for(model(backend), 1000, asked=2)


def test_a_model_computes_on_as_many_as_were_chosen_and_then_as_before():
    net: Any = model()
    before = net.threads
    with on_threads(net, Threads(before + 1, "")):
        assert net.threads == before + 1
    assert net.threads == before


class Told(Quiet):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def opening(self, line: str) -> None:
        self.lines.append(line)


def trainable() -> Spec:
    changes = ["data.train=20", "data.validation=5", "train.batch=10", "train.epochs=2"]
    return load("ellipses-antisymmetric", ["model.time.steps=4", *changes])


def test_a_run_says_records_and_keeps_its_threads(tmp_path: Path):
    """A resumed run goes on as it was begun, whatever is said now: its sums are in this order."""
    told, run = Told(), tmp_path / "run"
    how: dict[str, Any] = {"progress": told, "plots": False}
    api.train(trainable(), out=run, stop_after=1, threads=min(2, cores()), **how)
    api.resume(run, **how)
    count = min(2, cores())
    assert [line.rpartition(": ")[2] for line in told.lines] == [
        "as asked for",
        "as the run was begun",
    ]
    recorded = json.loads((run / "environment.json").read_text())
    assert [entry["threads"] for entry in recorded] == [count, count]
    assert json.loads((run / "run.json").read_text())["threads"] == count


def test_without_a_word_it_is_one_thread(tmp_path: Path):
    told, run = Told(), tmp_path / "run"
    api.train(trainable(), out=run, progress=told, plots=False)
    assert told.lines[0].startswith("trains on torch, cpu, 1 thread: the largest operation on 10 ")
    (entry,) = json.loads((run / "environment.json").read_text())
    assert entry["threads"] == 1
