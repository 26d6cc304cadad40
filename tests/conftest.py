"""Skips the tests marked `gpu` where there is no GPU; all else is left to the tests themselves."""

from __future__ import annotations

import functools

import pytest


@functools.cache
def has_gpu() -> bool:
    """Whether torch sees a CUDA device; torch is imported only where a test asks for one."""
    torch = pytest.importorskip("torch")
    return torch.cuda.is_available()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not has_gpu():
        pytest.skip("needs a CUDA device")
