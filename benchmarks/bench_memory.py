"""What a gradient keeps, against depth: the memory of every gradient mode on both backends.

The example `ellipses-verlet` with N steps and 1000 examples, in float32 on the CPU; all steps share
their weights, so that what grows with N is what is kept of the states. Of PyTorch the bytes are
those that autograd has saved at one time at most, on the way forward and back; of JAX the temporary
memory of the compiled gradient, as XLA gives it. With `--times` also how long one gradient takes.

    python benchmarks/bench_memory.py [--depths 64 256 1024 4096] [--plot FILE] [--times]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import jax
import numpy as np
import torch

import wellposed
from wellposed.backends.run_torch import TorchModel
from wellposed.plots.style import caption, class_colours, headline, picture
from wellposed.spec.integrators import Verlet
from wellposed.spec.model import Gradient

NAME = "ellipses-verlet"
EXAMPLES = 1000
RUNS = 5
"""Gradients that are timed, of which the quickest counts."""
MODES = [kind for kind, mode in Gradient.members().items() if mode.takes(Verlet)]
Table = dict[tuple[str, str], list[float]]
"""A figure for every depth, by backend and mode."""


def model_of(backend: str, mode: str, depth: int) -> Any:
    time = {"model.time.steps": depth, "model.time.weights": "shared"}
    changes = {**time, "model.gradient": mode, "regularizers": []}
    return wellposed.compile(wellposed.load(NAME, changes), backend)


def of_torch(mode: str, depth: int) -> int:
    """Bytes of all tensors that are saved at one time at most."""
    model = model_of("torch", mode, depth)
    assert isinstance(model, TorchModel)
    network = model.native.Network(model.init())
    x, targets = torch.zeros(EXAMPLES, 2), torch.zeros(EXAMPLES, dtype=torch.int64)
    alive: dict[int, tuple[int, int]] = {}
    most = now = 0

    def save(tensor: torch.Tensor) -> _Saved:
        nonlocal most, now
        storage = tensor.untyped_storage()
        key, size = storage.data_ptr(), storage.nbytes()
        count = alive.get(key, (0, size))[0]
        now += size * (count == 0)
        alive[key] = count + 1, size
        most = max(most, now)
        return _Saved(tensor, key, forget)

    def forget(key: int) -> None:
        nonlocal now
        count, size = alive.pop(key)
        if count > 1:
            alive[key] = count - 1, size
        else:
            now -= size

    with torch.autograd.graph.saved_tensors_hooks(save, lambda saved: saved.tensor):
        network.loss(x, targets).backward()
    return most


class _Saved:
    """A saved tensor, which says when it is saved no more."""

    def __init__(self, tensor: torch.Tensor, key: int, forget: Any) -> None:
        self.tensor, self.key, self.forget = tensor, key, forget

    def __del__(self) -> None:
        self.forget(self.key)


def of_jax(mode: str, depth: int) -> int:
    """Bytes of temporary memory."""
    model = model_of("jax", mode, depth)
    with model.settings():
        x, targets = jax.numpy.zeros((EXAMPLES, 2)), jax.numpy.zeros(EXAMPLES, int)
        gradient = jax.jit(jax.grad(model.native.loss))
        made = gradient.lower(model.init(), x, targets).compile()
        found = made.memory_analysis()
        assert found is not None
        return found.temp_size_in_bytes


def seconds(backend: str, mode: str, depth: int) -> float:
    """Of one gradient on one thread."""
    torch.set_num_threads(1)
    model = model_of(backend, mode, depth)
    rng = np.random.default_rng(0)
    given = model.init(), rng.normal(size=(EXAMPLES, 2)), rng.integers(0, 2, EXAMPLES)
    model.gradient(*given)
    found: list[float] = []
    for _ in range(RUNS):
        start = perf_counter()
        model.gradient(*given)
        found.append(perf_counter() - start)
    return min(found)


def table(measures: dict[str, Callable[[str, int], float]], depths: list[int], unit: str) -> Table:
    """Every mode measured on every backend, and printed."""
    found: Table = {}
    print(f"| | gradient | {' | '.join(f'N = {n}' for n in depths)} |")
    print("|---|---|" + "---|" * len(depths))
    for backend, measure in measures.items():
        for mode in MODES:
            row = found[backend, mode] = [measure(mode, n) for n in depths]
            cells = " | ".join(f"{value:.2f} {unit}" for value in row)
            print(f"| {backend} | {mode} | {cells} |", flush=True)
    return found


def plot(found: Table, depths: list[int], path: Path) -> None:
    """Memory against depth, a panel for each backend."""
    backends = list(dict.fromkeys(backend for backend, _ in found))
    with picture(path, 8, 3.6) as figure:
        panels = figure.subplots(1, len(backends), sharey=True)
        for axes, backend in zip(panels, backends, strict=True):
            for mode, colour in zip(MODES, class_colours(len(MODES)), strict=True):
                axes.loglog(depths, found[backend, mode], "o-", color=colour, label=mode)
            axes.set(title=backend, xlabel="steps N", xticks=depths, xticklabels=depths)
            axes.minorticks_off()
        panels[0].set(ylabel="MiB")
        panels[0].legend()
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
