"""From the text of a program to a module, with its lines at hand for tracebacks."""

from __future__ import annotations

import hashlib
import linecache
import sys
from threading import Lock
from types import ModuleType

KEPT = 64
"""Modules that stay known to `sys.modules` and `linecache`: the latest ones."""
_known: dict[str, str] = {}  # names of modules and of their files, oldest first
_lock = Lock()


def load_module(source: str, name: str) -> ModuleType:
    """Run the text of an emitted program as a module of its own.

    The module is entered into `sys.modules` (torch and dataclasses look classes up there) under a
    name made of its content, so that two texts never share one. Old ones are forgotten there, or
    a process that runs thousands of programs would keep them all; they go on running.
    """
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    filename = f"<wellposed {name} {digest}>"
    module = ModuleType(f"wellposed_emitted_{name}_{digest}")
    module.__file__ = filename
    _make_known(module.__name__, filename)
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    sys.modules[module.__name__] = module
    exec(compile(source, filename, "exec", dont_inherit=True), module.__dict__)
    return module


def _make_known(module: str, filename: str) -> None:
    """Enter it as the latest, and forget the oldest; a check loads in several threads."""
    with _lock:
        _known.pop(module, None)
        _known[module] = filename
        while len(_known) > KEPT:
            oldest = next(iter(_known))
            sys.modules.pop(oldest, None)
            linecache.cache.pop(_known.pop(oldest), None)
