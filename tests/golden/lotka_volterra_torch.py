"""lotka-volterra: y' = [a y[0] − b y[0] y[1]; d y[0] y[1] − c y[1]],  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ²
Integrator     classical Runge–Kutta 4, order 4
               N = 200 steps of h = T/N = 10/200 = 0.05
Weights        one weight shared by all steps; 4 numbers
Observed       y at the times of the data, each series from its first; ½ mean squared
               error
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec lotka-volterra, 07fba066.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

Layer = tuple[Tensor, ...]

FEATURES = 2  # d
STATES = 2  # n
HORIZON, STEPS = 10, 200  # T, N
H = HORIZON / STEPS  # h = T/N


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "a": np.array(1, dtype=np.float64),
        "b": np.array(1, dtype=np.float64),
        "c": np.array(1, dtype=np.float64),
        "d": np.array(1, dtype=np.float64),
    }
    return {name: value.astype("float32") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "a": (),
        "b": (),
        "c": (),
        "d": (),
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


def dy_dt(y: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """y' = [a y[0] − b y[0] y[1]; d y[0] y[1] − c y[1]]."""
    u1 = d * y[0:1] * y[1:2] - c * y[1:2]
    return torch.cat([a * y[0:1] - b * y[0:1] * y[1:2], u1])


def step(y: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1 = dy_dt(y, a, b, c, d)
    k2 = dy_dt(y + H / 2 * k1, a, b, c, d)
    k3 = dy_dt(y + H / 2 * k2, a, b, c, d)
    k4 = dy_dt(y + H * k3, a, b, c, d)
    return y + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def between(theta: Tensor, left: Tensor, right: Tensor, f: Tensor, g: Tensor) -> Tensor:
    """A part θ of a step behind its beginning: the cubic with these ends and slopes."""
    u1 = right - left
    u2 = theta - 1
    return left + theta * (u1 + u2 * ((1 - 2 * theta) * u1 + H * (u2 * f + theta * g)))


class Network(nn.Module):
    """lotka-volterra: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.a = nn.Parameter(torch.tensor(weights["a"]))  # ()
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # ()
        self.c = nn.Parameter(torch.tensor(weights["c"]))  # ()
        self.d = nn.Parameter(torch.tensor(weights["d"]))  # ()

    def layer_weights(self) -> Layer:
        """The one layer's weights."""
        return self.a, self.b, self.c, self.d

    def initial_state(self, x: Tensor) -> Tensor:
        """y(0) = x; one column per example."""
        check_rows(x, FEATURES, "x")
        return x.T.contiguous()

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, …, t_N: (N + 1, s, 2)."""
        y = self.initial_state(x)
        layer = self.layer_weights()
        ys = [y]
        for _ in range(STEPS):
            y = step(y, *layer)
            ys.append(y)
        return torch.stack(ys).mT

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
        ys = [y]
        for _ in range(len(grid) - 1):
            y = step(y, *layer)
            ys.append(y)
        return torch.stack(ys)

    def states(self, values: Tensor, times: Tensor, grid: Tensor) -> Tensor:
        """y at the times of the observations, each series from its first: one column
        each, those of the first time before the others.
        """
        since = (times - times[0])[:, None]
        ys = self.path(values[0], grid)
        layer = self.layer_weights()
        j = torch.searchsorted(grid[1:-1].contiguous(), since.contiguous(), right=True)
        u1 = (since - torch.take_along_dim(grid[..., None, None], j, dim=0)) / H
        theta = u1[:, 0].flatten(0, 1)[None]
        y_left = torch.take_along_dim(ys, j, dim=0).mT.flatten(0, 1).T
        y_right = torch.take_along_dim(ys, j + 1, dim=0).mT.flatten(0, 1).T
        y = between(
            theta, y_left, y_right, dy_dt(y_left, *layer), dy_dt(y_right, *layer)
        )
        return y

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
    file = Path(__file__).with_name("lotka_volterra.safetensors")
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
