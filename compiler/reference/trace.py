"""Loss and gradient of one batch, operation by operation, each with its place in the spec.

It is the reference's own run, watched: every statement of every function, each value rounded to
the dtype of a training, so that what overflows there overflows here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..ir.expr import Expr, build, substitute, variable
from ..ir.module import Function, Module, Role
from ..ir.problem import Loc, RawWeight
from ..ir.text import mathematics
from ..ir.types import columns, stored
from ..passes.adjoint import LOSS_GRADIENT, with_loss_gradient
from ..semantics.evaluate import Evaluator
from ..semantics.interpreter import Evaluated, Interpreter
from ..semantics.meaning import Array
from .chance import loss_arguments

Weights = Mapping[str, Array]


@dataclass(frozen=True)
class Place:
    """A part of a program: what it is called, its key in the spec, its layer (1 … N)."""

    equation: str
    loc: Loc
    layer: int | None = None
    by: str = ""
    """In the gradient: what the part is differentiated by."""
    role: Role | None = None
    """That of the function; None for what is in no function: data, norms, an optimizer."""

    @property
    def is_in_step(self) -> bool:
        """Does it belong to the step of a layer: a right-hand side, or a line of the method?"""
        return self.layer is not None and self.role in (Role.FIELD, Role.STEP)


@dataclass(frozen=True, eq=False)
class Stage:
    """Expressions that were evaluated together, with the values of all their nodes.

    `text` is what a reader knows them by: `y' = tanh(K y + b)`; `names` are those of the results.
    """

    place: Place
    text: str
    names: tuple[str, ...]
    evaluator: Evaluator
    values: list[Array]
    given: Mapping[Expr, Array] = field(default_factory=dict)
    """Variables before they were rounded, where that is known."""
    arguments: Mapping[Expr, Expr] = field(default_factory=dict)
    """What the parameters of a generic function stand for."""
    by: tuple[str, ...] = ()
    """In a gradient: what each result is the cotangent of, empty where it is none."""

    def node(self, i: int) -> Expr:
        """A node, in terms of what the function was called on."""
        return substitute(self.evaluator.order[i], self.arguments)

    def place_of(self, result: int) -> Place:
        """The place of a result: in a gradient each is by another variable."""
        return replace(self.place, by=self.by[result]) if self.by else self.place


def traced(
    module: Module,
    weights: Weights,
    x: Array,
    targets: Array,
    dtype: str,
    see: Callable[[Stage], None],
) -> dict[str, Array]:
    """∂ loss / ∂ θ of every raw weight; `see` is told of every stage as it is evaluated.

    Features x (s, d); targets as the loss takes them.
    """
    narrowed = rounding_to(dtype)
    gradient = with_loss_gradient(module)
    if not module.is_of_series:  # where what is missing is no number, as it should be
        for stage in _data(x, targets, narrowed):
            see(stage)
    run = Interpreter(gradient, lambda e: see(_stage(gradient, e)), narrowed)
    given = [*loss_arguments(module, np.asarray(x, float), targets), np.asarray(1.0)]
    held = {name: np.asarray(w, float) for name, w in weights.items()}
    with np.errstate(all="ignore"):
        _, *found = run.run(LOSS_GRADIENT, given, held)
    slopes = {w.name: g for w, g in zip(module.trained, found, strict=True)}
    for stage in _norms(module, slopes, narrowed):
        see(stage)
    return slopes


def rounding_to(dtype: str) -> Callable[[Array], Array] | None:
    """Rounding of float64 values to those of a narrower dtype; integers stay what they are."""
    if dtype == "float64":
        return None

    def rounded(value: Array) -> Array:
        if np.asarray(value).dtype.kind != "f":
            return value
        with np.errstate(all="ignore"):
            return np.asarray(value).astype(dtype).astype(np.float64)

    return rounded


def _data(x: Array, targets: Array, narrowed: Callable[[Array], Array] | None) -> Iterator[Stage]:
    """Features and targets, as they are given."""
    given = {"x": np.asarray(x, float).T, "C": np.asarray(targets, float)}
    given["C"] = given["C"].T if given["C"].ndim == 2 else given["C"][None]
    if not given["C"].size:
        del given["C"]
    for name, value in given.items():
        leaf = variable(name, columns((len(value),)))
        evaluator = Evaluator(leaf)
        values = evaluator.every({leaf: value}, None, narrowed)
        yield Stage(Place("data", ("data",)), name, (name,), evaluator, values, {leaf: value})


def _stage(module: Module, e: Evaluated) -> Stage:
    """What the interpreter evaluated, with its place."""
    function = e.function
    primal = module.functions.get(function.pullback_of, function)
    layer = e.steps[-1] + 1 if e.steps else None
    place = Place(primal.equation, primal.loc, layer, role=primal.role)
    text = _text(primal, e)
    return Stage(place, text, e.targets, e.evaluator, e.values, arguments=e.arguments, by=e.by)


def _text(primal: Function, e: Evaluated) -> str:
    """The equation that the function is of; else what was evaluated."""
    if primal.role is Role.FIELD:
        return primal.doc[0].rstrip(".")
    roots = [e.evaluator.order[i] for i in e.evaluator.results]
    names = e.targets
    if any(e.by):
        roots, names = list(primal.values), tuple(r.name for r in primal.results)
    pairs = zip(names, (substitute(root, e.arguments) for root in roots), strict=False)
    return "; ".join(f"{name} = {mathematics(root)}" for name, root in pairs)


def _norms(
    module: Module, slopes: Weights, narrowed: Callable[[Array], Array] | None
) -> Iterator[Stage]:
    """Σ g² of every weight and of all."""
    squares: dict[Expr, Array] = {}
    for w in module.trained:
        g = variable(f"{w.name}\u0304", stored(w.step_shape, *w.time))
        square = build("sum", g**2)
        evaluator = Evaluator(square)
        with np.errstate(all="ignore"):
            values = evaluator.every({g: slopes[w.name]}, None, narrowed)
        name = f"‖{g.name}‖²"
        place = Place(f"gradient {w.name}", weight_loc(w))
        yield Stage(place, f"{name} = {mathematics(square)}", (name,), evaluator, values)
        squares[variable(name)] = values[evaluator.results[0]]
    if squares:
        first, *rest = squares
        evaluator = Evaluator(sum(rest, first))
        values = evaluator.every(squares, None, narrowed)
        yield Stage(Place("gradient", ()), "‖g‖²", ("‖g‖²",), evaluator, values)


def weight_loc(weight: RawWeight) -> Loc:
    """Where the spec has a weight: its initializer if there is one, else its declaration."""
    return weight.initializer_loc or weight.loc
