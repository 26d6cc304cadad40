"""Kept promises: what every released version wrote still compiles, loads, runs and agrees.

tests/compat/make.py says what there is in a version's folder, and writes that of a new one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import wellposed
from wellposed import api
from wellposed.backends import registry
from wellposed.backends.model import Model
from wellposed.compiler.front.load import examples
from wellposed.compiler.pipeline import compiled
from wellposed.spec.adaptive import Adaptive
from wellposed.spec.node import content_hash

COMPAT = Path(__file__).parent / "compat"
AGREEMENT = 1e-12
BACKENDS = ("numpy", "torch", "jax")
KEPT = sorted(path.parent for path in COMPAT.glob("*/*/spec.yaml"))
RUNS = [folder for folder in KEPT if (folder / "run").exists()]
Values = dict[str, np.ndarray]


def name(folder: Path) -> str:
    return f"{folder.parent.name}-{folder.name}"


def texts(folder: Path) -> dict[str, str]:
    """What a version wrote; the reference has no text."""
    kept = {b: (folder / f"{b}.py").read_text(encoding="utf-8") for b in BACKENDS[1:]}
    return {"numpy": "", **kept}


def values_of(model: Model, weights: Values, given: Values) -> Values:
    """Everything the promise has values of, anew."""
    x, y, t = given["in/x"], given["in/y"], float(given["in/t"])
    observed = (given["in/values"], given["in/targets"]) if "in/values" in given else ()
    forward: Any = model.forward
    found: dict[str, Any] = {
        "out/forward": forward(weights, *(observed or (x,))),
        "out/trajectory": model.trajectory(weights, x),
        "out/vector_field": model.vector_field(weights, t, y),
    }
    if "in/targets" in given:
        both = observed or (x, given["in/targets"])
        found["out/loss"] = model.loss(weights, *both)
        gradient = model.gradient(weights, *both)
        found |= {f"out/gradient/{leaf}": value for leaf, value in gradient.items()}
    return {key: np.asarray(value) for key, value in found.items()}


def agreement(folder: Path) -> float:
    """Of programs that choose their steps ten times the tolerance of one."""
    integrator = wellposed.load(folder / "spec.yaml").model.integrator
    return 10 * integrator.rtol if isinstance(integrator, Adaptive) else AGREEMENT


def farthest(model: Model, folder: Path) -> float:
    """The largest distance from the kept values, over the largest entry of each."""
    given = load_file(folder / "values.safetensors")
    found = values_of(model, load_file(folder / "weights.safetensors"), given)
    kept = {key: value for key, value in given.items() if key.startswith("out/")}
    assert found.keys() == kept.keys()
    assert all(found[key].shape == kept[key].shape for key in kept)
    assert all(np.array_equal(np.isnan(found[key]), np.isnan(kept[key])) for key in kept)
    scales = {key: np.nanmax(np.abs(value)) or 1.0 for key, value in kept.items()}
    return max(float(np.nanmax(np.abs(found[key] - kept[key]))) / scales[key] for key in kept)


def test_there_is_a_promise_of_every_example():
    versions = {folder.parent.name for folder in KEPT}
    assert wellposed.__version__ in versions
    first = {folder.name for folder in KEPT if folder.parent.name == min(versions)}
    assert first <= {path.stem for path in examples()}
    current = {f.name for f in KEPT if f.parent.name == wellposed.__version__}
    assert current == {path.stem for path in examples()}


@pytest.mark.parametrize("folder", KEPT, ids=name)
def test_an_old_spec_means_what_it_meant(folder: Path):
    certificate = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    spec = wellposed.load(folder / "spec.yaml")
    said = compiled(spec).spec  # the horizon of series is that of their data
    assert content_hash(said) == certificate["spec_hash"]
    assert certificate["passed"] is True


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("folder", KEPT, ids=name)
def test_an_old_spec_gives_the_old_values(folder: Path, backend: str):
    module, own = compiled(wellposed.load(folder / "spec.yaml")).module, registry.get(backend)
    model = own.load(module, own.emit(module), "cpu", "float64")
    assert farthest(model, folder) <= agreement(folder)


@pytest.mark.parametrize("backend", BACKENDS[1:])
@pytest.mark.parametrize("folder", KEPT, ids=name)
def test_an_old_program_still_gives_them(folder: Path, backend: str):
    module = compiled(wellposed.load(folder / "spec.yaml")).module
    model = registry.get(backend).load(module, texts(folder)[backend], "cpu", "float64")
    assert farthest(model, folder) <= agreement(folder)


@pytest.mark.parametrize("backend", BACKENDS[1:])
@pytest.mark.parametrize("folder", RUNS, ids=name)
def test_an_old_run_goes_on_in_every_backend(folder: Path, backend: str, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(folder / "run", run)
    result = api.resume(run, backend, plots=False)
    assert (result.status, result.epoch) == ("finished", 2)
    assert [row["epoch"] for row in result.metrics] == [1, 2]
    before, after = (row["loss"] for row in result.metrics)
    assert after < before + abs(before)


def _shifted(values: Values) -> Values:
    return {key: value * (1 + 1e-11) for key, value in values.items()}


def _without(values: Values) -> Values:
    return {key: value for key, value in values.items() if key != "out/forward"}


@pytest.mark.parametrize("broken", [_shifted, _without])
def test_a_broken_promise_would_be_seen(
    broken: Callable[[Values], Values], monkeypatch: pytest.MonkeyPatch
):
    whole = values_of
    monkeypatch.setitem(globals(), "values_of", lambda *given: broken(whole(*given)))
    folder = KEPT[0]
    model = registry.get("numpy").load(compiled(wellposed.load(folder / "spec.yaml")).module, "")
    try:
        assert farthest(model, folder) > AGREEMENT
    except AssertionError as error:
        assert "keys" in str(error)
