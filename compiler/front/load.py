"""From a file to a valid spec: reading, validation and all checks of the compiler in one call."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ...spec.load import open_document, validate
from ...spec.model import Spec
from .facts import facts_of
from .lower import diagnose

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def load(path: str | os.PathLike[str], overrides: Iterable[str] = ()) -> Spec:
    """The spec of a file, or of a shipped example by its name, with `key.sub=value` overrides.

    Raises SpecError with every error of the file at once: of the text, of the values, of the
    combination, of the dimensions, each at its place. Messages call an example by its name.
    """
    file = find(path)
    document = open_document(file, overrides, name="" if file is path else os.fspath(path))
    return validate(document, Spec, lambda spec: diagnose(spec, facts_of(spec)))


def find(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """A path as it is, or the file of a shipped example when only an example has that name."""
    shipped = EXAMPLES / f"{path}.yaml"
    return shipped if not os.path.exists(path) and os.path.isfile(shipped) else path


def examples() -> list[Path]:
    """The files of the shipped examples, by name."""
    return sorted(EXAMPLES.glob("*.yaml"))
