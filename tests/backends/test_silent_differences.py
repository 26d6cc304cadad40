"""Where PyTorch and JAX differ without saying so, and what pins each: rows of docs/checking.md.

Every test shows first that the frameworks do differ (a pin that is not needed any more should be
seen), then that the two programs do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import wellposed
from wellposed.backends import registry
from wellposed.backends.model import ArgumentError, Model
from wellposed.backends.optimizers import clip_scale
from wellposed.compiler.pipeline import compiled
from wellposed.spec.model import Spec
from wellposed.spec.training import AdamW

ROOT = Path(__file__).parents[2]
BACKENDS = ("torch", "jax", "numpy")
EXACT = 4 * np.finfo(np.float64).eps
Array = np.ndarray
Test = Callable[[], None]
ROWS: dict[str, Test] = {}


def row(name: str) -> Callable[[Test], Test]:
    """Puts a test into the table, under the name that its row has in the documentation."""

    def add(test: Test) -> Test:
        ROWS[name] = test
        return test

    return add


def spec_of(model: dict[str, Any]) -> Spec:
    """A float64 spec of this model."""
    return Spec.model_validate({"wellposed": 1, "name": "net", "dtype": "float64", "model": model})


def models(**model: Any) -> list[Model]:
    """The model in torch, in JAX and in the reference."""
    module = compiled(spec_of(model)).module
    return [registry.get(b).load(module, registry.get(b).emit(module)) for b in BACKENDS]


def layer(activation: str) -> dict[str, Any]:
    return {
        "state": 1,
        "vector_field": {"kind": "layer", "activation": activation, "bias": "none"},
        "time": {"horizon": 1, "steps": 1, "weights": "shared"},
        "readout": {"kind": "classifier", "classes": 2},
    }


def fields(activation: str, at: list[float]) -> list[Array]:
    """σ at these points in all three."""
    weights = {"K": np.eye(1), "W": np.ones((1, 2)), "mu": np.zeros(2)}
    x = np.array(at)[:, None]
    return [m.vector_field(weights, 0.0, x)[:, 0] for m in models(**layer(activation))]


def slopes(activation: str, k: float) -> list[float]:
    """∂ loss / ∂ K, K = k, at x = 1, where the loss sees y(1) = 1 + σ(K)."""
    weights = {"K": np.array([[k]]), "W": np.array([[1.0, -1.0]]), "mu": np.zeros(2)}
    x, targets = np.ones((1, 1)), np.zeros(1, np.int64)
    return [float(m.gradient(weights, x, targets)["K"][0, 0]) for m in models(**layer(activation))]


def all_close(found: list[Any], tolerance: float = EXACT) -> bool:
    *others, reference = (np.asarray(f) for f in found)
    return all(np.allclose(f, reference, rtol=tolerance, atol=tolerance) for f in others)


@row("gelu")
def _gelu() -> None:
    x = np.linspace(-3, 3, 31)
    default = np.asarray(jax.nn.gelu(jnp.asarray(x, jnp.float32)))
    exact = torch.nn.functional.gelu(torch.tensor(x)).numpy()
    assert np.max(np.abs(default - exact)) > 1e-4
    assert all_close(fields("gelu", list(x)))


@row("softplus beyond 20")
def _softplus() -> None:
    x = 20.5
    cut = torch.nn.functional.softplus(torch.tensor(x, dtype=torch.float64)).item()
    assert abs(cut - np.logaddexp(x, 0)) > 1e-10
    assert all_close([f / x for f in fields("softplus", [x])])


@row("derivative of abs at 0")
def _abs() -> None:
    assert jax.grad(jnp.abs)(0.0) == 1
    x = torch.zeros((), requires_grad=True)
    x.abs().backward()
    assert x.grad is not None and x.grad.item() == 0
    custom = {
        "state": {"y": 1},
        "vector_field": {
            "kind": "custom",
            "weights": {"K": {"shape": ["y", "y"]}},
            "equations": {"y": "abs(K @ y)"},
        },
        "time": {"horizon": 1, "steps": 1, "weights": "shared"},
        "readout": {"kind": "classifier", "classes": 2},
    }
    weights = {"K": np.zeros((1, 1)), "W": np.array([[1.0, -1.0]]), "mu": np.zeros(2)}
    x, targets = np.ones((1, 1)), np.zeros(1, np.int64)
    assert [m.gradient(weights, x, targets)["K"][0, 0] for m in models(**custom)] == [0, 0, 0]


@row("derivative of relu at 0")
def _relu() -> None:
    assert jax.grad(lambda x: jnp.maximum(x, 0.0))(0.0) == 0.5
    assert slopes("relu", 0.0) == [0, 0, 0]


@row("derivative of a step")
def _heaviside() -> None:
    """torch.heaviside has none: the field of a Hamiltonian of relu would not train."""
    derived = {"kind": "custom", "hamiltonian": "sum(relu(z)) + sum(relu(y) * y)"}
    x = torch.ones((), requires_grad=True)
    with pytest.raises(RuntimeError, match=r"not implemented|does not require grad"):
        torch.heaviside(x, torch.zeros(())).backward()
    spec = spec_of(layer("relu") | {"vector_field": derived, "state": {"y": 1, "z": 1}})
    text = registry.get("torch").emit(compiled(spec).module)
    assert ".sign()" in text and "heaviside" not in text


@row("sign of NaN")
def _sign() -> None:
    assert torch.sign(torch.tensor(torch.nan)) == 0
    assert jnp.isnan(jnp.sign(jnp.nan))
    derived = {"kind": "custom", "hamiltonian": "sum(abs(y)) + sum(relu(z) * z)"}
    model = {"state": {"y": 1, "z": 1}, "vector_field": derived}
    time = {"horizon": 1, "steps": 1, "weights": "shared"}
    for m in models(**model, time=time):
        assert np.isnan(m.vector_field({}, 0.0, np.full((1, 2), np.nan))).all()


@row("float64 arrays")
def _float64() -> None:
    with jax.enable_x64(False):
        assert jnp.asarray(np.ones(1, np.float64)).dtype == jnp.float32
    assert torch.tensor(np.ones(1, np.float64)).dtype == torch.float64
    for model in models(**layer("tanh")):
        assert model.vector_field({**_weights(), "K": np.eye(1)}, 0.0, np.ones((1, 1))).dtype == (
            np.float64
        )


@row("classes out of range")
def _range() -> None:
    x = jnp.arange(3)
    assert x[7] == 2  # clamped
    with pytest.raises(IndexError):
        torch.arange(3)[7]
    for model in models(**layer("tanh")):
        with pytest.raises(ArgumentError, match="classes go from 0 to 1"):
            model.loss(_weights(), np.ones((1, 1)), np.array([2]))


@row("integer type")
def _integers() -> None:
    with jax.enable_x64(False):
        assert jnp.asarray(np.zeros(1, np.int64)).dtype == jnp.int32
    losses = [
        m.loss(_weights(), np.ones((2, 1)), np.array([0, 1])) for m in models(**layer("tanh"))
    ]
    assert all_close(losses)


@row("default decay of AdamW")
def _decay() -> None:
    assert torch.optim.AdamW([torch.zeros(1)]).defaults["weight_decay"] == 1e-2
    assert AdamW(lr=1e-3).weight_decay == 1e-2  # in the spec, hence in both


@row("clipping by norm")
def _clipping() -> None:
    """torch's clip_grad_norm_ divides by ‖g‖ + 1e-6."""
    g = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    g.grad = g.detach().clone()
    torch.nn.utils.clip_grad_norm_([g], 1.0)
    assert abs(float(g.grad.norm()) - 1) > 1e-8
    assert clip_scale(np.float64(5.0), 1.0) * 5.0 == 1.0


@row("powers of negative numbers")
def _powers() -> None:
    with np.errstate(invalid="ignore"):
        assert np.isnan(np.power(-2.0, 3.0000001))
    assert fields("cubic", [-2.0])[0] == -8
    assert all_close(fields("cubic", [-2.0, 0.0, 1.5]))


@row("random numbers")
def _random() -> None:
    drawn = [m.init(3) for m in models(**layer("tanh"))]
    assert all((d[n] == drawn[0][n]).all() for d in drawn for n in d)
    assert not re.search(r"torch\.(rand|manual_seed)|jax\.random", _texts())


@row("matrix products in float32 on GPUs")
def _tf32() -> None:
    models(**layer("tanh"))
    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32
    (_, model, _) = models(**layer("tanh"))
    lowered = _lowered(model)
    assert "HIGHEST" in lowered


@row("views and memory")
def _memory() -> None:
    x = np.ones((2, 1))
    torch.from_numpy(x).add_(1)
    assert x[0, 0] == 2  # shared with NumPy, where JAX copies
    given = np.ones((2, 1))
    for model in models(**layer("tanh")):
        model.trajectory(_weights(), given)
    assert (given == 1).all()


def _weights() -> dict[str, Array]:
    return {"K": np.ones((1, 1)), "W": np.array([[1.0, -1.0]]), "mu": np.zeros(2)}


def _texts() -> str:
    module = compiled(spec_of(layer("tanh"))).module
    return "\n".join(registry.get(name).emit(module) for name in ("torch", "jax"))


def _lowered(model: Any) -> str:
    """What XLA is given for one step."""
    with model.settings():
        return model.compiled("forward").lower(_weights(), np.ones((1, 1))).as_text()


@pytest.mark.parametrize("name", ROWS)
def test_a_silent_difference_is_pinned(name: str) -> None:
    ROWS[name]()


def test_the_documentation_has_a_row_for_each() -> None:
    text = (ROOT / "docs" / "checking.md").read_text(encoding="utf-8")
    table = text.partition("## Silent differences")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)[1:]
    assert listed == list(ROWS)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("t", [np.nan, np.inf, -np.inf])
def test_a_time_that_is_no_finite_number_is_refused_alike(t: float, backend: str):
    model = {"state": 2, "vector_field": "layer", "time": {"horizon": 1, "steps": 2}}
    spec = Spec.model_validate({"wellposed": 1, "name": "m", "model": model})
    loaded = wellposed.compile(spec, backend)
    with pytest.raises(ArgumentError, match="not a finite number"):
        loaded.vector_field(loaded.init(), t, np.zeros((1, 2)))
