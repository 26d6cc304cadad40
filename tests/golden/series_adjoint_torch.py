"""series-adjoint: y' = tanh(K z) − sin(y); z' = Kᵀ y + tanh(a ⊙ z) z[0],  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ¹, z ∈ ℝ²
Integrator     Dormand–Prince 5(4), order 5
               T = 2, one solve; rtol 1e-05, atol 1e-07, at most 4,096 steps
Weights        one weight shared by all steps; 7 numbers
Gradient       the continuous adjoint, solved back from T with rtol 1e-05, atol 1e-07;
               keeps no state
Observed       [y; z] at the times of the data, each series from its first; ½ mean
               squared error
Regularizer    weight-decay of K, α = 0.1
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec series-adjoint, 6a9e41ef.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn
from torchdiffeq import odeint_adjoint

State = tuple[Tensor, Tensor]
Layer = tuple[Tensor, ...]

FEATURES = 3  # d
STATES = 1  # n
MOMENTA = 2  # m
MAX_STEPS = 4096  # of a solve, which fails with more
HORIZON, STEPS = 2, 1  # T, N
H = HORIZON / STEPS  # h = T/N
RTOL = 1e-05  # of a step: relative
ATOL = 1e-07  # and absolute
ALPHA = 0.1  # α of weight-decay
ADJOINT_RTOL = 1e-05  # on the way back: relative
ADJOINT_ATOL = 1e-07  # and absolute


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 2) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": rng(seed, "K").normal(0.0, MOMENTA**-0.5, (STATES, MOMENTA)),
        "a": np.zeros(MOMENTA),
        "L": rng(seed, "L").normal(0.0, FEATURES**-0.5, (STATES, FEATURES)),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "K": (STATES, MOMENTA),
        "a": (MOMENTA,),
        "L": (STATES, FEATURES),
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
    ys = odeint_adjoint(
        lambda t, y: field(y, *weights),
        y,
        times,
        rtol=RTOL,
        atol=ATOL,
        method="dopri5",
        options=options,
        adjoint_rtol=ADJOINT_RTOL,
        adjoint_atol=ADJOINT_ATOL,
        adjoint_params=weights,
    )
    return cast(Tensor, ys)


def grid_of(times: np.ndarray) -> np.ndarray:
    """All times (L, s) since the first of their series, each once."""
    since = np.unique(times - times[0])
    close = 8 * np.finfo(times.dtype).eps * np.abs(times).max()
    return since[np.diff(since, prepend=-np.inf) > close]


def dy_dt(y: Tensor, z: Tensor, K: Tensor) -> Tensor:
    """y' = tanh(K z) − sin(y)."""
    return torch.tanh(K @ z) - torch.sin(y)


def dz_dt(y: Tensor, z: Tensor, K: Tensor, a: Tensor) -> Tensor:
    """z' = Kᵀ y + tanh(a ⊙ z) z[0]."""
    return K.T @ y + torch.tanh(a * z) * z[0:1]


def slopes(state: Tensor, K: Tensor, a: Tensor) -> Tensor:
    """(y', z') of the stacked state."""
    y = state[:STATES]
    z = state[STATES:]
    return torch.cat([dy_dt(y, z, K), dz_dt(y, z, K, a)])


def weight_decay(w: Tensor) -> Tensor:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA / 2 * (w**2).sum()


class Network(nn.Module):
    """series-adjoint: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.K = nn.Parameter(torch.tensor(weights["K"]))  # (n, m)
        self.a = nn.Parameter(torch.tensor(weights["a"]))  # (m,)
        self.L = nn.Parameter(torch.tensor(weights["L"]))  # (n, d)

    def layer_weights(self) -> Layer:
        """The one layer's weights; vectors as columns."""
        return self.K, self.a[:, None]

    def initial_state(self, x: Tensor) -> Tensor:
        """y(0) = L x, z(0) = 0; one column per example."""
        check_rows(x, FEATURES, "x")
        return torch.cat([self.L @ x.T, x.new_zeros(MOMENTA, x.shape[0])])

    def trajectory(self, x: Tensor) -> Tensor:
        """(y, z) at t_0, …, t_N: (N + 1, s, 3)."""
        state = self.initial_state(x)
        layer = self.layer_weights()
        states_ = integrate(
            slopes,
            state,
            H * torch.arange(STEPS + 1, dtype=x.dtype, device=x.device),
            *layer,
        )
        return states_.mT

    def solve(self, x: Tensor, times: Tensor) -> Tensor:
        """The states at these times, x belongs to the first: (times, s, 3).
        The times increase or decrease; they only read the solution.
        """
        check_rows(x, FEATURES, "x")
        state = self.initial_state(x)
        layer = self.layer_weights()
        states_ = integrate(slopes, state, times, *layer)
        return states_.mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 3) in and out."""
        check_rows(y, STATES + MOMENTA, "y")
        K, a = self.layer_weights()
        columns = y.T
        y = columns[:STATES]
        z = columns[STATES:]
        return torch.cat([dy_dt(y, z, K), dz_dt(y, z, K, a)]).T

    def path(self, x: Tensor, grid: Tensor) -> Tensor:
        """(y, z) at the times of a grid, from rows x at the first of them."""
        state = self.initial_state(x)
        layer = self.layer_weights()
        states_ = integrate(slopes, state, grid, *layer)
        return states_

    def states(self, values: Tensor, times: Tensor, grid: Tensor) -> State:
        """(y, z) at the times of the observations, each series from its first: one
        column each, those of the first time before the others.
        """
        since = (times - times[0])[:, None]
        states_ = self.path(values[0], grid)
        places = torch.searchsorted((grid[1:] + grid[:-1]) / 2, since.contiguous())
        state = torch.take_along_dim(states_, places, dim=0).mT.flatten(0, 1).T
        return state[:STATES], state[STATES:]

    def forward(self, values: Tensor, times: Tensor, grid: Tensor) -> Tensor:
        """[y; z] at the times of the observations.
        Values are (L, s, 3), NaN where one is missing, but for the first;
        times (L, s), behind the end of a series its last; grid = grid_of(times).
        """
        check_series(values, times)
        y, z = self.states(values, times, grid)
        return torch.cat([y, z]).T.reshape(values.shape)

    def regularizer(self) -> Tensor:
        """R: weight-decay of K."""
        return weight_decay(self.K)

    def loss(self, values: Tensor, times: Tensor, grid: Tensor) -> Tensor:
        """½ the mean of (predicted − observed)² over all that was observed, plus R."""
        predicted = self(values, times, grid)
        known = (~values.isnan()).to(values.dtype)
        error = known * (predicted - torch.where(values.isnan(), 0, values))
        return (error**2).sum() / (2 * known.sum()) + self.regularizer()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("series_adjoint.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    values = random.normal(size=(5, 8, FEATURES)).astype("float64")
    times = np.sort(HORIZON * random.random((5, 8)), axis=0).astype("float64")
    grid = grid_of(times)
    value = network.loss(torch.tensor(values), torch.tensor(times), torch.tensor(grid))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
