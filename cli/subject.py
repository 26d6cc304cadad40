"""What a verb is about: a spec with its initial weights, or a run with those it has learned."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .arguments import read_spec

if TYPE_CHECKING:
    from ..compiler.analysis.seen import Seen
    from ..compiler.pipeline import Compiled
    from ..data.preprocessing import Preprocessing
    from ..spec.model import Spec


@dataclass(frozen=True)
class Subject:
    """A compiled spec; of a run its weights, with the names of its data and the epoch, and its
    folder."""

    compiled: Compiled
    weights: Mapping[str, Any] | None = None
    run: str = ""
    preprocessing: Preprocessing | None = None
    epoch: int | None = None

    @property
    def spec(self) -> Spec:
        return self.compiled.spec

    def seen(self) -> Seen:
        """What the analysis looks at: the training data, and the weights of a run. SpecError for
        data that cannot be read."""
        from ..compiler.analysis.seen import INITIAL, look_at

        dataset = self.compiled.dataset
        rows = None if dataset is None else dataset.train
        whose = f"the weights of {self.run}" if self.run else INITIAL
        return look_at(self.compiled.problem, rows, self.weights, whose)


def read_subject(name: str, overrides: list[str] | None) -> Subject:
    """A run where the name is a folder, else a spec under the overrides. Raises SpecError,
    RunError, and CallError for overrides of a run."""
    from ..compiler.pipeline import compiled
    from .errors import CallError

    if not os.path.isdir(name):
        return Subject(compiled(read_spec(name, overrides)))
    if overrides:
        raise CallError(f"a run is taken as it is: {overrides[0]} cannot override it")
    from .. import api

    run, problem = api.open_problem(name)
    weights, epoch = api.weights_of(run, problem.module), run.weights(facts_only=True).epoch
    return Subject(problem, weights, name, run.preprocessing, epoch)
