"""pendulum-kicks: q' = p; p' = −w₂ sin(q),  0 ≤ t ≤ T.

Vector field   custom, q ∈ ℝ¹, p ∈ ℝ¹, from H = ½ (Σ (p²)) − w₂ (Σ cos(q))
Integrator     Störmer–Verlet (kick–drift–kick), order 2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight shared by all steps; 1 numbers
Readout        q; 1 outputs, least squares
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec pendulum-kicks, 086063dc.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

State = tuple[Tensor, Tensor]

FEATURES = 2  # d
SIZE_Q = 1  # components of q
SIZE_P = 1  # components of p
OUTPUTS = 1  # numbers per example
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "w2": np.array(9.81, dtype=np.float64),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_targets(x: Tensor, targets: Tensor) -> None:
    """Refuse what is not one row of OUTPUTS numbers for each example."""
    check_rows(x, FEATURES, "x")
    shape = (x.shape[0], OUTPUTS)
    if tuple(targets.shape) != shape:
        raise ValueError(f"targets are {tuple(targets.shape)}, not {shape}")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "w2": (),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def dq_dt(p: Tensor) -> Tensor:
    """q' = p."""
    return p


def dp_dt(q: Tensor, w2: Tensor) -> Tensor:
    """p' = −w₂ sin(q)."""
    return -(w2 * torch.sin(q))


def step(q: Tensor, p: Tensor, w2: Tensor) -> State:
    """Störmer–Verlet (kick–drift–kick):
    p + h/2 p'(q), then q + h q'(p), then p + h/2 p'(q) with the new q.
    """
    p = p + H / 2 * dp_dt(q, w2)
    q = q + H * dq_dt(p)
    p = p + H / 2 * dp_dt(q, w2)
    return q, p


class Network(nn.Module):
    """pendulum-kicks: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.w2 = nn.Parameter(torch.tensor(weights["w2"]))  # ()

    def layer_weights(self) -> Tensor:
        """The one layer's weights."""
        return self.w2

    def initial_state(self, x: Tensor) -> State:
        """(q(0), p(0)) = x; one column per example."""
        check_rows(x, FEATURES, "x")
        columns = x.T.contiguous()
        return columns[:SIZE_Q], columns[SIZE_Q:]

    def final_state(self, x: Tensor) -> Tensor:
        """q(T), one column per example."""
        q, p = self.initial_state(x)
        layer = self.layer_weights()
        for _ in range(STEPS):
            q, p = step(q, p, layer)
        return q

    def trajectory(self, x: Tensor) -> Tensor:
        """(q, p) at t_0, …, t_N: (N + 1, s, 2)."""
        q, p = self.initial_state(x)
        layer = self.layer_weights()
        qs, ps = [q], [p]
        for _ in range(STEPS):
            q, p = step(q, p, layer)
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
        return torch.cat([dq_dt(p), dp_dt(q, layer)]).T

    def forward(self, x: Tensor) -> Tensor:
        """The prediction q(T), one row per example: (s, 1)."""
        return self.final_state(x).T

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """Mean over the examples of ½ (Σ ((u − C)²)), u the prediction; targets C
        are (s, 1).
        """
        check_targets(x, targets)
        u = self(x).T
        C = targets.T
        losses = ((u - C) ** 2).sum(dim=0) / 2
        return losses.mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("pendulum_kicks.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    targets = random.normal(size=(8, OUTPUTS)).astype("float64")
    value = network.loss(torch.tensor(x), torch.tensor(targets))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
