"""spiral-dynamics: y' = f_W₂ tanh(f_W₁ y³ + f_b₁) + f_b₂,  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ²
Integrator     Dormand–Prince 5(4), order 5
               T = 25, one solve; rtol 1e-05, atol 1e-07, at most 4,096 steps
Weights        one weight shared by all steps; 252 numbers
Observed       y at the times of the data, each series from its first; ½ mean squared
               error
Stability      nothing is known of the spectrum by construction
Reference      R. T. Q. Chen et al. (2018). Neural Ordinary Differential Equations.
               NeurIPS. arXiv:1806.07366

Written by wellposed 0.1.0 (PyTorch) from the spec spiral-dynamics, 658d389c.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn
from torchdiffeq import odeint

Layer = tuple[Tensor, ...]

FEATURES = 2  # d
STATES = 2  # n
MAX_STEPS = 4096  # of a solve, which fails with more
HORIZON, STEPS = 25, 1  # T, N
H = HORIZON / STEPS  # h = T/N
RTOL = 1e-05  # of a step: relative
ATOL = 1e-07  # and absolute


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "f_W1": rng(seed, "f_W1").normal(0.0, 0.1, (50, 2)),
        "f_b1": np.zeros(50),
        "f_W2": rng(seed, "f_W2").normal(0.0, 0.1, (STATES, 50)),
        "f_b2": np.zeros(STATES),
    }
    return {name: value.astype("float32") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "f_W1": (50, 2),
        "f_b1": (50,),
        "f_W2": (STATES, 50),
        "f_b2": (STATES,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def check_series(values: Tensor, times: Tensor) -> None:
    """Refuse what is not one row of channels for each time of each series."""
    given, wanted = tuple(values.shape), (*times.shape, FEATURES)
    if given != wanted:
        raise ValueError(f"values are {given}, not {wanted} as the times are")


def largest_rms(error: Tensor) -> Tensor:
    """The RMS over the state, of the row where it is largest: no row is solved worse
    for others.
    """
    return error.detach().square().mean(dim=0).sqrt().max()


def integrate(
    field: Callable[..., Tensor], y: Tensor, times: Tensor, *weights: Tensor
) -> Tensor:
    """y at these times, y' = field(y, *weights), by Dormand–Prince 5(4) of
    torchdiffeq.
    """
    options = {
        "norm": largest_rms,
        "max_num_steps": MAX_STEPS,
        "step_t": times[[0, -1]],
    }
    ys = odeint(
        lambda t, y: field(y, *weights),
        y,
        times,
        rtol=RTOL,
        atol=ATOL,
        method="dopri5",
        options=options,
    )
    return cast(Tensor, ys)


def grid_of(times: np.ndarray) -> np.ndarray:
    """All times (L, s) since the first of their series, each once."""
    since = np.unique(times - times[0])
    close = 8 * np.finfo(times.dtype).eps * np.abs(times).max()
    return since[np.diff(since, prepend=-np.inf) > close]


def dy_dt(y: Tensor, f_W1: Tensor, f_b1: Tensor, f_W2: Tensor, f_b2: Tensor) -> Tensor:
    """y' = f_W₂ tanh(f_W₁ y³ + f_b₁) + f_b₂."""
    return f_W2 @ torch.tanh(f_W1 @ y**3 + f_b1) + f_b2


class Network(nn.Module):
    """spiral-dynamics: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.f_W1 = nn.Parameter(torch.tensor(weights["f_W1"]))  # (50, 2)
        self.f_b1 = nn.Parameter(torch.tensor(weights["f_b1"]))  # (50,)
        self.f_W2 = nn.Parameter(torch.tensor(weights["f_W2"]))  # (n, 50)
        self.f_b2 = nn.Parameter(torch.tensor(weights["f_b2"]))  # (n,)

    def layer_weights(self) -> Layer:
        """The one layer's weights; vectors as columns."""
        return self.f_W1, self.f_b1[:, None], self.f_W2, self.f_b2[:, None]

    def initial_state(self, x: Tensor) -> Tensor:
        """y(0) = x; one column per example."""
        check_rows(x, FEATURES, "x")
        return x.T.contiguous()

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, …, t_N: (N + 1, s, 2)."""
        y = self.initial_state(x)
        layer = self.layer_weights()
        ys = integrate(
            dy_dt,
            y,
            H * torch.arange(STEPS + 1, dtype=x.dtype, device=x.device),
            *layer,
        )
        return ys.mT

    def solve(self, x: Tensor, times: Tensor) -> Tensor:
        """The states at these times, x belongs to the first: (times, s, 2).
        The times increase or decrease; they only read the solution.
        """
        check_rows(x, FEATURES, "x")
        y = self.initial_state(x)
        layer = self.layer_weights()
        ys = integrate(dy_dt, y, times, *layer)
        return ys.mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 2) in and out."""
        check_rows(y, STATES, "y")
        layer = self.layer_weights()
        y = y.T
        return dy_dt(y, *layer).T

    def path(self, x: Tensor, grid: Tensor) -> Tensor:
        """y at the times of a grid, from rows x at the first of them."""
        y = self.initial_state(x)
        layer = self.layer_weights()
        ys = integrate(dy_dt, y, grid, *layer)
        return ys

    def states(self, values: Tensor, times: Tensor, grid: Tensor) -> Tensor:
        """y at the times of the observations, each series from its first: one column
        each, those of the first time before the others.
        """
        since = (times - times[0])[:, None]
        ys = self.path(values[0], grid)
        places = torch.searchsorted((grid[1:] + grid[:-1]) / 2, since.contiguous())
        state = torch.take_along_dim(ys, places, dim=0).mT.flatten(0, 1).T
        return state

    def forward(self, values: Tensor, times: Tensor, grid: Tensor) -> Tensor:
        """y at the times of the observations.
        Values are (L, s, 2), NaN where one is missing, but for the first;
        times (L, s), behind the end of a series its last; grid = grid_of(times).
        """
        check_series(values, times)
        y = self.states(values, times, grid)
        return y.T.reshape(values.shape)

    def loss(self, values: Tensor, times: Tensor, grid: Tensor) -> Tensor:
        """½ the mean of (predicted − observed)² over all that was observed."""
        predicted = self(values, times, grid)
        known = (~values.isnan()).to(values.dtype)
        error = known * (predicted - torch.where(values.isnan(), 0, values))
        return (error**2).sum() / (2 * known.sum())


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("spiral_dynamics.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    values = random.normal(size=(5, 8, FEATURES)).astype("float32")
    times = np.sort(HORIZON * random.random((5, 8)), axis=0).astype("float32")
    grid = grid_of(times)
    value = network.loss(torch.tensor(values), torch.tensor(times), torch.tensor(grid))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
