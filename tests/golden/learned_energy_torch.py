"""learned-energy: y' = (net_W₁ᵀ (net_W₂ᵀ (net_W₃ᵀ 1 ⊙ (1 − tanh(net_W₂ tanh(net_W₁ [y;
    z] + net_b₁) + net_b₂)²)) ⊙ (1 − tanh(net_W₁ [y; z] + net_b₁)²)))[2:4] + (z[0],
    0); z' = −(net_W₁ᵀ (net_W₂ᵀ (net_W₃ᵀ 1 ⊙ (1 − tanh(net_W₂ tanh(net_W₁ [y; z] +
    net_b₁) + net_b₂)²)) ⊙ (1 − tanh(net_W₁ [y; z] + net_b₁)²)))[0:2],  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ², z ∈ ℝ², from H = ½ z[0]² + Σ (net_W₃ tanh(net_W₂
               tanh(net_W₁ [y; z] + net_b₁) + net_b₂) + net_b₃)
Integrator     explicit midpoint, order 2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight for each step; 126 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec learned-energy, 5c52b32f.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
Layer = tuple[Tensor, ...]

FEATURES = 2  # d
STATES = 2  # n
MOMENTA = 2  # m
CLASSES = 3
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "net_W1": np.repeat(
            rng(seed, "net_W1").normal(0.0, 4**-0.5, (1, 4, 4)), STEPS, axis=0
        ),
        "net_b1": np.zeros((STEPS, 4)),
        "net_W2": np.repeat(
            rng(seed, "net_W2").normal(0.0, 4**-0.5, (1, 3, 4)), STEPS, axis=0
        ),
        "net_b2": np.zeros((STEPS, 3)),
        "net_W3": np.repeat(
            rng(seed, "net_W3").normal(0.0, 3**-0.5, (1, 1, 3)), STEPS, axis=0
        ),
        "net_b3": np.zeros((STEPS, 1)),
        "W": rng(seed, "W").normal(0.0, STATES**-0.5, (STATES, CLASSES)),
        "mu": np.zeros(CLASSES),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_targets(x: Tensor, targets: Tensor) -> None:
    """Refuse what is not one class for each example, or CLASSES probabilities."""
    check_rows(x, FEATURES, "x")
    shape = (x.shape[0],) if targets.ndim == 1 else (x.shape[0], CLASSES)
    if tuple(targets.shape) != shape:
        raise ValueError(f"targets are {tuple(targets.shape)}, not {shape}")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "net_W1": (STEPS, 4, 4),
        "net_b1": (STEPS, 4),
        "net_W2": (STEPS, 3, 4),
        "net_b2": (STEPS, 3),
        "net_W3": (STEPS, 1, 3),
        "net_b3": (STEPS, 1),
        "W": (STATES, CLASSES),
        "mu": (CLASSES,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float) -> int:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    return min(max(int(t / H + 1e-9), 0), STEPS - 1)


def class_probabilities(targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Integer classes as one-hot rows; probabilities as they are."""
    if targets.ndim == 1:
        return F.one_hot(targets, CLASSES).to(dtype)
    return targets


def dy_dt(
    y: Tensor,
    z: Tensor,
    net_W1: Tensor,
    net_b1: Tensor,
    net_W2: Tensor,
    net_b2: Tensor,
    net_W3: Tensor,
) -> Tensor:
    """y' = (net_W₁ᵀ (net_W₂ᵀ (net_W₃ᵀ 1 ⊙ (1 − tanh(net_W₂ tanh(net_W₁ [y; z] +
    net_b₁) + net_b₂)²)) ⊙ (1 − tanh(net_W₁ [y; z] + net_b₁)²)))[2:4] + (z[0], 0).
    """
    u1 = torch.tanh(net_W1 @ torch.cat([y, z]) + net_b1)
    u2 = 1 - torch.tanh(net_W2 @ u1 + net_b2) ** 2
    u3 = net_W2.T @ (net_W3.T @ y.new_full((1, 1), 1) * u2) * (1 - u1**2)
    return (net_W1.T @ u3)[2:] + F.pad(z[0:1], (0, 0, 0, 1))


def dz_dt(
    y: Tensor,
    z: Tensor,
    net_W1: Tensor,
    net_b1: Tensor,
    net_W2: Tensor,
    net_b2: Tensor,
    net_W3: Tensor,
) -> Tensor:
    """z' = −(net_W₁ᵀ (net_W₂ᵀ (net_W₃ᵀ 1 ⊙ (1 − tanh(net_W₂ tanh(net_W₁ [y; z] +
    net_b₁) + net_b₂)²)) ⊙ (1 − tanh(net_W₁ [y; z] + net_b₁)²)))[0:2].
    """
    u1 = torch.tanh(net_W1 @ torch.cat([y, z]) + net_b1)
    u2 = 1 - torch.tanh(net_W2 @ u1 + net_b2) ** 2
    u3 = net_W2.T @ (net_W3.T @ y.new_full((1, 1), 1) * u2) * (1 - u1**2)
    return -(net_W1.T @ u3)[:2]


def step(
    y: Tensor,
    z: Tensor,
    net_W1: Tensor,
    net_b1: Tensor,
    net_W2: Tensor,
    net_b2: Tensor,
    net_W3: Tensor,
) -> State:
    """Explicit midpoint: y + h k₂; k₁ = f(t, y), k₂ = f(t + h/2, y + h/2 k₁)."""
    k1_y = dy_dt(y, z, net_W1, net_b1, net_W2, net_b2, net_W3)
    k1_z = dz_dt(y, z, net_W1, net_b1, net_W2, net_b2, net_W3)
    y2 = y + H / 2 * k1_y
    z2 = z + H / 2 * k1_z
    k2_y = dy_dt(y2, z2, net_W1, net_b1, net_W2, net_b2, net_W3)
    k2_z = dz_dt(y2, z2, net_W1, net_b1, net_W2, net_b2, net_W3)
    return y + H * k2_y, z + H * k2_z


class Network(nn.Module):
    """learned-energy: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.net_W1 = nn.Parameter(torch.tensor(weights["net_W1"]))  # (N, 4, 4)
        self.net_b1 = nn.Parameter(torch.tensor(weights["net_b1"]))  # (N, 4)
        self.net_W2 = nn.Parameter(torch.tensor(weights["net_W2"]))  # (N, 3, 4)
        self.net_b2 = nn.Parameter(torch.tensor(weights["net_b2"]))  # (N, 3)
        self.net_W3 = nn.Parameter(torch.tensor(weights["net_W3"]))  # (N, 1, 3)
        self.net_b3 = nn.Parameter(torch.tensor(weights["net_b3"]))  # (N, 1)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def layer_weights(self) -> Layer:
        """The weights of all steps; vectors as columns."""
        return (
            self.net_W1,
            self.net_b1[..., None],
            self.net_W2,
            self.net_b2[..., None],
            self.net_W3,
        )

    def weights_at(self, t: float) -> Layer:
        """The weights of step j, t_j ≤ t < t_{j+1}."""
        j = step_of(t)
        return (
            self.net_W1[j],
            self.net_b1[j][:, None],
            self.net_W2[j],
            self.net_b2[j][:, None],
            self.net_W3[j],
            self.net_b3[j][:, None],
        )

    def initial_state(self, x: Tensor) -> State:
        """y(0) = x, z(0) = 0; one column per example."""
        check_rows(x, FEATURES, "x")
        return x.T.contiguous(), x.new_zeros(MOMENTA, x.shape[0])

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y, z = self.initial_state(x)
        layers = self.layer_weights()
        for layer in zip(*layers, strict=True):
            y, z = step(y, z, *layer)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """(y, z) at t_0, …, t_N: (N + 1, s, 4)."""
        y, z = self.initial_state(x)
        layers = self.layer_weights()
        ys, zs = [y], [z]
        for layer in zip(*layers, strict=True):
            y, z = step(y, z, *layer)
            ys.append(y)
            zs.append(z)
        return torch.cat([torch.stack(ys), torch.stack(zs)], dim=1).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 4) in and out, with weight j for t_j ≤ t < t_{j+1}."""
        check_rows(y, STATES + MOMENTA, "y")
        net_W1, net_b1, net_W2, net_b2, net_W3, _ = self.weights_at(t)
        columns = y.T
        y = columns[:STATES]
        z = columns[STATES:]
        dy = dz_dt(y, z, net_W1, net_b1, net_W2, net_b2, net_W3)
        return torch.cat([dy_dt(y, z, net_W1, net_b1, net_W2, net_b2, net_W3), dy]).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """Mean over the examples of −Σ (C ⊙ log softmax(u)), u the logits; targets C
        are classes (s,) or their probabilities (s, classes).
        """
        check_targets(x, targets)
        logits = self(x).T
        C = class_probabilities(targets, x.dtype).T
        losses = -(C * torch.log_softmax(logits, dim=0)).sum(dim=0)
        return losses.mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("learned_energy.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    targets = np.arange(8) % CLASSES
    value = network.loss(torch.tensor(x), torch.tensor(targets))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
