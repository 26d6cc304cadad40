"""What a training ran on, without importing a framework and without a path of the machine."""

from __future__ import annotations

import platform
from typing import Any

from .._version import __version__, installed
from ..backends.model import Model
from ..backends.threads import Threaded

FRAMEWORKS = {"torch": ("torch",), "jax": ("jax", "jaxlib")}


def environment(model: Model) -> dict[str, Any]:
    """Versions, device, dtype, threads (of torch) and platform of a call that trains `model`."""
    packages = ("numpy", *FRAMEWORKS.get(model.backend, ()))
    return {
        "backend": model.backend,
        "device": model.device,
        "dtype": model.dtype,
        "threads": model.threads if isinstance(model, Threaded) else None,
        "versions": {"wellposed": __version__} | {name: installed(name) for name in packages},
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
