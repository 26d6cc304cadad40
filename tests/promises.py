"""A pass that breaks its promise, stopped by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wellposed.compiler.promises.checked import PassError, PassViolation, value_checked


def caught(run: Callable[[], object]) -> PassViolation:
    """The violation by which the run is stopped."""
    with value_checked(), pytest.raises(PassError) as error:
        run()
    return error.value.violation
