"""The certificate and the disagreement matrix."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planting import check_text, edited, in_process, specs

import wellposed
from wellposed.checking import inline, process
from wellposed.checking.job import Job
from wellposed.checking.ladder import check
from wellposed.checking.process import Outcome
from wellposed.checking.quantities import TRAJECTORY
from wellposed.checking.ways import Matrix, Way, matrix
from wellposed.spec.node import content_hash

SPECS = specs()
ALLOWED = {(TRAJECTORY, "float64"): 1e-6}


@pytest.fixture(scope="module")
def certificate() -> dict[str, Any]:
    report = check(SPECS["rk4"], steps=20, run=in_process)
    assert report.passed, report.message
    return json.loads(json.dumps(report.to_json(), allow_nan=False))


def test_it_says_what_was_checked_and_by_what(certificate: dict[str, Any]):
    spec = SPECS["rk4"]
    assert certificate["spec_hash"] == content_hash(spec)
    assert certificate["dtype"] == "float64" and certificate["device"] == "cpu"
    assert {"wellposed", "numpy", "torch", "jax"} <= certificate["versions"].keys()
    text = wellposed.compile(spec, "jax").source
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert certificate["programs"]["jax"] == {"sha256": digest, "given": False}
    assert "TF32 off" in certificate["precision"]["float32 products"]


def test_every_rung_has_a_figure_a_tolerance_and_the_reason_of_it(certificate: dict[str, Any]):
    levels = {rung["rung"] for rung in certificate["rungs"]}
    assert levels == {"L0", "L1", "L2", "L3", "L4", "L5", "L6", "L7"}
    for rung in certificate["rungs"]:
        assert rung["passed"] is True
        assert isinstance(rung["worst"], float) and isinstance(rung["tolerance"], float)
        assert len(rung["tolerance_from"]) > 5
    reasons = {rung["quantity"]: rung["tolerance_from"] for rung in certificate["rungs"]}
    assert reasons["weights"] == "equality"
    assert "DOP853" in reasons["order"] and "growth" in reasons["gradient K"]


def test_a_file_of_the_users_is_named(tmp_path: Path):
    text = edited(SPECS["rk4"], "torch", "def init", "def init")
    plain = check_text(SPECS["rk4"], "torch", text, tmp_path).to_json()
    assert plain["programs"]["torch"]["given"] is True
    assert "order" not in {rung["quantity"] for rung in plain["rungs"]}  # of emitted programs only


def test_all_ways_to_run_a_spec_agree():
    found = matrix(SPECS["shared"])
    names = [str(way) for way in found.ways]
    assert names[0] == "numpy float64"
    assert {"torch float64", "torch float32", "jax float64", "jax float32"} <= set(names)
    assert found.passed and not [*found.departures()]
    table = found.distances[TRAJECTORY]
    assert np.allclose(table, table.T) and (np.diag(table) == 0).all()
    i, j = names.index("torch float64"), names.index("jax float32")
    assert 1e-10 < table[i, j] < 1e-5
    assert json.loads(json.dumps(found.to_json()))["passed"] is True
    assert all(line.count(":") for line in found.missing)


def test_a_way_that_departs_is_named_with_its_level():
    ways = (Way("numpy", "float64"), Way("jax", "float32", "cuda"))
    apart = np.array([[0.0, 1e-3], [1e-3, 0.0]])
    near = np.array([[0.0, 1e-7], [1e-7, 0.0]])
    allowed = {(q, d): 1e-6 for q in ("vector field", "trajectory") for d in ("float64", "float32")}
    found = Matrix("net", ways, {"vector field": near, "trajectory": apart}, allowed)
    assert not found.passed
    (said,) = found.departures()
    assert said == "numpy float64 and jax float32 cuda part at L2, trajectory: 1.0e-03"


def test_nothing_is_no_agreement():
    ways = (Way("numpy", "float64"), Way("jax", "float64"))
    none = np.full((2, 2), np.nan)
    found = Matrix("net", ways, {TRAJECTORY: none}, ALLOWED)
    assert not found.passed
    assert next(iter(found.rows(TRAJECTORY)))[1] == "–"


def test_the_reference_alone_is_no_agreement():
    only = Matrix("net", (Way("numpy", "float64"),), {TRAJECTORY: np.zeros((1, 1))}, ALLOWED)
    assert not only.passed and not [*only.departures()]


def test_what_cannot_be_judged_is_no_agreement():
    ways = (Way("numpy", "float64"), Way("jax", "float64"))
    allowed = {(TRAJECTORY, "float64"): np.inf}
    found = Matrix("net", ways, {TRAJECTORY: np.full((2, 2), np.inf)}, allowed)
    assert not found.passed
    assert [*found.departures()] == ["L2, trajectory: not judged, the spec is ill-posed"]


@pytest.mark.parametrize(
    ("reason", "passed"),
    [
        ("NoDevice: torch sees no device cuda", True),
        ("InductorError: InvalidCxxCompiler: none found", True),
        ("BackendError: torch is not installed: pip install …", False),
        ("the process died of signal 11", False),
    ],
)
def test_a_way_may_be_missing_but_not_fail(
    reason: str, passed: bool, monkeypatch: pytest.MonkeyPatch
):
    """Of the two ways through torch, the compiled one gives no answer."""

    def run(job: Job, limit: float) -> Outcome:
        return Outcome({}, reason) if job.is_compiled or job.device != "cpu" else inline.run(job, 0)

    monkeypatch.setattr(process, "run", run)
    found = matrix(SPECS["shared"], ["torch"])
    assert found.passed is passed
    said = found.missing if passed else found.failed
    assert f"torch.compile: {reason}" in said and "torch float64" in map(str, found.ways)


def test_the_compiled_way_runs_the_compiled_step(monkeypatch: pytest.MonkeyPatch):
    torch = pytest.importorskip("torch")
    seen: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda f: seen.append(f) or f)
    model: Any = wellposed.compile(SPECS["rk4"], "torch")
    step = model.native.step
    model.compile()
    assert seen == [step]
    assert str(Way("torch", "float64", compiled=True)) == "torch.compile float64"
