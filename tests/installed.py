"""Plugins as if they were installed, for the time of a block."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from wellposed.backends import registry
from wellposed.spec.integrators import Integrator
from wellposed.spec.parametrizations import Parametrization
from wellposed.spec.regularizers import Regularizer
from wellposed.spec.vector_fields import VectorField

REGISTRIES: tuple[dict, ...] = (
    Integrator._registry,
    Parametrization._registry,
    Regularizer._registry,
    VectorField._registry,
    registry._BACKENDS,
)


@contextmanager
def installed(*files: Path) -> Iterator[list[ModuleType]]:
    """The modules of these files; what they have registered is forgotten afterwards."""
    before = [dict(known) for known in REGISTRIES]
    try:
        yield [_run(path) for path in files]
    finally:
        for known, kept in zip(REGISTRIES, before, strict=True):
            known.clear()
            known.update(kept)


def _run(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[path.stem] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
