"""Specs to plant bugs in, and the check run in this process: what the worker does, without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wellposed.backends import registry
from wellposed.checking.job import Job
from wellposed.checking.ladder import check
from wellposed.checking.process import Outcome
from wellposed.checking.quantities import answers
from wellposed.checking.report import Report
from wellposed.compiler.lower import lower
from wellposed.spec.model import Spec

STEPS = 5
CLASSIFIER = {"kind": "classifier", "classes": 3}


def spec(model: dict[str, Any], **top: Any) -> Spec:
    """A float64 spec of 5 steps on [0, 2] with seed 5."""
    weights = model.pop("weights", "per-step")
    time = {"horizon": 2, "steps": STEPS, "weights": weights}
    plain = {"wellposed": 1, "name": "net", "seed": 5, "dtype": "float64", **top}
    return Spec.model_validate({**plain, "model": {"time": time, **model}})


def specs() -> dict[str, Spec]:
    """One of every kind of program text that the bugs are planted in."""
    antisymmetric = {"kind": "antisymmetric", "gamma": 0.2}
    logistic = {"hypothesis": "logistic", "loss": "least-squares"}
    penalties = [
        {"kind": "smoothness", "of": ["K", "b"], "alpha": 1e-2},
        {"kind": "weight-decay", "of": ["W"], "alpha": 1e-2},
    ]
    return {
        "rk4": spec(
            {
                "state": 3,
                "lift": "linear",
                "vector_field": "layer",
                "parametrization": antisymmetric,
                "integrator": "rk4",
                "readout": CLASSIFIER,
            },
            regularizers=penalties,
        ),
        "mlp": spec(
            {
                "state": 3,
                "vector_field": {"kind": "mlp", "hidden": [4], "time_input": True},
                "weights": "linear",
                "integrator": "heun",
                "readout": {"kind": "regression", "outputs": 2},
            },
            task="regression",
        ),
        "leapfrog": spec(
            {
                "state": 3,
                "vector_field": "second-order",
                "integrator": "leapfrog",
                "readout": CLASSIFIER | logistic,
            }
        ),
        "verlet": spec(
            {
                "state": {"y": 3, "z": 2},
                "vector_field": "hamiltonian",
                "integrator": "verlet",
                "readout": CLASSIFIER,
            }
        ),
        "shared": spec(
            {
                "state": 2,
                "vector_field": {"kind": "layer", "bias": "scalar"},
                "parametrization": "negative-gram",
                "weights": "shared",
                "integrator": "midpoint",
            }
        ),
    }


def in_process(job: Job, limit: float) -> Outcome:
    """The worker's own loop, in this process."""
    program = lower(job.spec)
    return Outcome(dict(answers(lambda d: job.load(program, d), list(job.keys), job.probes)))


def edited(given: Spec, backend: str, old: str, new: str) -> str:
    """The emitted text with its last `old` replaced."""
    text = registry.get(backend).emit(lower(given))
    assert old in text, f"the emitted program no longer says {old!r}: plant the bug anew"
    before, _, after = text.rpartition(old)
    return before + new + after


def check_text(
    given: Spec,
    backend: str,
    text: str,
    folder: Path,
    dtypes: tuple[str, ...] = ("float64",),
) -> Report:
    """The report on a program's text, run in this process."""
    path = folder / "program.py"
    path.write_text(text, encoding="utf-8")
    return check(
        given, programs={backend: path}, backends=(backend,), dtypes=dtypes, run=in_process
    )
