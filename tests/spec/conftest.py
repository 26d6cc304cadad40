"""A small language of its own, so that reading is tested apart from the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar, Literal, Self

import pytest
from pydantic import Field, model_validator

from wellposed.spec.diagnostics import Diagnostic, SpecError
from wellposed.spec.load import validate
from wellposed.spec.node import Family, Node, Root, Why, refuse
from wellposed.spec.source import read_text

Errors = list[tuple[str, int, int]]


class Scheme(Family, title="integrator"):
    planned: ClassVar[dict[str, str]] = {"dopri5": "adaptive solvers"}


class Euler(Scheme, kind="euler"):
    """y + h f"""


class Leapfrog(Scheme, kind="leapfrog"):
    """2 y − y + h² f"""


class Theta(Scheme, kind="theta"):
    theta: Annotated[float, Field(ge=0, le=1)]
    start: Scheme = Euler()


class Matrix(Family, title="parametrization"):
    pass


class Antisymmetric(Matrix, kind="antisymmetric"):
    gamma: Annotated[
        float, Field(ge=0), Why("a negative γ makes every mode grow: Re λ = -γ/2 > 0")
    ] = 0.0


class Image(Node):
    channels: int
    height: int


class Volume(Node):
    channels: int
    height: int
    depth: int


class Network(Node):
    state: Annotated[int, Field(ge=1)] | Image | Volume = 2
    steps: int = 8
    integrator: Scheme = Euler()
    parametrization: Matrix = Antisymmetric()
    hidden: Annotated[tuple[int, ...], Field(min_length=1)] = (3,)
    weights: dict[str, Matrix] = Field(default_factory=dict)


class Penalty(Node):
    alpha: Annotated[float, Field(gt=0)] = 1.0
    beta: Annotated[float, Field(allow_inf_nan=True)] = 1.0
    of: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.of)) < len(self.of):
            raise refuse("E109", "named twice", loc=("of", len(self.of) - 1))
        return self


class Toy(Root):
    wellposed: Literal[1]
    name: str = "toy"
    shuffle: bool = False
    dtype: Literal["float32", "float64"] = "float32"
    model: Network = Network()
    regularizers: tuple[Penalty, ...] = ()
    note: str | None = None


def check(root: Toy) -> Iterable[Diagnostic]:
    """Two rules about several fields: few steps for theta, no leapfrog on a state of one."""
    if root.model.steps > 100 and root.model.integrator.kind == "euler":
        yield Diagnostic("E109", "too many steps", root.span("model", "steps"))
    if root.model.state == 1 and root.model.integrator.kind == "leapfrog":
        yield Diagnostic("E109", "no leapfrog", root.span("model", "integrator"))


@pytest.fixture(scope="session")
def toy() -> type[Toy]:
    return Toy


@pytest.fixture(scope="session")
def schemes() -> type[Scheme]:
    return Scheme


@pytest.fixture(scope="session")
def load() -> Callable[..., Toy]:
    """Text and overrides to a root; SpecError."""

    def load(text: str, *overrides: str) -> Any:
        document = read_text(text, "m.yaml")
        for override in overrides:
            document = document.with_override(override)
        return validate(document, Toy, check)

    return load


@pytest.fixture(scope="session")
def refused(load: Callable[..., Toy]) -> Callable[..., SpecError]:
    """Text and overrides to the SpecError that they must raise."""

    def refused(text: str, *overrides: str) -> SpecError:
        with pytest.raises(SpecError) as caught:
            load(text, *overrides)
        return caught.value

    return refused


@pytest.fixture(scope="session")
def errors(refused: Callable[..., SpecError]) -> Callable[..., Errors]:
    """Text and overrides to the (code, line, column) of every error."""

    def errors(text: str, *overrides: str) -> Errors:
        spans = [(d.code, d.span) for d in refused(text, *overrides).diagnostics]
        return [(code, s.line, s.column) if s else (code, 0, 0) for code, s in spans]

    return errors
