"""The layout of documents is the formatter's: every one is left as it is by `ruff format`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellposed.backends.document import WIDTH, Doc, bracket, chain, docstring, fold, laid_out

NAMES = st.sampled_from(["x", "weights", "a_long_name_of_a_variable", "K_start[:-1]", "H / 2"])


def _longer(docs: st.SearchStrategy[Doc]) -> st.SearchStrategy[Doc]:
    openings = ["f(", "jnp.concatenate(", "antisymmetric_first_operator(", "["]
    return st.builds(
        lambda opening, items: bracket(opening, items, "]" if opening == "[" else ")"),
        st.sampled_from(openings),
        st.lists(docs, min_size=1, max_size=5),
    )


DOCS = st.recursive(NAMES, _longer, max_leaves=14)


def ruff() -> str:
    found = shutil.which("ruff", path=str(Path(sys.executable).parent))
    return found or pytest.skip("ruff is not installed")


def formatted(text: str) -> str:
    command = [ruff(), "format", "--isolated", "--no-cache", "-"]
    run = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return run.stdout


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.lists(DOCS, min_size=5, max_size=20))
def test_the_formatter_changes_nothing(docs: list[Doc]):
    laid = ["    " + laid_out(("y = ", doc), 4) for doc in docs]
    text = "def f():\n" + "\n".join([*laid, "    return y"]) + "\n"
    assert formatted(text) == text


def test_a_call_that_fits_stays_on_its_line():
    assert laid_out(bracket("f(", ["a", "b"], ")")) == "f(a, b)"


def test_arguments_share_a_line_and_entries_of_a_tuple_do_not():
    names = ["an_argument_of_25_letters"] * 2
    assert laid_out(bracket("function(", names, ")"), 30).count("\n") == 2
    assert laid_out(bracket("(", names, ")"), 36).count("\n") == 3


def test_one_argument_has_no_comma_behind_it():
    text = laid_out(bracket("f(", ["x" * 80], ")"), 8)
    assert text == "f(\n            " + "x" * 80 + "\n        )"
    assert laid_out(bracket("def f(", ["x" * 80], "):"), 8).count(",") == 1


def test_a_long_sum_stands_in_parentheses():
    terms = [("", "a" * 40), ("+", "b" * 40), ("-", "c" * 20)]
    assert laid_out(chain(terms), 4) == "\n".join(
        ["(", f"        {'a' * 40}", f"        + {'b' * 40}", f"        - {'c' * 20}", "    )"]
    )


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.text("ab \\\"'\u00a0é", max_size=200), st.integers(0, 8))
def test_documentation_is_text_whatever_it_says(text: str, indent: int):
    line = docstring([f"x{text}x"], indent)
    assert max(map(len, line.splitlines())) <= max(
        WIDTH, 12 + max(map(len, text.split()), default=0)
    )
    scope: dict[str, object] = {}
    exec(line.strip().join(["found = ", ""]), scope)
    assert str(scope["found"]).split() == f"x{text}x".replace("\u00a0", " ").split()


@pytest.mark.parametrize("character", ["\0", "\r", "\x0b", "\x1a", "\x7f"])
def test_a_control_character_in_documentation_is_written_as_its_number(character: str):
    scope: dict[str, object] = {}
    line = docstring([f"a{character}b"], 0)
    exec(f"found = {line}", scope)
    assert scope["found"] == f"a{character}b" and character not in line


def test_lines_are_folded_at_spaces():
    folded = fold("word " * 40, 60)
    assert all(len(line) <= 60 for line in folded)
    assert " ".join(line.strip() for line in folded).split() == ["word"] * 40
