"""What a function of a program needs of its text, and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...backends import guards
from .lines import functions, parsed


class NoFunction(Exception):
    """The text has no function of that name."""


@dataclass(frozen=True, eq=False)
class _Definition:
    """A statement of a module, of a class, or of its `__init__`: what it defines, what it uses."""

    node: ast.AST
    names: frozenset[str]
    used: frozenset[str]


def needed(text: str, function: str, stubs: Mapping[str, str]) -> list[str]:
    """The lines of a function and of all that it needs, without docstrings and annotations.

    `stubs` are other definitions of functions that it calls; they need nothing. Raises NoFunction.
    """
    if function not in functions(text):
        raise NoFunction(function)
    tree = _Bare(stubs).visit(parsed(text))
    kept = _closure(list(_definitions(tree)), functions(text)[function].name)
    found = (_cut(node, kept) for node in tree.body)
    return [line for node in found if node is not None for line in ast.unparse(node).splitlines()]


class _Bare(ast.NodeTransformer):
    """Docstrings and annotations go, stubs come in the place of what they stand for."""

    def __init__(self, stubs: Mapping[str, str]) -> None:
        self.stubs = stubs

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        stub = self.stubs.get(node.name.rstrip("_"))
        if stub is not None:
            return ast.parse(f"def {node.name}{stub}").body[0]
        node.returns = None
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        return self._without_docstring(node)

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """What a program refuses is no part of what it computes."""
        called = node.value.func if isinstance(node.value, ast.Call) else None
        is_check = isinstance(called, ast.Name) and called.id.rstrip("_") in guards.NAMES
        return None if is_check else node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def _without_docstring(self, node: ast.FunctionDef | ast.ClassDef) -> ast.stmt:
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)  # pyright: ignore[reportReturnType]


def _definitions(tree: ast.Module) -> Iterator[_Definition]:
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                yield _Definition(alias, frozenset({name}), frozenset())
        elif isinstance(node, ast.ClassDef):
            yield from _of_class(node)
        elif isinstance(node, ast.FunctionDef):
            yield _Definition(node, frozenset({node.name}), _used(node))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            yield _Definition(node, _names(node), _used(node))


def _of_class(node: ast.ClassDef) -> Iterator[_Definition]:
    """A class is wanted with any method; of its `__init__`, what sets a wanted attribute.

    Parameters of `__init__` are given, so that nothing need stand in their place.
    """
    own = frozenset({node.name})
    head = frozenset().union(*map(_used, node.bases))
    yield _Definition(node, own, head)
    for part in node.body:
        if not isinstance(part, ast.FunctionDef):
            yield _Definition(part, own, _used(part))
        elif part.name == "__init__":
            yield _Definition(part, own, _used(part.args))
            params = {arg.arg for arg in part.args.args[1:]}
            for statement in part.body:
                if isinstance(statement, ast.Assign) and _names(statement) & params:
                    continue
                yield _Definition(statement, _attributes(statement) or own, _used(statement))
        else:
            yield _Definition(part, frozenset({f"self.{part.name}"}), _used(part) | own)


def _closure(definitions: list[_Definition], name: str) -> set[ast.AST]:
    """The statements that a name needs."""
    wanted, kept = {name, f"self.{name}"}, set[ast.AST]()
    more = True
    while more:
        more = [d for d in definitions if d.node not in kept and d.names & wanted]
        kept.update(d.node for d in more)
        wanted.update(name for d in more for name in d.used)
    return kept


def _cut(node: ast.stmt, kept: set[ast.AST]) -> ast.stmt | None:
    """A statement of the module, as far as it is wanted."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        node.names = [alias for alias in node.names if alias in kept]
        return node if node.names else None
    if isinstance(node, ast.ClassDef):
        node.body = [part for part in node.body if part in kept]
        for part in node.body:
            if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                part.body = [s for s in part.body if s in kept]
    return node if node in kept else None


def _names(node: ast.Assign | ast.AnnAssign) -> frozenset[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return frozenset(n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))


def _attributes(node: ast.stmt) -> frozenset[str]:
    """The attributes of `self` that a statement sets."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    return frozenset(f"self.{t.attr}" for t in targets if isinstance(t, ast.Attribute))


def _used(node: ast.AST) -> frozenset[str]:
    """Names, attributes of `self`, and `forward` where the network itself is called."""
    found: set[str] = set()
    for n in ast.walk(node):
        if isinstance(n, ast.Name):
            found.add(n.id)
        elif isinstance(n, ast.Attribute) and ast.unparse(n.value) == "self":
            found.add(f"self.{n.attr}")
        elif isinstance(n, ast.Call) and ast.unparse(n.func) == "self":
            found.add("self.forward")
    return frozenset(found)
