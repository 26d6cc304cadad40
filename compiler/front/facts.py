"""What the front end has to know of the data before a spec can be lowered."""

from __future__ import annotations

from dataclasses import dataclass

from ... import data as datasets
from ...data.sources import Place
from ...spec.diagnostics import Diagnostic, Span, SpecError
from ...spec.model import Spec
from ..ir.compiled import Compiled


@dataclass(frozen=True)
class Facts:
    """The number d of features (channels of series) and that of values to predict, the last time
    of training series, None where nothing says it; what was wrong with the data."""

    features: int | None = None
    targets: int | None = None
    horizon: float | None = None
    problems: tuple[Diagnostic, ...] = ()


def facts_of(spec: Spec) -> Facts:
    """The facts of a spec's data: of a file, from its first line or the header of an array.

    None of data with an error of its own: the file would be read by defaults in its place.
    """
    if spec.data is None or spec.mended("data"):
        return Facts()

    def place(*keys: str | int) -> Span | None:
        return spec.span("data", *keys)

    try:
        features = datasets.features(spec.data, spec.folder, place)
        targets = datasets.targets(spec.data, spec.folder, place)
        return Facts(features, targets, _horizon(spec, place))
    except SpecError as error:
        return Facts(problems=tuple(error.diagnostics))


def _horizon(spec: Spec, place: Place) -> float | None:
    """The last training time, where a spec leaves that to its data."""
    assert spec.data is not None
    if not spec.task.is_of_series or "horizon" in spec.model.time.model_fields_set:
        return None
    found = datasets.span(spec.data, spec.seed, spec.folder, place)
    return None if found is None else found[1]


def facts_known(case: Compiled) -> Facts:
    """What compiling the same spec again needs to know of its data, which are not read again."""
    signature = case.module.signature
    if signature.is_of_series:
        return Facts(signature.outputs, horizon=case.module.horizon)
    return Facts(signature.features, signature.outputs)
