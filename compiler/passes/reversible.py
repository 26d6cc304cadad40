"""The way to y(T) with a derivative of its own: of its states nothing is kept but the last.

On the way back every step is undone, then cotangents are pulled back through it where it began:
the gradient of backprop but for the rounding of the steps that are undone (Gomez, Ren, Urtasun &
Grosse, "The reversible residual network", 2017; Chang et al., "Reversible architectures for
arbitrarily deep residual neural networks", 2018).
"""

from __future__ import annotations

from dataclasses import replace

from ..ir.expr import Expr, variable, variables
from ..ir.module import Call, Function, Let, Module, Result, Scan
from ..promises import claims
from ..promises.checked import checked
from .adjoint import Adjoint
from .reversed_scan import BACK, UNDO, Keep, ReversedScan, bar_name
from .segments import FINAL_STATE

PROPAGATE, STEP = "propagate", "step"
ADDED = (PROPAGATE, UNDO.format(STEP), BACK.format(STEP), BACK.format(PROPAGATE))
"""What the functions are called that come with it."""


@checked("reversible", claims.module_kept)
def reversible(module: Module) -> Module:
    """The module whose way to y(T) is undone, step by step, on the way back."""
    final = module.functions[FINAL_STATE]
    at = next(i for i, let in enumerate(final.body) if isinstance(let.value, Scan))
    targets, scan = final.body[at].targets, final.body[at].value
    assert isinstance(scan, Scan)
    propagate = _propagate(scan, module.functions[scan.step])
    adjoint = Adjoint(module, Keep.NOTHING, left=frozenset({scan.step}))
    back = _back(adjoint, propagate)
    call = Let(targets, Call(PROPAGATE, tuple(e for e in scan.operands if _is_given(e))))
    body = (*final.body[:at], call, *final.body[at + 1 :])
    functions: dict[str, Function] = {}
    for name, function in module.functions.items():
        functions[name] = replace(final, body=body) if name == FINAL_STATE else function
        if name == scan.step:
            functions |= {PROPAGATE: propagate, **adjoint.made, back.name: back}
    return module.with_functions(functions)


def _is_given(e: Expr) -> bool:
    """Is it handed on? The times of the steps are known without that."""
    return bool(variables(e))


def _propagate(scan: Scan, step: Function) -> Function:
    """The scan as a function: states and weights to the states behind all steps."""
    pairs = zip(step.params, scan.operands, strict=True)
    known = {e: variable(p.name, e.type) for p, e in pairs if _is_given(e)}
    init, xs, consts = (
        tuple(known.get(e, e) for e in operands) for operands in (scan.init, scan.xs, scan.consts)
    )
    ends = tuple(variable(e.name, e.type) for e in init)
    named = zip(step.results, ends, strict=True)
    return Function(
        name=PROPAGATE,
        role=step.role,
        params=tuple(known.values()),
        body=(Let(ends, replace(scan, init=init, xs=xs, consts=consts)),),
        results=tuple(Result(r.name, e, r.group) for r, e in named),
        doc=("All steps; of the states only the last are kept for the derivative.",),
        loc=step.loc,
        derivative=BACK.format(PROPAGATE),
    )


def _back(adjoint: Adjoint, propagate: Function) -> Function:
    """The derivative of all steps: it begins at the states behind them."""
    (statement,) = propagate.body
    assert isinstance(statement.value, Scan)
    start = len(statement.targets)
    seeds = tuple(variable(bar_name(e.name), e.type) for e in statement.targets)
    back = ReversedScan(adjoint, statement, statement.value, set(propagate.params))
    found = back.statement((), seeds)
    bars = dict(zip(back.of, found.targets[-len(back.of) :], strict=True))
    return Function(
        name=BACK.format(PROPAGATE),
        role=propagate.role,
        params=(*statement.targets, *propagate.params[start:], *seeds),
        body=(found,),
        results=tuple(Result(bar_name(p.name), bars[p], by=p.name) for p in propagate.params),
        doc=(f"The cotangents of what `{PROPAGATE}` takes, from those of its states.",),
        loc=propagate.loc,
        pullback_of=PROPAGATE,
    )
