"""The run folder: what a training leaves, made in one go and never overwritten.

spec.yaml             the spec as given, byte for byte
resolved.yaml         the spec as understood: overrides and defaults filled in
run.json              overrides, backend, device, the folder of the spec, digests of spec and data;
                      the epochs that `resume --epochs` has asked for
environment.json      one entry for every call that trained: versions, device, dtype, platform
NAME_BACKEND.py       the program that trained (.txt of the reference, which has none)
metrics.jsonl         one line an epoch
checkpoint.safetensors
weights.safetensors   the last weights, with the names and the standardization of the data
best.safetensors      those of the epoch with the best validation score
examples.safetensors  of data files some examples, as the network takes them
result.json           how the last call ended, and the metrics of the last epoch and the best
.lock                 held by the process that trains
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.dataset import Dataset
from ..data.of_spec import digests_of
from ..data.preprocessing import Preprocessing
from ..spec.model import Spec
from ..spec.node import content_hash
from .checkpoint import (
    Checkpoint,
    RunError,
    Tensors,
    read_checkpoint,
    reason,
    replace,
    sweep,
)
from .examples import read_kept, to_keep
from .origin import Origin, resolved
from .weights_file import WeightsFile, read_weights

SPEC, RESOLVED, FACTS = "spec.yaml", "resolved.yaml", "run.json"
ENVIRONMENT, METRICS, RESULT = "environment.json", "metrics.jsonl", "result.json"
CHECKPOINT, EXAMPLES = "checkpoint.safetensors", "examples.safetensors"
LAST, BEST = "weights.safetensors", "best.safetensors"
FILES = {"last": LAST, "best": BEST}
"""The weights of a run, by what a user calls them."""

MEASURED = frozenset({"loss", "gradient_norm", "lr", "seconds"})
"""What a row of metrics has besides its epoch, whatever the scores."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A run folder that exists; `facts` is what run.json says, `preprocessing` what the network
    knows of its data, None of a run that an older version began. Methods raise RunError."""

    folder: Path
    facts: dict[str, Any]
    preprocessing: Preprocessing | None

    @property
    def spec(self) -> Path:
        """The spec as given."""
        return self.folder / SPEC

    @property
    def overrides(self) -> tuple[str, ...]:
        """The overrides that belong to the spec: those given, and the epochs of `extended`."""
        epochs = self.facts.get("epochs")
        return (*self.facts["overrides"], *([] if epochs is None else [f"train.epochs={epochs}"]))

    @property
    def base(self) -> Path:
        """The folder that paths of data files are relative to."""
        return self.folder / self.facts["folder"]

    def check(self, spec: Spec) -> None:
        """Refuse a spec that does not say what the run's said."""
        if content_hash(spec) != self.facts["content"]:
            message = f"the spec does not say what it said when {self.folder} was begun"
            raise RunError(f"{message} (is wellposed another version?)")

    def check_data(self, spec: Spec) -> None:
        """Refuse data that are not the run's. SpecError for a data file that cannot be read."""
        now = digests_of(spec)
        for path, digest in self.facts.get("data", {}).items():
            if now.get(path) != digest:
                where = spec.folder / path
                raise RunError(f"{where} is not the data that {self.folder} was begun with")

    def extended(self, spec: Spec, reached: Checkpoint) -> Run:
        """The run with the epochs of this spec, which says the same as the run's but for them; only
        for who holds the folder. RunError where more are begun already."""
        assert spec.train is not None
        epochs, begun = spec.train.epochs, reached.epoch + bool(len(reached.taken))
        if epochs < begun:
            message = f"{self.folder} has trained {begun} epochs: it cannot end after {epochs}"
            raise RunError(f"{message} (epochs are counted from the beginning of the run)")
        facts = {**self.facts, "epochs": epochs, "content": content_hash(spec)}
        self.record(FACTS, facts)
        with _writing(self.folder):
            replace(self.folder / RESOLVED, resolved(spec))
        return Run(self.folder, facts, self.preprocessing)

    def weights(self, which: str = "last", facts_only: bool = False) -> WeightsFile:
        """The weights after the last good step, or those of the best epoch; or what their file says
        beside them."""
        if which == "best" and not (self.folder / BEST).exists():
            message = f"{self.folder} has no best weights: they are kept where data validate"
            raise RunError(f"{message} (older versions kept none)")
        return read_weights(self.folder / FILES[which], facts_only)

    def kept(self) -> Dataset | None:
        """The examples that the folder has; None where the spec itself makes its data."""
        file = self.folder / EXAMPLES
        if self.preprocessing is None or not file.exists():
            return None
        return read_kept(file, self.preprocessing)

    def checkpoint(self) -> Checkpoint:
        """The last checkpoint."""
        checkpoint = read_checkpoint(self.folder / CHECKPOINT)
        if checkpoint.spec != self.facts["digest"]:
            raise RunError(f"{self.folder / CHECKPOINT} is of another spec")
        return checkpoint

    def metrics(self) -> list[Row]:
        """The lines of metrics, oldest first; a last line that a kill has torn is left out."""
        file = self.folder / METRICS
        try:
            lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
            rows = [json.loads(line) for line in lines if line.endswith("\n")]
            if not all(isinstance(row["epoch"], int) and set(row) >= MEASURED for row in rows):
                raise ValueError("a line is no row of metrics")
        except (KeyError, TypeError, RecursionError):
            raise RunError(f"{file} cannot be read: a line is no row of metrics") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{file} cannot be read: {reason(error)}") from None
        return rows

    def append(self, row: Row, checkpoint: Checkpoint) -> None:
        """Add the line of an epoch and its checkpoint.

        The line comes first: a kill in between leaves a line too many, which `rewind` drops.
        """
        with _writing(self.folder):
            with (self.folder / METRICS).open("a", encoding="utf-8") as file:
                file.write(_line(row))
            checkpoint.write(self.folder / CHECKPOINT)
        self.export(checkpoint.weights, checkpoint.epoch)

    def keep(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint within an epoch."""
        with _writing(self.folder):
            checkpoint.write(self.folder / CHECKPOINT)
        self.export(checkpoint.weights, checkpoint.epoch)

    def rewind(self, checkpoint: Checkpoint) -> list[Row]:
        """Make metrics and weights those of the checkpoint again; the lines that remain."""
        rows = [row for row in self.metrics() if row["epoch"] <= checkpoint.epoch]
        with _writing(self.folder):
            sweep(self.folder)
            replace(self.folder / METRICS, "".join(map(_line, rows)).encode())
        self.export(checkpoint.weights, checkpoint.epoch)
        return rows

    def export(self, weights: Tensors, epoch: int, which: str = "last") -> None:
        """Write a file of weights after so many whole epochs, which every backend reads."""
        with _writing(self.folder):
            file = WeightsFile(weights, self.preprocessing, epoch)
            replace(self.folder / FILES[which], file.to_bytes())

    def record(self, name: str, value: Any) -> None:
        """Write a JSON file."""
        with _writing(self.folder):
            replace(self.folder / name, _json(value).encode())

    def enter(self, environment: dict[str, Any], program: tuple[str, str]) -> None:
        """Note that a call trains here: its environment, and its program (file name and text)."""
        self.record(ENVIRONMENT, [*self._environments(), environment])
        name, text = program
        with _writing(self.folder):
            replace(self.folder / name, text.encode())

    def _environments(self) -> list[Any]:
        file = self.folder / ENVIRONMENT
        try:
            return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{file} cannot be read: {reason(error)}") from None


def create_run(
    out: Path,
    spec: Spec,
    dataset: Dataset,
    origin: Origin,
    start: Checkpoint,
    facts: dict[str, Any],
) -> Run:
    """Make the run folder with everything that is known before the first step.

    It is filled aside and renamed, so that it exists as a whole or not at all. RunError where `out`
    is a file or a folder with something in it, or cannot be made.
    """
    try:
        out = out.resolve()
        _require_vacant(out)
        with _aside(out) as folder:
            _fill(folder, out, spec, origin, start, facts)
            first = WeightsFile(start.weights, dataset.preprocessing, start.epoch)
            (folder / LAST).write_bytes(first.to_bytes())
            if spec.data is not None and spec.data.files:
                (folder / EXAMPLES).write_bytes(to_keep(dataset))
            os.rename(folder, out)
    except OSError as error:
        raise RunError(f"{out} cannot be made: {reason(error)}") from None
    return open_run(out)


def open_run(folder: Path) -> Run:
    """The run in a folder; RunError where there is none, or its spec was changed."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        run = Run(folder, facts, _preprocessing(folder))
        digest = Origin((folder / SPEC).read_bytes(), tuple(facts["overrides"])).digest
        begun_with, _, _ = run.facts["digest"], run.facts["content"], run.base
        _ = dict(run.facts.get("data", {}))  # an older run has none
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        message = f"{folder} is no run: it has no readable {FACTS} and {SPEC}"
        raise RunError(message) from None
    if digest != begun_with:
        message = f"{folder / SPEC} was changed since the run began: train it as a run of its own"
        raise RunError(message)
    return run


def _preprocessing(folder: Path) -> Preprocessing | None:
    """What the weights file says; a damaged one is refused when its weights are asked for."""
    try:
        return read_weights(folder / LAST, facts_only=True).preprocessing
    except RunError:
        return None


def _require_vacant(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file: a run needs a folder of its own")
    if out.is_dir() and any(out.iterdir()):
        raise RunError(
            f"{out} is not empty: a run is never overwritten (`resume` goes on with one)"
        )


@contextmanager
def _aside(out: Path) -> Iterator[Path]:
    """A new folder next to `out`, gone at the end unless it was renamed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fill(
    folder: Path, out: Path, spec: Spec, origin: Origin, start: Checkpoint, facts: dict[str, Any]
) -> None:
    os.chmod(folder, 0o755)  # mkdtemp makes it private
    (folder / SPEC).write_bytes(origin.text)
    (folder / RESOLVED).write_bytes(resolved(spec))
    described = {
        **facts,
        "overrides": list(origin.overrides),
        "folder": os.path.relpath(origin.folder.resolve(), out),
        "digest": origin.digest,
        "content": content_hash(spec),
        "data": digests_of(spec),
    }
    (folder / FACTS).write_text(_json(described), encoding="utf-8")
    (folder / METRICS).touch()
    start.write(folder / CHECKPOINT)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Says in a RunError why the folder cannot be written, as when the disk is full."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {reason(error)}") from None


def _line(row: Row) -> str:
    return json.dumps(row, allow_nan=False) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
