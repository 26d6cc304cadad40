"""The table of accuracies in the README: each shipped classifier, trained from several seeds.

A seed draws the data, their split, the first weights and the batches anew. Printed is the accuracy
on the validation data after the last epoch, the median over the seeds and the range.

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


def spread(values: list[float]) -> str:
    """The median and the range."""
    return f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})"


def classifiers() -> list[str]:
    """The shipped examples that are trained to classify."""
    specs = {path.stem: wellposed.load(path.stem) for path in examples()}
    return [
        n
        for n, spec in specs.items()
        if spec.train and spec.data and spec.data.target_kind == "classes"
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=None, metavar="NAME")
    options = parser.parse_args()
    print(f"| example | PyTorch | JAX |\n|---|---|---|  {options.seeds} seeds: median (range), %")
    with tempfile.TemporaryDirectory() as made:
        for name in options.only or classifiers():
            cells = (
                spread([accuracy(name, b, k, Path(made)) for k in range(options.seeds)])
                for b in BACKENDS
            )
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
