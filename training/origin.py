"""Where a spec comes from: what a run keeps, so that it can be read again as it was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import yaml

from ..spec.model import Spec


@dataclass(frozen=True)
class Origin:
    """A spec as it was given: the bytes of its file, the overrides, and its folder.

    Paths of data files are relative to the folder.
    """

    text: bytes
    overrides: tuple[str, ...] = ()
    folder: Path = Path()

    @property
    def digest(self) -> str:
        """SHA-256 over text and overrides: two runs of equal digest are of the same spec."""
        return sha256(json.dumps(self.overrides).encode() + b"\n" + self.text).hexdigest()


def origin_of_spec(spec: Spec) -> Origin:
    """The origin of a spec that was made in Python: itself as YAML."""
    return Origin(resolved(spec))


def resolved(spec: Spec) -> bytes:
    """The spec as YAML, every default written out."""
    text = yaml.safe_dump(spec.to_plain(), sort_keys=False, allow_unicode=True, width=100)
    return text.encode()
