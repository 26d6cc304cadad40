"""`doctor`: what is installed, what it sees, what is missing."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from .._version import __version__, installed
from .output import pairs, say, section

REQUIRED = (
    *("numpy", "scipy", "scikit-learn", "matplotlib", "pydantic", "pyyaml"),
    *("rich", "safetensors", "typer"),
)
Lines = Iterator[tuple[str, str]]


def doctor() -> None:
    """Say what is installed, which devices there are, and what is missing."""
    from ..backends.threads import cores

    say(f"wellposed {__version__}, Python {platform.python_version()}, {platform.platform()}")
    say(sys.executable)
    say(f"{cores()} cores")
    section("Packages")
    pairs((name, installed(name) or f"missing: pip install {name}") for name in REQUIRED)
    section("Backends")
    pairs([("numpy", f"{installed('numpy')}, the reference: float64 on the CPU")])
    pairs(_backend("torch", _torch))
    pairs(_backend("jax", _jax))


def _backend(name: str, look: Callable[[], Lines]) -> Lines:
    if find_spec(name) is None:
        yield name, f"missing: pip install 'wellposed[{name}]'"
        return
    from ..backends.registry import get

    try:
        yield name, str(installed(name))
        yield from look()
        solver = get(name).solver
        missing = f"missing: pip install 'wellposed[{name}]'"
        yield "", f"adaptive methods by {solver}: {installed(solver) or missing}"
    except Exception as error:  # a broken installation may raise anything
        yield "", f"cannot be used: {type(error).__name__}: {error}"


def _torch() -> Lines:
    from ..backends.run_torch import torch

    cuda = torch.cuda
    names = [f"cuda:{i} {cuda.get_device_name(i)}" for i in range(cuda.device_count())]
    yield "", f"devices: {', '.join(['cpu', *names])}"
    yield "", f"CUDA {torch.version.cuda or 'not built in'}"
    yield "", f"threads on the CPU: {_threads(torch.get_num_threads())}"
    yield "", "float64 yes, float32 in full: TF32 is switched off while programs run"


def _threads(count: int) -> str:
    from ..backends.threads import SAID, rule

    return f"{count}, by {SAID}" if SAID in os.environ else rule()


def _jax() -> Lines:
    from ..backends.run_jax import jax

    yield "", f"devices: {', '.join(map(str, jax.devices()))}"
    yield "", f"jaxlib {installed('jaxlib')}, the platform by default is {jax.default_backend()}"
    yield "", "threads on the CPU: one for each core; they share large operations only"
    yield "", "float64 yes, by x64 where a spec asks for it; matrix products in full precision"
