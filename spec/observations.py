"""Observations of time series: the keys by which a file has them, and series drawn by a rule."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from .generated import Noise, Planar, TargetKind
from .node import Later, Node, Why, refuse

Column = str | int
"""A column of a file by its name, or by its position from 0."""

MOST = 1_000_000
"""Observations of all generated series together."""

# --- files ------------------------------------------------------------------------------------

IdColumn = Annotated[
    Column | None,
    Field(description="the column that says which series a line is of; without it all are of one"),
    Later(),
]
TimeColumn = Annotated[
    Column | None, Field(description="the column of the times of observations"), Later()
]
ChannelColumns = Annotated[
    Annotated[tuple[Column, ...], Field(min_length=1)] | None,
    Field(description="columns of what is observed over time; an empty cell is a missing value"),
    Later(),
]
TimesArray = Annotated[
    str | None, Field(description="the array (L,) or (s, L) of times of observations"), Later()
]
ValuesArray = Annotated[
    str | None,
    Field(description="the array (s, L, c) or (L, c) of observations; NaN is a missing value"),
    Later(),
]
Until = Annotated[
    float | None,
    Field(
        description="what is observed later is kept from training: extrapolation is measured there"
    ),
    Later(),
]


def observes(node: Node, both: tuple[str, str]) -> bool:
    """Does a file have observations? Those of which it names one of `both` keys, time and values.

    Refuses one of them without the other, keys that go with them alone, and keys of tables.
    """
    given = [key for key in (*both, "id", "until") if getattr(node, key, None) is not None]
    lacking = tuple(key for key in both if key not in given)
    if not given:
        return False
    if lacking:
        message = f"{given[0]} without {' and '.join(lacking)}"
        help = f"observations have {both[0]} and {both[1]}"
        raise refuse("E104", message, loc=(given[0],), help=help, needs=lacking)
    for key in ("features", "label", "targets", "classes"):
        if key in node.model_fields_set and getattr(node, key) is not None:
            help = f"{both[1]} of a series, or {key} of a table"
            raise refuse("E109", f"{key} and {both[1]} exclude each other", loc=(key,), help=help)
    return True


# --- series drawn by a rule -------------------------------------------------------------------

Some = Annotated[int, Field(ge=1, description="series to train on")]
SomeOrNone = Annotated[int, Field(ge=0, description="series to validate on")]
Points = Annotated[int, Field(ge=2, description="observations of a series")]
Horizon = Annotated[float, Field(ge=0.001, le=1000, description="the last time of a series")]
Rate = Annotated[
    float, Field(ge=0.01, le=10), Why("between rates further apart solutions all but jump")
]


class TimeSeries(Planar):
    """Observed solutions of differential equations in the plane."""

    channels: ClassVar[tuple[str, str]]

    train: Some
    validation: SomeOrNone
    points: Points
    noise: Noise = 0.0

    @property
    def target_kind(self) -> TargetKind:
        return "observations"

    @model_validator(mode="after")
    def _is_no_more_than_fits(self) -> Self:
        count = (self.train + self.validation) * self.points
        if count > MOST:
            message = f"at most {MOST:,} observations are drawn, got {count:,}"
            raise refuse("E102", message, loc=("points",))
        return self


class Trajectories(TimeSeries):
    """Solutions from their starts on, at equally spaced times on [0, `horizon`]."""

    horizon: Horizon
    until: Until = None


class CubicSpiral(Trajectories, kind="cubic-spiral"):
    """y1' = −0.1 y1³ − 2 y2³, y2' = 2 y1³ − 0.1 y2³ from (2, 0), as in the demonstration of
    torchdiffeq; further series start elsewhere on the circle of radius 2."""

    channels: ClassVar[tuple[str, str]] = ("y1", "y2")
    examples: ClassVar[tuple[str, ...]] = (
        "{kind: cubic-spiral, train: 1, validation: 0, points: 1000, noise: 0, horizon: 25}",
        "{kind: cubic-spiral, horizon: 25, until: 20}",
    )

    train: Some = 1
    validation: SomeOrNone = 0
    points: Points = 1000
    horizon: Horizon = 25.0


class LotkaVolterra(Trajectories, kind="lotka-volterra"):
    """Prey x' = a x − b x y and predators y' = −c y + d x y (Lotka 1925, Volterra 1926), from
    between a quarter and three quarters of the numbers (c/d, a/b) that do not change."""

    channels: ClassVar[tuple[str, str]] = ("x", "y")
    examples: ClassVar[tuple[str, ...]] = (
        "{kind: lotka-volterra, train: 8, validation: 2, points: 100, noise: 0.05, horizon: 10, "
        "rates: [1.5, 1, 3, 1], until: 8}",
    )

    train: Some = 8
    validation: SomeOrNone = 2
    points: Points = 100
    horizon: Horizon = 10.0
    rates: Annotated[
        tuple[Rate, ...],
        Field(min_length=4, max_length=4, description="a, b, c and d"),
    ] = (1.5, 1.0, 3.0, 1.0)


class Pendulum(Trajectories, kind="pendulum"):
    """q' = p, p' = −ω² sin q: an angle and its velocity, swings of amplitudes between ½ and 2½ from
    any point of them. The energy p²/2 − ω² cos q is kept."""

    channels: ClassVar[tuple[str, str]] = ("q", "p")
    examples: ClassVar[tuple[str, ...]] = (
        "{kind: pendulum, train: 20, validation: 5, points: 100, noise: 0, horizon: 10, "
        "frequency: 1, until: 8}",
    )

    train: Some = 20
    validation: SomeOrNone = 5
    points: Points = 100
    horizon: Horizon = 10.0
    frequency: Annotated[
        float, Field(gt=0, le=10, description="ω of small swings, in radians per unit of time")
    ] = 1.0


class Spirals(TimeSeries, kind="spirals"):
    """Spirals that are run through in either sense (Chen et al. 2018, as in torchdiffeq): `points`
    of 100 nodes, a piece of 500 nodes on [0, 6π]; extrapolation is measured at the next 100.

    Node s of the spirals of either sense: r (cos s, sin s) + (5, 0) with r = 0.3 s, and, with
    z = 6π + 1 − s, r (cos z, sin z) − (5, 0) with r = 15/z. The piece begins at one of the nodes
    100 to 299, its first node is at time 0, and the next 100 have no noise.
    """

    channels: ClassVar[tuple[str, str]] = ("x1", "x2")

    train: Some = 800
    validation: SomeOrNone = 200
    points: Annotated[Points, Field(le=100), Why("a series is drawn from 100 nodes")] = 100
    noise: Noise = 0.3
