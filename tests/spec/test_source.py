"""Reading: scalars of YAML 1.2, places, overrides, rendering."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wellposed.spec.diagnostics import Diagnostic, Span, SpecError, quote, visible
from wellposed.spec.source import read, read_text

TEXT = """\
a: 1
model:
  integrator: euler   # first order
  list: [{x: 1}, {y: 2.5}]
  block:
    - p
    - "q r"
"""


def value(text: str) -> object:
    return read_text(f"a: {text}", "m.yaml").value["a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("+.5", 0.5),
        ("5.", 5.0),
        ("-2.5e+1", -25.0),
        ("010", 10),
        ("-7", -7),
        ("0x1F", 31),
        ("0o17", 15),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("true", True),
        ("FALSE", False),
        ("on", "on"),
        ("yes", "yes"),
        ("Off", "Off"),
        ("n", "n"),
        ("~", None),
        ("", None),
        ("null", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("1e", "1e"),
        ("e5", "e5"),
        (".", "."),
        ("=", "="),
        ("γ", "γ"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, expected: object) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


def test_nan_is_a_number() -> None:
    assert math.isnan(value(".nan"))  # type: ignore[arg-type]


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60))
def test_python_numbers_are_read_back(number: float) -> None:
    assert value(repr(number)) == number


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text("abc xyz:#-'\"\nγ", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abz"), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abc", min_size=1), PLAIN, min_size=1), st.booleans())
def test_what_pyyaml_writes_is_read_back(data: dict[str, object], flow: bool) -> None:
    text = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True)
    assert read_text(text, "m.yaml").value == data


@pytest.mark.parametrize(
    ("loc", "key", "place"),
    [
        (("a",), False, (1, 4, 5)),
        (("a",), True, (1, 1, 2)),
        (("model", "integrator"), False, (3, 15, 20)),
        (("model", "integrator"), True, (3, 3, 13)),
        (("model", "list", 1, "y"), False, (4, 22, 25)),
        (("model", "list", 1), False, (4, 18, 26)),
        (("model", "block", 1), False, (7, 7, 12)),
        (("model", "integrator", "lr"), False, (3, 3, 13)),
        (("model", "nothing", "here"), False, (2, 1, 6)),
        (("nothing",), False, (1, 1, 5)),
        ((), False, (1, 1, 5)),
    ],
)
def test_places(loc: tuple[str | int, ...], key: bool, place: tuple[int, int, int]) -> None:
    span = read_text(TEXT, "m.yaml").span(loc, key=key)
    assert (span.line, span.column, span.end_column) == place


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\u2028"])
def test_every_line_break_counts_once(newline: str) -> None:
    document = read_text(f"# γ{newline}a: 1{newline}b: 2", "m.yaml")
    span = document.span(("b",))
    assert (span.line, span.column, span.text) == (3, 4, "b: 2")


def test_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    document = read(path)
    assert document.value == {"a": 1}
    assert (document.span(("a",)).column, document.span(("a",)).text) == (4, "a: 1")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("a=1e-3", {"a": 1e-3}),
        ("a = on", {"a": "on"}),
        ("a=[1, {b: 2}]", {"a": [1, {"b": 2}]}),
        ("a=x=y", {"a": "x=y"}),
        ("new.deep.key=null", {"new": {"deep": {"key": None}}}),
        ("kind.kind=rk4", {"kind": {"kind": "rk4"}}),
        ("kind.lr=2", {"kind": {"kind": "euler", "lr": 2}}),
        ("list.0.x=3", {"list": [{"x": 3}, 5]}),
        ("list.1=6", {"list": [{"x": 1}, 6]}),
    ],
)
def test_overrides(override: str, expected: dict[str, object]) -> None:
    base = {"a": 0, "kind": "euler", "list": [{"x": 1}, 5]}
    document = read_text(yaml.safe_dump(base), "m.yaml")
    assert document.with_override(override).value == {**base, **expected}
    assert document.value == base


def test_places_of_an_override_are_in_its_own_text() -> None:
    document = read_text(TEXT, "m.yaml").with_override("model.list.1.y={z: [1, 22]}")
    span = document.span(("model", "list", 1, "y", "z", 1))
    assert span == Span("command line", 1, 24, 1, 26, "model.list.1.y={z: [1, 22]}")
    assert document.span(("model", "list", 1, "y"), key=True).column == 14
    assert document.span(("model", "list", 0, "x")).source == "m.yaml"


def test_an_override_leaves_no_place_of_what_it_replaces() -> None:
    document = read_text(TEXT, "m.yaml").with_override("model.list=3")
    assert document.span(("model", "list", 0, "x")) == document.span(("model", "list"), key=True)


def test_a_bare_kind_keeps_its_place_under_an_override() -> None:
    document = read_text(TEXT, "m.yaml").with_override("model.integrator.lr=1")
    assert document.span(("model", "integrator", "kind")).source == "m.yaml"
    assert document.span(("model", "integrator", "kind")).column == 15


@pytest.mark.parametrize(
    ("override", "code", "column"),
    [
        ("a", "E014", 1),
        ("=1", "E014", 1),
        ("a.=1", "E014", 3),
        ("a..b=1", "E014", 3),
        ("a=", "E014", 3),
        ("a.b=1", "E014", 1),
        ("model.list.9=1", "E014", 12),
        ("model.list.-1=1", "E014", 12),
        ("model.list.x=1", "E014", 12),
        ("a=1\n2", "E014", 1),
        ("a=[1", "E004", 5),
        ("a=@", "E004", 3),
        ("a=\0", "E002", 3),
        ("a=# nothing", "E005", 12),
        (f"{'a.' * 60}b=1", "E014", 1),
        (f"a={'[' * 50}", "E012", 43),
    ],
)
def test_bad_overrides(override: str, code: str, column: int) -> None:
    with pytest.raises(SpecError) as caught:
        read_text(TEXT, "m.yaml").with_override(override)
    (found,) = caught.value.diagnostics
    assert found.span is not None
    place = (found.code, found.span.source, found.span.line, found.span.column)
    assert place == (code, "command line", 1, column)


def test_rendering_follows_the_contract() -> None:
    span = Span("m.yaml", 6, 10, 6, 14, "  gamma: -0.1")
    label = "a negative γ makes every mode grow: Re λ = -γ/2 > 0"
    found = Diagnostic("E102", "gamma must be ≥ 0, got -0.1", span, label, "take 0.1")
    assert found.render() == (
        "m.yaml:6:10: error[E102]: gamma must be ≥ 0, got -0.1\n"
        "  6 |   gamma: -0.1\n"
        "    |          ^^^^ a negative γ makes every mode grow: Re λ = -γ/2 > 0\n"
        "    = help: take 0.1"
    )


def test_rendering_without_a_place() -> None:
    found = Diagnostic("E001", "no file", None, help="look again", severity="warning")
    assert found.render() == "warning[E001]: no file\n  = help: look again"
    assert found.to_json()["line"] is None


def test_rendering_keeps_carets_under_wide_and_control_characters() -> None:
    text = "名Ａe\u0301: \x1b[31m x"
    rendered = Diagnostic("E101", "a\x1bb", Span("m\n", 1, 7, 1, 12, text)).render()
    assert rendered.splitlines() == [
        "m␊:1:7: error[E101]: a␛b",
        "  1 | 名Ａe\u0301: ␛[31m x",
        "    |        ^^^^^",
    ]


def test_rendering_shows_a_window_of_a_long_line() -> None:
    text = "x" * 5000 + "HERE" + "y" * 5000
    _, shown, carets = (
        Diagnostic("E101", "", Span("m", 1, 5001, 1, 5005, text)).render().split("\n")
    )
    assert max(len(shown), len(carets)) <= 120
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "HERE"


def test_errors_are_sorted_and_counted() -> None:
    def at(source: str, line: int, column: int) -> Diagnostic:
        return Diagnostic("E101", f"{source}{line}{column}", Span(source, line, column, 9, 9, "x"))

    error = SpecError([at("command line", 1, 1), at("m", 2, 1), at("m", 1, 9), at("m", 1, 2)])
    assert [d.message for d in error.diagnostics] == ["m12", "m19", "m21", "command line11"]
    assert str(error).endswith("\n4 errors")
    assert str(SpecError(at("m", 1, 1))).endswith("\n1 error")


def test_an_undeclared_code_is_refused() -> None:
    with pytest.raises(ValueError, match="E999"):
        Diagnostic("E999", "", None)


def test_json_of_a_diagnostic() -> None:
    found = Diagnostic("E102", "m", Span("f", 1, 2, 1, 4, "abcd"), "l", "h")
    assert found.to_json() == {
        "code": "E102",
        "severity": "error",
        "message": "m",
        "file": "f",
        "line": 1,
        "column": 2,
        "end_line": 1,
        "end_column": 4,
        "label": "l",
        "help": "h",
    }


@given(st.text())
def test_shown_text_is_harmless(text: str) -> None:
    assert len(visible(text)) == len(text)
    assert all(c.isprintable() or c.isspace() for c in visible(text))
    assert not set("\n\r\t\x1b") & set(visible(text) + quote(text))
    assert len(quote(text)) <= 42
