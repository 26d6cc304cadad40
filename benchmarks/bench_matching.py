"""KL(q || p) to the four energies of Rezende & Mohamed (2015): continuous against planar flows.

    python benchmarks/bench_matching.py [--widths 2 8 32] [--epochs 20] [--backend jax]

A continuous flow of M planar terms and a discrete one of K = M planar layers, of the shipped specs
`ring-flow` and `ring-planar`, are trained for as many updates on as many rows of the base.
"""

from __future__ import annotations

import argparse
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import wellposed
from wellposed import api
from wellposed.spec.density import ENERGIES

Case = tuple[str, str, int]
"""Energy, spec, M or K."""


def changes(spec: str, energy: str, width: int, epochs: int) -> list[str]:
    """What a case says differently from the shipped spec."""
    size = [f"model.vector_field.width={width}"]
    if spec == "ring-planar":
        size = [f"model.time.horizon={width}", f"model.time.steps={width}"]
    return [f"task.target={energy}", f"train.epochs={epochs}", *size]


def kl(case: Case, epochs: int, backend: str, folder: Path) -> float:
    """Of the last weights, on rows of the base that are not those of the training."""
    energy, spec, width = case
    given = wellposed.load(spec, overrides=changes(spec, energy, width, epochs))
    out = folder / f"{energy}-{spec}-{width}"
    api.train(given, backend, out=out, plots=False)
    return float(wellposed.open(out).evaluate()["kl"])


def table(found: dict[Case, float], widths: list[int]) -> str:
    head = [f"M = K = {w}" for w in widths]
    lines = [
        f"| energy | flow | {' | '.join(head)} |",
        f"|---|---|{'---|' * len(widths)}",
    ]
    for energy in ENERGIES:
        for spec, name in (("ring-flow", "continuous"), ("ring-planar", "planar")):
            values = " | ".join(f"{found[energy, spec, w]:.3f}" for w in widths)
            lines.append(f"| {energy} | {name} | {values} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[2, 8, 32])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--backend", default="jax")
    args = parser.parse_args()
    cases = [(e, s, w) for e in ENERGIES for w in args.widths for s in ("ring-flow", "ring-planar")]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        how = args.epochs, args.backend, Path(folder)
        found = dict(zip(cases, pool.map(lambda case: kl(case, *how), cases), strict=True))
    print(table(found, args.widths))


if __name__ == "__main__":
    main()
