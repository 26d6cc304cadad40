"""Every pass of the compiler is checked by value in all tests and the processes they start.

Tests marked `gpu` are skipped where there is no GPU; all else is left to the tests themselves.
"""

from __future__ import annotations

import functools
import os

import pytest

os.environ.setdefault("WELLPOSED_CHECK_PASSES", "1")


@functools.cache
def has_gpu() -> bool:
    """Whether torch sees a CUDA device; torch is imported only where a test asks for one."""
    torch = pytest.importorskip("torch")
    return torch.cuda.is_available()


def pytest_addoption(parser: pytest.Parser) -> None:
    help = "write tests/golden/ anew from what is emitted now"
    parser.addoption("--update-golden", action="store_true", help=help)
    help = "go over whole grids of networks and mutants, of which the suite takes samples"
    parser.addoption("--all-grids", action="store_true", help=help)


@pytest.fixture(scope="session")
def all_grids(request: pytest.FixtureRequest) -> bool:
    """Whether a test goes over the whole of its grid, or over a sample."""
    return bool(request.config.getoption("--all-grids"))


def pytest_configure(config: pytest.Config) -> None:
    line = "covers(*columns, by, of, through, names): what the test shows, for tests/census.py"
    config.addinivalue_line("markers", line)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not has_gpu():
        pytest.skip("needs a CUDA device")
