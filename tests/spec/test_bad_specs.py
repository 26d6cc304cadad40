"""Bad input: each a located error, all at once, in bounded time and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellposed.spec.diagnostics import Diagnostic, SpecError
from wellposed.spec.load import validate
from wellposed.spec.source import MAX_BYTES, read_text

BILLION_LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{here}: &{here} [{', '.join([f'*{above}'] * 9)}]\n"
    for above, here in zip("abcdefgh", "bcdefghi", strict=True)
)

UNREADABLE = {
    "empty": ("", "E005", 1, 1),
    "only a comment": ("# nothing\n", "E005", 2, 1),
    "only a marker": ("---\n", "E005", 2, 1),
    "a word": ("word", "E006", 1, 1),
    "a list": ("- a\n- b\n", "E006", 1, 1),
    "tab as indentation": ("a:\n\tb: 1\n", "E009", 2, 1),
    "tab after a key": ("a:\tb\n", "E009", 1, 3),
    "tab at the end": ("a: b\t\n", "E009", 1, 5),
    "unclosed list": ("a: [1, 2\n", "E004", 2, 1),
    "unclosed string": ('a: "b\n', "E004", 2, 1),
    "two values on a line": ("a: b: c\n", "E004", 1, 5),
    "bad indentation": ("a:\n  - b\n c: 1\n", "E004", 3, 2),
    "forbidden start": ("a: @b\n", "E004", 1, 4),
    "undeclared tag handle": ("a: !no!tag 1\n", "E004", 1, 4),
    "undeclared alias": ("a: 1\nb: *\n", "E004", 2, 5),
    "directive": ("%YAML 1.1\n---\na: 1\n", "E004", 1, 1),
    "two documents": ("a: 1\n---\nb: 1\n", "E013", 2, 1),
    "NUL": ("a: 1\nb: x\0y\n", "E002", 2, 5),
    "escape": ("a: \x1b[0m\n", "E002", 1, 4),
    "a lone surrogate": ("a: \udcff\n", "E002", 1, 4),
    "brackets": ("[" * 100_000, "E012", 1, 41),
    "braces": ("a: " + "{" * 100_000, "E012", 1, 43),
    "mappings in lists": ("[{a: " * 20_000, "E012", 1, 101),
    "dashes": ("- " * 100_000, "E012", 1, 81),
    "question marks": ("? " * 100_000, "E012", 1, 81),
    "indented": ("".join(" " * i + "a:\n" for i in range(1000)), "E012", 41, 41),
    "too many values": ("a: [" + "1," * 400_000 + "]", "E003", 1, 40_001),
    "too long": ("# " + "x" * MAX_BYTES, "E003", 1, 1),
    "key longer than YAML allows": ("k" * 2000 + ": 1", "E004", 1, 2001),
}


@pytest.mark.parametrize(("text", "code", "line", "column"), UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable(
    errors: Callable[..., Any], text: str, code: str, line: int, column: int
) -> None:
    assert errors(text) == [(code, line, column)]


REFUSED = {
    "duplicate key": ("name: a\nwellposed: 1\nname: b\n", [("E007", 3, 1)]),
    "duplicate in quotes": ("wellposed: 1\nmodel: {steps: 1, 'steps': 2}\n", [("E007", 2, 19)]),
    "python tag": (
        "wellposed: 1\nname: !!python/object/apply:os.system [id]\n",
        [("E011", 2, 7)],
    ),
    "standard tag": ("wellposed: !!int 1\n", [("E011", 1, 12)]),
    "empty tag": ("wellposed: ! 1\n", [("E011", 1, 12)]),
    "anchor": ("wellposed: 1\nname: &x toy\n", [("E010", 2, 7)]),
    "alias": ("wellposed: 1\nname: &x toy\nnote: *x\n", [("E010", 2, 7), ("E010", 3, 7)]),
    "merge key": ("wellposed: 1\n<<: {name: a}\n", [("E010", 2, 1)]),
    "number as key": ("wellposed: 1\nmodel: {weights: {1: antisymmetric}}\n", [("E008", 2, 19)]),
    "truth as key": ("wellposed: 1\ntrue: a\n", [("E008", 2, 1)]),
    "null as key": ("wellposed: 1\n~: a\n", [("E008", 2, 1)]),
    "list as key": ("wellposed: 1\n[a, b]: c\n", [("E008", 2, 1)]),
    "mapping as key": ("wellposed: 1\n? {a: b}\n: c\n", [("E008", 2, 3)]),
    "overflow": ("wellposed: 1\nmodel: {steps: 1e999}\n", [("E108", 2, 16)]),
    "huge integer": (f"wellposed: 1\nmodel: {{steps: {'9' * 5000}}}\n", [("E108", 2, 16)]),
    "huge hexadecimal": (f"wellposed: 0x{'f' * 300}\n", [("E108", 1, 12)]),
}


@pytest.mark.parametrize(("text", "expected"), REFUSED.values(), ids=REFUSED)
def test_refused_without_a_follow_up(
    errors: Callable[..., Any], text: str, expected: list[Any]
) -> None:
    assert errors(text) == expected


WRONG = {
    "typo at the root": ("wellposed: 1\nnmae: x", [("E103", 2, 1)], "did you mean name?"),
    "typo in a node": (
        "wellposed: 1\nmodel: {setps: 3}",
        [("E103", 2, 9)],
        "unknown key 'setps' in model",
    ),
    "typo in a family": (
        "wellposed: 1\nmodel:\n  parametrization: {kind: antisymmetric, gama: 1}",
        [("E103", 3, 42)],
        "did you mean gamma?",
    ),
    "typo in a list": (
        "wellposed: 1\nregularizers:\n  - alpha: 1\n  - aplha: 1",
        [("E103", 4, 5)],
        "did you mean alpha?",
    ),
    "typo in a dict": (
        "wellposed: 1\nmodel: {weights: {K: {kind: antisymmetric, Gamma: 1}}}",
        [("E103", 2, 44)],
        "did you mean gamma?",
    ),
    "typo in a union": (
        "wellposed: 1\nmodel: {state: {channels: 3, hight: 4}}",
        [("E103", 2, 30)],
        "did you mean height?",
    ),
    "nearest branch of a union": (
        "wellposed: 1\nmodel: {state: {channels: x, height: 4, depth: 2}}",
        [("E101", 2, 27)],
        "channels must be an integer",
    ),
    "typo of kind": (
        "wellposed: 1\nmodel: {integrator: {knd: euler}}",
        [("E103", 2, 22)],
        "did you mean kind?",
    ),
    "no key like it": (
        "wellposed: 1\nregularizers: [{zzz: 1}]",
        [("E103", 2, 17)],
        "= help: keys here: alpha, beta, of",
    ),
    "missing at the root": ("name: x", [("E104", 1, 1)], "the key 'wellposed' is missing"),
    "missing in a node": (
        "wellposed: 1\nmodel:\n  state: {channels: 3}",
        [("E104", 3, 3)],
        "the key 'height' is missing in state",
    ),
    "missing below a bare kind": (
        "wellposed: 1\nmodel:\n  integrator: theta",
        [("E104", 3, 3)],
        "the key 'theta' is missing in integrator",
    ),
    "string for a number": (
        "wellposed: 1\nregularizers: [{alpha: abc}]",
        [("E101", 2, 24)],
        "alpha must be a number, got the string 'abc'",
    ),
    "float for an integer": (
        "wellposed: 1\nmodel: {steps: 1e1}",
        [("E101", 2, 16)],
        "steps must be an integer, got 1e1",
    ),
    "word for a truth value": (
        "wellposed: 1\nshuffle: on",
        [("E101", 2, 10)],
        "shuffle must be true or false, got the string 'on'",
    ),
    "number for a string": ("wellposed: 1\nname: 010", [("E101", 2, 7)], "got 010"),
    "null": ("wellposed: 1\nname:", [("E101", 2, 6)], "name must be a string, got nothing"),
    "scalar for a node": ("wellposed: 1\nmodel: 3", [("E101", 2, 8)], "must be a mapping, got 3"),
    "list for a family": (
        "wellposed: 1\nmodel: {integrator: [euler]}",
        [("E101", 2, 21)],
        "integrator must be a kind or a mapping with one, got a list",
    ),
    "no branch of a union": (
        "wellposed: 1\nmodel: {state: big}",
        [("E101", 2, 16)],
        "state must be an integer or a mapping, got the string 'big'",
    ),
    "item of a list": (
        "wellposed: 1\nmodel: {hidden: [1, x]}",
        [("E101", 2, 21)],
        "hidden[1] must be an integer, got the string 'x'",
    ),
    "out of range": (
        "wellposed: 1\nmodel:\n  parametrization:\n    kind: antisymmetric\n    gamma: -0.1",
        [("E102", 5, 12)],
        "gamma must be ≥ 0, got -0.1\n"
        "  5 |     gamma: -0.1\n"
        "    |            ^^^^ a negative γ makes every mode grow: Re λ = -γ/2 > 0",
    ),
    "range below a union": (
        "wellposed: 1\nmodel: {state: 0}",
        [("E102", 2, 16)],
        "state must be ≥ 1, got 0",
    ),
    "empty list": (
        "wellposed: 1\nmodel: {hidden: []}",
        [("E102", 2, 17)],
        "hidden must have at least 1 item, got 0",
    ),
    "not finite": (
        "wellposed: 1\nregularizers: [{alpha: .nan}]",
        [("E108", 2, 24)],
        "alpha must be finite, got .nan",
    ),
    "unknown version": ("wellposed: 2", [("E105", 1, 12)], "wellposed must be 1, got 2"),
    "unknown choice": (
        "wellposed: 1\ndtype: Float_32",
        [("E105", 2, 8)],
        "did you mean float32?",
    ),
    "unknown bare kind": (
        "wellposed: 1\nmodel: {integrator: eulr}",
        [("E105", 2, 21)],
        "did you mean euler?\n    = help: kinds of integrator: euler, leapfrog, theta",
    ),
    "unknown kind of a mapping": (
        "wellposed: 1\nmodel: {integrator: {kind: x}}",
        [("E105", 2, 28)],
        "unknown integrator 'x'",
    ),
    "kind that is no word": (
        "wellposed: 1\nmodel: {integrator: {kind: 3}}",
        [("E101", 2, 28)],
        "kind must be a string, got 3",
    ),
    "missing kind": (
        "wellposed: 1\nmodel: {integrator: {theta: 1}}",
        [("E106", 2, 21)],
        "integrator has no kind",
    ),
    "planned kind": (
        "wellposed: 1\nmodel: {integrator: dopri5}",
        [("E107", 2, 21)],
        "integrator dopri5 is part of the language but not supported by this version\n"
        "  2 | model: {integrator: dopri5}\n"
        "    |                     ^^^^^^ comes with adaptive solvers",
    ),
    "refused by a validator": (
        "wellposed: 1\nregularizers: [{of: [K, K]}]",
        [("E109", 2, 25)],
        "named twice",
    ),
}


@pytest.mark.parametrize(("text", "expected", "words"), WRONG.values(), ids=WRONG)
def test_wrong_values(
    refused: Callable[..., SpecError],
    errors: Callable[..., Any],
    text: str,
    expected: list[Any],
    words: str,
) -> None:
    assert errors(text) == expected
    assert words in str(refused(text))


def test_the_example_of_the_contract(refused: Callable[..., SpecError]) -> None:
    text = (
        "wellposed: 1\nname: a\nmodel:\n parametrization:\n  kind: antisymmetric\n  gamma: -0.1\n"
    )
    assert str(refused(text)) == (
        "m.yaml:6:10: error[E102]: gamma must be ≥ 0, got -0.1\n"
        "  6 |   gamma: -0.1\n"
        "    |          ^^^^ a negative γ makes every mode grow: Re λ = -γ/2 > 0\n"
        "1 error"
    )


def test_all_at_once_in_the_order_of_the_file(errors: Callable[..., Any]) -> None:
    text = (
        "name: 3\n"  # wrong type
        "name: again\n"
        "dtype: float31\n"
        "model:\n"
        "  steps: 200\n"  # too many for euler: found on the mended spec
        "  itegrator: euler\n"
        "  parametrization: {kind: antisymmetric, gamma: &g -1}\n"
        "regularizers:\n"
        "  - {of: [K, K]}\n"
    )
    assert errors("wellposed: 1\n" + text) == [
        ("E101", 2, 7),
        ("E007", 3, 1),
        ("E105", 4, 8),
        ("E109", 6, 10),
        ("E103", 7, 3),
        ("E010", 8, 49),
        ("E109", 10, 14),
    ]


def test_checks_run_on_a_valid_spec(errors: Callable[..., Any]) -> None:
    assert errors("wellposed: 1\nmodel: {steps: 200}") == [("E109", 2, 16)]


def test_a_mended_typo_is_checked_as_meant(errors: Callable[..., Any]) -> None:
    """With the default integrator in its place, `steps` would be found too many."""
    text = "wellposed: 1\nmodel:\n  steps: 200\n  state: 1\n  integrator: leapforg"
    assert errors(text) == [("E105", 5, 15)]
    text = "wellposed: 1\nmodel:\n  steps: 200\n  integrator: eulr"
    assert errors(text) == [("E109", 3, 10), ("E105", 4, 15)]
    text = "wellposed: 1\nmodel:\n  stpes: 200\n  integrator: {kind: euler}"
    assert errors(text) == [("E103", 3, 3), ("E109", 3, 10)]


def test_a_typo_and_its_wrong_value_are_both_said(errors: Callable[..., Any]) -> None:
    assert errors("wellposed: 1\nregularizers: [{alhpa: -1}]") == [("E103", 2, 17), ("E102", 2, 24)]
    text = "wellposed: 1\nmodel: {integrator: {kind: theta, teta: 2}}"  # and no `theta is missing`
    assert errors(text) == [("E103", 2, 35), ("E102", 2, 41)]


def test_nothing_is_checked_behind_an_unknown_kind(errors: Callable[..., Any]) -> None:
    text = "wellposed: 1\nmodel: {steps: 200, integrator: dopri5}"
    assert errors(text) == [("E107", 2, 33)]


def test_what_a_mended_place_would_break_is_not_said(errors: Callable[..., Any]) -> None:
    """`steps` falls back to its default, of which nothing can be said at this place."""
    assert errors("wellposed: 1\nmodel: {steps: many}") == [("E101", 2, 16)]


def test_a_required_key_that_mending_leaves_out_is_not_called_missing(
    errors: Callable[..., Any],
) -> None:
    text = "wellposed: 1\nmodel: {steps: 200, integrator: {kind: theta, theta: 2}}"
    assert errors(text) == [("E109", 2, 16), ("E102", 2, 54)]


def test_overrides_are_checked_by_the_same_rules(refused: Callable[..., SpecError]) -> None:
    error = refused("wellposed: 1\nnmae: x", "model.steps=1.5", "model.integrator=eulr")
    places = [(d.code, d.span.source, d.span.column) for d in error.diagnostics if d.span]
    assert places == [
        ("E103", "m.yaml", 1),
        ("E101", "command line", 13),
        ("E105", "command line", 18),
    ]
    assert "  1 | model.steps=1.5\n    |             ^^^" in str(error)


def test_a_warning_of_the_checks_is_no_error(toy: Any) -> None:
    warning = Diagnostic("E109", "hm", None, severity="warning")
    document = read_text("wellposed: 1", "m.yaml")
    assert validate(document, toy, lambda _: [warning]).wellposed == 1


def test_alias_bomb_is_refused_unexpanded(refused: Callable[..., SpecError]) -> None:
    found = refused(BILLION_LAUGHS).diagnostics
    assert {d.code for d in found if d.span and d.span.column > 1} == {"E010"}
    assert len(found) <= 120


def test_many_errors_are_cut_off(refused: Callable[..., SpecError]) -> None:
    many = "\n".join(f"key{i}: 1" for i in range(9000))
    error = refused("wellposed: 1\n" + many)
    assert len(error.diagnostics) == 100
    assert [d.span.line for d in error.diagnostics if d.span] == list(range(2, 102))
    assert len(refused("a: 1\n" * 9000).diagnostics) == 100


def test_no_line_of_an_error_is_long(refused: Callable[..., SpecError]) -> None:
    blob = "x" * 200_000
    for text in [
        f"wellposed: {blob}",
        f"wellposed: 1\n? {blob}\n: 1",
        f"wellposed: 1\nmodel: {{integrator: {blob}}}",
        f"wellposed: 1\nname: !{blob} x",
        f"wellposed: 1\nname: &{blob} x",
        f'{{wellposed: 1, note: "{blob}", shuffle: 3}}',
    ]:
        assert max(map(len, str(refused(text)).splitlines())) < 160


ALPHABET = st.sampled_from([*"abk:-[]{},#&*!|>%@'\"?~. \n\t10eγ\0\r", "kind: ", "model: ", "- "])


@settings(max_examples=300, deadline=None)
@given(st.lists(ALPHABET, max_size=60).map("".join))
def test_any_text_is_a_spec_or_a_located_error(load: Callable[..., Any], text: str) -> None:
    try:
        load(text)
    except SpecError as error:
        assert all(d.span is not None for d in error.diagnostics)
        assert str(error)


@settings(max_examples=200, deadline=None)
@given(st.lists(ALPHABET, max_size=30).map("".join))
def test_any_override_is_one_or_a_located_error(load: Callable[..., Any], text: str) -> None:
    try:
        load("wellposed: 1\nmodel: {integrator: euler}", f"model{text}")
    except SpecError as error:
        assert all(d.span is not None for d in error.diagnostics)
        assert str(error)
