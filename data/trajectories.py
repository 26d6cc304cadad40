"""Series that are drawn: solutions of differential equations, and what is observed of them.

Of one seed the solutions are the same whatever the noise, and spirals whatever the number of
points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..spec.diagnostics import Diagnostic, Span, SpecError
from ..spec.observations import (
    CubicSpiral,
    LotkaVolterra,
    Pendulum,
    Spirals,
    TimeSeries,
    Trajectories,
)
from .dataset import Dataset
from .generators import polar
from .observations import Parts, assembled
from .preprocessing import Floats
from .rng import rng
from .series import Series, of_arrays
from .sources import Place
from .systems import cubic_spiral, lotka_volterra, pendulum

NODES, LENGTH = 500, 6 * np.pi
"""Of a spiral: the nodes, and the parameter of the last one."""
PIECE, FIRST, LAST = 100, 100, 300
"""The nodes that are seen of it, and those between which they begin, the last one excluded."""
GROWTH, DISTANCE = 0.3, 5.0
"""b of the radius b s, and how far from 0 the centres of the spirals are."""


@dataclass(frozen=True)
class Rule:
    """What is to blame for series that are drawn: their kind, at the key for the noise."""

    kind: str
    span: Span | None

    def error(
        self, code: str, message: str, *, span: Span | None = None, help: str = ""
    ) -> SpecError:
        """As that of a file."""
        return SpecError(Diagnostic(code, f"{self.kind}: {message}", span or self.span, help=help))


def of_rule(node: TimeSeries, seed: int, place: Place, dtype: str) -> Dataset:
    """The series of a node that says how they are drawn."""
    rule, later, until = Rule(node.kind, place("noise")), None, None
    parts = {
        name: (name, size, rng(seed, "data", node.kind, name))
        for name, size in (("train", node.train), ("validation", node.validation))
    }
    match node:
        case Spirals():
            drawn = {name: _spirals(node, *part[1:]) for name, part in parts.items()}
            shown = {name: each[:2] for name, each in drawn.items()}
            later = _series(rule, *drawn["validation" if node.validation else "train"][2:])
        case Trajectories():
            shown = {name: _solutions(node, *part) for name, part in parts.items()}
            until = node.until
        case _:
            raise TypeError(f"no rule for series of kind {node.kind!r}")
    train, validation = (_series(rule, *each) for each in shown.values())
    given = Parts(node.channels, train, validation, later)
    return assembled(given, until, node.standardized, place, dtype)


def _series(rule: Rule, times: Floats, values: Floats) -> Series:
    points = times.shape[1]
    ids = tuple(map(str, range(len(times))))
    return of_arrays(
        rule, lambda i: f"series {i // points}, point {i % points}", ids, times, values
    )


def _noisy(truth: Floats, noise: float, random: np.random.Generator) -> Floats:
    with np.errstate(over="ignore"):  # what is no number is refused by its place
        return truth + noise * random.standard_normal(truth.shape)


# --- spirals ----------------------------------------------------------------------------------


def spirals() -> tuple[Floats, Floats]:
    """The parameter s of every node, (500,), and the nodes of the two senses, (2, 500, 2).

    Clockwise r (cos z, sin z) − (5, 0) with z = 6π + 1 − s, r = 50 b/z; the other way b s (cos s,
    sin s) + (5, 0). Source: generate_spiral2d of torchdiffeq's example of a latent ODE, with a = 0.
    """
    s = np.linspace(0, LENGTH, NODES)
    z = LENGTH + 1 - s
    clockwise = polar(50 * GROWTH / z, z) - [DISTANCE, 0.0]
    return s, np.stack([clockwise, polar(GROWTH * s, s) - [-DISTANCE, 0.0]])


def _spirals(
    node: Spirals, size: int, random: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats]:
    """Times (size, points) and values of what is seen, times (size, 100) and values of the nodes
    that follow it, which have no noise."""
    s, senses = spirals()
    sense = random.integers(0, 2, size)
    nodes = random.integers(FIRST, LAST, size)[:, None] + np.arange(2 * PIECE)
    truth = senses[sense[:, None], nodes]
    chosen = np.sort(random.random((size, PIECE)).argsort(axis=1)[:, : node.points], axis=1)
    seen = _noisy(truth[:, :PIECE], node.noise, random)
    values = np.take_along_axis(seen, chosen[:, :, None], axis=1)
    later = np.broadcast_to(s[PIECE : 2 * PIECE], (size, PIECE))
    return s[chosen], values, later, truth[:, PIECE:]


# --- solutions from a start on ----------------------------------------------------------------


def _solutions(
    node: Trajectories, part: str, size: int, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Times (size, points) and values (size, points, 2)."""
    times = np.linspace(0.0, node.horizon, node.points)
    match node:
        case CubicSpiral():
            truth = cubic_spiral(size, times, random, is_first=part == "train")
        case LotkaVolterra():
            truth = lotka_volterra(node.rates, size, times, random)
        case Pendulum():
            truth = pendulum(node.frequency, size, times, random)
        case _:
            raise TypeError(f"no equation for series of kind {node.kind!r}")
    return np.broadcast_to(times, truth.shape[:2]), _noisy(truth, node.noise, random)
