"""What the generators make: the whole language, and no spec that the compiler refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from pydantic import Field

from campaigns.fuzz import coverage, expressions, near, values
from campaigns.fuzz.specs import specs, write_data
from wellposed.compiler.ir.elementary import PUBLIC
from wellposed.compiler.pipeline import compiled
from wellposed.spec.integrators import Integrator
from wellposed.spec.model import Spec
from wellposed.spec.node import Family

ROUND = settings(max_examples=25, database=None, deadline=None, phases=[Phase.generate])


def drawn(strategy: st.SearchStrategy[Any], rounds: int = 1) -> list[Any]:
    """What hypothesis draws in rounds of 25, the same every time; many in a row are alike."""
    found: list[Any] = []

    @ROUND
    @given(strategy)
    def collect(one: Any) -> None:
        found.append(one)

    for number in range(rounds):
        seed(number)(collect)()
    return found


@pytest.fixture(scope="module")
def generated() -> list[dict[str, Any]]:
    return drawn(specs(), rounds=32)


def test_every_registered_kind_is_generated(generated: list[dict[str, Any]]) -> None:
    seen = coverage.Coverage()
    for plain in generated:
        seen.add(plain)
    assert seen.missing() == []


def test_the_families_are_all_there_are() -> None:
    declared = {cls for cls in Family.__subclasses__() if cls.__module__.startswith("wellposed.")}
    assert set(coverage.FAMILIES) == declared


def test_valid_specs_compile(
    generated: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    for plain in generated[::3]:
        assert compiled(Spec.model_validate(plain)).module.functions


def test_specs_are_small(generated: list[dict[str, Any]]) -> None:
    sizes = sorted(len(coverage.keys_of_its_own(plain)) for plain in generated)
    assert sizes[0] == 0 and sizes[len(sizes) // 2] <= 12


def test_every_function_of_the_grammar_is_called() -> None:
    texts = " ".join((*expressions.UNARY, *expressions.POTENTIALS))
    assert [name for name in PUBLIC if f"{name}(" not in texts] == []


def test_a_new_kind_is_generated_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Integrator, "_registry", dict(Integrator.members()))

    class Plain(Integrator, kind="plain-new"):
        damping: float = 0.5

    class Unknown(Integrator, kind="unknown-new"):
        table: dict[str, float] = Field(default_factory=dict)

    plain = drawn(values.of_kind(Plain))
    assert "plain-new" in plain and {"kind": "plain-new", "damping": 0.5} in plain
    with pytest.raises(values.NoValues, match=r"table of .*Unknown"):
        drawn(specs(), rounds=4)


def test_nearly_valid_texts_are_mostly_no_specs_and_all_different() -> None:
    texts = drawn(near.texts(), rounds=12)
    assert len({repr(text) for text in texts}) > 60
    assert any(isinstance(text, bytes) for text in texts)


def test_what_the_simplest_spec_has_is_not_counted() -> None:
    plain: dict[str, Any] = {"name": "net", "model": {"state": 3, "vector_field": "layer"}}
    assert coverage.keys_of_its_own(plain) == ["model.state"]
    plain["regularizers"] = [{"kind": "weight-decay"}]
    assert coverage.keys_of_its_own(plain) == ["model.state", "regularizers"]
