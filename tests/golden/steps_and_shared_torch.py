"""steps-and-shared: y' = tanh(K z + b); z' = −tanh(Kᵀ y + c),  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ³, z ∈ ℝ²
Integrator     Störmer–Verlet (staggered), order 1 in y for z given at t = 0, order 2
               for z given at t = −h/2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        K, b one weight for each step; c one weight shared by all steps; 41
               numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Stability      Re λ(∂f/∂(y, z)) = 0 for all weights and states (0 ≤ σ' ≤ 1): ∂f/∂(y, z)
               = D [[0, K], [−Kᵀ, 0]] with D = diag σ' is similar to a skew matrix

Written by wellposed 0.1.0 (PyTorch) from the spec steps-and-shared, 8d47bab9.
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

FEATURES = 3  # d
STATES = 3  # n
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
        "K": np.repeat(
            rng(seed, "K").normal(0.0, MOMENTA**-0.5, (1, STATES, MOMENTA)),
            STEPS,
            axis=0,
        ),
        "b": np.zeros((STEPS, STATES)),
        "c": np.zeros(MOMENTA),
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
        "K": (STEPS, STATES, MOMENTA),
        "b": (STEPS, STATES),
        "c": (MOMENTA,),
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


def dy_dt(z: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """y' = tanh(K z + b)."""
    return torch.tanh(K @ z + b)


def dz_dt(y: Tensor, K: Tensor, c: Tensor) -> Tensor:
    """z' = −tanh(Kᵀ y + c)."""
    return -torch.tanh(K.T @ y + c)


def step(y: Tensor, z: Tensor, layer: Layer, shared: Tensor) -> State:
    """Störmer–Verlet (staggered): z + h z'(y), then y + h y'(z) with the new z.
    Order 1 in y for z given at t = 0, order 2 for z given at t = −h/2.
    """
    K, b = layer
    z = z + H * dz_dt(y, K, shared)
    y = y + H * dy_dt(z, K, b)
    return y, z


class Network(nn.Module):
    """steps-and-shared: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.K = nn.Parameter(torch.tensor(weights["K"]))  # (N, n, m)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (N, n)
        self.c = nn.Parameter(torch.tensor(weights["c"]))  # (m,)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def layer_weights(self) -> tuple[Layer, Tensor]:
        """The weights of all steps; vectors as columns."""
        layer = (self.K, self.b[..., None])
        shared = self.c[:, None]
        return layer, shared

    def weights_at(self, t: float) -> Layer:
        """The weights at t: K, b of step j, t_j ≤ t < t_{j+1}."""
        j = step_of(t)
        return self.K[j], self.b[j][:, None], self.c[:, None]

    def initial_state(self, x: Tensor) -> State:
        """y(0) = x, z(0) = 0; one column per example."""
        check_rows(x, FEATURES, "x")
        return x.T.contiguous(), x.new_zeros(MOMENTA, x.shape[0])

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y, z = self.initial_state(x)
        layers, shared = self.layer_weights()
        for layer in zip(*layers, strict=True):
            y, z = step(y, z, layer, shared)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """(y, z) at t_0, …, t_N, z by h/2 behind: (N + 1, s, 5)."""
        y, z = self.initial_state(x)
        layers, shared = self.layer_weights()
        ys, zs = [y], [z]
        for layer in zip(*layers, strict=True):
            y, z = step(y, z, layer, shared)
            ys.append(y)
            zs.append(z)
        return torch.cat([torch.stack(ys), torch.stack(zs)], dim=1).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 5) in and out, with weight j for t_j ≤ t < t_{j+1}."""
        check_rows(y, STATES + MOMENTA, "y")
        K, b, c = self.weights_at(t)
        columns = y.T
        y = columns[:STATES]
        z = columns[STATES:]
        return torch.cat([dy_dt(z, K, b), dz_dt(y, K, c)]).T

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
    file = Path(__file__).with_name("steps_and_shared.safetensors")
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
