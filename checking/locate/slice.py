"""A slice of a program: one function and all that it needs, as few lines as can be.

The text is parsed, never run. Docstrings and annotations go, imports shrink to what is used, the
class keeps the methods and parameters that the function reaches. A *cut* puts another definition in
the place of a function that the slice would otherwise follow.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from itertools import groupby

WIDTH = 100
Function = ast.FunctionDef


class NoSlice(Exception):
    """The text has no such function, or is no Python."""


def sliced(text: str, name: str, cuts: Mapping[str, str], keep: Iterable[str] = ()) -> ast.Module:
    """The statements that the function `name` needs, itself included, in the order of the text.

    `keep` are attributes that the constructor must set whether or not the slice names them.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NoSlice(str(error)) from None
    bare = ast.fix_missing_locations(_Bare().visit(tree))
    return _Slice(bare.body, cuts, set(keep)).of(name)


class _Bare(ast.NodeTransformer):
    """Without docstrings and annotations."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.returns = None
        node.body = _without_docstring(node.body)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        node.body = _without_docstring(node.body)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        return node if node.value is None else ast.Assign([node.target], node.value)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0]
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1:] or [ast.Pass()] if is_text else body


class _Slice:
    def __init__(self, body: list[ast.stmt], cuts: Mapping[str, str], keep: set[str]) -> None:
        self.body, self.keep = body, keep
        self.cuts = {name: _parsed(source) for name, source in cuts.items()}
        self.bound = {name: s for s in body for name in _bindings(s)}
        self.classes = [s for s in body if isinstance(s, ast.ClassDef)]

    def of(self, name: str) -> ast.Module:
        owner = next((c for c in self.classes if name in _methods(c)), None)
        if owner is None and not isinstance(self.bound.get(name), Function):
            raise NoSlice(f"there is no function {name}")
        self.owner = None if owner is None else self._shrunk(owner, name)
        needed = self._needed({name} if owner is None else {owner.name})
        kept = (self._kept(s, needed) for s in self.body)
        return ast.fix_missing_locations(ast.Module([s for s in kept if s is not None], []))

    def _shrunk(self, owner: ast.ClassDef, name: str) -> ast.ClassDef:
        """The class with the methods that one of them reaches, and what its constructor needs."""
        known = {n: self.cuts.get(n, f) for n, f in _methods(owner).items()}
        reached, pending = set[str](), [name]
        while pending:
            method = pending.pop()
            if method not in reached:
                reached.add(method)
                pending += _attributes(known[method]) & known.keys()
        used = self.keep.union(*(_attributes(known[m]) for m in reached))
        constructor = [_constructor(known["__init__"], used)] if "__init__" in known else []
        body = [known[n] for n in known if n in reached and n != "__init__"]
        shrunk = copy(owner)
        shrunk.body = [*constructor, *body]
        return shrunk

    def _needed(self, start: set[str]) -> set[str]:
        """The names of the module that these definitions need, all the way."""
        reached, pending = set[str](), list(start)
        while pending:
            name = pending.pop()
            if name in self.bound and name not in reached:
                reached.add(name)
                pending += _names(self._definition(name))
        return reached

    def _definition(self, name: str) -> ast.stmt:
        bound = self.bound[name]
        if self.owner is not None and bound in self.classes and name == self.owner.name:
            return self.owner
        return self.cuts.get(name, bound) if isinstance(bound, Function) else bound

    def _kept(self, statement: ast.stmt, needed: set[str]) -> ast.stmt | None:
        names = [n for n in _bindings(statement) if n in needed and self.bound[n] is statement]
        if not names:
            return None
        if isinstance(statement, ast.Import | ast.ImportFrom):
            return _shrunk_import(statement, needed)
        return self._definition(names[0])


def _parsed(source: str) -> Function:
    (function,) = ast.parse(source).body
    assert isinstance(function, Function)
    return function


def _bindings(statement: ast.stmt) -> list[str]:
    """The names that a statement of the module gives a meaning to."""
    if isinstance(statement, Function | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.split(".")[0] for alias in statement.names]
    if isinstance(statement, ast.Assign):
        nodes = (n for target in statement.targets for n in ast.walk(target))
        return [n.id for n in nodes if isinstance(n, ast.Name)]
    return []


def _methods(owner: ast.ClassDef) -> dict[str, Function]:
    return {f.name: f for f in owner.body if isinstance(f, Function)}


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _attributes(node: ast.AST) -> set[str]:
    """The attributes of `self` that are used; `self(x)` is `forward`."""
    found = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute) and _is_self(n.value)}
    calls = (n for n in ast.walk(node) if isinstance(n, ast.Call))
    return found | ({"forward"} if any(_is_self(call.func) for call in calls) else set())


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _constructor(function: Function, used: set[str]) -> Function:
    """Without parameters that are not used, and without the default of an argument."""
    given = {a.arg for a in function.args.args}
    shrunk = copy(function)
    shrunk.body = [s for s in function.body if not (_is_unused(s, used) or _is_default(s, given))]
    return shrunk


def _is_unused(statement: ast.stmt, used: set[str]) -> bool:
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return False
    (target,) = statement.targets
    return isinstance(target, ast.Attribute) and _is_self(target.value) and target.attr not in used


def _is_default(statement: ast.stmt, given: set[str]) -> bool:
    """`weights = init() if weights is None else weights`."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.IfExp):
        return False
    return all(isinstance(t, ast.Name) and t.id in given for t in statement.targets)


def _shrunk_import(
    statement: ast.Import | ast.ImportFrom, needed: set[str]
) -> ast.Import | ast.ImportFrom:
    names = [a for a in statement.names if (a.asname or a.name.split(".")[0]) in needed]
    if isinstance(statement, ast.Import):
        return ast.Import(names)
    return ast.ImportFrom(statement.module, names, statement.level)


# --- printing --------------------------------------------------------------------------------


def printed(module: ast.Module, level: int) -> list[str]:
    """The statements as lines: with blank lines between definitions (level 0), without (1), with
    simple statements joined by semicolons (2)."""
    imports = [s for s in module.body if isinstance(s, ast.Import | ast.ImportFrom)]
    rest = [s for s in module.body if s not in imports]
    lines = [ast.unparse(s) for s in imports]
    if level == 2:
        return [*lines, *_dense(rest, "")]
    for statement in rest:
        is_definition = isinstance(statement, Function | ast.ClassDef)
        lines += [""] * (level == 0 and is_definition) + ast.unparse(statement).splitlines()
    return [line for line in lines if line or level == 0]


def _dense(body: Iterable[ast.stmt], indent: str) -> Iterator[str]:
    for is_simple, group in groupby(body, key=lambda s: not hasattr(s, "body")):
        if is_simple:
            yield from _joined([ast.unparse(s) for s in group], indent)
            continue
        for statement in group:
            yield from _dense_block(statement, indent)


def _dense_block(statement: ast.stmt, indent: str) -> Iterator[str]:
    """A compound statement; on one line where its body is simple and short."""
    head, *rest = ast.unparse(statement).splitlines()
    body: list[ast.stmt] = getattr(statement, "body")  # noqa: B009
    if getattr(statement, "orelse", None) or getattr(statement, "decorator_list", None):
        yield from (indent + line for line in (head, *rest))
        return
    inner = list(_dense(body, f"{indent}    "))
    is_one = len(inner) == 1 and all(not hasattr(s, "body") for s in body)
    if is_one and len(indent + head) + len(inner[0].strip()) < WIDTH:
        yield f"{indent}{head} {inner[0].strip()}"
    else:
        yield indent + head
        yield from inner


def _joined(statements: list[str], indent: str) -> Iterator[str]:
    line = ""
    for statement in statements:
        if line and len(line) + 2 + len(statement) > WIDTH:
            yield line
            line = ""
        line = f"{line}; {statement}" if line else indent + statement
    yield line
