"""The root of the catalogue of data, and the sets of points that are drawn by a rule.

Sizes are totals over all classes.
"""

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from .node import Family, Node, Why, refuse

Count = Annotated[int, Field(ge=1, le=10_000_000, description="points to train on")]
CountOrNone = Annotated[int, Field(ge=0, le=10_000_000, description="points to validate on")]
Noise = Annotated[
    float,
    Field(ge=0, description="standard deviation of what is added to the points"),
    Why("it is a standard deviation"),
]


Radius = Annotated[float, Field(gt=0)]
TargetKind = Literal["classes", "values", "none", "observations"]


def _increasing(radii: tuple[float, ...]) -> tuple[float, ...]:
    """Spheres that lie within each other, with room between them."""
    for i, (inner, outer) in enumerate(pairwise(radii), start=1):
        if inner >= outer:
            raise refuse("E102", f"radii must increase, got {outer:g} after {inner:g}", loc=(i,))
    return radii


class Standardized(Node):
    """What of a table has mean 0 and standard deviation 1 over its training part."""

    features: Annotated[bool, Field(description="the features")] = True
    targets: Annotated[bool, Field(description="the targets of a regression")] = True

    def __bool__(self) -> bool:
        return self.features or self.targets


class Data(Family, title="data"):
    """Where the examples come from."""

    @property
    def dimension(self) -> int | None:
        """The number d of features; None where a file has to be read for it."""
        return None

    @property
    def class_count(self) -> int | None:
        """The number of classes; None where there are none or a file has to be read for it."""
        return None

    @property
    def target_count(self) -> int | None:
        """The number k of values to predict; None where there are none or a file says it."""
        return None

    @property
    def files(self) -> dict[str, str]:
        """The paths of the files that are read, by the key that names them."""
        return {}

    @property
    def target_kind(self) -> TargetKind:
        """What a readout has to predict: classes (s,), values (s, k) or nothing; or observations
        of time series, of which x is the values (s, L, c), `dimension` being c."""
        return "classes"

    @property
    def standardized(self) -> Standardized:
        """What is shifted and scaled before the network sees it."""
        return Standardized(features=False, targets=False)


class Planar(Data):
    """Generated points in the plane."""

    @property
    def dimension(self) -> int:
        return 2


class Ellipses(Planar, kind="ellipses"):
    """Two concentric ellipses that touch (Haber & Ruthotto 2017): 1000 + 200 points."""

    train: Count = 1000
    validation: CountOrNone = 200
    noise: Noise = 0.0

    @property
    def class_count(self) -> int:
        return 2


class SwissRoll(Planar, kind="swiss-roll"):
    """Two interleaved spirals (Haber & Ruthotto 2017): of 513 points every other one validates."""

    train: Count = 257
    validation: CountOrNone = 256
    noise: Noise = 0.0

    @property
    def class_count(self) -> int:
        return 2


class Peaks(Planar, kind="peaks"):
    """Level sets of MATLAB's peaks (Haber & Ruthotto 2017): 5000 points, 20 % for validation."""

    train: Count = 4000
    validation: CountOrNone = 1000
    classes: Annotated[int, Field(ge=2, le=100, description="number of level sets")] = 5

    @property
    def class_count(self) -> int:
        return self.classes


class NestedSpheres(Data, kind="nested-spheres"):
    """A ball within a shell (Dupont et al. 2019), the classes `inner` and `outer`: ‖x‖ ≤ r₁ and
    r₂ ≤ ‖x‖ ≤ r₃."""

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: nested-spheres, train: 1000, validation: 200, dimensions: 3, radii: [0.5, 1, 1.5]}",
    )

    train: Count = 1000
    validation: CountOrNone = 200
    dimensions: Annotated[int, Field(ge=1, le=64, description="the number d of features")] = 2
    radii: Annotated[
        tuple[Radius, ...],
        AfterValidator(_increasing),
        Field(min_length=3, max_length=3, description="of the ball, and of the shell"),
    ] = (0.5, 1.0, 1.5)

    @property
    def dimension(self) -> int:
        return self.dimensions

    @property
    def class_count(self) -> int:
        return 2


class Flip(Data, kind="flip"):
    """Numbers x = ±1, each with probability ½, to be mapped to −x (Dupont et al. 2019)."""

    train: Count = 500
    validation: CountOrNone = 100

    @property
    def dimension(self) -> int:
        return 1

    @property
    def target_count(self) -> int:
        return 1

    @property
    def target_kind(self) -> TargetKind:
        return "values"


class PlanarDensity(Planar):
    """Samples of a density in the plane, to be learned without labels or targets."""

    train: Count = 2000
    validation: CountOrNone = 500
    noise: Noise = 0.0

    @property
    def target_kind(self) -> TargetKind:
        return "none"


class TwoMoons(PlanarDensity, kind="two-moons"):
    """Two half circles of radius 2 around (−1, −0.2) and (1, 0.8), each reaching into the other
    (FFJORD, Grathwohl et al. 2019)."""

    noise: Annotated[
        Noise, Field(description="standard deviation of what is added before the scale, 2")
    ] = 0.1


class TwoCircles(PlanarDensity, kind="two-circles"):
    """Circles of radius 3 and 1.5 around 0 (FFJORD)."""

    noise: Annotated[
        Noise, Field(description="standard deviation of what is added before the scale, 3")
    ] = 0.08


class Checkerboard(PlanarDensity, kind="checkerboard"):
    """Uniform on 8 squares of side 2 of a checkerboard on [−4, 4]² (FFJORD)."""


class EightGaussians(PlanarDensity, kind="eight-gaussians"):
    """Eight normal densities around points of norm 4/1.414, 45° apart (FFJORD)."""

    noise: Annotated[
        Noise, Field(description="standard deviation of each before the scale, 1/1.414")
    ] = 0.5


class Pinwheel(PlanarDensity, kind="pinwheel"):
    """Five bent arms, radially of mean 2 and standard deviation 0.6 (FFJORD)."""

    noise: Annotated[
        Noise, Field(description="standard deviation across an arm before the scale, 2")
    ] = 0.1


class TwoSpirals(PlanarDensity, kind="two-spirals"):
    """Two spirals of one and a half turns, each the other turned by 180°, smeared over squares of
    side 1/6 (FFJORD)."""

    noise: Noise = 0.1
