"""Both programs on a CUDA device: the ladder holds there, and a run goes from device to device."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shapes import SHAPES

import wellposed
from wellposed import api
from wellposed.backends.registry import BackendError, get
from wellposed.checking import check, inline
from wellposed.checking.ways import matrix
from wellposed.compiler.front.load import examples
from wellposed.compiler.pipeline import compiled
from wellposed.spec.model import Spec

pytestmark = pytest.mark.gpu

# The processes of pytest share one device, of which JAX would take three quarters for itself.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
BACKENDS = ("torch", "jax")
DEVICE = "cuda"
SHORT = ["train.epochs=4", "model.time.steps=16", "dtype=float64"]


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_climbs_the_ladder(name: str) -> None:
    """In float64 and float32."""
    spec = Spec.model_validate(SHAPES[name] | {"name": name})
    report = check(spec, device=DEVICE, run=inline.run)
    assert report.passed, report.message
    assert report.device == DEVICE


@pytest.mark.parametrize("name", [path.stem for path in examples()])
def test_every_example_climbs_the_ladder(name: str) -> None:
    """In processes of their own, as `check --device cuda` runs them."""
    report = check(wellposed.load(name), device=DEVICE)
    assert report.passed, report.message


def test_eager_and_compiled_cpu_and_gpu_agree() -> None:
    found = matrix(Spec.model_validate(SHAPES["steps-layer"] | {"name": "steps"}), BACKENDS)
    assert {way.device for way in found.ways} == {"cpu", DEVICE}
    assert found.passed, list(found.departures())


def test_a_program_that_switches_tf32_on_is_caught(tmp_path: Path) -> None:
    """TF32 keeps 10 bits of the 23 of float32: the vector field is wrong by 2e-3 of its scale."""
    spec = wellposed.load("digits-antisymmetric")
    text = get("torch").emit(compiled(spec).module)
    path = tmp_path / "tf32.py"
    path.write_text(text + "\ntorch.backends.cuda.matmul.allow_tf32 = True\n", encoding="utf-8")
    report = check(spec, programs={"torch": path}, backends=("torch",), device=DEVICE)
    failure = report.first_failure
    assert failure is not None and failure.dtype == "float32", report.message
    assert failure.rung == "L1"


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_emitted_program_alone_computes_on_the_device(backend: str) -> None:
    """As in a loop of the user's own: nothing is left on the CPU."""
    spec = wellposed.load("ellipses-verlet", overrides=["dtype=float64"])
    model = wellposed.compile(spec, backend="numpy")
    weights, x = model.init(seed=0), np.random.default_rng(0).uniform(-1, 1, (8, 2))
    targets = np.arange(8) % 2
    loaded: Any = wellposed.compile(spec, backend=backend)
    native = loaded.native
    if backend == "torch":
        import torch

        network = native.Network(weights).to(DEVICE)
        on_device = [torch.as_tensor(a, device=DEVICE) for a in (x, targets)]
        loss = network.loss(*on_device).detach()
        assert loss.device.type == DEVICE
        assert all(p.device.type == DEVICE for p in network.parameters())
    else:
        import jax

        with jax.enable_x64(True), jax.default_matmul_precision("highest"):
            placed = jax.device_put((weights, x, targets), jax.devices("gpu")[0])
            loss = jax.jit(native.loss)(*placed)
        assert {d.platform for d in loss.devices()} == {"gpu"}
    assert float(loss) == pytest.approx(model.loss(weights, x, targets), rel=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_goes_from_one_device_to_the_other(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained half on the GPU and half on the CPU: the weights that the CPU alone arrives at."""
    monkeypatch.chdir(tmp_path)
    spec = wellposed.load("ellipses-antisymmetric", overrides=SHORT)
    alone = api.train(spec, backend, "cpu", out="alone", plots=False)
    api.train(spec, backend, DEVICE, out="both", plots=False, stop_after=2)
    both = api.resume("both", device="cpu", plots=False)
    for name, expected in alone.weights.items():
        np.testing.assert_allclose(both.weights[name], expected, rtol=1e-9, atol=1e-12)
    record = json.loads(Path("both/environment.json").read_text())
    assert [call["device"] for call in record] == [DEVICE, "cpu"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_device_that_is_not_there_is_refused(backend: str) -> None:
    with pytest.raises(BackendError, match="sees no device cuda:99"):
        wellposed.compile(wellposed.load("ellipses-verlet"), backend=backend, device="cuda:99")
