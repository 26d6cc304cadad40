"""series-time: y' = tanh(K y + b) cos(2 t) − 0.3 y,  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ³
Integrator     classical Runge–Kutta 4, order 4
               N = 10 steps of h = T/N = 2/10 = 0.2
Weights        one weight shared by all steps; 12 numbers
Observed       [y[0]; ½ y[1]] at the times of the data, each series from its first; ½
               mean squared error
Regularizer    weight-decay of K, α = 0.1
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec series-time, fb5e0fb5.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn

Layer = tuple[Tensor, ...]

FEATURES = 2  # d
STATES = 3  # n
HORIZON, STEPS = 2, 10  # T, N
H = HORIZON / STEPS  # h = T/N
ALPHA = 0.1  # α of weight-decay


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 2) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": rng(seed, "K").normal(0.0, STATES**-0.5, (STATES, STATES)),
        "b": np.zeros(STATES),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "K": (STATES, STATES),
        "b": (STATES,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def check_series(values: Tensor, times: Tensor) -> None:
    """Refuse what is not one row of channels for each time of each series."""
    given, wanted = tuple(values.shape), (*times.shape, FEATURES)
    if given != wanted:
        raise ValueError(f"values are {given}, not {wanted} as the times are")


def grid_of(times: np.ndarray) -> np.ndarray:
    """0, h, 2 h, … up to the last of the times (L, s) since the first."""
    steps = np.ceil((times - times[0]).max() / H - 1e-6)
    return H * np.arange(max(steps, 1) + 1, dtype=times.dtype)


def dy_dt(t: Tensor, y: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """y' = tanh(K y + b) cos(2 t) − 0.3 y."""
    return torch.tanh(K @ y + b) * torch.cos(2 * t) - 0.3 * y


def step(y: Tensor, t: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1 = dy_dt(t, y, K, b)
    k2 = dy_dt(t + H / 2, y + H / 2 * k1, K, b)
    k3 = dy_dt(t + H / 2, y + H / 2 * k2, K, b)
    k4 = dy_dt(t + H, y + H * k3, K, b)
    return y + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def weight_decay(w: Tensor) -> Tensor:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA / 2 * (w**2).sum()


def between(theta: Tensor, left: Tensor, right: Tensor, f: Tensor, g: Tensor) -> Tensor:
    """A part θ of a step behind its beginning: the cubic with these ends and slopes."""
    u1 = right - left
    u2 = theta - 1
    return left + theta * (u1 + u2 * ((1 - 2 * theta) * u1 + H * (u2 * f + theta * g)))


class Network(nn.Module):
    """series-time: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.K = nn.Parameter(torch.tensor(weights["K"]))  # (n, n)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (n,)

    def layer_weights(self) -> Layer:
        """The one layer's weights; vectors as columns."""
        return self.K, self.b[:, None]

    def initial_state(self, x: Tensor) -> Tensor:
        """y(0) = (x, 0); one column per example."""
        check_rows(x, FEATURES, "x")
        return F.pad(x.T, (0, 0, 0, 1))

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, …, t_N: (N + 1, s, 3)."""
        y = self.initial_state(x)
        layer = self.layer_weights()
        ys = [y]
        u1 = H * torch.arange(STEPS, dtype=x.dtype, device=x.device)
        for t in y.new_zeros(1, y.shape[1]) + u1[..., None, None]:
            y = step(y, t, *layer)
            ys.append(y)
        return torch.stack(ys).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 3) in and out."""
        check_rows(y, STATES, "y")
        layer = self.layer_weights()
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        y = y.T
        return dy_dt(time.expand(1, y.shape[1]), y, *layer).T

    def path(self, x: Tensor, start: Tensor, grid: Tensor) -> Tensor:
        """y at the times of a grid, from rows x at the first of them."""
        y = self.initial_state(x)
        layer = self.layer_weights()
        ys = [y]
        for t in start + grid[:-1][..., None, None]:
            y = step(y, t, *layer)
            ys.append(y)
        return torch.stack(ys)

    def states(self, values: Tensor, times: Tensor, grid: Tensor) -> Tensor:
        """y at the times of the observations, each series from its first: one column
        each, those of the first time before the others.
        """
        start = times[0][None]
        since = (times - times[0])[:, None]
        ys = self.path(values[0], start, grid)
        layer = self.layer_weights()
        j = torch.searchsorted(grid[1:-1].contiguous(), since.contiguous(), right=True)
        u1 = (since - torch.take_along_dim(grid[..., None, None], j, dim=0)) / H
        theta = u1[:, 0].flatten(0, 1)[None]
        y_left = torch.take_along_dim(ys, j, dim=0).mT.flatten(0, 1).T
        y_right = torch.take_along_dim(ys, j + 1, dim=0).mT.flatten(0, 1).T
        u2 = start + torch.take_along_dim(grid[..., None, None], j, dim=0)
        t = u2[:, 0].flatten(0, 1)[None]
        y = between(
            theta,
            y_left,
            y_right,
            dy_dt(t, y_left, *layer),
            dy_dt(t + H, y_right, *layer),
        )
        return y

    def forward(self, values: Tensor, times: Tensor, grid: Tensor) -> Tensor:
        """[y[0]; ½ y[1]] at the times of the observations.
        Values are (L, s, 2), NaN where one is missing, but for the first;
        times (L, s), behind the end of a series its last; grid = grid_of(times).
        """
        check_series(values, times)
        y = self.states(values, times, grid)
        return torch.cat([y[0:1], y[1:2] / 2]).T.reshape(values.shape)

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
    file = Path(__file__).with_name("series_time.safetensors")
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
