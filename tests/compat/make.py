"""`python tests/compat/make.py`: what this version promises to keep, one folder for each example.

    tests/compat/VERSION/EXAMPLE/
        spec.yaml            the spec as it was written
        torch.py, jax.py     the programs that this version wrote
        weights.safetensors  weights that are not the initial ones
        values.safetensors   inputs, and everything that the float64 reference makes of them
        certificate.json     what `check --json` said
        run/                 a training that was stopped after its first epoch of two

A folder that is there is never written again: it is the promise. tests/test_compat.py holds every
version's to it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

import wellposed
from wellposed import api
from wellposed.backends import registry
from wellposed.checking.probes import PROBABILITIES, RANDOM, Probes, draw
from wellposed.compiler.front.load import examples
from wellposed.compiler.pipeline import compiled

HERE = Path(__file__).parent
ROWS = 3
EPOCHS = 2


def main() -> int:
    """Write what is missing from the folder of this version; what is there already is a promise."""
    folder = HERE / wellposed.__version__
    missing = [each for each in examples() if not (folder / each.stem).exists()]
    for example in missing:
        write(example, folder / example.stem)
        print(example.stem)
    if not missing:
        print(f"{folder.name} is there already, and is a promise", file=sys.stderr)
    return 0 if missing else 1


def write(example: Path, folder: Path) -> None:
    """Everything of one example."""
    folder.mkdir(parents=True)
    spec = wellposed.load(example)
    case = compiled(spec)
    (folder / "spec.yaml").write_bytes(example.read_bytes())
    for backend in ("torch", "jax"):
        text = registry.get(backend).emit(case.module)
        (folder / f"{backend}.py").write_text(text, encoding="utf-8")
    probes = draw(case)
    weights = {n: np.array(w, spec.dtype) for n, w in probes.weights[RANDOM].items()}
    save_file(weights, folder / "weights.safetensors")
    save_file(values(spec, probes), folder / "values.safetensors")
    certificate = wellposed.check(spec).to_json()
    text = json.dumps(certificate, indent=1, ensure_ascii=False)
    (folder / "certificate.json").write_text(text + "\n", encoding="utf-8")
    if spec.train is not None:
        train(example, folder / "run")


def values(spec: Any, probes: Probes) -> dict[str, np.ndarray]:
    """Inputs as `in/NAME`, and what the reference makes of them as `out/FUNCTION`."""
    model = wellposed.compile(spec, "numpy")
    weights = {n: np.array(w, spec.dtype) for n, w in probes.weights[RANDOM].items()}
    x, y = probes.x[:ROWS], probes.y[:ROWS]
    t = spec.model.time.horizon / 3
    targets = {kind: part[:ROWS] for kind, part in probes.targets.items() if kind != PROBABILITIES}
    observed = None if probes.values is None else (probes.values[:ROWS], *targets.values())
    given = x if observed is None else observed[0]  # what a loss takes besides targets
    forward: Any = model.forward
    found = {
        "in/x": x,
        "in/y": y,
        "in/t": np.asarray(t),
        "out/forward": forward(weights, *(observed or (x,))),
        "out/trajectory": model.trajectory(weights, x),
        "out/vector_field": model.vector_field(weights, t, y),
    }
    if observed:
        found["in/values"] = given
    for part in targets.values():
        found["in/targets"] = part
        found["out/loss"] = np.asarray(model.loss(weights, given, part))
        gradient = model.gradient(weights, given, part)
        found |= {f"out/gradient/{name}": leaf for name, leaf in gradient.items()}
    return {name: np.array(array, order="C") for name, array in found.items()}


def train(example: Path, run: Path) -> None:
    """One epoch of two; the data are drawn anew by whoever goes on."""
    spec = wellposed.load(example, [f"train.epochs={EPOCHS}", "train.schedule=constant"])
    api.train(spec, "jax", out=run, stop_after=1, plots=False)
    (run / ".lock").unlink(missing_ok=True)  # of the process that trained it


if __name__ == "__main__":
    sys.exit(main())
