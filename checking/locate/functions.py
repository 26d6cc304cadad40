"""Which equation each function of an emitted program computes."""

from __future__ import annotations

from ...backends.emit_field import parametrization_name, rate_name
from ...compiler.ir.program import Program

EQUATIONS = {
    "stream": "init",
    "init": "init",
    "step": "step",
    "operands": "path",
    "layers": "path",
    "initial_state": "lift",
    "final_state": "path",
    "trajectory": "path",
    "forward": "readout",
    "likelihoods": "loss",
    "loss": "loss",
}


def equation_of(program: Program, function: str) -> str:
    """The equation that a function of this name computes; '' for any other name."""
    rates = {rate_name(program, block): f"field {block}" for block in program.blocks}
    made = {
        parametrization_name(o): f"parametrization {o.name}"
        for o in program.operands
        if not o.is_raw
    }
    kinds = {f"regularizer {p.regularizer.kind}" for p in program.penalties}
    penalty = {"regularizer": kinds.pop()} if len(kinds) == 1 else {}
    return (EQUATIONS | rates | made | penalty).get(function, "")
