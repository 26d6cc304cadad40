"""What the density of a run in the plane adds up to, and how far it is from the determinant.

    python benchmarks/bench_density.py RUN...

The mass is the sum of p over a grid of 512 × 512 points on [-10, 10]², in the units of the data;
the determinant that of y(0) -> y(T) by central differences in float64, at 200 points of the data.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import wellposed
from wellposed.data.of_spec import dataset_of

POINTS, REACH, ROWS, MOVE = 512, 10.0, 200, 1e-5


def mass(run: wellposed.Run) -> float:
    axis = np.linspace(-REACH, REACH, POINTS)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return float(np.exp(run.predict(grid)).sum() * (axis[1] - axis[0]) ** 2)


def distance(run: wellposed.Run) -> float:
    """The largest difference of the log-density from log N(y(T)) + log|det ∂y(T)/∂y(0)|."""
    model: Any = run.model("numpy")  # by DOP853
    examples = dataset_of(run.spec, 2)
    assert examples is not None
    x = examples.train.x[:ROWS]
    sides = [
        (model.forward(run.weights, x + e) - model.forward(run.weights, x - e)) / (2 * MOVE)
        for e in MOVE * np.eye(2)
    ]
    y = model.forward(run.weights, x)
    base = -(y**2).sum(axis=1) / 2 - np.log(2 * np.pi)
    expected = base + np.linalg.slogdet(np.stack(sides, axis=-1))[1]
    own: Any = run.model()
    return float(np.abs(own.log_density(run.weights, x) - expected).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+")
    print("| data | nll | mass | against the determinant |")
    print("|---|---|---|---|")
    for folder in parser.parse_args().runs:
        run = wellposed.open(folder)
        nll, data = run.evaluate()["nll"], run.spec.data
        print(
            f"| {data.kind if data else ''} | {nll:.3f} | {mass(run):.5f} | {distance(run):.1e} |"
        )


if __name__ == "__main__":
    main()
