"""Which kinds and which pairs of choices the specs of a campaign have held."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from wellposed.spec.data import Data
from wellposed.spec.density import Divergence
from wellposed.spec.initializers import Initializer
from wellposed.spec.integrators import Integrator
from wellposed.spec.model import Gradient, Lift, Spec, Task
from wellposed.spec.node import Family, Node
from wellposed.spec.parametrizations import Parametrization
from wellposed.spec.readouts import Readout
from wellposed.spec.regularizers import AnyRegularizer
from wellposed.spec.training import Optimizer, Schedule
from wellposed.spec.vector_fields import VectorField

FAMILIES: tuple[type[Family], ...] = (
    VectorField,
    Parametrization,
    Integrator,
    Readout,
    Lift,
    Task,
    Gradient,
    Divergence,
    AnyRegularizer,
    Initializer,
    Data,
    Optimizer,
    Schedule,
)
CHOICES = ("activation", "bias", "weights", "hypothesis", "loss", "dtype", "time_input")
"""Keys that are choices too, as the kinds are."""


SOLVERS = ("dopri5", "tsit5", "adjoint", "closed-form", "log-det")
NOT_DRAWN = SOLVERS
"""What takes half a minute to check, as XLA compiles a solver for every function and shape: the
specs of `tests/flows.py` stand for them. And what few fields have: those of `tests/densities.py`.
"""


def registered() -> frozenset[str]:
    """Every kind of the language that is drawn: `integrator rk4`."""
    every = ((f, kind) for f in FAMILIES for kind in f.members())
    return frozenset(f"{f.title} {kind}" for f, kind in every if kind not in NOT_DRAWN)


def held(node: Any, title: str = "") -> frozenset[str]:
    """The kinds and choices in a spec."""
    found: set[str] = set()
    if isinstance(node, Family):
        found.add(f"{node.title} {node.kind}")
    if isinstance(node, Node):
        for name in type(node).model_fields:
            part = getattr(node, name)
            if name in CHOICES and isinstance(part, (str, bool)):
                found.add(f"{name} {part}")
            found |= held(part)
    elif isinstance(node, dict):
        found |= frozenset().union(*map(held, node.values())) if node else frozenset()
    elif isinstance(node, (list, tuple)):
        found |= frozenset().union(*map(held, node)) if node else frozenset()
    return frozenset(found)


SIMPLEST: dict[tuple[str, ...], Any] = {
    ("wellposed",): 1,
    ("name",): "net",
    ("model", "state"): 2,
    ("model", "vector_field"): "layer",
    ("model", "time", "horizon"): 1.0,
    ("model", "time", "steps"): 1,
    ("model", "readout", "kind"): "classifier",
    ("model", "readout", "classes"): 2,
}
"""The keys every spec has, with the values that hypothesis shrinks them to."""


def keys_of_its_own(plain: Any, loc: tuple[str, ...] = ()) -> list[str]:
    """The keys of a spec that are not those of the simplest one; a list counts as one value."""
    if isinstance(plain, dict) and plain:
        return [key for k, v in plain.items() for key in keys_of_its_own(v, (*loc, str(k)))]
    known = loc in SIMPLEST and SIMPLEST[loc] == plain
    return [] if known else [".".join(loc)]


@dataclass
class Coverage:
    """What was seen so far."""

    choices: set[str] = field(default_factory=set)
    pairs: set[tuple[str, str]] = field(default_factory=set)

    def add(self, plain: dict[str, Any]) -> None:
        """Count the choices of a valid spec."""
        found = sorted(held(Spec.model_validate(plain)))
        self.choices.update(found)
        self.pairs.update(itertools.combinations(found, 2))

    def missing(self) -> list[str]:
        """Registered kinds that no spec has held."""
        return sorted(registered() - self.choices)

    def __str__(self) -> str:
        kinds = registered()
        return f"{len(kinds & self.choices)} of {len(kinds)} kinds, {len(self.pairs)} pairs"
