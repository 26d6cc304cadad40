"""How many threads an operation is worth, on an idle machine and on a busy one.

One gradient of four Euler steps y + h tanh(K y), y (n, s), for growing n × n × s, on one thread and
on all cores, alone and beside a process on every core that does nothing but compute. From its
figures come the constants of `backends/threads.py`. Every figure is taken in a process of its own.

Measured on two cores that other work shared, 2 × 1000 and 3 × 1000: torch on one thread 0.25-0.35
ms in the median, idle and busy; on two 6 to 420 ms in the mean, and 0.6 to 2.2 ms where threads
wait passively; JAX on two 0.06 to 0.1 ms in the median, at worst 1.2 ms in the mean.

    python benchmarks/bench_threads.py [--backend torch|jax]
    OMP_WAIT_POLICY=PASSIVE python benchmarks/bench_threads.py    # as the command line does
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIZES = ((2, 1000), (3, 1000), (16, 1000), (64, 250), (128, 1000), (256, 1000), (512, 1000))
STEPS = 4
SECONDS = 1.0
SPIN = "while True: pass"


def torch_gradient(n: int, s: int, threads: int) -> Callable[[], object]:
    import torch

    torch.set_num_threads(threads)
    matrix, y = torch.randn(n, n, requires_grad=True), torch.randn(n, s)

    def run() -> object:
        z = y
        for _ in range(STEPS):
            z = z + 0.1 * torch.tanh(matrix @ z / n)
        return torch.autograd.grad(z.sum(), matrix)

    return run


def jax_gradient(n: int, s: int, threads: int) -> Callable[[], object]:
    os.environ["NPROC"] = str(threads)  # read when the first computation starts
    import jax
    import jax.numpy as jnp

    def loss(matrix: jax.Array, y: jax.Array) -> jax.Array:
        def step(z: jax.Array, _: None) -> tuple[jax.Array, None]:
            return z + 0.1 * jnp.tanh(matrix @ z / n), None

        return jax.lax.scan(step, y, None, length=STEPS)[0].sum()

    gradient = jax.jit(jax.grad(loss))
    keys = jax.random.split(jax.random.key(0))
    matrix, y = jax.random.normal(keys[0], (n, n)), jax.random.normal(keys[1], (n, s))
    return lambda: gradient(matrix, y).block_until_ready()


def measure(backend: str, n: int, s: int, threads: int) -> None:
    """Print the mean and the median time of a gradient in microseconds."""
    run = {"torch": torch_gradient, "jax": jax_gradient}[backend](n, s, threads)
    for _ in range(3):
        run()
    taken: list[float] = []
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until or len(taken) < 5:
        start = time.perf_counter()
        run()
        taken.append(1e6 * (time.perf_counter() - start))
    print(statistics.fmean(taken), statistics.median(taken))


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that compute beside the one that is measured."""
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def table(backend: str) -> Iterator[str]:
    cores = len(os.sched_getaffinity(0))  # of Linux, where the figures are from
    places = [(threads, load) for load in (0, cores) for threads in (1, cores)]
    heads = [f"{t} thr, {'busy' if load else 'idle'}" for t, load in places]
    yield f"{backend}, {cores} cores: mean (median) microseconds of a gradient"
    yield f"{'n × s':>12}{'n n s':>12}" + "".join(f"{head:>20}" for head in heads)
    for n, s in SIZES:
        cells = []
        for threads, load in places:
            with busy(load):
                command = [sys.executable, __file__, "--backend", backend]
                command += ["--one", *map(str, (n, s, threads))]
                out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            mean, median = map(float, out.split())
            cells.append(f"{mean:.0f} ({median:.0f})")
        yield f"{f'{n} × {s}':>12}{n * n * s:>12,}" + "".join(f"{cell:>20}" for cell in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time operations on one thread and on all cores.")
    parser.add_argument("--backend", choices=("torch", "jax"), default="torch")
    parser.add_argument("--one", nargs=3, type=int, metavar=("N", "S", "THREADS"))
    options = parser.parse_args()
    if options.one:
        measure(options.backend, *options.one)
        return
    for line in table(options.backend):
        print(line, flush=True)


if __name__ == "__main__":
    main()
