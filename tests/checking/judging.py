"""Programs emitted, edited and judged by one invariant: helpers of the tests beside this file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from specs import Case

from wellposed.backends import registry
from wellposed.checking.checks import CHECKS, Check
from wellposed.checking.compare import Comparison, Verdict, compare_leaves
from wellposed.checking.probes import draw
from wellposed.compiler.pipeline import Compiled

VERLET = Case("hamiltonian", integrator="verlet")
LEAPFROG = Case("second-order", "antisymmetric", "leapfrog")
Edit = Callable[[str], str]


def changed(old: str, new: str) -> Edit:
    """The text with its first `old` replaced."""

    def edit(text: str) -> str:
        assert old in text, f"the emitted program no longer says {old!r}: plant the bug anew"
        return text.replace(old, new, 1)

    return edit


def unchanged(text: str) -> str:
    return text


def model(net: Compiled, backend: str = "torch", edit: Edit = unchanged) -> Any:
    """The program's text, edited, as a float64 model."""
    chosen = registry.get(backend)
    return chosen.load(net.module, edit(chosen.emit(net.module)), "cpu", "float64")


def judged(
    module: ModuleType, net: Compiled, backend: str = "torch", edit: Edit = unchanged
) -> Comparison:
    """What the module finds in an (edited) program, and makes of it."""
    probes, check = draw(net), check_of(module)
    assert check.applies(net, probes) and callable(check.expect)
    found = check.ask(model(net, backend, edit), net, probes)
    return compare_leaves(found, check.expect(net, probes), "float64")


def check_of(module: ModuleType) -> Check:
    """The row of the table that a module answers."""
    return next(check for check in CHECKS.values() if check.ask is module.ask)


def caught(*given: Any) -> bool:
    return judged(*given).verdict is Verdict.DIFFERS


def emitting(monkeypatch: pytest.MonkeyPatch, edit: Edit) -> None:
    """All that torch emits from now on is edited."""
    kept = registry.get("torch")
    other = replace(kept, emit=lambda module: edit(kept.emit(module)))
    monkeypatch.setitem(registry._BACKENDS, "torch", other)
