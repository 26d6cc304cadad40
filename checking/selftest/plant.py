"""Planting a bug: a part of the compiler is replaced for the time of a `with`, then put back.

The code that is replaced knows nothing of it: tables lose a row to another, classes and modules a
member, functions their body, backends the text that they emit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from types import FunctionType
from typing import Any, TypeVar

from ...backends import registry
from ...compiler.ir.program import Program

Key = TypeVar("Key")
Value = TypeVar("Value")
Planting = Callable[[], AbstractContextManager[None]]


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


@contextmanager
def member(owner: Any, name: str, change: Callable[[Any], Any]) -> Iterator[None]:
    """A member of a class or module, changed: `change` is given the one that is there.

    Raises KeyError for a member that `owner` does not define itself.
    """
    kept = vars(owner)[name]
    setattr(owner, name, change(kept))
    try:
        yield
    finally:
        setattr(owner, name, kept)


@contextmanager
def body(function: FunctionType, other: FunctionType) -> Iterator[None]:
    """Another body of a function, also for the modules that have imported it by its name.

    It runs among the names of the function's own module.
    """
    kept = function.__code__
    function.__code__ = other.__code__
    try:
        yield
    finally:
        function.__code__ = kept


@contextmanager
def registered(generic: Any, kind: type, other: Callable[..., Any]) -> Iterator[None]:
    """Another implementation of a single-dispatch function for one class."""
    kept = generic.registry[kind]
    generic.register(kind, other)
    try:
        yield
    finally:
        generic.register(kind, kept)


@contextmanager
def emitted(backend: str, change: Callable[[str], str]) -> Iterator[None]:
    """Another text of every program that a backend emits."""
    kept = registry.get(backend)

    def emit(program: Program) -> str:
        return change(kept.emit(program))

    registry.register(replace(kept, emit=emit))
    try:
        yield
    finally:
        registry.register(kept)


def text(backend: str, old: str, new: str) -> AbstractContextManager[None]:
    """The emitted text with its last `old` replaced. Raises NotThere when a text has none."""
    return emitted(backend, lambda program: replaced(program, old, new))


def replaced(text: str, old: str, new: str) -> str:
    """The text with its last `old` replaced. Raises NotThere."""
    before, found, after = text.rpartition(old)
    if not found:
        raise NotThere(f"the emitted program no longer says {old!r}: plant the bug anew")
    return before + new + after


def printed(owner: Any, name: str, old: str, new: str) -> AbstractContextManager[None]:
    """A function of an emitter whose lines (or text) say `new` for the last `old`."""

    def change(function: Callable[..., Any]) -> Callable[..., Any]:
        def printer(*args: Any, **options: Any) -> Any:
            found = function(*args, **options)
            if isinstance(found, str):
                return replaced(found, old, new)
            return replaced("\n".join(found), old, new).split("\n")

        return printer

    return member(owner, name, change)
