"""The tables of accuracies in the README and in docs/augmentation.md: each shipped example that is
trained, from several seeds.

A seed draws the data, their split, the first weights and the batches anew. Printed are the accuracy
in per cent (of a regression the mean squared error) on the validation data and the loss on the
training data after the last epoch: the median over the seeds for each backend, and the range over
both.

    python benchmarks/bench_accuracy.py [--seeds 5] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import wellposed
from wellposed.compiler.front.load import examples

BACKENDS = ("torch", "jax")


def metrics(name: str, backend: str, seed: int, folder: Path) -> dict[str, float]:
    """Those of the last epoch of a training in a process of its own."""
    out = folder / f"{name}-{backend}-{seed}"
    command = [sys.executable, "-m", "wellposed", "train", name, f"seed={seed}"]
    command += ["--backend", backend, "--out", str(out), "--no-plots", "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return json.loads((out / "result.json").read_text(encoding="utf-8"))["metrics"]


def score(found: dict[str, float]) -> float:
    """The validation accuracy in per cent, or the mean squared error."""
    if "validation_accuracy" in found:
        return 100 * found["validation_accuracy"]
    return found["validation_mse"]


def cell(found: list[list[float]], digits: str) -> str:
    """The medians of the backends, and the range of all."""
    medians = " / ".join(f"{statistics.median(values):{digits}}" for values in found)
    every = [value for values in found for value in values]
    return f"{medians} ({min(every):{digits}}–{max(every):{digits}})"


def row(name: str, found: list[list[dict[str, float]]]) -> str:
    """A line of the table, of the metrics of each backend and seed."""
    scores = [[score(each) for each in of_backend] for of_backend in found]
    losses = [[each["train_loss"] for each in of_backend] for of_backend in found]
    digits = ".1f" if "validation_accuracy" in found[0][0] else ".2g"
    return f"| {name} | {cell(scores, digits)} | {cell(losses, '.2g')} |"


def trained() -> list[str]:
    """The shipped examples that are trained."""
    return [path.stem for path in examples() if wellposed.load(path.stem).train]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=None, metavar="NAME")
    options = parser.parse_args()
    head = f"accuracy (%) or mean squared error, {options.seeds} seeds"
    print(f"| example | {head}: PyTorch / JAX (range) | loss |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as made:
        for name in options.only or trained():
            seeds = range(options.seeds)
            found = [[metrics(name, b, k, Path(made)) for k in seeds] for b in BACKENDS]
            print(row(name, found), flush=True)


if __name__ == "__main__":
    main()
