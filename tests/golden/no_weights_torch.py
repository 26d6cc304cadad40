"""no-weights: y' = sin(t) − y,  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ²
Integrator     forward Euler, order 1
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight for each step; 0 numbers
Stability      λ(∂f/∂y) = -1 for all weights and states: the symmetric part of ∂f/∂y is
               bounded term by term

Written by wellposed 0.1.0 (PyTorch) from the spec no-weights, 82732493.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

FEATURES = 2  # d
STATES = 2  # n
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights: dict[str, np.ndarray] = {}
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def dy_dt(t: Tensor, y: Tensor) -> Tensor:
    """y' = sin(t) − y."""
    return torch.sin(t) - y


def step(y: Tensor, t: Tensor) -> Tensor:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(t, y)


class Network(nn.Module):
    """no-weights: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights

    def initial_state(self, x: Tensor) -> Tensor:
        """y(0) = x; one column per example."""
        check_rows(x, FEATURES, "x")
        return x.T.contiguous()

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y = self.initial_state(x)
        for t in H * torch.arange(STEPS, dtype=x.dtype, device=x.device):
            y = step(y, t)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, …, t_N: (N + 1, s, 2)."""
        y = self.initial_state(x)
        ys = [y]
        for t in H * torch.arange(STEPS, dtype=x.dtype, device=x.device):
            y = step(y, t)
            ys.append(y)
        return torch.stack(ys).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 2) in and out."""
        check_rows(y, STATES, "y")
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        y = y.T
        return dy_dt(time, y).T

    def forward(self, x: Tensor) -> Tensor:
        """y(T), one row per example."""
        return self.final_state(x).T


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("no_weights.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    print(f"y(T) = {network(torch.tensor(x)).tolist()}")


if __name__ == "__main__":
    main()
