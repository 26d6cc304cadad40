"""What compiling a spec gives: the mathematics, the program that computes it, and its data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from ...data.dataset import Dataset
from ...data.of_spec import dataset_of
from ...data.preprocessing import Preprocessing
from ...spec.model import Gradient, Spec
from .module import Module
from .problem import Problem


def _as_it_is(module: Module, mode: Gradient) -> Module:
    return module


@dataclass(frozen=True, eq=False)
class Compiled:
    """A spec's learning problem, and the module that computes it; `lean` are the passes by which
    programs keep less for a gradient, by its mode.

    `kept` are the examples that a run has kept, which stand in the place of the spec's data.
    """

    problem: Problem
    module: Module
    kept: Dataset | None = None
    lean: Callable[[Module, Gradient], Module] = _as_it_is

    @property
    def spec(self) -> Spec:
        return self.problem.spec

    @cached_property
    def dataset(self) -> Dataset | None:
        """The data, read when first asked for; None without. SpecError for what is wrong there."""
        signature = self.module.signature
        columns = signature.outputs if signature.is_of_series else signature.features
        return self.kept or dataset_of(self.spec, columns)

    @cached_property
    def preprocessing(self) -> Preprocessing | None:
        """How the spec standardizes; None where it leaves features as they are. SpecError."""
        data = self.spec.data
        if data is None or not data.standardized or self.dataset is None:
            return None
        return self.dataset.preprocessing

    @cached_property
    def program(self) -> Module:
        """The module as it is printed: with what its programs do to the rows of the data."""
        return replace(self.written, preprocessing=self.preprocessing)

    @cached_property
    def written(self) -> Module:
        """The module by the gradient mode of the spec; all else computes what `module` does."""
        return self.lean(self.module, self.spec.model.gradient)
