"""The pages of docs/ quote what is there: code, emitted lines, files."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import wellposed
from wellposed.backends.registry import get
from wellposed.checking import inline
from wellposed.checking.ladder import check
from wellposed.checking.locate.find import locate
from wellposed.cli.app import run
from wellposed.cli.difference import side_by_side
from wellposed.cli.rungs import rows as rows_of
from wellposed.compiler.pipeline import compiled

ROOT = Path(__file__).parents[1]
PAGES = (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md")
EXAMPLE = "ellipses-antisymmetric"
WRITTEN = {"repro/", "repro_torch.py", "repro_jax.py", "net.yaml", "pendulum.yaml", "orders.py"}
"""What a command writes, or a page itself."""


@cache
def source(name: str) -> str:
    """A file of the repository, or the emitted program of the example."""
    if name in ("torch", "jax"):
        return get(name).emit(compiled(wellposed.load(EXAMPLE)).module)
    return (ROOT / name).read_text(encoding="utf-8")


def text_of(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def quotes(page: str) -> list[tuple[str, str]]:
    """The blocks of a page that say in their first line what they are taken from."""
    return re.findall(r"```python\n# (\S+)\n(.*?)```", page, re.DOTALL)


def missing(name: str, lines: str) -> list[str]:
    """The quoted lines that the source does not have, in this order."""
    left, found = source(name).splitlines(), []
    for line in lines.splitlines():
        if line in left:
            left = left[left.index(line) + 1 :]
        else:
            found.append(line)
    return found


def test_quoted_code_is_in_its_file() -> None:
    found = quotes(text_of("architecture"))
    assert len(found) > 5
    assert [(name, missing(name, lines)) for name, lines in found if missing(name, lines)] == []


def test_a_line_that_is_not_there_is_missed() -> None:
    assert missing("torch", "def antisymmetric(K: Tensor) -> Tensor:\n    return K\n") == [
        "    return K"
    ]


HELD = {
    "README.md": {
        "sh": "test_shell_lines",
        "yaml": "test_readme: what init copies",
        "python": "test_readme: an excerpt of a program, lines that run",
        "text": "test_readme: the head of a program, an error, the files of a run",
    },
    "CONTRIBUTING.md": {"sh": "test_shell_lines", "python": "below"},
    "architecture.md": {"python": "above", "text": "test_layout", "": "drawings"},
    "augmentation.md": {"sh": "test_shell_lines", "text": "below"},
    "cases.md": {"text": "test_cases", "": "test_cases"},
    "considerations.md": {"sh": "test_shell_lines"},
    "densities.md": {"sh": "test_shell_lines"},
    "dynamics.md": {"sh": "test_shell_lines"},
    "checking.md": {"text": "below"},
    "gpu.md": {},
    "language.md": {"yaml": "test_language"},
    "language.template.md": {"yaml": "test_language"},
}
"""For each page the kinds of its blocks, with what holds them."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_a_page_is_held(page: Path) -> None:
    """A page with a block of a new kind asks for a test of it."""
    text = page.read_text(encoding="utf-8")
    kinds = re.findall(r"^```(\w*)\n.*?^```$", text, re.DOTALL | re.MULTILINE)
    assert set(kinds) == HELD[page.name].keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|md|toml|yaml)|(?:\w+/)+)`", text)
    links = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    places = [ROOT, page.parent, ROOT / "compiler", ROOT / "checking"]
    named = [path for path in paths if path not in WRITTEN]
    gone = [path for path in named if not any((place / path).exists() for place in places)]
    gone += [link for link in links if not (page.parent / link).exists()]
    assert gone == []


# --- the failed check that docs/checking.md opens with -----------------------------------------

TUNED = ("return y + H * dy_dt(y, K, b)", "return y + 2 * H * dy_dt(y, K, b)")


def test_the_failed_check_is_what_a_user_sees(tmp_path: Path) -> None:
    """All but the figures of the table, which another machine rounds in another way."""
    (shown,) = re.findall(r"```text\n\$ (wellposed check .*?)```", text_of("checking"), re.DOTALL)
    spec, mine = wellposed.load(EXAMPLE), tmp_path / "mine.py"
    mine.write_text(source("torch").replace(*TUNED), encoding="utf-8")
    rungs, backends = ("L0", "L1", "L2"), ("torch",)
    programs = {"torch": mine}
    report = check(spec, programs=programs, backends=backends, rungs=rungs, run=inline.run_fast)
    texts = {**report.programs, "jax": source("jax")}
    found = locate(report, compiled(spec), texts, run=inline.run_fast)
    assert found is not None
    assert report.message in shown
    assert side_by_side(found) in shown
    table = {tuple(re.split(r"\s{2,}", line)[:3]) for line in shown.splitlines()}
    rows = {tuple(row[:3]) for row in rows_of(report.rungs, backends)}
    assert len(rows) == 10 and rows <= table


# --- what docs/augmentation.md shows of `show` ---------------------------------------------------


def test_what_a_flow_cannot_do_is_what_show_prints(capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = re.findall(r"```text\n(.*?)```", text_of("augmentation"), re.DOTALL)
    assert run(["show", "spheres-flow"]) == 0
    assert capsys.readouterr().out.endswith(f"\n{shown}")
    assert run(["show", "spheres-augmented"]) == 0
    assert "\nFlow\n" not in capsys.readouterr().out


# --- the classes that CONTRIBUTING.md shows ----------------------------------------------------

USED = """
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

import wellposed
from wellposed.spec.integrators import RungeKutta, Tableau
from wellposed.spec.model import Spec
from wellposed.spec.parametrizations import Parametrization
from wellposed.spec.vector_fields import Y, Equations, Weight, WithActivation

{classes}

model = {{
    "state": 2,
    "vector_field": "gated",
    "parametrization": {{"kind": "rotation", "scale": 0.7, "gamma": 0.1}},
    "integrator": "ralston",
    "time": {{"horizon": 0.5, "steps": 1}},
}}
spec = Spec.model_validate({{"wellposed": 1, "name": "new", "dtype": "float64", "model": model}})
x = np.array([[0.3, -0.2]])
weights = wellposed.compile(spec, "numpy").init()
(raw,), (b,) = weights["K"], weights["b"]
K = 0.7 * (raw - raw.T) - 0.1 * np.eye(2)
f = lambda y: np.tanh(y @ K.T + b) - y
k1 = f(x)
k2 = f(x + 2 / 3 * 0.5 * k1)
expected = x + 0.5 * (k1 / 4 + 3 * k2 / 4)
for backend in ("numpy", "torch", "jax"):
    found = wellposed.compile(spec, backend).forward(weights, x)
    np.testing.assert_allclose(found, expected, atol=1e-15)
print("agree")
"""


def test_the_classes_of_contributing_work() -> None:
    """In a process of its own: a class that is declared joins the catalogue."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    classes = "\n\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    command = [sys.executable, "-c", USED.format(classes=classes)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.stdout.strip() == "agree", run.stderr
