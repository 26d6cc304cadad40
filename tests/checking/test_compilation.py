"""What a check has XLA compile as for users, in full, and what quickly, to slow code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from planting import CLASSIFIER, spec

from wellposed.backends import run_jax
from wellposed.checking.inline import run
from wellposed.checking.ladder import check

DATA = {"kind": "ellipses", "train": 12, "validation": 0}
"""Twelve examples in batches of eight: a batch of four is left over."""
MODEL = {"state": 2, "vector_field": "layer", "readout": CLASSIFIER | {"classes": 2}}
TRAIN = {"optimizer": {"kind": "adam", "lr": 1e-2}, "epochs": 2, "batch": 8}


def compilations(dtype: str, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """The functions, with their dtypes, that a check compiles in full and quickly."""
    full, quick = [], []
    jit = run_jax.jax.jit

    def noted(function: Callable[..., Any], **options: Any) -> Any:
        is_double = run_jax.jax.config.read("jax_enable_x64")
        made = full if options.get("compiler_options") is None else quick
        made.append(f"{function.__name__} {'float64' if is_double else 'float32'}")
        return jit(function, **options)

    monkeypatch.setattr(run_jax.jax, "jit", noted)
    given = spec(MODEL, data=DATA, train=TRAIN, dtype=dtype)
    assert check(given, backends=("jax",), run=run).passed
    return full, quick


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_users_run_is_compiled_as_they_run_it(dtype: str, monkeypatch: pytest.MonkeyPatch):
    full, quick = compilations(dtype, monkeypatch)
    assert sorted(full) == [f"loss {dtype}", f"trajectory {dtype}", "update float64"]
    assert "update float64" in quick  # of the batch that is left over
    assert {"forward float32", "forward float64", "layer_weights float64"} <= set(quick)
