"""Evaluations of the field with and without regularizers along the path (Finlay et al. 2020).

    python benchmarks/bench_rnode.py RUNS [--epochs 40] [--alphas 0.01 0.05] [--backends jax torch]

`circles-rnode` is trained at every α, and without regularizers, into folders of RUNS; what is there
already is read. NFE are those of a solve of the trained flow at the tolerance, and of the way
back of its gradient; the last column is the NFE of the flow without regularizers at the first epoch
at which its likelihood is that of the regularized one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import wellposed
from wellposed import api

Row = dict[str, Any]


def regularizers(alpha: float) -> str:
    """The override that sets both."""
    if not alpha:
        return "regularizers=[]"
    kinds = ("kinetic-energy", "jacobian-frobenius")
    return f"regularizers=[{', '.join(f'{{kind: {kind}, alpha: {alpha}}}' for kind in kinds)}]"


def metrics(folder: Path, alpha: float, backend: str, epochs: int) -> list[Row]:
    """The epochs of a training, which is done where it is not there."""
    out = folder / f"{backend}-{alpha:g}"
    if not out.exists():
        changes = [regularizers(alpha), f"train.epochs={epochs}"]
        api.train(wellposed.load("circles-rnode", overrides=changes), backend, out=out, plots=False)
    return wellposed.open(out).metrics


def line(backend: str, alpha: float, rows: list[Row], without: list[Row]) -> str:
    last = rows[-1]
    nll = last["validation_nll"]
    equal = next(row for row in without if row["validation_nll"] <= nll)
    cells = (backend, f"{alpha:g}", f"{nll:.3f}", last["nfe"], last["nfe_backward"])
    own = f"{equal['nfe']}, {equal['nfe_backward']} in epoch {equal['epoch']}"
    own = "" if rows is without else own
    return f"| {' | '.join(map(str, (*cells, own)))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.01, 0.05])
    parser.add_argument("--backends", nargs="+", default=["jax", "torch"])
    args = parser.parse_args()
    head = ("backend", "α", "nll", "NFE", "NFE backward", "without, at that nll")
    print(f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", sep="\n")
    for backend in args.backends:
        found = {a: metrics(args.runs, a, backend, args.epochs) for a in (0.0, *args.alphas)}
        for alpha, rows in found.items():
            print(line(backend, alpha, rows, found[0.0]))


if __name__ == "__main__":
    main()
