"""Do the programs standardize rows of the data as the training did?"""

from __future__ import annotations

import numpy as np

from ..backends.model import Model
from ..backends.program_model import ProgramModel
from ..compiler.pipeline import Compiled
from .compare import Standard
from .probes import Probes
from .quantities import Answers, NotOffered

ROUNDINGS = 8
"""Of the spec's dtype, which is what the program returns."""


def applies(case: Compiled, probes: Probes) -> bool:
    """Whether the spec standardizes, and its data can be read."""
    return probes.raw is not None


def ask(model: Model, case: Compiled, probes: Probes) -> Answers:
    """`features` of rows as the data have them."""
    if not isinstance(model, ProgramModel) or probes.raw is None:
        raise NotOffered
    return {"features": model.features(probes.raw).astype(np.float64)}


def expected(case: Compiled, probes: Probes) -> dict[str, Standard]:
    """The rows that training would see, by the numbers of the training data."""
    assert case.preprocessing is not None and case.preprocessing.scaling is not None
    x = case.preprocessing.scaling(np.asarray(probes.raw))
    tolerance = ROUNDINGS * np.finfo(case.module.dtype).eps
    return {"features": Standard(x, np.maximum(np.abs(x), 1.0), np.asarray(tolerance))}
