"""What a gradient keeps, against depth: the memory of every gradient mode on both backends.

The example `ellipses-verlet` with N steps and 1000 examples, in float32 on the CPU; all steps share
their weights, so that what grows with N is what is kept of the states. `adjoint` goes with adaptive
methods: dopri5 (rtol 1e-3) on the same field, over the horizon at which it accepts N steps, found
by bisection for each backend, whose solvers choose steps of their own; `max_steps` is 2 N, since
diffrax makes room for checkpoints of backprop by that number and not by the steps that it takes.

Of PyTorch the bytes are those of all tensors that are alive at one time at most, on the way forward
and back, beyond those that were there before; of JAX the temporary memory of the compiled gradient,
as XLA gives it. With `--times` also how long one gradient takes.

    python benchmarks/bench_memory.py [--depths 64 256 1024 4096] [--plot FILE] [--times]
"""

from __future__ import annotations

import argparse
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import jax
import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import wellposed
from wellposed.backends.run_torch import TorchModel
from wellposed.plots.style import caption, class_colours, headline, picture
from wellposed.spec.adaptive import Dopri5
from wellposed.spec.integrators import Integrator, Verlet
from wellposed.spec.model import Gradient

NAME = "ellipses-verlet"
EXAMPLES = 1000
RUNS = 5
"""Gradients that are timed, of which the quickest counts."""
METHODS: dict[str, type[Integrator]] = {"verlet": Verlet, "dopri5": Dopri5}
Mode = tuple[str, str]
"""An integrator and a gradient mode."""
MODES: list[Mode] = [
    (method, kind)
    for method, made in METHODS.items()
    for kind, mode in Gradient.members().items()
    if mode.takes(made)
]
Table = dict[tuple[str, Mode], list[float]]
"""A figure for every depth, by backend and mode."""


def model_of(backend: str, mode: Mode, depth: int) -> Any:
    method, gradient = mode
    how = fixed(depth) if method == "verlet" else adaptive(depth, horizon(backend, depth))
    changes = {**how, "model.gradient": gradient, "regularizers": []}
    return wellposed.compile(wellposed.load(NAME, changes), backend)


def fixed(depth: int) -> dict[str, Any]:
    return {"model.time.steps": depth, "model.time.weights": "shared"}


def adaptive(depth: int, end: float) -> dict[str, Any]:
    """dopri5 to the time `end`, in at most 2 `depth` steps, rejected ones too."""
    method = {"kind": "dopri5", "rtol": 1e-3, "atol": 1e-6, "max_steps": 2 * depth}
    return {"model.time": {"horizon": end, "weights": "shared"}, "model.integrator": method}


@cache
def horizon(backend: str, depth: int) -> float:
    """A time at which the solver has accepted so many steps: their number grows with the time."""
    low, high = 0.0, float(depth)
    while True:
        middle = (low + high) / 2
        count = accepted(backend, depth, middle)
        if count == depth:
            return middle
        low, high = (middle, high) if count < depth else (low, middle)


def accepted(backend: str, depth: int, end: float) -> int:
    changes = {**adaptive(4 * depth, end), "model.readout": None, "regularizers": [], "data": None}
    model = wellposed.compile(wellposed.load(NAME, {**changes, "train": None}), backend)
    return model.statistics(model.init(), points())["accepted"]


def points() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (EXAMPLES, 2)).astype(np.float32)


def of_torch(mode: Mode, depth: int) -> int:
    """Bytes of all tensors that are alive at one time at most."""
    model = model_of("torch", mode, depth)
    assert isinstance(model, TorchModel)
    network = model.native.Network(model.init())
    x, targets = torch.tensor(points()), torch.zeros(EXAMPLES, dtype=torch.int64)
    with Alive() as alive:
        network.loss(x, targets).backward()
    return alive.most


class Alive(TorchDispatchMode):
    """Follows the memory of the tensors that operations make, until it is given back."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.known = weakref.WeakSet[torch.UntypedStorage]()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.known.update(tensor.untyped_storage() for tensor in tensors((args, kwargs)))
        made = func(*args, **(kwargs or {}))
        for storage in (tensor.untyped_storage() for tensor in tensors(made)):
            if storage not in self.known:
                self.count(storage)
        return made

    def count(self, storage: torch.UntypedStorage) -> None:
        size = storage.nbytes()
        self.known.add(storage)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self.forget, size)

    def forget(self, size: int) -> None:
        self.now -= size


def tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def of_jax(mode: Mode, depth: int) -> int:
    """Bytes of temporary memory."""
    model = model_of("jax", mode, depth)
    with model.settings():
        x, targets = jax.numpy.asarray(points()), jax.numpy.zeros(EXAMPLES, int)
        gradient = jax.jit(jax.grad(model.native.loss))
        made = gradient.lower(model.init(), x, targets).compile()
        found = made.memory_analysis()
        assert found is not None
        return found.temp_size_in_bytes


def seconds(backend: str, mode: Mode, depth: int) -> float:
    """Of one gradient on one thread."""
    torch.set_num_threads(1)
    model = model_of(backend, mode, depth)
    rng = np.random.default_rng(0)
    given = model.init(), points(), rng.integers(0, 2, EXAMPLES)
    model.gradient(*given)
    found: list[float] = []
    for _ in range(RUNS):
        start = perf_counter()
        model.gradient(*given)
        found.append(perf_counter() - start)
    return min(found)


def table(measures: dict[str, Callable[[Mode, int], float]], depths: list[int], unit: str) -> Table:
    """Every mode measured on every backend, and printed."""
    found: Table = {}
    print(f"| | integrator | gradient | {' | '.join(f'N = {n}' for n in depths)} |")
    print("|---|---|---|" + "---|" * len(depths))
    for backend, measure in measures.items():
        for mode in MODES:
            row = found[backend, mode] = [measure(mode, n) for n in depths]
            cells = " | ".join(f"{value:.2f} {unit}" for value in row)
            print(f"| {backend} | {' | '.join(mode)} | {cells} |", flush=True)
    return found


def plot(found: Table, depths: list[int], path: Path) -> None:
    """Memory against depth, a panel for each backend."""
    backends = list(dict.fromkeys(backend for backend, _ in found))
    with picture(path, 9, 3.6) as figure:
        panels = figure.subplots(1, len(backends), sharey=True)
        for axes, backend in zip(panels, backends, strict=True):
            for mode, colour in zip(MODES, class_colours(len(MODES)), strict=True):
                line = "o-" if mode[0] == "verlet" else "o--"
                label = ", ".join(mode)
                axes.loglog(depths, found[backend, mode], line, color=colour, label=label)
            axes.set(
                title=backend,
                xlabel="steps N (dopri5: accepted)",
                xticks=depths,
                xticklabels=depths,
            )
            axes.minorticks_off()
        panels[0].set(ylabel="MiB")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
        headline(figure, "What a gradient keeps, against depth")
        caption(figure, f"{NAME} with shared weights", f"{EXAMPLES} examples", "float32")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--depths", type=int, nargs="*", default=[64, 256, 1024, 4096])
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--times", action="store_true")
    options = parser.parse_args()
    kept = {
        "PyTorch": lambda mode, n: of_torch(mode, n) / 2**20,
        "JAX": lambda mode, n: of_jax(mode, n) / 2**20,
    }
    found = table(kept, options.depths, "MiB")
    if options.plot:
        plot(found, options.depths, options.plot)
    if options.times:
        print()
        taken = {
            title: lambda mode, n, name=name: 1000 * seconds(name, mode, n)
            for title, name in (("PyTorch", "torch"), ("JAX", "jax"))
        }
        table(taken, options.depths, "ms")


if __name__ == "__main__":
    main()
