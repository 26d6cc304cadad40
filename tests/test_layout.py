"""What docs/architecture.md says of the tree: layers, frameworks, sizes, packages, paths."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
APART = {"tests", "benchmarks", "docs", "build", "dist", "runs"}

# spec ← data ← compiler ← backends ← training, checking, plots ← api ← cli ← the root's __init__;
# the compiler asks data how many features a file has.
RANK = {
    "_version": 0,
    "spec": 1,
    "data": 2,
    "compiler": 3,
    "backends": 4,
    "training": 5,
    "checking": 5,
    "plots": 5,
    "api": 6,
    "cli": 7,
    "": 8,
    "__main__": 8,
}
FRAMEWORKS = {"torch", "jax", "jaxlib"}
FRAMEWORK_OF = {"backends/run_torch.py": {"torch"}, "backends/run_jax.py": {"jax", "jaxlib"}}


@cache
def modules() -> tuple[Path, ...]:
    """Every module of the package, as a path from the root."""
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
    return tuple(
        sorted(p for p in paths if not p.parts[0].startswith(".") and p.parts[0] not in APART)
    )


def room(parts: tuple[str, ...]) -> str:
    """The top-level place a dotted path from the root leads to; "" is the root's own `__init__`."""
    place = parts[0].removesuffix(".py") if parts else ""
    return "" if place == "__init__" else place


def imports(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import statement, those inside functions included."""
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))


def absolute_names(node: ast.Import | ast.ImportFrom) -> set[str]:
    """The top-level names of an absolute import; none for a relative one."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return set() if node.level else {(node.module or "").split(".")[0]}


def reached_rooms(module: Path, node: ast.ImportFrom) -> set[str]:
    """The rooms a relative import leads to: `from ..spec.node import Node` leads to spec."""
    up = len(module.parts) - node.level
    assert up >= 0, f"{module}:{node.lineno} imports from above the package"
    base = module.parts[:up] + tuple((node.module or "").split(".") if node.module else ())
    if base:
        return {room(base)}
    return {alias.name if alias.name in RANK else "" for alias in node.names}


def rooms_above(module: Path, tree: ast.Module) -> list[str]:
    """The imports of a module that go upward, as `path:line → room`."""
    own = room(module.parts)
    return [
        f"{module}:{node.lineno} → {target or 'the root'}"
        for node in imports(tree)
        if isinstance(node, ast.ImportFrom) and node.level
        for target in reached_rooms(module, node)
        if target != own and RANK[target] > RANK[own]
    ]


def parsed(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"))


def test_every_module_has_a_room_with_a_rank():
    assert modules(), "no module found: the test looks in the wrong place"
    assert {room(module.parts) for module in modules()} <= RANK.keys()


def test_imports_go_downward_only():
    assert [line for module in modules() for line in rooms_above(module, parsed(module))] == []


def test_rooms_of_one_rank_do_not_import_each_other_in_a_circle():
    edges: dict[str, set[str]] = {name: set() for name in RANK}
    for module in modules():
        for node in imports(parsed(module)):
            if isinstance(node, ast.ImportFrom) and node.level:
                edges[room(module.parts)] |= reached_rooms(module, node) - {room(module.parts)}
    while leaves := [name for name, targets in edges.items() if not targets & edges.keys()]:
        for name in leaves:
            del edges[name]
    assert edges == {}


def test_the_package_names_itself_by_relative_imports_only():
    named = [
        f"{module}:{node.lineno}"
        for module in modules()
        for node in imports(parsed(module))
        if absolute_names(node) & ({"wellposed"} | (RANK.keys() - {"", "__main__"}))
    ]
    assert named == []


def test_a_framework_is_imported_by_its_own_runner_only():
    foreign = [
        f"{module}:{node.lineno}"
        for module in modules()
        for node in imports(parsed(module))
        if absolute_names(node) & FRAMEWORKS - FRAMEWORK_OF.get(module.as_posix(), set())
    ]
    assert foreign == []


@pytest.mark.parametrize(
    ("module", "text", "upward"),
    [
        ("spec/node.py", "from ..compiler.ir import expr", ["compiler"]),
        ("compiler/passes/shapes.py", "def f():\n    from ...backends import model", ["backends"]),
        ("compiler/passes/shapes.py", "from ..ir.expr import Expr\nfrom ...spec import node", []),
        ("backends/model.py", "from .. import training, spec", ["training"]),
        ("cli/main.py", "from .. import load", ["the root"]),
        ("cli/main.py", "from ..training.run import train\nfrom .._version import __version__", []),
        ("__init__.py", "from .cli import main", []),
        ("_version.py", "from .spec import node", ["spec"]),
    ],
)
def test_an_upward_import_is_seen(module: str, text: str, upward: list[str]):
    found = rooms_above(Path(module), ast.parse(text))
    assert [line.rpartition("→ ")[2] for line in found] == upward


def test_no_file_is_longer_than_400_lines():
    lengths = {m: len((ROOT / m).read_text(encoding="utf-8").splitlines()) for m in modules()}
    assert {module: length for module, length in lengths.items() if length > 400} == {}


def test_packages_in_pyproject_are_those_of_the_tree():
    """Listed by hand, since an automatic search from the root would take tests/ for a package."""
    folders = {module.parent for module in modules()} | {Path("examples")}
    tree = {".".join(("wellposed", *folder.parts)) for folder in folders}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert set(settings["setuptools"]["packages"]) == tree
    assert all((ROOT / folder / "__init__.py").exists() for folder in folders - {Path("examples")})


def repository_files() -> list[Path]:
    """The files that git tracks, or would track; skips outside a clone."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git clone")
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_place_on_one_machine():
    """A path such as a home folder is true for its author alone."""
    place = re.compile(rb"(?<![\w./~-])/(?:work|farm|root|home|Users|tmp)/[\w.]")
    found = [
        f"{path.relative_to(ROOT)}: {match.group().decode()}"
        for path in repository_files()
        for match in place.finditer(path.read_bytes())
    ]
    assert found == []
