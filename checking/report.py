"""What a check found: one message in words, and the certificate."""

from __future__ import annotations

import math
import platform
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from .quantities import DTYPES, TRAJECTORY, WEIGHTS
from .rungs import Rung, basis

NAMES = {"torch": "PyTorch", "jax": "JAX"}
FORMAT = "wellposed check 2"
PRECISION = {
    "float32 products": "full float32: TF32 off in PyTorch, jax_default_matmul_precision highest",
    "verdict": "float64, whatever the spec trains in",
}
"""The policy that both runtimes set before a program runs (run_torch.load, JaxModel.settings)."""


@dataclass(frozen=True)
class Report:
    """All rungs of all backends, and how to speak of them.

    `programs` are the texts that ran, by backend; `given` names those that came from files of the
    user's; `notes` say what was not checked.
    """

    spec: str
    spec_hash: str
    dtype: str
    steps: int
    h: float
    device: str
    versions: dict[str, str | None]
    rungs: tuple[Rung, ...]
    programs: dict[str, str] = field(default_factory=dict, repr=False)
    given: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    features: str = ""
    """What programs were asked for: rows of the training data, or random ones."""

    def __repr__(self) -> str:
        verdict = "passed" if self.passed else "failed"
        return f"Report({self.spec}, {verdict}, {len(self.rungs)} comparisons)"

    @property
    def passed(self) -> bool:
        """Every rung was compared and agrees; False for an ill-posed spec too."""
        return bool(self.rungs) and all(rung.passed for rung in self.rungs)

    @property
    def first_failure(self) -> Rung | None:
        """The lowest failed rung: a difference before ill-posedness, then float64."""
        failed = [rung for rung in self.rungs if not rung.passed]
        dtypes = DTYPES.index
        return min(failed, key=lambda r: (r.rung, r.ill_posed, dtypes(r.dtype)), default=None)

    @property
    def message(self) -> str:
        """The outcome in words."""
        failure = self.first_failure
        if failure is None:
            return " ".join([self._agreement(), *self.notes])
        if failure.ill_posed:
            seen = f" The features are {self.features}." if self.features else ""
            return f"{self.spec} is ill-posed. {_title(failure)}: {failure.reason}.{seen}"
        return " ".join(filter(None, [_difference(failure), self._states(failure)]))

    def to_json(self) -> dict[str, Any]:
        """The certificate: plain values that are valid JSON; what is no finite number is null."""
        return {
            "certificate": FORMAT,
            "passed": self.passed,
            "spec": self.spec,
            "spec_hash": self.spec_hash,
            "dtype": self.dtype,
            "device": self.device,
            "versions": self.versions,
            "platform": {"python": platform.python_version(), "machine": platform.platform()},
            "precision": PRECISION,
            "programs": {
                name: {"sha256": sha256(text.encode()).hexdigest(), "given": name in self.given}
                for name, text in self.programs.items()
            },
            "rungs": [plain(asdict(r)) | {"tolerance_from": basis(r)} for r in self.rungs],
            "notes": list(self.notes),
            "message": self.message,
        }

    @property
    def backends(self) -> list[str]:
        """The backends that were checked."""
        return list(dict.fromkeys(rung.backend for rung in self.rungs))

    def _agreement(self) -> str:
        if not self.rungs:
            return "Nothing was compared."
        backends = " and ".join(map(name_of, self.backends))
        agree = "agree" if len(self.backends) > 1 else "agrees"
        top = max(r.rung for r in self.rungs)
        worst = max((r for r in self.rungs if r.tolerance), key=lambda r: r.ratio, default=None)
        dtypes = " and ".join(dict.fromkeys(r.dtype for r in self.rungs if r.quantity != WEIGHTS))
        return (
            f"{backends} {agree} with the reference from L0 to {top} in {dtypes}: "
            f"{len(self.rungs)} comparisons{_and_nearest(worst)}."
        )

    def _states(self, failure: Rung) -> str:
        """Where along the path the states of that backend begin to differ."""
        own = [r for r in self.rungs if r.backend == failure.backend and r.worst is not None]
        paths = [r for r in own if r.quantity == TRAJECTORY]
        path = min(paths, key=lambda r: r.dtype != failure.dtype, default=None)
        if path is None:
            return ""
        if path.step is None:
            return f"The states agree at all of the {self.steps} steps." if path.passed else ""
        if path.step == 0:
            return "The states differ from t = 0 on, before the first step."
        time = f"{path.step * self.h:.6g}"
        return (
            f"The first state that differs is that of step {path.step} of {self.steps}, t = {time}."
        )


def _and_nearest(rung: Rung | None) -> str:
    if rung is None:
        return ""
    near = f"{number(rung.worst)} of {number(rung.tolerance)}"
    return f", the nearest to its tolerance is {_title(rung)} ({near})"


def _difference(rung: Rung) -> str:
    if rung.reason:
        return f"{_title(rung)}: {rung.reason}."
    allowed = f"allowed is {number(rung.tolerance)}" if rung.tolerance else "no error is allowed"
    error = f"the error is {number(rung.worst)} of the scale, {allowed}"
    return f"{_title(rung)} is not what the spec says: {rung.element}; {error}."


def _title(rung: Rung) -> str:
    return f"{rung.rung} {rung.quantity} of {name_of(rung.backend)} in {rung.dtype}"


def name_of(backend: str) -> str:
    """What a framework calls itself."""
    return NAMES.get(backend, backend)


def number(value: float | None) -> str:
    """Two digits; '' for none."""
    return "" if value is None else f"{value:.1e}" if value else "0"


def plain(value: Any) -> Any:
    """Plain values that are valid JSON: what is not a finite number is null."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
