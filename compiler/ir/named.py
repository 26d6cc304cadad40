"""Names of numbers: a program writes them in the place of constants and sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .expr import Number, walk
from .module import Function, Module, Scan
from .types import Size


def ambiguous(module: Module) -> str:
    """The first name that stands for two numbers, with where the second is; or nothing."""
    known: dict[str, Number] = {}
    for where, name, value in _numbers(module):
        if known.setdefault(name, value) != value:
            return f"{where}: {name} is {known[name]} and {value}"
    return ""


def _numbers(module: Module) -> Iterator[tuple[str, str, Number]]:
    """(where it stands, name, number) of every constant and size that has a name."""
    yield from (("the constants", c.name, c.value) for c in module.constants)
    for weight in module.weights:
        yield from ((weight.name, *found) for found in _of_sizes(weight.sizes))
    for function in module.functions.values():
        yield from ((function.name, *found) for found in _within(function))


def _within(function: Function) -> Iterator[tuple[str, Number]]:
    scans = (let.value for let in function.body if isinstance(let.value, Scan))
    sizes: list[object] = [scan.length for scan in scans]
    for node in walk(*function.expressions):
        sizes += node.attributes
        if node.op == "constant":
            value, name = node.attributes
            assert isinstance(value, int | float)
            if name:
                yield str(name), value
    yield from _of_sizes(size for size in sizes if isinstance(size, Size))


def _of_sizes(sizes: Iterable[Size]) -> Iterator[tuple[str, Number]]:
    for size in sizes:
        yield from ((term.name, term.value) for term in size.terms or (size,) if term.name)
