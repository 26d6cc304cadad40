"""One gradient of the ellipses loss: the emitted programs against diffrax and torchdiffeq.

Problem: y' = tanh(K(t) y + b(t)), K antisymmetric, n = 2, forward Euler, softmax cross-entropy, in
float32, with one weight per step. Timed is the gradient of the loss with respect to all weights
(forward and backward), after a check that all programs give the same gradient: on the CPU in CPU
time of one thread, with `--device cuda` until the device has finished, with matrix products in full
float32. The programs take turns, so that a change of the machine's clock or load meets all alike.

The libraries are used the fast way: the parametrization is applied once to all steps, the batch is
the last axis, torchdiffeq gets its grid as step size and not as 1025 output times. diffrax runs
twice: as it comes, and told to keep every state, which is faster and takes the memory that the
emitted programs take.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from turns import Arrays, Row, same_gradients, table, take_turns, use_one_thread

import wellposed


@dataclass
class Problem:
    """The loss and where its gradient is taken: x is (s, 2), targets (s,) are classes."""

    spec: Any
    weights: Arrays
    x: np.ndarray
    targets: np.ndarray
    device: str = "cpu"

    @property
    def gamma(self) -> float:
        return self.spec.model.parametrization.gamma

    @property
    def horizon(self) -> float:
        return self.spec.model.time.horizon

    @property
    def steps(self) -> int:
        return self.spec.model.time.steps


def ellipses(steps: int, samples: int, states: int, device: str) -> Problem:
    """The shipped example without its regularizers, which the libraries know nothing of."""
    sizes = [f"model.time.steps={steps}", f"model.state={states}"]
    overrides = [*sizes, "dtype=float32", "regularizers=[]"]
    spec = wellposed.load("ellipses-antisymmetric", overrides=overrides)
    x = np.random.default_rng(0).uniform(-1, 1, (samples, 2)).astype(np.float32)
    targets = (x**2 @ np.array([1.0, 4.0]) < 0.5).astype(np.int64)
    weights = wellposed.compile(spec, backend="numpy").init(seed=0)
    held = {k: w.astype(np.float32) for k, w in weights.items()}
    return Problem(spec, held, x, targets, device)


def emitted_jax(problem: Problem) -> Row:
    import jax

    return jax_row("wellposed: jax", jax.grad(program(problem, "jax").loss), problem)


def emitted_torch(problem: Problem) -> Row:
    network = program(problem, "torch").Network(problem.weights).to(problem.device)
    return torch_row("wellposed: torch", network.loss, dict(network.named_parameters()), problem)


def program(problem: Problem, backend: str) -> Any:
    """The emitted program as a module, without the NumPy interface around it."""
    model: Any = wellposed.compile(problem.spec, backend=backend)
    return model.native


def diffrax_euler(problem: Problem, checkpoints: int | None, name: str) -> Row:
    import diffrax
    import jax
    import jax.numpy as jnp

    h, steps = problem.horizon / problem.steps, problem.steps

    def right_hand_side(t: Any, y: Any, weights: Any) -> Any:
        K, b = weights
        j = jnp.round(t / h).astype(jnp.int32)
        return jnp.tanh(K[j] @ y + b[j])

    def loss(weights: Any, x: Any, targets: Any) -> Any:
        K = weights["K"]
        K = (K - K.mT - problem.gamma * jnp.eye(K.shape[-1], dtype=K.dtype)) / 2
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(right_hand_side),
            diffrax.Euler(),
            t0=0.0,
            t1=problem.horizon,
            dt0=h,
            y0=jnp.pad(x.T, ((0, problem.spec.model.state - x.shape[1]), (0, 0))),
            args=(K, weights["b"][..., None]),
            max_steps=steps,
            adjoint=diffrax.RecursiveCheckpointAdjoint(checkpoints),
        )
        assert solution.ys is not None
        logits = solution.ys[-1].T @ weights["W"] + weights["mu"]
        picked = jnp.take_along_axis(logits, targets[:, None], axis=1)[:, 0]
        return jnp.mean(jax.nn.logsumexp(logits, axis=1) - picked)

    return jax_row(name, jax.grad(loss), problem)


def torchdiffeq_euler(problem: Problem) -> Row:
    import torch
    from torchdiffeq import odeint

    h = problem.horizon / problem.steps
    placed = {k: torch.tensor(w, device=problem.device) for k, w in problem.weights.items()}
    weights = {k: w.requires_grad_() for k, w in placed.items()}
    ends = torch.tensor([0.0, problem.horizon], device=problem.device)

    def loss(x: Any, targets: Any) -> Any:
        K = weights["K"]
        layers = ((K - K.mT - problem.gamma * torch.eye(K.shape[-1]).to(K)) / 2).unbind()
        biases = weights["b"][..., None].unbind()

        def right_hand_side(t: Any, y: Any) -> Any:
            j = round(float(t) / h)
            return torch.tanh(torch.addmm(biases[j], layers[j], y))

        padding = (0, 0, 0, problem.spec.model.state - x.shape[1])
        y0 = torch.nn.functional.pad(x.T, padding).contiguous()
        path: Any = odeint(right_hand_side, y0, ends, method="euler", options={"step_size": h})
        logits = path[-1].T @ weights["W"] + weights["mu"]
        return torch.nn.functional.cross_entropy(logits, targets)

    return torch_row("torchdiffeq", loss, weights, problem)


def jax_row(name: str, gradient: Callable[..., Any], problem: Problem) -> Row:
    import jax

    compiled, arguments = jax.jit(gradient), (problem.weights, problem.x, problem.targets)
    device = jax.devices("cpu" if problem.device == "cpu" else "gpu")[0]
    on_device = jax.device_put(arguments, device)
    return Row(
        name,
        run=lambda: jax.block_until_ready(compiled(*on_device)),
        gradient=lambda result: {k: np.asarray(g) for k, g in result.items()},
    )


def torch_row(
    name: str, loss: Callable[..., Any], weights: dict[str, Any], problem: Problem
) -> Row:
    import torch

    x, targets = (torch.tensor(a, device=problem.device) for a in (problem.x, problem.targets))

    def run() -> Any:
        gradient = torch.autograd.grad(loss(x, targets), list(weights.values()))
        if problem.device != "cpu":
            torch.cuda.synchronize()
        return gradient

    return Row(
        name,
        run=run,
        gradient=lambda result: {k: g.cpu().numpy() for k, g in zip(weights, result, strict=True)},
    )


def use_full_float32() -> str:
    """Unlike PyTorch, JAX multiplies in TF32 on a GPU unless it is told; the device's name."""
    import jax
    import torch

    jax.config.update("jax_default_matmul_precision", "highest")
    return f"{torch.cuda.get_device_name()}, torch {torch.__version__}, jax {jax.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Time one gradient of the ellipses loss.")
    parser.add_argument("--steps", type=int, default=1024, help="layers N (default 1024)")
    parser.add_argument("--samples", type=int, default=1000, help="points s (default 1000)")
    parser.add_argument("--states", type=int, default=2, help="components n (default 2)")
    parser.add_argument("--rounds", type=int, default=15, help="timed gradients (default 15)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    if options.device == "cpu":
        use_one_thread()
        where, clock = "one CPU thread", time.process_time
    else:
        where, clock = use_full_float32(), time.perf_counter
    problem = ellipses(options.steps, options.samples, options.states, options.device)
    rows = [
        emitted_jax(problem),
        diffrax_euler(problem, checkpoints=None, name="diffrax"),
        diffrax_euler(problem, checkpoints=options.steps, name="diffrax, all kept"),
        emitted_torch(problem),
        torchdiffeq_euler(problem),
    ]
    model = wellposed.compile(problem.spec, backend="numpy")
    reference = model.gradient(problem.weights, problem.x, problem.targets)
    same_gradients(rows, reference, clock)
    take_turns(rows, options.rounds, clock)
    print(
        f"ellipses: n = {options.states}, s = {options.samples}, N = {options.steps}, "
        f"T = {problem.horizon:g}, float32, {where}, {options.rounds} rounds; "
        "× is how many times faster"
    )
    print(table(rows))


if __name__ == "__main__":
    main()
