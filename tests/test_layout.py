"""The tree is as docs/architecture.md draws it: who imports whom, frameworks, sizes, packages."""

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
APART = {"tests", "benchmarks", "campaigns", "docs", "build", "dist", "runs"}
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
DRAWINGS = ("packages", "compiler")
FRAMEWORKS = {"torch", "jax", "jaxlib"}
FRAMEWORK_OF = {
    **{f"backends/{name}.py": {"torch"} for name in ("run_torch", "torch_solver")},
    **{f"backends/{name}.py": {"jax", "jaxlib"} for name in ("run_jax", "jax_solver")},
}


# --- who imports whom --------------------------------------------------------------------------


def drawn(what: str, page: str) -> dict[str, int]:
    """The ranks that a line `what: a < b < c, d` of the page draws; c and d have the same."""
    (line,) = re.findall(rf"^{what}: (.*)$", page, re.MULTILINE)
    ranks = [[name.strip() for name in group.split(",")] for group in line.split("<")]
    return {name: rank for rank, names in enumerate(ranks) for name in names}


@cache
def modules() -> tuple[Path, ...]:
    """Every module of the package, as a path from the root."""
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
    return tuple(
        sorted(p for p in paths if not p.parts[0].startswith(".") and p.parts[0] not in APART)
    )


@cache
def parsed(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"))


def imports(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import statement, those inside functions included."""
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))


def reached(module: Path, node: ast.ImportFrom) -> Iterator[Path]:
    """Where a relative import leads, from the root: `from ..spec.node import Node` to spec/node."""
    up = len(module.parts) - node.level
    assert up >= 0, f"{module}:{node.lineno} imports from above the package"
    base = Path(*module.parts[:up], *(node.module.split(".") if node.module else ()))
    for alias in node.names:
        inner = base / alias.name
        is_module = (ROOT / inner).is_dir() or (ROOT / f"{inner}.py").exists()
        is_package = base == Path() or (ROOT / base).is_dir()
        yield inner if is_module else base / "__init__" if is_package else base


def place(path: Path, what: str) -> str:
    """The place in a drawing that a path belongs to; '' outside of it."""
    first, *below = path.with_suffix("").parts
    if what == "packages":
        return first
    return below[0] if first == what and below and below[0] != "__init__" else ""


def against(what: str, page: str, module: Path, tree: ast.Module) -> list[str]:
    """The imports of a module that a drawing of the page does not allow."""
    ranks, own = drawn(what, page), place(module, what)
    return [
        f"{module}:{node.lineno} → {target}"
        for node in imports(tree)
        if isinstance(node, ast.ImportFrom) and node.level and own
        for path in reached(module, node)
        for target in [place(path, what)]
        if target not in ("", own) and ranks.get(target, len(ranks)) >= ranks[own]
    ]


def all_against(page: str) -> list[str]:
    """All imports that the drawings of a page do not allow."""
    return [
        line
        for what in DRAWINGS
        for module in modules()
        for line in against(what, page, module, parsed(module))
    ]


@pytest.mark.parametrize("what", DRAWINGS)
def test_every_place_is_drawn_and_no_other(what: str):
    there = {place(module, what) for module in modules()} - {""}
    assert there == drawn(what, ARCHITECTURE).keys()


def test_imports_go_where_the_page_draws_them():
    assert all_against(ARCHITECTURE) == []


@pytest.mark.parametrize(
    ("right", "wrong", "seen"),
    [
        # as the page once had it
        ("plots, training < checking", "plots, checking < training", "checking/updates.py"),
        ("plots, training < checking", "plots, training, checking", "checking/updates.py"),
        ("reference < analysis <", "analysis < reference <", "compiler/analysis/modes.py"),
        ("analysis < pipeline", "pipeline < analysis", "compiler/pipeline.py"),
        ("language < passes", "passes < language", "compiler/passes/derive.py"),
    ],
)
def test_a_wrong_drawing_is_seen(right: str, wrong: str, seen: str):
    assert right in ARCHITECTURE
    assert any(seen in line for line in all_against(ARCHITECTURE.replace(right, wrong)))


@pytest.mark.parametrize(
    ("module", "text", "upward"),
    [
        ("spec/node.py", "from ..compiler.ir import expr", ["compiler"]),
        ("compiler/passes/shapes.py", "def f():\n    from ...backends import model", ["backends"]),
        ("compiler/passes/shapes.py", "from ..ir.expr import Expr\nfrom ...spec import node", []),
        ("compiler/ir/shapes.py", "from ..passes import derive", ["passes"]),
        ("compiler/ir/shapes.py", "from .. import pipeline", ["pipeline"]),
        ("compiler/pipeline.py", "from . import violations", ["violations"]),
        ("backends/model.py", "from .. import training, spec", ["training"]),
        ("cli/main.py", "from .. import load", ["__init__"]),
        ("cli/main.py", "from ..training.run import train\nfrom .._version import __version__", []),
        ("cli/main.py", "from ..campaigns import fuzz", ["campaigns"]),
        ("__init__.py", "from .cli import main", []),
        ("_version.py", "from .spec import node", ["spec"]),
    ],
)
def test_an_upward_import_is_seen(module: str, text: str, upward: list[str]):
    tree = ast.parse(text)
    found = [line for what in DRAWINGS for line in against(what, ARCHITECTURE, Path(module), tree)]
    assert [line.rpartition("→ ")[2] for line in found] == upward


def absolute_names(node: ast.Import | ast.ImportFrom) -> set[str]:
    """The top-level names of an absolute import; none for a relative one."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return set() if node.level else {(node.module or "").split(".")[0]}


def test_the_package_names_itself_by_relative_imports_only():
    own = {"wellposed", "campaigns", *drawn("packages", ARCHITECTURE)} - {"__init__", "__main__"}
    named = [
        f"{module}:{node.lineno}"
        for module in modules()
        for node in imports(parsed(module))
        if absolute_names(node) & own
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


# --- sizes, packages, paths --------------------------------------------------------------------


def test_no_file_is_longer_than_400_lines():
    campaigns = (path.relative_to(ROOT) for path in (ROOT / "campaigns").rglob("*.py"))
    files = [*modules(), *campaigns]
    lengths = {m: len((ROOT / m).read_text(encoding="utf-8").splitlines()) for m in files}
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
