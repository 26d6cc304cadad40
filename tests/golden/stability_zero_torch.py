"""stability-zero: y' = tanh(K y),  0 ≤ t ≤ T.

Vector field   layer, y ∈ ℝ²
Integrator     forward Euler, order 1
               N = 10 steps of h = T/N = 1/10 = 0.1
Weights        one weight shared by all steps; 4 numbers
Stability      nothing is known of the spectrum by construction
Reference      Haber & Ruthotto, Stable architectures for deep neural networks, Inverse
               Problems 34 (2017) 014004, arXiv:1705.03341

Written by wellposed 0.1.0 (PyTorch) from the spec stability-zero, 14979391.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

FEATURES = 2  # d
STATES = 2  # n
HORIZON, STEPS = 1, 10  # T, N
H = HORIZON / STEPS  # h = T/N


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.array([[0, -1], [1, 0]], dtype=np.float64),
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
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def dy_dt(y: Tensor, K: Tensor) -> Tensor:
    """y' = tanh(K y)."""
    return torch.tanh(K @ y)


def step(y: Tensor, K: Tensor) -> Tensor:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(y, K)


class Network(nn.Module):
    """stability-zero: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.K = nn.Parameter(torch.tensor(weights["K"]))  # (n, n)

    def layer_weights(self) -> Tensor:
        """The one layer's weights."""
        return self.K

    def initial_state(self, x: Tensor) -> Tensor:
        """y(0) = x; one column per example."""
        check_rows(x, FEATURES, "x")
        return x.T.contiguous()

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y = self.initial_state(x)
        layer = self.layer_weights()
        for _ in range(STEPS):
            y = step(y, layer)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, …, t_N: (N + 1, s, 2)."""
        y = self.initial_state(x)
        layer = self.layer_weights()
        ys = [y]
        for _ in range(STEPS):
            y = step(y, layer)
            ys.append(y)
        return torch.stack(ys).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 2) in and out."""
        check_rows(y, STATES, "y")
        layer = self.layer_weights()
        y = y.T
        return dy_dt(y, layer).T

    def forward(self, x: Tensor) -> Tensor:
        """y(T), one row per example."""
        return self.final_state(x).T


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("stability_zero.safetensors")
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
