"""The wheel as pip builds it: what it holds, what it asks for, that it works where it lands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

pytest.importorskip("setuptools", minversion="77")

ROOT = Path(__file__).parents[1]
APART = {"tests", "benchmarks", "campaigns", "docs", "build", "dist", "runs"}
"""Folders of the clone that are no part of the package."""
LEFT_OUT = (".*", "__pycache__", "build", "dist", "runs", "*.egg-info")
EXAMPLES = {path.name for path in (ROOT / "examples").glob("*.yaml")}


def run(*command: str | Path, cwd: Path, path: Path | None = None) -> str:
    """The standard output of `python command`; fails with what it wrote to stderr."""
    env = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=cwd, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: a build in the clone would leave its `build/` there."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "clone", ignore=shutil.ignore_patterns(*LEFT_OUT))
    build = ("-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index")
    run(*build, "--wheel-dir", folder, folder / "clone", cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path, names: set[str]) -> Message:
    (name,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(zipfile.ZipFile(wheel).read(name).decode())


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed wheel and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def test_everything_lies_under_wellposed(names: set[str]):
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"wellposed"}


def test_no_tests_campaigns_benchmarks_or_root_files_are_shipped(names: set[str]):
    shipped = {name.removeprefix("wellposed/") for name in names if name.startswith("wellposed/")}
    assert {name.split("/")[0] for name in shipped} & APART == set()
    assert {Path(name).suffix for name in shipped} == {".py", ".yaml", ".typed"}


def test_every_module_table_and_example_is_shipped(names: set[str]):
    files = (p.relative_to(ROOT) for kind in ("*.py", "*.yaml") for p in ROOT.rglob(kind))
    own = {p.as_posix() for p in files if p.parts[0] not in APART and p.parts[0][0] != "."}
    assert {f"wellposed/{name}" for name in own} <= names
    assert {f"examples/{name}" for name in EXAMPLES} <= own
    assert EXAMPLES


def test_no_framework_is_required(metadata: Message):
    required = metadata.get_all("Requires-Dist", [])
    base = {line for line in required if "extra ==" not in line}
    assert {"numpy", "scipy", "pydantic"} <= {line.split(">")[0] for line in base}
    assert [line for line in base if line.startswith(("torch", "jax"))] == []
    assert {"torch", "jax", "all", "test"} == set(metadata.get_all("Provides-Extra", []))


def test_licence_python_and_version_are_stated(metadata: Message, site: Path, tmp_path: Path):
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    version = run("-c", "import wellposed; print(wellposed.__version__)", cwd=tmp_path, path=site)
    assert version.strip() == metadata["Version"]


def test_the_wheel_works_where_it_lands(site: Path, tmp_path: Path):
    """`python -m wellposed` is the one in the wheel, not in the clone, and finds its examples."""
    where = run("-c", "import wellposed; print(wellposed.__file__)", cwd=tmp_path, path=site)
    assert Path(where.strip()).is_relative_to(site)
    listing = run("-m", "wellposed", "ls", cwd=tmp_path, path=site)
    assert [name for name in EXAMPLES if Path(name).stem not in listing] == []


IMPORT_ALL = """
import importlib, pkgutil, wellposed
for module in pkgutil.walk_packages(wellposed.__path__, "wellposed."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def test_every_module_of_the_wheel_finds_what_it_imports(site: Path, tmp_path: Path):
    run("-c", IMPORT_ALL, cwd=tmp_path, path=site)


def test_a_spec_compiles_from_the_wheel(site: Path, tmp_path: Path):
    """With every sub-package that is on the way from a spec to both programs."""
    compile = ("compile", "ellipses-verlet", "--backend", "all", "--out", tmp_path)
    run("-m", "wellposed", *compile, cwd=tmp_path, path=site)
    written = {path.name for path in tmp_path.iterdir()}
    assert {"ellipses_verlet_torch.py", "ellipses_verlet_jax.py"} <= written


def test_the_console_script_calls_the_command_line(wheel: Path, names: set[str]):
    (name,) = (name for name in names if name.endswith("entry_points.txt"))
    assert "wellposed = wellposed.cli:main" in zipfile.ZipFile(wheel).read(name).decode()
