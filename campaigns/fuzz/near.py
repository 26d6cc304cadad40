"""Nearly valid specs: valid ones after one to three mistakes, in their values or in their text."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from .coverage import FAMILIES
from .specs import specs
from .trial import to_text

Place = tuple[Any, Any]
"""A mapping or a list, and the key or the index in it."""
ROOT = "spec"

ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 3.0, 65536, 65537, 1_000_000, 10**7, 2**63, 2**64,
    10**300, -(10**18), 1e308, -1e308, 1e-320, math.nan, math.inf, -math.inf,
    "", " ", "on", "no", "null", "~", "nan", "1e3", "010", "0x10", "1_000", "-", "x", "kind", "é",
    "\u2028", "a\nb", "\t", "🦄", "ｔanh", "x" * 300, "y" * 11_000, "K" * 41, "∂", "\x85", "\ud800",
    "__import__('os')", "lambda: 0", "../x", "/", "\0x", "y z", "a.b", "{}", "%s", "[1]",
    [], {}, [None], [[]], [{}], {"": 1}, {"kind": None}, {"kind": "x"}, {"kind": ["tanh"]}, [1, 2],
    {"y": 2, "z": 2}, {"y": 0}, {"x": 1}, {1: 2}, {None: 0}, {True: "a"}, {"y": 2, "y ": 2},
)  # fmt: skip
"""Values that hardly fit anywhere."""
EXPRESSIONS = (
    "(", ")", "y", "K", "@", "**", ".T", ",", "1e999", "1e-400", "unknown", "tanh", "tanh()", "t",
    "sum(y, y)", "y.T", "y @ y", "K @", "0 / 0", "1 / (y - y)", "log(-1)", "--", "+", "1..2", "=",
    "y ** y", "2 ** 2 ** 2 ** 9", "((((y))))", "y[0]", "'y'", "\\", "é", "if", "None", "y.S", "$",
    "y if y else y", "rows(y, 0, 1)", "exp(1000)", "(-8) ** 0.5", "99999999999999999999", "0.",
)  # fmt: skip
"""What an expression may be spoilt with."""
MARKS = (
    ":", ": ", "\t", "\n", " ", "  ", "[", "]", "{", "}", "'", '"', "&a ", "*a", "!!int ", "!x ",
    "#", " #", "\0", "\ufeff", "\u2028", "\x85", "%", "@", "`", "|", ">", "- ", "-", "? ", "---\n",
    "...\n", "<<: ", ",", "\r", "\r\n", "\x1b", "\\", "é", "🦄", "0", ".", "e", "_", "=",
)  # fmt: skip
"""What a text may be spoilt with."""
BYTES = (b"\xff", b"\xc3", b"\x00", b"\xe2\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80")


@st.composite
def texts(draw: st.DrawFn) -> str | bytes:
    """The text of a spec that is mostly none."""
    tree = {ROOT: copy.deepcopy(draw(specs()))}
    mistakes = draw(st.integers(0, 3))
    for _ in range(mistakes):
        draw(st.sampled_from(MISTAKES))(tree, draw)
    text = to_text(tree[ROOT])
    for _ in range(draw(st.integers(0, 2)) if mistakes else 1):
        text = draw(st.sampled_from(SLIPS))(text, draw)
    if draw(st.integers(0, 19)) == 19:
        at = draw(st.integers(0, len(text)))
        encoded = [part.encode("utf-8", "surrogatepass") for part in (text[:at], text[at:])]
        return draw(st.sampled_from(BYTES)).join(encoded)
    return text


# --- mistakes in the values --------------------------------------------------------------------


def _places(value: Any) -> Iterator[Place]:
    """Every key and every index below a value."""
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _some_place(tree: dict[str, Any], draw: st.DrawFn) -> Place:
    return draw(st.sampled_from(list(_places(tree))))


def _some_key(tree: dict[str, Any], draw: st.DrawFn) -> Place:
    """A key of a mapping below the root, or the root where nothing is left."""
    keys = [place for place in _places(tree[ROOT]) if isinstance(place[0], dict)]
    return draw(st.sampled_from(keys or [(tree, ROOT)]))


def _put_something_odd(tree: dict[str, Any], draw: st.DrawFn) -> None:
    container, key = _some_place(tree, draw)
    container[key] = copy.deepcopy(draw(st.sampled_from(ODD)))


def _put_another_part(tree: dict[str, Any], draw: st.DrawFn) -> None:
    other, name = _some_place(tree, draw)
    part = copy.deepcopy(other[name])
    container, key = _some_place(tree, draw)
    container[key] = part


def _wrap(tree: dict[str, Any], draw: st.DrawFn) -> None:
    container, key = _some_place(tree, draw)
    part = container[key]
    deep: Any = part
    for _ in range(draw(st.sampled_from((1, 1, 1, 50)))):
        deep = [deep] if draw(st.booleans()) else {"kind": deep}
    container[key] = draw(st.sampled_from((deep, str(part)[:500], {"x": part, "y": part})))


def _change_number(tree: dict[str, Any], draw: st.DrawFn) -> None:
    numbers = [
        (container, key)
        for container, key in _places(tree)
        if isinstance(container[key], (int, float)) and not isinstance(container[key], bool)
    ]
    if numbers:
        container, key = draw(st.sampled_from(numbers))
        change: Callable[[Any], Any] = draw(
            st.sampled_from((lambda v: -v, lambda v: v + 0.5, float, lambda v: v * 10**6, str))
        )
        container[key] = change(container[key])


def _change_kind(tree: dict[str, Any], draw: st.DrawFn) -> None:
    """A word of the language in place of another one: combinations that do not go together."""
    words = [(c, key) for c, key in _places(tree) if isinstance(c[key], str)]
    if words:
        container, key = draw(st.sampled_from(words))
        family = draw(st.sampled_from(FAMILIES))
        container[key] = draw(st.sampled_from([*family.members(), *family.planned]))


def _drop(tree: dict[str, Any], draw: st.DrawFn) -> None:
    container, key = _some_key(tree, draw)
    if container is not tree:
        del container[key]


def _rename(tree: dict[str, Any], draw: st.DrawFn) -> None:
    container, key = _some_key(tree, draw)
    if container is not tree and isinstance(key, str):
        container[_misspelt(key, draw)] = container.pop(key)


def _misspelt(word: str, draw: st.DrawFn) -> Any:
    at = draw(st.integers(0, max(len(word) - 1, 0)))
    changes = (
        word[:at] + word[at + 1 :],
        word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :],
        word[:at] + "x" + word[at:],
        word.upper(),
        word + " ",
        word.replace("_", "-"),
        word.replace("a", "\u0430"),  # the Cyrillic one
        "",
        1,
        None,
    )
    return draw(st.sampled_from(changes))


def _add(tree: dict[str, Any], draw: st.DrawFn) -> None:
    """A key where it does not belong, or a second value for one that does."""
    container, _ = _some_key(tree, draw)
    other, key = _some_key(tree, draw)
    container[key] = copy.deepcopy(other[key])


def _spoil_expression(tree: dict[str, Any], draw: st.DrawFn) -> None:
    """A change within a string; of custom fields that is an expression."""
    strings = [(c, key) for c, key in _places(tree) if isinstance(c[key], str)]
    sides = [(c, key) for c, key in strings if key in ("hamiltonian", "y", "z", "q")]
    if strings:
        container, key = draw(st.sampled_from(sides or strings))
        text = container[key]
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from((0, 0, 1, 2, len(text)))))
        times = draw(st.sampled_from((1, 1, 1, 1, 300)))
        container[key] = text[:start] + draw(st.sampled_from(EXPRESSIONS)) * times + text[end:]


MISTAKES: tuple[Callable[[dict[str, Any], st.DrawFn], None], ...] = (
    _put_something_odd,
    _put_another_part,
    _wrap,
    _change_number,
    _change_kind,
    _drop,
    _rename,
    _add,
    _spoil_expression,
)


# --- slips in the text -------------------------------------------------------------------------


def _insert(text: str, draw: st.DrawFn) -> str:
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.sampled_from(MARKS)) + text[at:]


def _delete(text: str, draw: st.DrawFn) -> str:
    at = draw(st.integers(0, len(text)))
    return text[:at] + text[at + draw(st.sampled_from((1, 2, 10))) :]


def _cut_off(text: str, draw: st.DrawFn) -> str:
    return text[: draw(st.integers(0, len(text)))]


def _duplicate_line(text: str, draw: st.DrawFn) -> str:
    lines = text.splitlines(keepends=True)
    if not lines:
        return text
    line, at = draw(st.sampled_from(lines)), draw(st.integers(0, len(lines)))
    return "".join([*lines[:at], line, *lines[at:]])


def _indent_line(text: str, draw: st.DrawFn) -> str:
    lines = text.splitlines(keepends=True)
    if not lines:
        return text
    at = draw(st.integers(0, len(lines) - 1))
    lines[at] = draw(st.sampled_from((" ", "  ", "\t"))) + lines[at]
    return "".join(lines)


def _other_line_ends(text: str, draw: st.DrawFn) -> str:
    return text.replace("\n", draw(st.sampled_from(("\r\n", "\r", "\n\n", "\x85"))))


def _unchanged(text: str, draw: st.DrawFn) -> str:
    return text


SLIPS: tuple[Callable[[str, st.DrawFn], str], ...] = (
    _unchanged,
    _insert,
    _delete,
    _duplicate_line,
    _indent_line,
    _cut_off,
    _other_line_ends,
)
