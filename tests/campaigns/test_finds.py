"""What fuzzing has found, each find as the small spec that it was shrunk to."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from campaigns.fuzz import trial
from campaigns.fuzz.coverage import keys_of_its_own
from wellposed.compiler.analysis.describe import describe
from wellposed.compiler.pipeline import compiled
from wellposed.spec.model import Spec

SIMPLEST = {
    "wellposed": 1,
    "name": "net",
    "model": {"state": 2, "vector_field": "layer", "time": {"horizon": 1.0, "steps": 1}},
}
CLASSIFIER = {"kind": "classifier", "classes": 2}
FEW_KEYS = 5

VALID: dict[str, dict[str, Any]] = {
    # ended the docstring of the program
    "quotes in the reference": {"reference": '"""'},
    "a backslash in the reference": {"reference": "\\"},
    "lines in the reference": {"reference": "a\nb"},
    # the reference held a stack of no node for no stack
    "smoothness over one step": {
        "model": {"readout": CLASSIFIER},
        "regularizers": [{"kind": "smoothness", "of": ["K"], "alpha": 0.5}],
    },
    # the slope 1 − tanh² of a saturated tanh has few right digits, in every program
    "saturation": {
        "model": {
            "vector_field": "hamiltonian",
            "time": {"horizon": 20, "steps": 1},
            "integrator": "verlet",
            "readout": CLASSIFIER,
        }
    },
    # and so has the slope σ (1 − σ) of a saturated sigmoid
    "a saturated hypothesis": {
        "model": {
            "vector_field": "second-order",
            "time": {"horizon": 20, "steps": 1},
            "integrator": "leapfrog",
            "readout": {**CLASSIFIER, "hypothesis": "logistic", "loss": "least-squares"},
        }
    },
    # the pass over the step was held to a tolerance without the size of h²
    "a step of 20": {
        "model": {
            "vector_field": "second-order",
            "time": {"horizon": 20, "steps": 1},
            "integrator": "leapfrog",
        }
    },
    # torch.sign makes 0 of NaN
    "the slope of abs at NaN": {
        "model": {
            "state": {"y": 2, "z": 2},
            "vector_field": {"kind": "custom", "hamiltonian": "sum(abs(y)) * 0.5"},
        }
    },
    # the scale of a batch without rows was asked for
    "a batch without rows": {
        "model": {
            "state": {"y": 2, "z": 2},
            "vector_field": {
                "kind": "custom",
                "hamiltonian": "sum(log(cosh(y))) + 0.1 * y.T @ z",
            },
            "integrator": "midpoint",
        }
    },
    # a slope of 1e59 − 1e59 plus that of the penalty was held to the scale of the penalty's
    "a penalty next to 1e30": {
        "model": {
            "state": 1,
            "parametrization": "antisymmetric",
            "integrator": "midpoint",
            "readout": CLASSIFIER,
        },
        "regularizers": [{"kind": "weight-decay", "of": ["K"], "alpha": 0.5}],
    },
    # the softmax of far logits is one class: what is left of its slopes has few right digits
    "a saturated softmax": {
        "model": {
            "state": 3,
            "time": {"horizon": 40, "steps": 1},
            "integrator": "midpoint",
            "readout": CLASSIFIER,
        }
    },
    # W − Wᵀ of one component is 0: W is pulled by g − g, between which the slope of α is lost
    "a penalty next to what cancels": {
        "model": {"state": 1, "parametrization": "antisymmetric", "readout": "regression"},
        "task": "regression",
        "regularizers": [{"kind": "weight-decay", "of": ["K"], "alpha": 1e-20}],
    },
    # a slope that is one number for all components had no axis of steps
    "a slope that is a number": {
        "model": {
            "state": {"y": 2, "z": 2},
            "vector_field": {
                "kind": "custom",
                "hamiltonian": "sum(log(cosh(y))) + sum(abs(z)) * 0.5 + 0.1 * y.T @ z",
            },
            "integrator": "midpoint",
        }
    },
    # the check failed, since there were no weights to compare
    "no weights": {"model": {"vector_field": {"kind": "custom", "equations": {"y": "tanh(y)"}}}},
}

NEARLY_VALID: dict[str, tuple[str, list[str]]] = {
    # mending went on inside a mapping that it had left out
    "a typo and a missing key": (
        "wellposed: 1\nname: net\nmodel:\n  :vector_field: layer\n  time: {horizon: 1, steps: 1}\n",
        ["E104", "E103"],
    ),
}


def joined(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """The spec with these keys, mappings below `model` included."""
    return {**base, **more, "model": {**base["model"], **more.get("model", {})}}


@pytest.mark.parametrize("keys", VALID.values(), ids=VALID)
def test_valid(keys: dict[str, Any], tmp_path: Path) -> None:
    plain = joined(copy.deepcopy(SIMPLEST), keys)
    assert len(keys_of_its_own(plain)) <= FEW_KEYS
    outcome = trial.valid(plain, tmp_path)
    assert (outcome.verdict, outcome.detail) == ("agrees", "")


@pytest.mark.parametrize(("text", "codes"), NEARLY_VALID.values(), ids=NEARLY_VALID)
def test_nearly_valid(text: str, codes: list[str], tmp_path: Path) -> None:
    outcome = trial.nearly_valid(text, tmp_path)
    assert (outcome.verdict, outcome.find) == ("refused", "")
    assert [code for code in codes if f"[{code}]" not in outcome.detail] == []


def test_a_large_state_is_described_without_its_jacobians() -> None:
    """It ended in a MemoryError: 6 GB for two Jacobians of 20,000 components."""
    field = {"kind": "custom", "equations": {"y": "tanh(y)"}}
    plain = joined(SIMPLEST, {"model": {"state": 20_000, "vector_field": field}})
    (finding,) = describe(compiled(Spec.model_validate(plain))).findings
    assert finding.code == "W203"  # tanh(y): Re λ ∈ [0, 1]
    assert "1 step, 1 outer eigenvalue of 20000: Re λ in [1, 1]" in finding.evidence
