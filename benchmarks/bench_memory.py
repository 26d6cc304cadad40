"""What a gradient keeps, against depth: the memory of every gradient mode on both backends.

The example `ellipses-verlet` with N steps and 1000 examples, in float32 on the CPU. Of PyTorch the
bytes are those that autograd has saved when the loss is known, and what one segment adds on the way
back; of JAX the temporary memory of the compiled gradient, as XLA gives it.

    python benchmarks/bench_memory.py [--depths 64 256 1024 4096]
"""

from __future__ import annotations

import argparse
from typing import Any

import jax
import torch

import wellposed
from wellposed.backends.run_torch import TorchModel
from wellposed.spec.model import Gradient

NAME = "ellipses-verlet"
EXAMPLES = 1000


def model_of(backend: str, mode: str, depth: int) -> Any:
    changes = {"model.time.steps": depth, "model.gradient": mode}
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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--depths", type=int, nargs="*", default=[64, 256, 1024, 4096])
    options = parser.parse_args()
    print(f"| backend | gradient | {' | '.join(f'N = {n}' for n in options.depths)} |")
    print("|---|---|" + "---|" * len(options.depths))
    for backend, measure in (("PyTorch", of_torch), ("JAX", of_jax)):
        for mode in Gradient.members():
            cells = (f"{measure(mode, n) / 2**20:.2f} MiB" for n in options.depths)
            print(f"| {backend} | {mode} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
