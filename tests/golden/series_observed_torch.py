"""series-observed: y' = tanh(K z) − sin(y); z' = Kᵀ y + tanh(a ⊙ z) z[0],  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ², z ∈ ℝ²
Integrator     classical Runge–Kutta 4, order 4
               N = 10 steps of h = T/N = 2/10 = 0.2
Weights        one weight shared by all steps; 10 numbers
Observed       [y[0] z[1]; Σ y] at the times of the data, each series from its first; ½
               mean squared error
Regularizer    weight-decay of K, α = 0.1
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec series-observed, b00a231d.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
Layer = tuple[Tensor, ...]

FEATURES = 2  # d
STATES = 2  # n
MOMENTA = 2  # m
HORIZON, STEPS = 2, 10  # T, N
H = HORIZON / STEPS  # h = T/N
ALPHA = 0.1  # α of weight-decay


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


def grid_of(times: np.ndarray) -> np.ndarray:
    """0, h, 2 h, … up to the last of the times (L, s) since the first."""
    steps = np.ceil((times - times[0]).max() / H - 1e-6)
    return H * np.arange(max(steps, 1) + 1, dtype=times.dtype)


def dy_dt(y: Tensor, z: Tensor, K: Tensor) -> Tensor:
    """y' = tanh(K z) − sin(y)."""
    return torch.tanh(K @ z) - torch.sin(y)


def dz_dt(y: Tensor, z: Tensor, K: Tensor, a: Tensor) -> Tensor:
    """z' = Kᵀ y + tanh(a ⊙ z) z[0]."""
    return K.T @ y + torch.tanh(a * z) * z[0:1]


def step(y: Tensor, z: Tensor, K: Tensor, a: Tensor) -> State:
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1_y = dy_dt(y, z, K)
    k1_z = dz_dt(y, z, K, a)
    y2 = y + H / 2 * k1_y
    z2 = z + H / 2 * k1_z
    k2_y = dy_dt(y2, z2, K)
    k2_z = dz_dt(y2, z2, K, a)
    y3 = y + H / 2 * k2_y
    z3 = z + H / 2 * k2_z
    k3_y = dy_dt(y3, z3, K)
    k3_z = dz_dt(y3, z3, K, a)
    y4 = y + H * k3_y
    z4 = z + H * k3_z
    k4_y = dy_dt(y4, z4, K)
    k4_z = dz_dt(y4, z4, K, a)
    return (
        y + H / 6 * (k1_y + 2 * k2_y + 2 * k3_y + k4_y),
        z + H / 6 * (k1_z + 2 * k2_z + 2 * k3_z + k4_z),
    )


def weight_decay(w: Tensor) -> Tensor:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA / 2 * (w**2).sum()


def between(theta: Tensor, left: Tensor, right: Tensor, f: Tensor, g: Tensor) -> Tensor:
    """A part θ of a step behind its beginning: the cubic with these ends and slopes."""
    u1 = right - left
    u2 = theta - 1
    return left + theta * (u1 + u2 * ((1 - 2 * theta) * u1 + H * (u2 * f + theta * g)))


class Network(nn.Module):
    """series-observed: see the head of this file."""

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

    def initial_state(self, x: Tensor) -> State:
        """y(0) = L x, z(0) = 0; one column per example."""
        check_rows(x, FEATURES, "x")
        return self.L @ x.T, x.new_zeros(MOMENTA, x.shape[0])

    def trajectory(self, x: Tensor) -> Tensor:
        """(y, z) at t_0, …, t_N: (N + 1, s, 4)."""
        y, z = self.initial_state(x)
        layer = self.layer_weights()
        ys, zs = [y], [z]
        for _ in range(STEPS):
            y, z = step(y, z, *layer)
            ys.append(y)
            zs.append(z)
        return torch.cat([torch.stack(ys), torch.stack(zs)], dim=1).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 4) in and out."""
        check_rows(y, STATES + MOMENTA, "y")
        K, a = self.layer_weights()
        columns = y.T
        y = columns[:STATES]
        z = columns[STATES:]
        return torch.cat([dy_dt(y, z, K), dz_dt(y, z, K, a)]).T

    def path(self, x: Tensor, grid: Tensor) -> State:
        """(y, z) at the times of a grid, from rows x at the first of them."""
        y, z = self.initial_state(x)
        layer = self.layer_weights()
        ys, zs = [y], [z]
        for _ in range(len(grid) - 1):
            y, z = step(y, z, *layer)
            ys.append(y)
            zs.append(z)
        return torch.stack(ys), torch.stack(zs)

    def states(self, values: Tensor, times: Tensor, grid: Tensor) -> State:
        """(y, z) at the times of the observations, each series from its first: one
        column each, those of the first time before the others.
        """
        since = (times - times[0])[:, None]
        ys, zs = self.path(values[0], grid)
        K, a = self.layer_weights()
        j = torch.searchsorted(grid[1:-1].contiguous(), since.contiguous(), right=True)
        u1 = (since - torch.take_along_dim(grid[..., None, None], j, dim=0)) / H
        theta = u1[:, 0].flatten(0, 1)[None]
        y_left = torch.take_along_dim(ys, j, dim=0).mT.flatten(0, 1).T
        z_left = torch.take_along_dim(zs, j, dim=0).mT.flatten(0, 1).T
        y_right = torch.take_along_dim(ys, j + 1, dim=0).mT.flatten(0, 1).T
        z_right = torch.take_along_dim(zs, j + 1, dim=0).mT.flatten(0, 1).T
        y = between(
            theta, y_left, y_right, dy_dt(y_left, z_left, K), dy_dt(y_right, z_right, K)
        )
        z = between(
            theta,
            z_left,
            z_right,
            dz_dt(y_left, z_left, K, a),
            dz_dt(y_right, z_right, K, a),
        )
        return y, z

    def forward(self, values: Tensor, times: Tensor, grid: Tensor) -> Tensor:
        """[y[0] z[1]; Σ y] at the times of the observations.
        Values are (L, s, 2), NaN where one is missing, but for the first;
        times (L, s), behind the end of a series its last; grid = grid_of(times).
        """
        check_series(values, times)
        y, z = self.states(values, times, grid)
        u1 = torch.cat([y[0:1] * z[1:2], y.sum(dim=0, keepdim=True)])
        return u1.T.reshape(values.shape)

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
    file = Path(__file__).with_name("series_observed.safetensors")
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
