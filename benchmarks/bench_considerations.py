"""The considerations of the slides, measured on the shipped example `ellipses-adaptive`: error and
time against evaluations of the field, backward against forward, evaluations over training, and what
training costs beside ResNets.

    python benchmarks/bench_considerations.py [--plot FILE.png] [--rounds 15] [--seeds 3]

Counts are those of the programs. Times are CPU times of one thread as ratios within one round, in
which all that is compared takes its turn; of them the median over the rounds. Errors are those of
y(T) in float64 against SciPy's DOP853, relative to the largest component.

The ResNets are the same field with weights for each of N steps of forward Euler, trained as the
example is (on PyTorch, whose weights the JAX program is timed with too); accuracies are medians
over seeds of data, split, weights and batches.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from turns import use_one_thread

import wellposed

NAME = "ellipses-adaptive"
BACKENDS = {"torch": "PyTorch", "jax": "JAX"}
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
LAYERS = (1, 2, 4, 8, 16)
Run = tuple[str, float, int, int, int, float, float]
"""Backend, rtol, evaluations forward, backward by backprop and by the adjoint, error, time."""


def trained(changes: dict[str, Any], backend: str, seed: int, folder: Path) -> Any:
    """The run of the example with these changes."""
    spec = wellposed.load(NAME, {**changes, "seed": seed})
    out = folder / f"{backend}-{seed}-{len(list(folder.iterdir()))}"
    return wellposed.train(spec, backend=backend, out=out)


def in_turn(calls: Sequence[Callable[[], Any]], rounds: int) -> list[float]:
    """The time of each relative to that of the first in the same round, medians over the rounds."""
    for call in calls:
        call()
    seconds = [[_seconds(call) for call in calls] for _ in range(rounds)]
    return [statistics.median(row[i] / row[0] for row in seconds) for i in range(len(calls))]


def _seconds(call: Callable[[], Any], at_least: float = 0.02) -> float:
    """CPU time of a call, over as many as take so long together."""
    count, start = 0, time.process_time()
    while time.process_time() - start < at_least:
        call()
        count += 1
    return (time.process_time() - start) / count


def points() -> tuple[np.ndarray, np.ndarray]:
    """The example's training data."""
    from wellposed.data.of_spec import dataset_of

    examples = dataset_of(wellposed.load(NAME), 2)
    assert examples is not None and examples.train.targets is not None
    return examples.train.x, examples.train.targets


def model(backend: str, **changes: Any) -> Any:
    return wellposed.compile(wellposed.load(NAME, changes), backend)


# --- error, time and evaluations against the tolerance -----------------------------------------


def against_tolerance(weights: Any, rounds: int) -> list[Run]:
    """How the trained field is solved to every tolerance."""
    x, _ = points()
    exact = model("numpy", dtype="float64").trajectory(weights, x)[-1]
    found: list[Run] = []
    for backend, name in BACKENDS.items():
        made = [_at(backend, rtol) for rtol in TOLERANCES]
        times = in_turn([lambda m=m: m.forward(weights, x) for m in made], rounds)
        for rtol, each, taken in zip(TOLERANCES, made, times, strict=True):
            count = each.statistics(weights, x)
            adjoint = _at(backend, rtol, gradient="adjoint").statistics(weights, x)
            off = np.abs(each.trajectory(weights, x)[-1] - exact).max() / np.abs(exact).max()
            backward = count["nfe_backward"], adjoint["nfe_backward"]
            found.append((name, rtol, count["nfe"], *backward, float(off), taken))
    return found


def _at(backend: str, rtol: float, gradient: str = "backprop") -> Any:
    method = {"kind": "dopri5", "rtol": rtol, "atol": rtol / 10}
    changes = {"model.integrator": method, "model.gradient": gradient, "dtype": "float64"}
    return model(backend, **changes)


def tolerance_table(rows: list[Run]) -> Iterator[str]:
    yield "| | rtol | evaluations | backprop | adjoint | error of y(T) | time |"
    yield "|---|---|---|---|---|---|---|"
    yield from ("| {} | {:g} | {} | {} | {} | {:.1e} | {:.2f} |".format(*row) for row in rows)


# --- evaluations over training -----------------------------------------------------------------


def over_training(runs: dict[str, Any]) -> Iterator[str]:
    some = [row["epoch"] for row in next(iter(runs.values())).metrics]
    some = [some[0], *(e for e in some if e % 5 == 0)]
    yield f"| epoch | {' | '.join(map(str, some))} |"
    yield "|---|" + "---|" * len(some)
    for backend, run in runs.items():
        counts = {row["epoch"]: row["nfe"] for row in run.metrics}
        yield f"| {BACKENDS[backend]} | {' | '.join(str(counts[e]) for e in some)} |"


# --- beside the ResNet of equal accuracy -------------------------------------------------------


def resnet(layers: int) -> dict[str, Any]:
    """Forward Euler with weights for each step, which need no time as an input."""
    return {
        "model.time": {"horizon": 1, "steps": layers, "weights": "per-step"},
        "model.integrator": "euler",
        "model.vector_field.time_input": False,
    }


def accuracy(changes: dict[str, Any], seeds: int, folder: Path) -> tuple[float, Any]:
    """The median over the seeds in per cent, and the run of the first seed."""
    runs = [trained(changes, "torch", seed, folder) for seed in range(seeds)]
    return statistics.median(100 * run.metrics[-1]["validation_accuracy"] for run in runs), runs[0]


def beside_resnets(adaptive: Any, seeds: int, rounds: int, folder: Path) -> Iterator[str]:
    """ResNets of more and more layers; times are parts of that of the adaptive network."""
    wanted, _ = accuracy({}, seeds, folder)
    yield "| network | accuracy (%) | weights | time of a gradient: PyTorch | JAX |"
    yield "|---|---|---|---|---|"
    own = [_gradient(backend, {}, adaptive.weights) for backend in BACKENDS]
    for layers in LAYERS:
        reached, run = accuracy(resnet(layers), seeds, folder)
        calls = [_gradient(backend, resnet(layers), run.weights) for backend in BACKENDS]
        ratios = [in_turn([mine, call], rounds)[1] for mine, call in zip(own, calls, strict=True)]
        cells = " | ".join(f"1/{1 / ratio:.2f}" for ratio in ratios)
        yield f"| ResNet, {layers} steps | {reached:.1f} | {_size(run.weights)} | {cells} |"
    yield f"| adaptive | {wanted:.1f} | {_size(adaptive.weights)} | 1 | 1 |"


def _gradient(backend: str, changes: dict[str, Any], weights: Any) -> Callable[[], Any]:
    made, given = model(backend, **changes), points()
    return lambda: made.gradient(weights, *given)


def _size(weights: Any) -> int:
    return sum(w.size for w in weights.values())


# --- all of it ---------------------------------------------------------------------------------


def plot(rows: list[Run], runs: dict[str, Any], path: Path) -> None:
    """The four panels of the slides (Chen et al. 2018, figure 3)."""
    from wellposed.plots.style import headline, picture

    with picture(path, 8.0, 5.6) as figure:
        (error, times), (backward, epochs) = figure.subplots(2, 2)
        for backend, name in BACKENDS.items():
            own = np.array([row[1:] for row in rows if row[0] == name])
            nfe = own[:, 1]
            error.semilogy(nfe, own[:, 4], "o-", label=name)
            times.plot(nfe, own[:, 5], "o-", label=name)
            (line,) = backward.plot(nfe, own[:, 2], "o-", label=f"{name}, backprop")
            how = {"color": line.get_color(), "label": f"{name}, adjoint"}
            backward.plot(nfe, own[:, 3], "o--", **how)
            metrics = runs[backend].metrics
            epochs.plot([r["epoch"] for r in metrics], [r["nfe"] for r in metrics], label=name)
        error.set(ylabel="error of y(T)")
        times.set(ylabel="time of a solve, of the loosest = 1")
        backward.set(ylabel="evaluations backward")
        epochs.set(xlabel="epoch", ylabel="evaluations forward")
        for axes in (error, times, backward):
            axes.set(xlabel="evaluations forward")
        for axes in (error, times, backward, epochs):
            axes.grid(True)
            axes.legend()
        headline(figure, f"{NAME}: what depth by a solver costs and buys")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    use_one_thread()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        runs = {backend: trained({}, backend, 0, folder) for backend in BACKENDS}
        adaptive = runs["torch"]
        rows = against_tolerance(adaptive.weights, options.rounds)
        print("\n".join([*tolerance_table(rows), "", *over_training(runs), ""]), flush=True)
        if options.plot:
            plot(rows, runs, options.plot)
        for line in beside_resnets(adaptive, options.seeds, options.rounds, folder):
            print(line, flush=True)


if __name__ == "__main__":
    main()
