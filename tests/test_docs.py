"""The pages of docs/ quote what is there: code, emitted lines, files."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

import wellposed
from wellposed.backends.registry import get
from wellposed.compiler.pipeline import compiled

ROOT = Path(__file__).parents[1]
PAGES = (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md")
EXAMPLE = "ellipses-antisymmetric"
WRITTEN = {"repro/", "repro_torch.py", "repro_jax.py"}
"""What a command writes."""


@cache
def source(name: str) -> str:
    """A file of the repository, or the emitted program of the example."""
    if name in ("torch", "jax"):
        return get(name).emit(compiled(wellposed.load(EXAMPLE)).module)
    return (ROOT / name).read_text(encoding="utf-8")


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
    found = quotes((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert len(found) > 5
    assert [(name, missing(name, lines)) for name, lines in found if missing(name, lines)] == []


def test_a_line_that_is_not_there_is_missed() -> None:
    assert missing("torch", "def antisymmetric(K: Tensor) -> Tensor:\n    return K\n") == [
        "    return K"
    ]


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
