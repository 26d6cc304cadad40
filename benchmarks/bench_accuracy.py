"""The table of accuracies in the README: each shipped classifier, trained from several seeds.

A seed draws the data, their split, the first weights and the batches anew. Printed is the accuracy
on the validation data after the last epoch: the median over the seeds for each backend, and the
range over both.

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


def accuracy(name: str, backend: str, seed: int, folder: Path) -> float:
    """The last validation accuracy of a training in a process of its own, in per cent."""
    out = folder / f"{name}-{backend}-{seed}"
    command = [sys.executable, "-m", "wellposed", "train", name, f"seed={seed}"]
    command += ["--backend", backend, "--out", str(out), "--no-plots", "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    return 100 * result["metrics"]["validation_accuracy"]


def cell(found: list[list[float]]) -> str:
    """The medians of the backends, and the range of all."""
    medians = " / ".join(f"{statistics.median(values):.1f}" for values in found)
    every = [value for values in found for value in values]
    return f"{medians} ({min(every):.1f}–{max(every):.1f})"


def classifiers() -> list[str]:
    """The shipped examples that are trained to classify."""
    specs = {path.stem: wellposed.load(path.stem) for path in examples()}
    return [
        n
        for n, spec in specs.items()
        if spec.train and spec.data and spec.data.target_kind == "classes"
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=None, metavar="NAME")
    options = parser.parse_args()
    print(f"| example | PyTorch / JAX (range), {options.seeds} seeds, % |\n|---|---|")
    with tempfile.TemporaryDirectory() as made:
        for name in options.only or classifiers():
            seeds = range(options.seeds)
            found = [[accuracy(name, b, k, Path(made)) for k in seeds] for b in BACKENDS]
            print(f"| {name} | {cell(found)} |", flush=True)


if __name__ == "__main__":
    main()
