"""Bugs, and how one is planted: a part of the compiler is replaced for the time of a `with`.

The code that is replaced knows nothing of it: tables lose a row to another, functions get another
body, backends write another text or print another module.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from types import FunctionType
from typing import Any, TypeVar

from ...backends import registry
from ...compiler.ir.module import Module

Key = TypeVar("Key")
Value = TypeVar("Value")
Planting = Callable[[], AbstractContextManager[None]]
TORCH, JAX = ("torch",), ("jax",)
BOTH = (*TORCH, *JAX)


class NotThere(Exception):
    """What a bug was to replace is not there any more: the bug has to be planted anew."""


@contextmanager
def row(table: MutableMapping[Key, Value], key: Key, value: Value) -> Iterator[None]:
    """Another value in a row of a table. Raises KeyError for a row that is not there."""
    kept = table[key]
    table[key] = value
    try:
        yield
    finally:
        table[key] = kept


def text_of_row(table: Any, op: str, text: str) -> AbstractContextManager[None]:
    """Another text in the row of a dialect."""
    return row(table, op, replace(table[op], text=text))


@contextmanager
def member(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Another member of a class or module. Raises KeyError for one that it does not define."""
    kept = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


@contextmanager
def edited(place: str, old: str, new: str) -> Iterator[None]:
    """Another body of a function, whose last `old` reads `new`.

    `place` is `package.module:Class.function`, imported no sooner than the bug is planted. Whoever
    has imported the function by its name sees the new body too. Raises NotThere.
    """
    function = _function(place)
    kept, other = function.__code__, _with_edit(function, old, new)
    function.__code__ = other.__code__
    try:
        yield
    finally:
        function.__code__ = kept


def _function(place: str) -> FunctionType:
    module, _, names = place.partition(":")
    found: Any = import_module(f"...{module}", __package__)
    for name in names.split("."):
        found = vars(found)[name]
    found = found.fget if isinstance(found, property) else found
    return inspect.unwrap(getattr(found, "__func__", found))


def _with_edit(function: FunctionType, old: str, new: str) -> FunctionType:
    """The function compiled from its changed source, among the names of its own module."""
    source = replaced(textwrap.dedent(inspect.getsource(function)), old, new)
    tree = ast.parse(source)
    (definition,) = tree.body
    assert isinstance(definition, ast.FunctionDef)
    definition.decorator_list.clear()
    names: dict[str, Any] = {}
    exec(compile(tree, f"<{function.__name__} with a bug>", "exec"), function.__globals__, names)
    return names[definition.name]


@contextmanager
def backend(name: str, emit: Callable[[Callable[[Module], str], Module], str]) -> Iterator[None]:
    """Another text of every program that a backend writes: `emit(its own emit, module)`."""
    kept = registry.get(name)
    registry.register(replace(kept, emit=lambda module: emit(kept.emit, module)))
    try:
        yield
    finally:
        registry.register(kept)


def text(name: str, old: str, new: str) -> AbstractContextManager[None]:
    """The emitted text with its last `old` replaced. Raises NotThere when a text has none."""
    return backend(name, lambda emit, module: replaced(emit(module), old, new))


def module(name: str, change: Callable[[Module], Module]) -> AbstractContextManager[None]:
    """The program of another module."""
    return backend(name, lambda emit, module: emit(change(module)))


def replaced(text: str, old: str, new: str) -> str:
    """The text with its last `old` replaced. Raises NotThere."""
    before, found, after = text.rpartition(old)
    if not found:
        raise NotThere(f"there is no {old!r} any more: plant the bug anew")
    return before + new + after


@dataclass(frozen=True)
class Bug:
    """A bug that can be planted.

    `place` says which part of the compiler it sits in; `spec` names the spec that shows it (see
    `specs`), `backends` those whose programs are asked. It is to be caught at `caught`, a rung and
    maybe a quantity (`L3 loss`), and to be located in `equation`.
    """

    name: str
    place: str
    spec: str
    plant: Planting
    caught: str
    equation: str
    backends: tuple[str, ...] = TORCH
    dtype: str = "float64"

    @property
    def rung(self) -> str:
        """`L3` of `L3 loss`."""
        return self.caught.split()[0]
