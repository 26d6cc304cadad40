"""The text that is emitted, byte by byte: the shipped examples, and small specs of every shape.

`pytest tests/backends/test_golden.py --update-golden` writes the files anew; their diff is what a
change does to the programs of users, and is read before it is committed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from densities import DENSITIES, density
from flows import FLOWS, flow
from series import SERIES, series
from shapes import SHAPES, UNDONE

import wellposed
from wellposed.backends.registry import get
from wellposed.compiler.front.load import examples
from wellposed.compiler.pipeline import compiled
from wellposed.spec.model import Spec

GOLDEN = Path(__file__).parents[1] / "golden"
EXAMPLES = [path.stem for path in examples()]
BACKENDS = ("torch", "jax")
SPECS = SHAPES | UNDONE
FILES = [(name, backend) for name in (*EXAMPLES, *SPECS) for backend in BACKENDS]
FILES += [(n, b) for n in FLOWS for b in BACKENDS if (n, b) != ("flow-tsit5", "torch")]

FILES += [(name, backend) for name in (*DENSITIES, *SERIES) for backend in BACKENDS]


def spec(name: str) -> Spec:
    if name in DENSITIES:
        return density(name)
    if name in SERIES:
        return series(name)
    if name in FLOWS:
        return flow(name)
    if name in SPECS:
        return Spec.model_validate(SPECS[name] | {"name": name})
    return wellposed.load(name)


def path(name: str, backend: str) -> Path:
    return GOLDEN / f"{name.replace('-', '_')}_{backend}.py"


@pytest.mark.parametrize(("name", "backend"), FILES)
def test_the_emitted_text_is_the_kept_one(
    name: str, backend: str, request: pytest.FixtureRequest
) -> None:
    text = get(backend).emit(compiled(spec(name)).written)
    file = path(name, backend)
    if request.config.getoption("--update-golden"):
        file.write_bytes(text.encode())
    assert file.read_bytes().decode() == text


def test_there_is_no_file_too_many() -> None:
    assert {f.name for f in GOLDEN.glob("*.py")} == {path(*file).name for file in FILES}


def test_no_shape_has_the_name_of_an_example() -> None:
    assert not set(SPECS) & set(EXAMPLES)
