"""The head of an emitted program: what the network is, in the words of its field."""

from __future__ import annotations

from collections.abc import Sequence

from .._version import __version__
from ..compiler.ir.program import Program
from ..compiler.ir.text import definition, equations, mathematics, number
from ..compiler.stability import structural_claims
from ..spec.node import content_hash
from ..spec.readouts import Classifier
from .dialects import Dialect
from .layout import WIDTH, docstring, fold

LABEL = 15
WEIGHTS = {
    "per-step": "one weight for each step",
    "linear": "linear in time between N + 1 nodes",
    "shared": "one weight shared by all steps",
}


def header(program: Program, dialect: Dialect) -> str:
    """The module docstring. The same spec gives the same bytes."""
    rows: list[tuple[str, str]] = [
        ("Vector field", _field(program)),
        *(("", text) for text in _definitions(program)),
        ("Integrator", _integrator(program)),
        ("Weights", f"{WEIGHTS[program.mode]}; {program.weight_count:,} numbers"),
        *_objective(program),
        *_labelled("Stability", structural_claims(program)),
        *_labelled("Reference", _reference(program)),
    ]
    lines = [f"{program.name}: {'; '.join(_equations(program))},  0 <= t <= T.", ""]
    lines += [line for label, text in rows for line in _row(label, text)]
    lines += ["", *_provenance(program, dialect)]
    return docstring(lines, indent=0)


def _row(label: str, text: str) -> list[str]:
    hang = " " * LABEL
    return fold(f"{label:<{LABEL}}{text}", WIDTH, hang)


def _labelled(label: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    return [(label if i == 0 else "", text) for i, text in enumerate(texts)]


def _reference(program: Program) -> list[str]:
    """The user's words on one line."""
    words = " ".join(program.spec.reference.split())
    return [words] if words else []


def _equations(program: Program) -> list[str]:
    found = equations(program.field, program.order)
    return found if program.order == 1 else [*found, "y'(0) = 0"]


def _field(program: Program) -> str:
    blocks = ", ".join(f"{name} in R^{n}" for name, n in program.blocks.items())
    kind = program.spec.model.vector_field.kind
    derived = ""
    if program.hamiltonian is not None:
        derived = f", from H = {mathematics(program.hamiltonian)}"
    return f"{kind}, {blocks}{derived}"


def _definitions(program: Program) -> list[str]:
    made = [o for o in program.operands if not o.is_raw]
    return [f"{definition(o)}{_parameters(o.parametrization)}" for o in made]


def _parameters(parametrization: object) -> str:
    gamma = getattr(parametrization, "gamma", None)
    return f", γ = {number(gamma)}" if gamma else ""


def _integrator(program: Program) -> str:
    time = program.spec.model.time
    h = f"h = T/N = {number(time.horizon)}/{time.steps} = {time.step:.6g}"
    plural = "s" if time.steps != 1 else ""
    return f"{program.integrator.name}, N = {time.steps} step{plural} of {h}"


def _objective(program: Program) -> list[tuple[str, str]]:
    readout = program.spec.model.readout
    if readout is None or program.readout is None:
        return []
    kind = f"{readout.outputs_count} outputs, least squares"
    if isinstance(readout, Classifier):
        kind = f"{readout.classes} classes, {readout.hypothesis}, {readout.loss}"
    rows = [("Readout", f"{mathematics(program.readout)}; {kind}")]
    texts = [
        f"{r.kind} of {', '.join(r.of)}, α = {number(r.alpha)}" for r in program.spec.regularizers
    ]
    return rows + _labelled("Regularizer", texts)


def _provenance(program: Program, dialect: Dialect) -> list[str]:
    return [
        f"Written by wellposed {__version__} ({dialect.title}) from the spec {program.name}, "
        f"{content_hash(program.spec)[:8]}.",
        "It imports nothing of wellposed: change the spec and compile again, or own this file.",
    ]
