"""Checkpoints: weights, optimizer state and the place in the training, in one file.

One safetensors file holds all of it, so that no kill can part weights from their state; it is
written aside and renamed, so that none can leave half a file. Every backend reads its arrays.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..spec.diagnostics import Error

FORMAT = "wellposed checkpoint 1"
WEIGHTS, STATE, TAKEN = "weights/", "state/", "epoch/taken"
ASIDE = ".new"
"""How the name of a file ends that is not whole yet."""

Tensors = dict[str, np.ndarray]


def nothing_taken() -> np.ndarray:
    """The updates of an epoch that has not begun."""
    return np.empty((0, 3))


class RunError(Error):
    """A run folder that cannot be made or is not what it should be, said for the user."""


@dataclass(frozen=True)
class Checkpoint:
    """The weights and the optimizer state after `epoch` epochs and the updates `taken` of the next.

    A row of `taken` is what an update saw: examples, loss, gradient norm. `spec` is the digest of
    the spec.
    """

    epoch: int
    weights: Tensors
    state: Tensors
    spec: str
    taken: np.ndarray = field(default_factory=nothing_taken)

    def write(self, path: Path) -> None:
        """Write the file, all of it or nothing."""
        tensors = {WEIGHTS + name: array for name, array in self.weights.items()}
        tensors |= {STATE + name: array for name, array in self.state.items()}
        tensors |= {TAKEN: self.taken} if len(self.taken) else {}
        facts = {"epoch": self.epoch, "spec": self.spec, "digest": _digest(tensors)}
        replace(path, to_bytes(tensors, {FORMAT: json.dumps(facts)}))


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a file; RunError where it is missing, torn or altered."""
    try:
        facts, tensors = _read(path)
        if facts["digest"] != _digest(tensors):
            raise ValueError("its content is not what was written")
        weights, state = _under(WEIGHTS, tensors), _under(STATE, tensors)
        taken = tensors.get(TAKEN, nothing_taken())
        return Checkpoint(int(facts["epoch"]), weights, state, facts["spec"], taken)
    except FileNotFoundError:
        raise RunError(f"{path.parent} has no {path.name}") from None
    except (KeyError, TypeError):
        raise RunError(f"{path} is no checkpoint or a damaged one: a part is missing") from None
    except (OSError, SafetensorError, ValueError) as error:
        raise RunError(f"{path} is no checkpoint or a damaged one: {reason(error)}") from None


def to_bytes(tensors: Mapping[str, np.ndarray], metadata: dict[str, str] | None = None) -> bytes:
    """A safetensors file; arrays are laid out in C order, as the format wants them.

    `metadata` has one entry at most: safetensors writes several in an order that differs.
    """
    return save({n: np.array(a, order="C") for n, a in tensors.items()}, metadata)


def replace(path: Path, data: bytes) -> None:
    """Make `data` the content of the file: whoever reads it finds the old content or the new."""
    aside = path.with_name(f".{path.name}.{uuid4().hex[:8]}{ASIDE}")
    try:
        with naming(path):
            aside.write_bytes(data)
            os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An error of the system within says what it is about: that of a full disk names no file."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def reason(error: Exception) -> str:
    """Why a file of a run cannot be read, in plain words."""
    if isinstance(error, OSError):
        return (error.strerror or "it is no file, or there is none").lower()
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    if isinstance(error, SafetensorError):
        return "it is no whole safetensors file"
    is_json = isinstance(error, (json.JSONDecodeError, RecursionError))
    return "it is no JSON" if is_json else str(error)


def sweep(folder: Path) -> None:
    """Remove what kills have left aside; only for who holds the folder."""
    for aside in folder.glob(f".*{ASIDE}"):
        aside.unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict[str, Any], Tensors]:
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        if FORMAT not in metadata:
            raise ValueError("it holds arrays of another kind")
        names = file.keys()
        return json.loads(metadata[FORMAT]), {name: file.get_tensor(name) for name in names}


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {n.removeprefix(prefix): a for n, a in tensors.items() if n.startswith(prefix)}


def _digest(tensors: Tensors) -> str:
    """SHA-256 over names, dtypes, shapes and bytes: safetensors itself has no check of its data."""
    total = sha256()
    for name in sorted(tensors):
        array = np.asarray(tensors[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()
