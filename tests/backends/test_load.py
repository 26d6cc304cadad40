"""Programs as modules: with their lines at hand, and no more of them than are of use."""

from __future__ import annotations

import linecache
import sys

import pytest

from wellposed.backends.load import KEPT, load_module


def text(number: int) -> str:
    return f"def answer():\n    return {number}\n"


def test_two_texts_of_one_name_are_two_modules() -> None:
    first, second = load_module(text(1), "twin"), load_module(text(2), "twin")
    assert first.__name__ != second.__name__
    assert (first.answer(), second.answer()) == (1, 2)
    assert sys.modules[first.__name__] is first
    assert linecache.getline(str(second.__file__), 2) == "    return 2\n"


def test_old_modules_are_forgotten_and_go_on_running() -> None:
    modules = [load_module(text(number), "many") for number in range(KEPT + 3)]
    known = [name for name in sys.modules if name.startswith("wellposed_emitted_")]
    lines = [name for name in linecache.cache if name.startswith("<wellposed ")]
    assert len(known) <= KEPT and len(lines) <= KEPT
    assert modules[0].__name__ not in sys.modules and modules[-1].__name__ in sys.modules
    assert [module.answer() for module in modules] == list(range(KEPT + 3))


def test_an_option_that_xla_does_not_know_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    run_jax = pytest.importorskip("wellposed.backends.run_jax")
    known = {"xla_backend_optimization_level": 0}
    monkeypatch.setattr(run_jax, "FAST_COMPILE", {**known, "xla_of_another_version": True})
    assert run_jax._fast_options.__wrapped__() == known
