"""pendulum-remainder: q' = p; p' = −q + (f_W₂ tanh(f_W₁ q + f_b₁) + f_b₂),  0 ≤ t ≤ T.

Vector field   custom, q ∈ ℝ¹, p ∈ ℝ¹
Integrator     classical Runge–Kutta 4, order 4
               N = 100 steps of h = T/N = 10/100 = 0.1
Weights        one weight shared by all steps; 49 numbers
Observed       [q; p] at the times of the data, each series from its first; ½ mean
               squared error
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec pendulum-remainder, 5df2ea6a.
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
SIZE_Q = 1  # components of q
SIZE_P = 1  # components of p
HORIZON, STEPS = 10, 100  # T, N
H = HORIZON / STEPS  # h = T/N


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "f_W1": rng(seed, "f_W1").normal(0.0, 1**-0.5, (16, 1)),
        "f_b1": np.zeros(16),
        "f_W2": rng(seed, "f_W2").normal(0.0, 16**-0.5, (1, 16)),
        "f_b2": np.zeros(1),
    }
    return {name: value.astype("float32") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "f_W1": (16, 1),
        "f_b1": (16,),
        "f_W2": (1, 16),
        "f_b2": (1,),
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


def dq_dt(p: Tensor) -> Tensor:
    """q' = p."""
    return p


def dp_dt(q: Tensor, f_W1: Tensor, f_b1: Tensor, f_W2: Tensor, f_b2: Tensor) -> Tensor:
    """p' = −q + (f_W₂ tanh(f_W₁ q + f_b₁) + f_b₂)."""
    return -q + (f_W2 @ torch.tanh(f_W1 @ q + f_b1) + f_b2)


def step(
    q: Tensor, p: Tensor, f_W1: Tensor, f_b1: Tensor, f_W2: Tensor, f_b2: Tensor
) -> State:
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1_q = dq_dt(p)
    k1_p = dp_dt(q, f_W1, f_b1, f_W2, f_b2)
    q2 = q + H / 2 * k1_q
    p2 = p + H / 2 * k1_p
    k2_q = dq_dt(p2)
    k2_p = dp_dt(q2, f_W1, f_b1, f_W2, f_b2)
    q3 = q + H / 2 * k2_q
    p3 = p + H / 2 * k2_p
    k3_q = dq_dt(p3)
    k3_p = dp_dt(q3, f_W1, f_b1, f_W2, f_b2)
    q4 = q + H * k3_q
    p4 = p + H * k3_p
    k4_q = dq_dt(p4)
    k4_p = dp_dt(q4, f_W1, f_b1, f_W2, f_b2)
    return (
        q + H / 6 * (k1_q + 2 * k2_q + 2 * k3_q + k4_q),
        p + H / 6 * (k1_p + 2 * k2_p + 2 * k3_p + k4_p),
    )


def between(theta: Tensor, left: Tensor, right: Tensor, f: Tensor, g: Tensor) -> Tensor:
    """A part θ of a step behind its beginning: the cubic with these ends and slopes."""
    u1 = right - left
    u2 = theta - 1
    return left + theta * (u1 + u2 * ((1 - 2 * theta) * u1 + H * (u2 * f + theta * g)))


class Network(nn.Module):
    """pendulum-remainder: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.f_W1 = nn.Parameter(torch.tensor(weights["f_W1"]))  # (16, 1)
        self.f_b1 = nn.Parameter(torch.tensor(weights["f_b1"]))  # (16,)
        self.f_W2 = nn.Parameter(torch.tensor(weights["f_W2"]))  # (1, 16)
        self.f_b2 = nn.Parameter(torch.tensor(weights["f_b2"]))  # (1,)

    def layer_weights(self) -> Layer:
        """The one layer's weights; vectors as columns."""
        return self.f_W1, self.f_b1[:, None], self.f_W2, self.f_b2[:, None]

    def initial_state(self, x: Tensor) -> State:
        """(q(0), p(0)) = x; one column per example."""
        check_rows(x, FEATURES, "x")
        columns = x.T.contiguous()
        return columns[:SIZE_Q], columns[SIZE_Q:]

    def trajectory(self, x: Tensor) -> Tensor:
        """(q, p) at t_0, …, t_N: (N + 1, s, 2)."""
        q, p = self.initial_state(x)
        layer = self.layer_weights()
        qs, ps = [q], [p]
        for _ in range(STEPS):
            q, p = step(q, p, *layer)
            qs.append(q)
            ps.append(p)
        return torch.cat([torch.stack(qs), torch.stack(ps)], dim=1).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 2) in and out."""
        check_rows(y, SIZE_Q + SIZE_P, "y")
        layer = self.layer_weights()
        columns = y.T
        q = columns[:SIZE_Q]
        p = columns[SIZE_Q:]
        return torch.cat([dq_dt(p), dp_dt(q, *layer)]).T

    def path(self, x: Tensor, grid: Tensor) -> State:
        """(q, p) at the times of a grid, from rows x at the first of them."""
        q, p = self.initial_state(x)
        layer = self.layer_weights()
        qs, ps = [q], [p]
        for _ in range(len(grid) - 1):
            q, p = step(q, p, *layer)
            qs.append(q)
            ps.append(p)
        return torch.stack(qs), torch.stack(ps)

    def states(self, values: Tensor, times: Tensor, grid: Tensor) -> State:
        """(q, p) at the times of the observations, each series from its first: one
        column each, those of the first time before the others.
        """
        since = (times - times[0])[:, None]
        qs, ps = self.path(values[0], grid)
        layer = self.layer_weights()
        j = torch.searchsorted(grid[1:-1].contiguous(), since.contiguous(), right=True)
        u1 = (since - torch.take_along_dim(grid[..., None, None], j, dim=0)) / H
        theta = u1[:, 0].flatten(0, 1)[None]
        q_left = torch.take_along_dim(qs, j, dim=0).mT.flatten(0, 1).T
        p_left = torch.take_along_dim(ps, j, dim=0).mT.flatten(0, 1).T
        q_right = torch.take_along_dim(qs, j + 1, dim=0).mT.flatten(0, 1).T
        p_right = torch.take_along_dim(ps, j + 1, dim=0).mT.flatten(0, 1).T
        q = between(theta, q_left, q_right, dq_dt(p_left), dq_dt(p_right))
        p = between(
            theta, p_left, p_right, dp_dt(q_left, *layer), dp_dt(q_right, *layer)
        )
        return q, p

    def forward(self, values: Tensor, times: Tensor, grid: Tensor) -> Tensor:
        """[q; p] at the times of the observations.
        Values are (L, s, 2), NaN where one is missing, but for the first;
        times (L, s), behind the end of a series its last; grid = grid_of(times).
        """
        check_series(values, times)
        q, p = self.states(values, times, grid)
        return torch.cat([q, p]).T.reshape(values.shape)

    def loss(self, values: Tensor, times: Tensor, grid: Tensor) -> Tensor:
        """½ the mean of (predicted − observed)² over all that was observed."""
        predicted = self(values, times, grid)
        known = (~values.isnan()).to(values.dtype)
        error = known * (predicted - torch.where(values.isnan(), 0, values))
        return (error**2).sum() / (2 * known.sum())


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("pendulum_remainder.safetensors")
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
