"""The function of a program that calls an adaptive solver: torchdiffeq's or diffrax's.

Both choose a step for the row with the largest error: they accept it where the RMS over the state
of error / (atol + rtol |y|) is at most 1 for every row, and land on the last time asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiler.ir.module import Solve
from .document import INDENT, WIDTH, Doc, bracket, docstring, laid_out
from .expressions import NotPrinted

if TYPE_CHECKING:
    from .program import ProgramPrinter, Section

INTEGRATE, NORM, ADJOINT_NORM = "integrate", "largest_rms", "adjoint_norm"
NAMES = (NORM, ADJOINT_NORM, INTEGRATE)
CALLABLE, CAST = "from collections.abc import Callable", "from typing import cast"
TORCH_METHODS = ("dopri5",)
JAX_SOLVERS = {"dopri5": "Dopri5", "tsit5": "Tsit5"}
LOC = ("model", "integrator")
RMS = "The RMS over the state, of the row where it is largest: no row is solved worse for others."


def _head(program: ProgramPrinter) -> str:
    array = program.dialect.array
    given = [
        f"field: Callable[..., {array}]",
        f"y: {array}",
        f"times: {array}",
        f"*weights: {array}",
    ]
    return laid_out(bracket(f"def {program.own(INTEGRATE)}(", [*given], f") -> {array}:"))


def _doc(solve: Solve, library: str) -> str:
    given = "t, y, *weights" if solve.timed else "y, *weights"
    return f"y at these times, y' = field({given}), by {solve.by.name} of {library}."


def _field(solve: Solve, parameters: str) -> str:
    return f"lambda {parameters}: field({'t, ' * solve.timed}y, *weights)"


def _keys(program: ProgramPrinter, solve: Solve, **names: str) -> dict[str, str]:
    """The keys that the spec gives a value, by what the library calls them."""
    given = {n: key for key, n in names.items() if getattr(solve.by, key) is not None}
    return {name: program.constant(key.upper()) for name, key in given.items()}


# --- torchdiffeq -----------------------------------------------------------------------------


def torch_import(solve: Solve) -> str:
    return f"from torchdiffeq import {_torch_function(solve)}"


def _torch_function(solve: Solve) -> str:
    return "odeint" if solve.adjoint is None else "odeint_adjoint"


def torch_sections(program: ProgramPrinter, solve: Solve) -> list[Section]:
    """Raises NotPrinted."""
    if solve.by.kind not in TORCH_METHODS:
        methods = " or ".join(TORCH_METHODS)
        raise NotPrinted(f"torchdiffeq has no {solve.by.kind}: PyTorch takes {methods}", LOC)
    norm, constant = program.own(NORM), program.constant
    options = {"norm": norm, "max_num_steps": constant("MAX_STEPS"), "step_t": "times[[0, -1]]"}
    options |= _keys(program, solve, first_step="first_step", min_step="min_step")
    entries: list[Doc] = [f'"{key}": {value}' for key, value in options.items()]
    arguments: list[Doc] = [_field(solve, "t, y"), "y", "times"]
    arguments += [f"rtol={constant('RTOL')}", f"atol={constant('ATOL')}"]
    arguments += [f'method="{solve.by.kind}"', "options=options"]
    if solve.adjoint is not None:
        arguments += [f"adjoint_rtol={constant('ADJOINT_RTOL')}"]
        arguments += [f"adjoint_atol={constant('ADJOINT_ATOL')}", "adjoint_params=weights"]
    return [
        [
            f"def {norm}(error: Tensor) -> Tensor:",
            docstring([RMS]),
            "    return error.detach().square().mean(dim=0).sqrt().max()",
        ],
        [
            _head(program),
            docstring([_doc(solve, "torchdiffeq")]),
            _line("options = ", bracket("{", entries, "}")),
            _line("ys = ", bracket(f"{_torch_function(solve)}(", arguments, ")")),
            "    return cast(Tensor, ys)",
        ],
    ]


# --- diffrax ---------------------------------------------------------------------------------


def jax_import(solve: Solve) -> str:
    names = ["RESULTS", *["BacksolveAdjoint"] * (solve.adjoint is not None)]
    names += [JAX_SOLVERS[solve.by.kind], "ODETerm", "PIDController", "SaveAt", "diffeqsolve"]
    names.sort(key=lambda name: (not name.isupper(), name[0].islower(), name))
    line = f"from diffrax import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join(["from diffrax import (", *(f"    {name}," for name in names), ")"])


def jax_sections(program: ProgramPrinter, solve: Solve) -> list[Section]:
    norm, constant = program.own(NORM), program.constant
    rest: list[Doc] = [f"{n}={v}" for n, v in _keys(program, solve, min_step="dtmin").items()]
    tolerances: list[Doc] = [f"rtol={constant('RTOL')}", f"atol={constant('ATOL')}"]
    controller = bracket("PIDController(", [*tolerances, f"norm={norm}", *rest], ")")
    first = _keys(program, solve, first_step="first").get("first")
    arguments: list[Doc] = [
        f"ODETerm({_field(solve, 't, y, weights')})",
        f"{JAX_SOLVERS[solve.by.kind]}()",
        "t0=times[0]",
        "t1=times[-1]",
        f"dt0={'None' if first is None else f'jnp.sign(times[-1] - times[0]) * {first}'}",
        "y0=y",
        "args=weights",
        "saveat=SaveAt(ts=times)",
        ("stepsize_controller=", controller),
        f"max_steps={constant('MAX_STEPS')}",
        "throw=False",
    ]
    sections = [
        [
            f"def {norm}(error: Array) -> Array:",
            docstring([RMS]),
            "    return jnp.sqrt(jnp.mean(error**2, axis=0)).max()",
        ]
    ]
    if solve.adjoint is not None:
        arguments.insert(-2, _backsolve(program, rest))
        sections.append(_adjoint_norm(program))
    doc = f"{_doc(solve, 'diffrax')} NaN where it gives up."
    return [
        *sections,
        [
            _head(program),
            docstring([doc]),
            _line("solution = ", bracket("diffeqsolve(", arguments, ")")),
            "    ys = cast(Array, solution.ys)",
            "    return jnp.where(solution.result == RESULTS.successful, ys, jnp.nan)",
        ],
    ]


def _backsolve(program: ProgramPrinter, rest: list[Doc]) -> Doc:
    rtol, atol = program.constant("ADJOINT_RTOL"), program.constant("ADJOINT_ATOL")
    given: list[Doc] = [f"rtol={rtol}", f"atol={atol}", f"norm={program.own(ADJOINT_NORM)}", *rest]
    controller: Doc = ("stepsize_controller=", bracket("PIDController(", given, ")"))
    return bracket("adjoint=BacksolveAdjoint(", [controller, "throw=True"], ")")


def _adjoint_norm(program: ProgramPrinter) -> Section:
    norm = program.own(NORM)
    return [
        f"def {program.own(ADJOINT_NORM)}(error: tuple) -> Array:",
        docstring(["That of the state, of its cotangent, and the RMS of each weight's cotangent."]),
        "    y, y_bar, *others = error",
        "    sizes = [jnp.sqrt(jnp.mean(e**2)) for e in jax.tree.leaves(others)]",
        f"    return jnp.stack([{norm}(y), {norm}(y_bar), *sizes]).max()",
    ]


def _line(before: str, doc: Doc) -> str:
    return " " * INDENT + laid_out((before, doc), INDENT)
