"""A job: what the process of one backend is given, and the files in which it hands back answers.

Answers carry the digest of the job: spec, program text, probes and all else. The process computes
it from what it has read, the check from what it has sent, so that a stale file is never compared.
Of answers, which a program may tamper with, nothing is run: they are arrays and words.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..backends import registry
from ..backends.model import Compilable, Model
from ..compiler.front.facts import Facts
from ..compiler.pipeline import Compiled, compiled
from ..spec.model import Spec
from .probes import Probes
from .quantities import Answer, Key

FORMAT = "wellposed check 1"
JOB, ANSWERS = "job", "answers"
ANSWER, UNFINISHED = re.compile(r"\d{4,}\.safetensors"), re.compile(r"\d{4,}\.new")
MOST_BYTES = 2**31
"""Of one answer that are read."""
UNREADABLE = (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError, SafetensorError)
"""What reading a file raises that anyone may have written."""


class StaleAnswer(Exception):
    """A file that does not belong to this job."""


@dataclass(frozen=True)
class Job:
    """One backend's part of a check. `facts` are what the check knows of the data, which no process
    reads again; `is_compiled` programs go through the framework's own compiler (torch.compile)."""

    backend: str
    device: str
    source: str
    spec: Spec
    facts: Facts
    probes: Probes
    keys: tuple[Key, ...]
    is_compiled: bool = False

    def case(self) -> Compiled:
        """The spec, compiled."""
        return compiled(self.spec, self.facts)

    def load(self, case: Compiled, dtype: str) -> Model:
        """The text as a model, run through the framework's compiler where the job says so."""
        model = registry.get(self.backend).load(case.module, self.source, self.device, dtype)
        if not self.is_compiled:
            return model
        if not isinstance(model, Compilable):
            raise registry.BackendError(f"{self.backend} has no compiler to switch on")
        model.compile()
        return model

    def write(self, folder: Path) -> str:
        """All of it as one file, of which the SHA-256 is the digest."""
        packed = pickle.dumps(self)
        (folder / ANSWERS).mkdir()
        (folder / JOB).write_bytes(packed)
        return sha256(packed).hexdigest()

    @staticmethod
    def read(folder: Path) -> tuple[Job, str]:
        """The job that was written there, and its digest."""
        packed = (folder / JOB).read_bytes()
        return pickle.loads(packed), sha256(packed).hexdigest()


def write_answer(folder: Path, number: int, digest: str, key: Key, answer: Answer) -> None:
    """One answer as a file of its own, whole or not at all: what follows may crash."""
    facts = {"digest": digest, "key": key, "reason": answer.reason, "offered": answer.offered}
    path = folder / ANSWERS / f"{number:04}.safetensors"
    aside = path.with_suffix(".new")
    leaves = {name: np.array(leaf, order="C") for name, leaf in answer.leaves.items()}
    aside.write_bytes(save(leaves, {FORMAT: json.dumps(facts)}))
    os.replace(aside, path)


def read_answers(folder: Path, digest: str, known: int = 0) -> dict[Key, Answer]:
    """The answers in a folder but for the first `known`. Raises StaleAnswer for a file of another
    job, or none of a job's."""
    try:
        names = sorted(os.listdir(folder / ANSWERS))
    except OSError as error:
        raise StaleAnswer(f"{ANSWERS} cannot be read: {error.strerror}") from None
    finished = [name for name in names if not UNFINISHED.fullmatch(name)]
    return dict(_read_answer(folder / ANSWERS / name, digest) for name in finished[known:])


def _read_answer(path: Path, digest: str) -> tuple[Key, Answer]:
    if not ANSWER.fullmatch(path.name):
        raise StaleAnswer(f"{path.name[:100]!r} is no name of an answer")
    try:
        content = _content(path)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        facts = json.loads(header["__metadata__"][FORMAT])
        stale = facts["digest"] != digest
        key, reason = Key(*map(str, facts["key"])), str(facts["reason"])
        answer = Answer(load(content), reason, bool(facts["offered"]))
    except UNREADABLE as error:
        raise StaleAnswer(f"{path.name} is no answer of a check: {error}") from None
    if stale:
        raise StaleAnswer(f"{path.name} answers for another spec, program or probe")
    return key, answer


def _content(path: Path) -> bytes:
    """The bytes of a regular file; a pipe, which would have no end, is not waited for."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise ValueError("it is not a regular file")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is longer than {MOST_BYTES} bytes")
    return content
