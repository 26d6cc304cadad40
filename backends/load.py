"""From the text of a program to a module, with its lines at hand for tracebacks."""

from __future__ import annotations

import hashlib
import linecache
import sys
from types import ModuleType


def load_module(source: str, name: str) -> ModuleType:
    """Run the text of an emitted program as a module of its own.

    The module is entered into `sys.modules` (torch and dataclasses look classes up there) under a
    name made of its content, so that two texts never share one.
    """
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    filename = f"<wellposed {name} {digest}>"
    module = ModuleType(f"wellposed_emitted_{name}_{digest}")
    module.__file__ = filename
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    sys.modules[module.__name__] = module
    exec(compile(source, filename, "exec"), module.__dict__)
    return module
