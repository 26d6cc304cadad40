"""The operands of the field: what the program's own `operands` makes of the raw weights."""

from __future__ import annotations

from ...backends.framework_model import FrameworkModel
from ...backends.model import Model
from ...backends.run_numpy import NumpyModel
from ...compiler.ir.program import Program
from ..compare import Array
from ..probes import Probes, Weights
from ..quantities import Answers, NotOffered


def applies(program: Program, probes: Probes) -> bool:
    """A field of the user's may have no weights."""
    return bool(program.layer)


def ask(model: Model, probes: Probes) -> Answers:
    """`random/K`, `random/b`, …: the operands of all steps, vectors as columns."""
    return {
        f"{name}/{stage}": array
        for name, weights in probes.weights.items()
        for stage, array in operands(model, weights).items()
    }


def operands(model: Model, weights: Weights) -> dict[str, Array]:
    """Stage name → the operand of all steps (one when shared).

    Raises NotOffered for a program without `operands`, which a user's need not have.
    """
    if isinstance(model, NumpyModel):
        return model.reference.operand_stacks(weights)
    if not isinstance(model, FrameworkModel) or not model.offers("operands"):
        raise NotOffered("operands")
    stages = [model.program.stage_name(*taken) for taken in model.program.layer]
    found = model.parts("operands", weights)
    if len(found) != len(stages):
        raise ValueError(f"operands gives {len(found)} arrays, not {', '.join(stages)}")
    return dict(zip(stages, found, strict=True))
