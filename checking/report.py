"""What a check found: a table, a machine-readable object, and one message in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from .quantities import DTYPES, TRAJECTORY, WEIGHTS
from .rungs import Rung

NAMES = {"torch": "PyTorch", "jax": "JAX"}


@dataclass(frozen=True)
class Report:
    """All rungs of all backends, and how to speak of them. `notes` say what was not checked."""

    spec: str
    spec_hash: str
    steps: int
    h: float
    device: str
    versions: dict[str, str | None]
    rungs: tuple[Rung, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Every rung was compared and agrees; False for an ill-posed spec too."""
        return bool(self.rungs) and all(rung.passed for rung in self.rungs)

    @property
    def first_failure(self) -> Rung | None:
        """The lowest failed rung: level, then a difference before ill-posedness, then float64."""
        failed = [rung for rung in self.rungs if not rung.passed]
        return min(failed, key=_severity, default=None)

    @property
    def message(self) -> str:
        """The outcome in words."""
        failure = self.first_failure
        if failure is None:
            return " ".join([self._agreement(), *self.notes])
        if failure.ill_posed:
            return f"{self.spec} is ill-posed. {_title(failure)}: {failure.reason}."
        return " ".join(filter(None, [_difference(failure), self._states(failure)]))

    def to_json(self) -> dict[str, Any]:
        """Plain values that are valid JSON: what is not a finite number is null."""
        return {
            "passed": self.passed,
            "spec": self.spec,
            "spec_hash": self.spec_hash,
            "device": self.device,
            "versions": self.versions,
            "rungs": [_plain(rung) for rung in self.rungs],
            "notes": list(self.notes),
            "message": self.message,
        }

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Rung, quantity, backend, dtype, worst, tolerance, between, verdict, remark as texts."""
        for r in self.rungs:
            numbers = (_number(r.worst), _number(r.tolerance), _number(r.between))
            yield r.rung, r.quantity, r.backend, r.dtype, *numbers, _verdict(r), _remark(r)

    def _agreement(self) -> str:
        if not self.rungs:
            return "Nothing was compared."
        backends = " and ".join(dict.fromkeys(_name(r.backend) for r in self.rungs))
        top = max(r.rung for r in self.rungs)
        worst = max(self.rungs, key=lambda r: r.ratio)
        dtypes = " and ".join(dict.fromkeys(r.dtype for r in self.rungs if r.quantity != WEIGHTS))
        return (
            f"{backends} agree with the reference from L0 to {top} in {dtypes}: "
            f"{len(self.rungs)} comparisons, the nearest to its tolerance is {_title(worst)} "
            f"({_number(worst.worst)} of {_number(worst.tolerance)})."
        )

    def _states(self, failure: Rung) -> str:
        """Where along the path the states of that backend begin to differ."""
        same = [
            r
            for r in self.rungs
            if (r.backend, r.quantity) == (failure.backend, TRAJECTORY) and r.worst is not None
        ]
        if not same:
            return ""
        path = next((r for r in same if r.dtype == failure.dtype), same[0])
        if path.step is None:
            return f"The states agree at all of the {self.steps} steps." if path.passed else ""
        if path.step == 0:
            return "The states differ from t = 0 on, before the first step."
        time = f"{path.step * self.h:.6g}"
        return (
            f"The first state that differs is that of step {path.step} of {self.steps}, t = {time}."
        )


def _severity(rung: Rung) -> tuple[str, bool, int]:
    return rung.rung, rung.ill_posed, DTYPES.index(rung.dtype)


def _difference(rung: Rung) -> str:
    if rung.reason:
        return f"{_title(rung)}: {rung.reason}."
    allowed = f"allowed is {_number(rung.tolerance)}" if rung.tolerance else "no error is allowed"
    error = f"the error is {_number(rung.worst)} of the scale, {allowed}"
    return f"{_title(rung)} is not what the spec says: {rung.element}; {error}."


def _title(rung: Rung) -> str:
    return f"{rung.rung} {rung.quantity} of {_name(rung.backend)} in {rung.dtype}"


def _name(backend: str) -> str:
    return NAMES.get(backend, backend)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}" if value else "0"


def _verdict(rung: Rung) -> str:
    if rung.ill_posed:
        return "ill-posed" if not rung.passed else "not judged"
    return "ok" if rung.passed else "FAILED"


def _remark(rung: Rung) -> str:
    return rung.reason or rung.element


def _plain(rung: Rung) -> dict[str, Any]:
    return {name: _finite(value) for name, value in asdict(rung).items()}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
