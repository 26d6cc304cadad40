"""Every shipped example: described, emitted clean, run alone, checked, trained on both backends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import wellposed
from wellposed import api
from wellposed.backends.registry import get
from wellposed.checking import check, inline
from wellposed.compiler.analysis.describe import describe
from wellposed.compiler.front.load import examples
from wellposed.compiler.pipeline import compiled

NAMES = [path.stem for path in examples()]
TRAINED = [name for name in NAMES if not name.startswith("stability")]
ACCURATE = [
    name
    for name in TRAINED
    if name.split("-")[0] in ("ellipses", "swiss", "spheres")
    and not name.endswith(("resnet", "flow"))
]
BACKENDS = ("torch", "jax")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The emitted programs of all examples."""
    folder = tmp_path_factory.mktemp("emitted")
    for name in NAMES:
        module = compiled(wellposed.load(name)).module
        for backend in BACKENDS:
            text = get(backend).emit(module)
            (folder / f"{module.file_name}_{backend}.py").write_text(text, encoding="utf-8")
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "basic"}')
    return folder


def tool(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "--isolated", "--select", "E,F,W,I,B,UP,SIM,C4", "--line-length", "88"),
        ("ruff", "format", "--isolated", "--check", "--line-length", "88"),
        ("pyright", "--pythonpath", sys.executable),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_the_tools_have_nothing_to_say(command: tuple[str, ...], folder: Path) -> None:
    done = tool("-m", *command, ".", cwd=folder) if command[0] == "ruff" else None
    done = done or tool("-m", *command, "-p", ".", cwd=folder)
    assert done.returncode == 0, done.stdout


RUN_ALL = """
import runpy, sys
for file in sys.argv[1:]:
    print("===", file)
    runpy.run_path(file, run_name="__main__")
"""
"""One process for all: most of the time goes into the import of the framework."""


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_programs_run_alone(backend: str, folder: Path) -> None:
    """`-I`: no folder of ours is on the path; `-W error`: no warning either."""
    files = {name: f"{name.replace('-', '_')}_{backend}.py" for name in NAMES}
    done = tool("-I", "-W", "error", "-c", RUN_ALL, *files.values(), cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    said = dict(zip(NAMES, done.stdout.split("=== ")[1:], strict=True))
    for name, text in said.items():
        assert text.startswith(files[name])
        assert f"{name}: " in text and " weights of " in text
        assert "gradient norm" in text or "y(T) =" in text


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_described_in_full(name: str) -> None:
    said = describe(compiled(wellposed.load(name)))
    assert said.equations
    assert said.integrator
    assert said.findings
    assert said.cost.field_evaluations >= 1


@pytest.mark.parametrize("name", NAMES)
def test_the_backends_agree_with_the_reference(name: str) -> None:
    report = check(wellposed.load(name), steps=20, run=inline.run)
    assert report.passed, report.message
    if compiled(wellposed.load(name)).problem.is_adaptive:
        return  # no three points of rounding: each dtype takes steps of its own
    single = [(r.worst, r.between) for r in report.rungs if r.rung == "L7"]
    ratios = [error / other for error, other in single if error and other]
    assert len(ratios) >= 2
    assert max(ratios) <= 3


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", TRAINED)
def test_an_example_trains(name: str, backend: str, tmp_path: Path) -> None:
    """Two epochs; the ones that have to be accurate, to their end. Pictures of JAX runs, which
    XLA compiles for longer than it trains, are drawn by the lines of the pages."""
    stop = None if name in ACCURATE else 2
    spec = wellposed.load(name)
    draws = backend == "torch"
    result = api.train(spec, backend, out=tmp_path / "run", stop_after=stop, plots=draws)
    assert result.status == ("finished" if stop is None else "stopped")
    first, last = result.metrics[0], result.metrics[-1]
    assert last["loss"] < first["loss"]
    if stop is None:
        assert last["validation_accuracy"] >= 0.98


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_rates_of_prey_and_predators_are_found(backend: str, tmp_path: Path) -> None:
    """All four within a hundredth of those that drew the data."""
    spec = wellposed.load("lotka-volterra")
    api.train(spec, backend, out=tmp_path / "run", plots=False)
    found, true = wellposed.open(tmp_path / "run").weights, getattr(spec.data, "rates", None)
    assert true is not None and list(found) == ["a", "b", "c", "d"]
    rates = [float(found[name]) for name in found]
    assert rates == pytest.approx(list(true), rel=0.01)
