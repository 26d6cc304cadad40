"""Error and evaluations of the field against the tolerance, of one flow in both programs.

    python benchmarks/bench_tolerance.py [--plot FILE.png]

The field is a layer on three components with random weights, over [0, 4]; rtol = 100 atol. Errors
are those of the states at T, against SciPy's DOP853 at 1e-12, relative to the largest of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from wellposed import compile
from wellposed.spec.model import Spec

BACKENDS = {"torch": "PyTorch", "jax": "JAX"}
TOLERANCES = (1e-2, 1e-4, 1e-6, 1e-8)
ROWS = 200
Row = tuple[str, float, int, int, float]


def spec(rtol: float) -> Spec:
    return Spec.model_validate(
        {
            "wellposed": 1,
            "name": "flow",
            "dtype": "float64",
            "model": {
                "state": 3,
                "vector_field": {"kind": "layer", "activation": "tanh"},
                "time": {"horizon": 4},
                "integrator": {"kind": "dopri5", "rtol": rtol, "atol": rtol / 100},
                "readout": {"kind": "classifier", "classes": 2},
            },
        }
    )


def measured() -> list[Row]:
    """Backend, rtol, evaluations forward and backward, error."""
    random = np.random.default_rng(0)
    exact = compile(spec(1e-6), "numpy")
    weights = {name: 2 * random.normal(size=w.shape) for name, w in exact.init().items()}
    x = random.normal(size=(ROWS, 3))
    right = exact.trajectory(weights, x)[-1]
    found: list[Row] = []
    for backend, name in BACKENDS.items():
        for rtol in TOLERANCES:
            model = compile(spec(rtol), backend)
            count = model.statistics(weights, x)
            off = np.abs(model.trajectory(weights, x)[-1] - right).max() / np.abs(right).max()
            found.append((name, rtol, count["nfe"], count["nfe_backward"], float(off)))
    return found


def table(rows: list[Row]) -> str:
    lines = ["| | rtol | evaluations | backward | error at T |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *("| {} | {:g} | {} | {} | {:.1e} |".format(*r) for r in rows)])


def plot(rows: list[Row], path: Path) -> None:
    from wellposed.plots.style import headline, picture

    with picture(path, 8.0, 3.2) as figure:
        axes = figure.subplots(1, 2)
        for name in BACKENDS.values():
            own = np.array([row[1:] for row in rows if row[0] == name])
            axes[0].loglog(own[:, 0], own[:, 3], "o-", label=name)
            axes[1].semilogx(own[:, 0], own[:, 1], "o-", label=f"{name}, forward")
            axes[1].semilogx(own[:, 0], own[:, 2], "o--", label=f"{name}, backward")
        axes[0].set(xlabel="rtol", ylabel="error at T")
        axes[1].set(xlabel="rtol", ylabel="evaluations of the field")
        for each in axes:
            each.grid(True)
            each.legend()
        headline(figure, "what a tolerance buys and costs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    rows = measured()
    print(table(rows))
    if arguments.plot:
        plot(rows, arguments.plot)


if __name__ == "__main__":
    main()
