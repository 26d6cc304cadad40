"""Programs that were tuned by hand and still are the spec: the whole ladder passes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from planting import in_process, specs

from wellposed.backends import registry
from wellposed.checking.ladder import check
from wellposed.checking.quantities import DOT
from wellposed.checking.report import Report
from wellposed.compiler.pipeline import compiled

SPEC = specs()["rk4"]
TANH = "torch.tanh(K @ y + b)"
OPERATION = """
@torch.library.custom_op("tuned::layer", mutates_args=())
def layer_of(y: Tensor, K: Tensor, b: Tensor) -> Tensor:
    return torch.tanh(K @ y + b)


def _keep(ctx, inputs, output):
    ctx.save_for_backward(inputs[0], inputs[1], output)


def _pull_back(ctx, g):
    y, K, f = ctx.saved_tensors
    q = FACTOR * g * (1 - f * f)
    return K.T @ q, q @ y.T, q.sum(1, keepdim=True)


layer_of.register_autograd(_pull_back, setup_context=_keep)


class Network("""

OWN_OPERATION = {TANH: "layer_of(y, K, b)", "\nclass Network(": OPERATION}
EDITS: dict[str, tuple[str, dict[str, str]]] = {
    "weights of another layout": (
        "torch",
        {
            TANH: "torch.tanh(K.T @ y + b)",
            "antisymmetric(self.K), ": "antisymmetric(self.K).mT, ",
            "antisymmetric(self.K[j])": "antisymmetric(self.K[j]).mT",
        },
    ),
    # torch drops its tangents without a word
    "an operation with a derivative of its own": (
        "torch",
        {name: new.replace("FACTOR * ", "") for name, new in OWN_OPERATION.items()},
    ),
    "checkpoints that torch.autograd.grad refuses": (
        "torch",
        {
            "y = step(y, *layer)\n        return y": "y = saved(y, *layer)\n        return y",
            "\nclass Network(": "\ndef saved(*given):\n"
            "    from torch.utils.checkpoint import checkpoint\n"
            "    if not torch.is_grad_enabled() or not any(a.requires_grad for a in given):\n"
            "        return step(*given)\n"
            "    return checkpoint(step, *given, use_reentrant=True)\n\n\nclass Network(",
        },
    ),
    "a mark of the order of bytes": ("torch", {'"""net: y': '\ufeff"""net: y'}),
    "the step of a time in Python": (
        "jax",
        {
            "jnp.floor(t / H + rounding).astype(int).clip(0, STEPS - 1)": "min("
            "max(int(t / H + 1e-9), 0), STEPS - 1)"
        },
    ),
}


def climbed(backend: str, edits: dict[str, str], folder: Path) -> Report:
    text = registry.get(backend).emit(compiled(SPEC).module)
    for old, new in edits.items():
        assert old in text, f"the emitted program no longer says {old!r}: tune it anew"
        text = text.replace(old, new)
    path = folder / "program.py"
    path.write_text(text, encoding="utf-8")
    return check(
        SPEC, programs={backend: path}, backends=(backend,), dtypes=("float64",), run=in_process
    )


@pytest.mark.parametrize("name", EDITS)
def test_a_tuned_program_passes(name: str, tmp_path: Path):
    backend, edits = EDITS[name]
    pytest.importorskip(backend)
    report = climbed(backend, edits, tmp_path)
    assert report.passed, report.message


def test_a_wrong_derivative_is_no_missing_forward_mode(tmp_path: Path):
    """Half of the gradient: the gradients say so, and the dot test too."""
    pytest.importorskip("torch")
    edits = {name: new.replace("FACTOR", "0.5") for name, new in OWN_OPERATION.items()}
    failed = {r.quantity for r in climbed("torch", edits, tmp_path).rungs if not r.passed}
    assert {"gradient K", DOT} <= failed
