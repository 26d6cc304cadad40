"""What a process needs that runs thousands of programs, and what it must drop now and then."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

from wellposed.backends import registry


def load_frameworks() -> None:
    """Import them before any thread does: SciPy looks into a `jax` that is only half there."""
    for name in registry.names():
        if framework := registry.get(name).framework:
            import_module(framework)


def tidy() -> None:
    """Drop what the frameworks have compiled, if they are loaded, and collect what is left."""
    jax = sys.modules.get("jax")
    if jax is not None:
        jax.clear_caches()
    gc.collect()
