"""The grammar of expressions against Python's own parser, and what it refuses."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellposed.compiler.language.syntax import (
    DEEPEST_NESTING,
    DEEPEST_TREE,
    LONGEST_TEXT,
    ExpressionError,
    Syntax,
    parse,
)

thorough = settings(max_examples=600, deadline=None, derandomize=True, database=None)

OPERATORS = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.MatMult: "@",
    ast.Pow: "**",
}


def of_python(node: ast.expr) -> Any:
    """Python's tree as nested tuples."""
    match node:
        case ast.BinOp():
            return (OPERATORS[type(node.op)], of_python(node.left), of_python(node.right))
        case ast.UnaryOp(op=ast.USub()):
            return ("neg", of_python(node.operand))
        case ast.UnaryOp(op=ast.UAdd()):
            return of_python(node.operand)
        case ast.Attribute(attr="T"):
            return (".T", of_python(node.value))
        case ast.Call(func=ast.Name(id=name)):
            return ("call", name, *map(of_python, node.args))
        case ast.Name():
            return node.id
        case ast.Constant():
            return float(str(node.value))
    raise AssertionError(ast.dump(node))


def of_grammar(tree: Syntax) -> Any:
    """Our tree in the same form."""
    if tree.op == "number":
        return float(tree.text)
    if tree.op == "name":
        return tree.text
    head = ("call", tree.text) if tree.op == "call" else (tree.op,)
    return (*head, *map(of_grammar, tree.args))


def parts(tree: Syntax) -> Iterator[Syntax]:
    yield tree
    for argument in tree.args:
        yield from parts(argument)


def joined(parts: tuple[str, list[tuple[str, str]]]) -> str:
    """Operands and operators in a row, without the parentheses that would make it easy."""
    first, rest = parts
    return first + "".join(f"{operator}{operand}" for operator, operand in rest)


def longer(expressions: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", " - ", "*", "/", " @ ", "**", " + ", "**-", "*-", "--", "-+"])
    return st.one_of(
        st.tuples(
            expressions, st.lists(st.tuples(operators, expressions), min_size=1, max_size=4)
        ).map(joined),
        expressions.map(lambda e: f"({e})"),
        expressions.map(lambda e: f"-{e}"),
        st.sampled_from(["K", "tall", "(K+b)"]).map(lambda e: f"{e}.T"),
        expressions.map(lambda e: f"( {e} ).T"),
        expressions.map(lambda e: f"tanh({e})"),
        st.tuples(expressions, expressions).map(lambda es: f"f({es[0]}, {es[1]})"),
    )


ATOMS = st.sampled_from(["K", "y", "b_1", "K2", "3", "0.5", ".25", "2.", "1e-3", "2.5E+2", "0"])
EXPRESSIONS = st.recursive(ATOMS, longer, max_leaves=25)


@thorough
@given(EXPRESSIONS)
def test_precedence_and_associativity_are_pythons(text: str):
    assert of_grammar(parse(text)) == of_python(ast.parse(text, mode="eval").body)


@thorough
@given(EXPRESSIONS)
def test_every_part_is_where_it_says(text: str):
    """text[start:end] of a part is that part."""
    for part in parts(parse(text)):
        assert of_grammar(parse(text[part.start : part.end])) == of_grammar(part)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("-x ** 2", ("neg", ("**", "x", 2.0))),
        ("2 ** -x", ("**", 2.0, ("neg", "x"))),
        ("a ** b ** c", ("**", "a", ("**", "b", "c"))),
        ("a - b - c", ("-", ("-", "a", "b"), "c")),
        ("a / b * c @ d", ("@", ("*", ("/", "a", "b"), "c"), "d")),
        ("-K.T @ y", ("@", ("neg", (".T", "K")), "y")),
        ("K.T ** 2", ("**", (".T", "K"), 2.0)),
        ("+x", "x"),
    ],
)
def test_known_trees(text: str, tree: Any):
    assert of_grammar(parse(text)) == tree


@pytest.mark.parametrize(
    ("text", "start", "message"),
    [
        ("", 0, "expected a number, a name or a parenthesis, found the end"),
        ("a +", 3, "found the end"),
        ("a b", 2, "expected an operator, found 'b'"),
        ("(a", 2, "expected ')', found the end"),
        ("a)", 1, "expected an operator, found ')'"),
        ("tanh(a", 6, "expected ')'"),
        ("tanh(a,)", 7, "found ')'"),
        ("tanh()", 5, "found ')'"),
        ("a ** * b", 5, "found '*'"),
        ("a % b", 2, "'%' is no part of an expression"),
        ("K.t", 1, "'.' is no part"),
        ("K.Tx", 1, "'.' is no part"),
        ("a // b", 3, "found '/'"),
        ("3x", 1, "expected an operator, found 'x'"),
        ("a, b", 1, "expected an operator, found ','"),
    ],
)
def test_an_error_has_its_place(text: str, start: int, message: str):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.code == "E301"
    assert (caught.value.start, message in caught.value.message) == (start, True)
    assert caught.value.end > caught.value.start


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "y.__class__",
        "[y for y in z]",
        "lambda: 0",
        "y if 1 else z",
        "y[0:1]",
        "y[]",
        "[]",
        "[y",
        "y[0",
        "y[0]]",
        "y == z",
        "y; z",
        "y := 2",
        "{y}",
        "'y'",
        'f"{y}"',
        "y\\z",
        "`y`",
        "$y",
        "y!",
        "y\x00",
    ],
)
def test_what_is_not_in_the_grammar_is_refused(text: str):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.code == "E301"


@pytest.mark.parametrize("left, right", [("(", ")"), ("-", ""), ("tanh(", ")"), ("2**", "")])
def test_deep_nesting_is_refused_before_it_hurts(left: str, right: str):
    deep = DEEPEST_NESTING + 1
    fits = DEEPEST_NESTING
    assert parse(left * fits + "y" + right * fits)
    with pytest.raises(ExpressionError) as caught:
        parse(left * deep + "y" + right * deep)
    assert "nested deeper" in caught.value.message


def test_a_longer_text_is_refused():
    assert parse(f"f({', '.join('y' * (LONGEST_TEXT // 3 - 1))})")
    with pytest.raises(ExpressionError) as caught:
        parse("y" * (LONGEST_TEXT + 1))
    assert "more than" in caught.value.message


@pytest.mark.parametrize("text", ["y+", "y*", "y@", "y.T"])
def test_a_long_row_of_operations_is_refused(text: str):
    fits, long = text * (DEEPEST_TREE - 1), text * DEEPEST_TREE
    end = "" if text == "y.T" else "y"
    fits, long = (t.replace("Ty", "T") + end for t in (fits, long))
    assert parse(fits).depth == DEEPEST_TREE
    with pytest.raises(ExpressionError) as caught:
        parse(long)
    assert "in a row" in caught.value.message


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_any_text_is_parsed_or_refused(text: str):
    try:
        parse(text)
    except ExpressionError as error:
        assert 0 <= error.start <= len(text) and error.start < error.end
