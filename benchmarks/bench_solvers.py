"""One gradient through an adaptive solver: the emitted programs against torchdiffeq and diffrax
called by hand on the same field with the same tolerances.

adaptive: the loss of the example `ellipses-adaptive`, 1000 points. log-density: that of
`circles-flow`, 500 points; by hand the trace is taken as users of the libraries take it, by n
backward passes (torchdiffeq) and by jax.jacfwd (diffrax). In float32 on one thread, in CPU time,
after a check that all programs give the gradient of the float64 reference; the programs take turns.

Each library runs twice: with the error norm of the emitted program, the RMS over the state of the
worst row, and as it comes, with the RMS over rows and state together, which asks for less: a row
may be off by more than the tolerance, and a step in which only a few rows move fast is longer.

    python benchmarks/bench_solvers.py [--only adaptive log-density] [--rounds 15]
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
from wellposed.data.of_spec import dataset_of

TASKS = {"adaptive": ("ellipses-adaptive", 1000), "log-density": ("circles-flow", 500)}
"""The example and the number of rows."""
ACCURACY = 5e-2
"""Of gradients, relative: a solver at rtol 1e-3 or 1e-4 in each program, against DOP853."""
NORMS = ("own norm", "row norm")


@dataclass
class Problem:
    """The loss and where its gradient is taken; `targets` of a density are None."""

    spec: Any
    weights: Arrays
    x: np.ndarray
    targets: np.ndarray | None

    @property
    def layers(self) -> list[tuple[str, str]]:
        """Names of the matrices and biases of the perceptron."""
        count = sum(name.startswith("b") for name in self.weights)
        return [(f"W{k}", f"b{k}") for k in range(1, count + 1)]

    @property
    def horizon(self) -> float:
        return self.spec.model.time.horizon

    @property
    def tolerances(self) -> tuple[float, float]:
        method = self.spec.model.integrator
        return method.rtol, method.atol

    @property
    def given(self) -> tuple[np.ndarray, ...]:
        return (self.x,) if self.targets is None else (self.x, self.targets)

    @property
    def padding(self) -> int:
        return self.spec.model.state - self.x.shape[1]


def problem(name: str, rows: int) -> Problem:
    """A shipped example at its first weights, every one moved a little: no bias is 0."""
    spec = wellposed.load(name, ["dtype=float32", "regularizers=[]"])
    examples = dataset_of(spec, 2)
    assert examples is not None
    x, targets = examples.train.x[:rows].astype(np.float32), examples.train.targets
    random = np.random.default_rng(0)
    start = wellposed.compile(spec, "numpy").init(seed=0)
    moved = {k: w + 0.3 * random.normal(size=w.shape) for k, w in start.items()}
    held = {k: w.astype(np.float32) for k, w in moved.items()}
    is_density = spec.task.kind == "density"
    return Problem(spec, held, x, None if is_density or targets is None else targets[:rows])


# --- the emitted programs ----------------------------------------------------------------------


def emitted_torch(problem: Problem) -> Row:
    model: Any = wellposed.compile(problem.spec, "torch")
    network = model.native.Network(problem.weights)
    return torch_row("wellposed: torch", network.loss, dict(network.named_parameters()), problem)


def emitted_jax(problem: Problem) -> Row:
    model: Any = wellposed.compile(problem.spec, "jax")
    return jax_row("wellposed: jax", model.native.loss, problem)


# --- torchdiffeq -------------------------------------------------------------------------------


def by_torchdiffeq(problem: Problem, norm: str) -> Row:
    """The batch is the last axis, which is the faster layout at few components."""
    import torch
    from torchdiffeq import odeint

    weights = {k: torch.tensor(w).requires_grad_() for k, w in problem.weights.items()}
    layers = [(weights[W], weights[b][:, None]) for W, b in problem.layers]
    ends = torch.tensor([0.0, problem.horizon])
    own = {} if norm == NORMS[0] else {"norm": torch_norm}
    rtol, atol = problem.tolerances

    def field(t: Any, y: Any) -> Any:
        u = torch.cat([y, t.expand(1, y.shape[1])])
        for i, (W, b) in enumerate(layers):
            u = torch.addmm(b, W, torch.tanh(u) if i else u)
        return u

    def with_trace(t: Any, state: Any) -> Any:
        """y' and (log p)' = −tr ∂f/∂y, by a backward pass for each component."""
        with torch.enable_grad():
            y = state[:-1]
            y = y if y.requires_grad else y.requires_grad_()
            dy = field(t, y)
            trace = sum(
                torch.autograd.grad(dy[i].sum(), y, create_graph=True)[0][i] for i in range(len(y))
            )
        return torch.cat([dy, -trace[None]])  # pyright: ignore[reportIndexIssue]

    def solved(f: Any, y0: Any) -> Any:
        path: Any = odeint(f, y0, ends, rtol=rtol, atol=atol, method="dopri5", options=own)
        return path[-1]

    def classified(x: Any, targets: Any) -> Any:
        y0 = torch.nn.functional.pad(x.T, (0, 0, 0, problem.padding))
        logits = solved(field, y0).T @ weights["W"] + weights["mu"]
        return torch.nn.functional.cross_entropy(logits, targets)

    def likelihood(x: Any) -> Any:
        y0 = torch.nn.functional.pad(x.T, (0, 0, 0, 1))
        *y, change = solved(with_trace, y0)
        normal = torch.distributions.Normal(0.0, 1.0)
        return -(normal.log_prob(torch.stack(y)).sum(dim=0) - change).mean()

    loss = likelihood if problem.targets is None else classified
    return torch_row(f"torchdiffeq, {norm}", loss, weights, problem)


def torch_norm(error: Any) -> Any:
    """The RMS over the state of the worst row."""
    return error.detach().square().mean(dim=0).sqrt().max()


def torch_row(
    name: str, loss: Callable[..., Any], weights: dict[str, Any], problem: Problem
) -> Row:
    import torch

    given = [torch.tensor(a) for a in problem.given]
    return Row(
        name,
        run=lambda: torch.autograd.grad(loss(*given), list(weights.values()), allow_unused=True),
        gradient=lambda result: {
            k: np.zeros(w.shape) if g is None else g.numpy()
            for (k, w), g in zip(weights.items(), result, strict=True)
        },
    )


# --- diffrax -----------------------------------------------------------------------------------


def by_diffrax(problem: Problem, norm: str) -> Row:
    """The batch is the last axis here too, one solve for all rows."""
    import diffrax
    import jax
    import jax.numpy as jnp

    rtol, atol = problem.tolerances
    own: dict[str, Any] = {} if norm == NORMS[0] else {"norm": jax_norm}
    controller = diffrax.PIDController(rtol=rtol, atol=atol, **own)

    def field(t: Any, y: Any, weights: Any) -> Any:
        u = jnp.concatenate([y, jnp.full((1, *y.shape[1:]), t)])
        for i, (W, b) in enumerate(problem.layers):
            u = weights[W] @ (jnp.tanh(u) if i else u)
            u = u + weights[b].reshape(-1, *(1,) * (u.ndim - 1))
        return u

    def with_trace(t: Any, state: Any, weights: Any) -> Any:
        y, _ = state
        trace = jax.vmap(lambda y: jnp.trace(jax.jacfwd(field, argnums=1)(t, y, weights)), 1)(y)
        return field(t, y, weights), -trace

    def solved(f: Any, y0: Any, weights: Any) -> Any:
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(f),
            diffrax.Dopri5(),
            t0=0.0,
            t1=problem.horizon,
            dt0=None,
            y0=y0,
            args=weights,
            stepsize_controller=controller,
        )
        return jax.tree.map(lambda along: along[-1], solution.ys)

    def classified(weights: Any, x: Any, targets: Any) -> Any:
        y0 = jnp.pad(x.T, ((0, problem.padding), (0, 0)))
        logits = solved(field, y0, weights).T @ weights["W"] + weights["mu"]
        picked = jnp.take_along_axis(logits, targets[:, None], axis=1)[:, 0]
        return jnp.mean(jax.nn.logsumexp(logits, axis=1) - picked)

    def likelihood(weights: Any, x: Any) -> Any:
        y, change = solved(with_trace, (x.T, jnp.zeros(len(x), x.dtype)), weights)
        return -jnp.mean(jax.scipy.stats.norm.logpdf(y).sum(axis=0) - change)

    loss = likelihood if problem.targets is None else classified
    return jax_row(f"diffrax, {norm}", loss, problem)


def jax_norm(error: Any) -> Any:
    """The RMS over the state of the worst row."""
    import jax
    import jax.numpy as jnp

    rows = jnp.concatenate([jnp.atleast_2d(part) for part in jax.tree.leaves(error)])
    return jnp.sqrt(jnp.mean(rows**2, axis=0)).max()


def jax_row(name: str, loss: Callable[..., Any], problem: Problem) -> Row:
    import jax

    compiled = jax.jit(jax.grad(loss))
    given = jax.device_put((problem.weights, *problem.given))
    return Row(
        name,
        run=lambda: jax.block_until_ready(compiled(*given)),
        gradient=lambda result: {k: np.asarray(g) for k, g in result.items()},
    )


# --- the table ---------------------------------------------------------------------------------


def measured(task: str, rounds: int) -> str:
    name, rows = TASKS[task]
    found = problem(name, rows)
    halves = [
        [emitted_torch(found), *(by_torchdiffeq(found, norm) for norm in NORMS)],
        [emitted_jax(found), *(by_diffrax(found, norm) for norm in NORMS)],
    ]
    exact: Any = wellposed.compile(found.spec, "numpy")
    reference = exact.gradient(found.weights, *found.given)
    for programs in halves:  # each framework by itself: the caches are its own
        same_gradients(programs, reference, time.process_time, ACCURACY)
        take_turns(programs, rounds, time.process_time)
    head = f"{task}: {name}, s = {rows}, float32, one CPU thread, {rounds} rounds"
    return "\n".join([f"{head}; × is how many times faster", *(table(half) for half in halves)])


def main() -> None:
    parser = argparse.ArgumentParser(description="Time one gradient through an adaptive solver.")
    parser.add_argument("--only", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--rounds", type=int, default=15, help="timed gradients (default 15)")
    options = parser.parse_args()
    use_one_thread()
    for task in options.only:
        print(measured(task, options.rounds), flush=True)


if __name__ == "__main__":
    main()
