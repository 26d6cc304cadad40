"""What the models of both frameworks share: derivatives forwards and backwards, of any function,
and quick compilation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from ..compiler.ir.module import Function
from .model import Array, Model, Weights
from .program_model import ProgramModel


class NoForwardMode(Exception):
    """A program with a derivative of its own that the framework can only take in reverse."""


class FrameworkModel(ProgramModel):
    """A program whose framework differentiates it."""

    compiles_fast: bool = False
    """Are its functions run once or twice only? Then a quick compilation is worth more than
    quick code."""

    @contextmanager
    def fast_compile(self) -> Iterator[None]:
        """Within it functions are taken to be run once or twice only."""
        before, self.compiles_fast = self.compiles_fast, True
        try:
            yield
        finally:
            self.compiles_fast = before

    def pulled(
        self, function: Function, weights: Weights, args: Sequence[Array], bars: Sequence[Array]
    ) -> tuple[list[Array], dict[str, Array]]:
        """The framework's reverse mode through a function: cotangents of the arguments that are
        real numbers, and of the weights (none of a function that takes none)."""
        given = self._weights(weights) if function.takes_weights else {}
        return self._pulled_part(function, given, list(args), list(bars))

    def jvp(self, weights: Weights, given: list[Array], along: Weights, dx: Array) -> Array:
        """J v for J = ∂ forward / ∂ (θ, x) and v = (along, dx), in forward mode: (s, k). Of what
        `forward` is given x is the first.

        Raises NoForwardMode.
        """
        held = self._weights(weights), self._weights(along)
        return self._jvp(held[0], self._in_dtype(given), held[1], dx)

    def vjp(self, weights: Weights, given: list[Array], w: Array) -> tuple[dict[str, Array], Array]:
        """Jᵀ w for cotangents w (s, k) of `forward`, in reverse mode: those of θ and of x."""
        return self._vjp(self._weights(weights), self._in_dtype(given), w)

    @abstractmethod
    def _jvp(
        self, weights: dict[str, Array], given: list[Array], along: dict[str, Array], dx: Array
    ) -> Array:
        """The framework's forward mode through the program's `forward`."""

    @abstractmethod
    def _vjp(
        self, weights: dict[str, Array], given: list[Array], w: Array
    ) -> tuple[dict[str, Array], Array]:
        """The framework's reverse mode through the program's `forward`."""

    @abstractmethod
    def _pulled_part(
        self, function: Function, weights: dict[str, Array], args: list[Array], bars: list[Array]
    ) -> tuple[list[Array], dict[str, Array]]:
        """The framework's reverse mode through a function of the program."""


def fast_compile(model: Model) -> AbstractContextManager[None]:
    """Within it the model is compiled quickly, to slow code."""
    return model.fast_compile() if isinstance(model, FrameworkModel) else nullcontext()


def compiled_fast(model: Model) -> Model:
    """The model, from now on compiled quickly to slow code: for programs that are run once."""
    if isinstance(model, FrameworkModel):
        model.compiles_fast = True
    return model
