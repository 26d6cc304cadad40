"""`map` over several processes: planting and compiling at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

Mapping = Callable[..., Iterable[Any]]
"""As `map`: a function and what it is applied to, results in order."""


@contextmanager
def mapping(processes: int) -> Iterator[Mapping]:
    """`map` in this process, or in others, which start afresh and share nothing with this one."""
    if processes == 1:
        yield map
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield pool.map
