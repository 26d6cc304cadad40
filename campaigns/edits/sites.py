"""The places of an emitted program where an edit can matter: expressions with their surroundings.

Left out, since no edit there can change what a program computes: docstrings, annotations, imports,
type aliases, `main`, numbers that `main` alone uses, and where an array lives (`device`) and of
which dtype it is a copy (`like.dtype`: all arrays of a program are of one dtype).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

MAIN = "main"
PLACED = frozenset({"device", "dtype"})
AXES = frozenset({"dim", "axis"})


class Role(StrEnum):
    """What an expression is for."""

    VALUE = "value"
    SQUARED = "squared"
    INDEX = "index"
    AXIS = "axis"


@dataclass(frozen=True)
class Site:
    """A node of the program; `names` are the variables of the function it stands in, `bound` those
    that have a value before its statement."""

    node: ast.AST
    role: Role = Role.VALUE
    names: tuple[str, ...] = ()
    bound: frozenset[str] = frozenset()


def sites(text: str) -> Iterator[Site]:
    """Every live expression, keyword and statement of a program."""
    tree = ast.parse(text)
    used = {n.id for n in _outside_main(tree) if isinstance(n, ast.Name) and _is_read(n)}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and not _is_dead(statement, used):
            yield from _inside(Site(statement.value))
        elif isinstance(statement, ast.ClassDef):
            for method in statement.body:
                yield from _of_function(method)
        elif not _is_main(statement):
            yield from _of_function(statement)


def _is_main(statement: ast.stmt) -> bool:
    """`def main` and the guard that calls it."""
    return isinstance(statement, ast.If) or getattr(statement, "name", "") == MAIN


def _outside_main(tree: ast.Module) -> Iterator[ast.AST]:
    for statement in tree.body:
        if not _is_main(statement):
            yield from ast.walk(statement)


def _is_read(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Load)


def _is_dead(statement: ast.Assign, used: set[str]) -> bool:
    """A type alias (`dict[str, Array]`), or numbers that nothing but `main` uses."""
    return isinstance(statement.value, ast.Subscript) or not used.intersection(_stored(statement))


def _stored(statement: ast.stmt) -> list[str]:
    """The names that a statement, or what is inside it, gives a value."""
    return [n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and not _is_read(n)]


def _of_function(function: ast.stmt, outer: tuple[str, ...] = ()) -> Iterator[Site]:
    if not isinstance(function, ast.FunctionDef):
        return
    parameters = [a.arg for a in function.args.args if a.arg != "self"]
    names = tuple(dict.fromkeys([*outer, *parameters, *_stored(function)]))
    for default in function.args.defaults:
        yield from _inside(Site(default))
    bound = set(parameters)
    for statement in function.body:
        yield from _of_statement(statement, Site(statement, names=names, bound=frozenset(bound)))
        bound |= {*_stored(statement)}


def _of_statement(statement: ast.stmt, site: Site) -> Iterator[Site]:
    if isinstance(statement, ast.FunctionDef):
        yield from _of_function(statement, site.names)
        return
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return  # a docstring
    yield replace(site, node=statement)
    for name, value in ast.iter_fields(statement):
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.stmt):
                yield from _of_statement(part, site)
            elif isinstance(part, ast.expr) and name not in ("target", "targets", "annotation"):
                yield from _inside(replace(site, node=part))


def _inside(site: Site) -> Iterator[Site]:
    """The node and what is below it."""
    yield site
    node = site.node
    if isinstance(node, ast.Attribute) and node.attr in PLACED:
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.keyword) and child.arg in PLACED:
            continue
        if isinstance(child, ast.expr | ast.keyword | ast.comprehension | ast.Slice):
            yield from _inside(replace(site, node=child, role=_role(node, child, site.role)))


def _role(parent: ast.AST, child: ast.AST, role: Role) -> Role:
    """What a part of an expression is for: what all of it is for, but for these."""
    if isinstance(parent, ast.Subscript) and child is parent.slice:
        return Role.INDEX
    if isinstance(child, ast.keyword) and child.arg in AXES:
        return Role.AXIS
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow) and child is parent.left:
        even = isinstance(parent.right, ast.Constant) and parent.right.value == 2
        return Role.SQUARED if even else role
    return Role.VALUE if role is Role.SQUARED else role
