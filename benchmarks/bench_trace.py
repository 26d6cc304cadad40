"""The trace of the Jacobian in closed form against n backward passes, in both frameworks.

    python benchmarks/bench_trace.py [--rows 512] [--rounds 15]

The field is a perceptron with one hidden layer of 64 or 256, float32, one thread; the backward
passes are the framework's own through the emitted field. The difference is that in float64.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from wellposed import compile
from wellposed.spec.model import Spec

Call = Callable[[], Any]


def spec(size: int, hidden: int, dtype: str) -> Spec:
    return Spec.model_validate(
        {
            "wellposed": 1,
            "name": "trace",
            "dtype": dtype,
            "task": "density",
            "model": {
                "state": size,
                "vector_field": {"kind": "mlp", "hidden": [hidden], "time_input": True},
                "time": {"horizon": 1, "steps": 1, "weights": "shared"},
                "integrator": "rk4",
                "divergence": "closed-form",
            },
        }
    )


def in_torch(size: int, hidden: int, rows: int, dtype: str) -> tuple[Call, Call]:
    """The emitted trace, and n backward passes."""
    model: Any = compile(spec(size, hidden, dtype), "torch")
    network = model.network(model.init())
    x = torch.randn(rows, size, dtype=getattr(torch, dtype))

    def closed() -> Any:
        with torch.no_grad():
            return network.divergence(0.3, x)

    def backward() -> Any:
        y = x.clone().requires_grad_()
        dy = network.vector_field(0.3, y)
        parts = (
            torch.autograd.grad(dy[:, i].sum(), y, retain_graph=i + 1 < size)[0][:, i]
            for i in range(size)
        )
        return sum(parts)

    return closed, backward


def in_jax(size: int, hidden: int, rows: int, dtype: str) -> tuple[Call, Call]:
    model: Any = compile(spec(size, hidden, dtype), "jax")
    weights = {name: jnp.asarray(w) for name, w in model.init().items()}
    x = jnp.asarray(np.random.default_rng(0).normal(size=(rows, size)), dtype)
    native = model.native

    @jax.jit
    def backward(y: Any) -> Any:
        dy, pull = jax.vjp(lambda y: native.vector_field(weights, 0.3, y), y)
        units = jnp.eye(size, dtype=dy.dtype)
        parts = jax.lax.map(lambda e: pull(jnp.broadcast_to(e, dy.shape))[0] @ e, units)
        return parts.sum(axis=0)

    closed = jax.jit(lambda y: native.divergence(weights, 0.3, y))
    return (
        lambda: jax.block_until_ready(closed(x)),
        lambda: jax.block_until_ready(backward(x)),
    )


def ratio(calls: tuple[Call, Call], rounds: int) -> float:
    """How many times the first is faster: the median over rounds that take turns."""
    found: list[float] = []
    for call in calls:
        call()
    for _ in range(rounds):
        seconds = []
        for call in calls:
            count, start = 0, time.perf_counter()
            while time.perf_counter() - start < 0.02:
                call()
                count += 1
            seconds.append((time.perf_counter() - start) / count)
        found.append(seconds[1] / seconds[0])
    return median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| n | hidden | PyTorch | JAX | difference in float64 |", "|---|---|---|---|---|", sep="\n"
    )
    for size in (2, 8, 63):
        for hidden in (64, 256):
            given = size, hidden, args.rows
            times = [ratio(make(*given, "float32"), args.rounds) for make in (in_torch, in_jax)]
            closed, backward = in_torch(*given, "float64")
            off = float((closed() - backward()).abs().max() / backward().abs().max())
            print(f"| {size} | {hidden} | {times[0]:.1f} | {times[1]:.1f} | {off:.0e} |")


if __name__ == "__main__":
    main()
