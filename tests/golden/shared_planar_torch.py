"""shared-planar: y' = mat(p[6:12])ᵀ tanh(mat(p[0:6]) y + p[12:14]), p = W₂ tanh(W₁ t +
    b₁) + b₂,  0 ≤ t ≤ T.

Vector field   planar-mixture, y ∈ ℝ³
Integrator     Heun, order 2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight shared by all steps; 90 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of W1, W, α = 0.1
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec shared-planar, bdbb3d8f.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn

Layer = tuple[Tensor, ...]

FEATURES = 3  # d
STATES = 3  # n
CLASSES = 3
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N
ALPHA = 0.1  # α of weight-decay


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": rng(seed, "W1").normal(0.0, 1**-0.5, (4, 1)),
        "b1": np.zeros(4),
        "W2": rng(seed, "W2").normal(0.0, 4**-0.5, (14, 4)),
        "b2": np.zeros(14),
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
        "W1": (4, 1),
        "b1": (4,),
        "W2": (14, 4),
        "b2": (14,),
        "W": (STATES, CLASSES),
        "mu": (CLASSES,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def class_probabilities(targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Integer classes as one-hot rows; probabilities as they are."""
    if targets.ndim == 1:
        return F.one_hot(targets, CLASSES).to(dtype)
    return targets


def dy_dt(
    t: Tensor, y: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor
) -> Tensor:
    """y' = mat(p[6:12])ᵀ tanh(mat(p[0:6]) y + p[12:14]), p = W₂ tanh(W₁ t + b₁) +
    b₂.
    """
    p = W2 @ torch.tanh(W1 @ t.expand(1, 1) + b1) + b2
    return p[6:12].reshape(2, 3).T @ torch.tanh(p[:6].reshape(2, 3) @ y + p[12:])


def step(
    y: Tensor, t: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor
) -> Tensor:
    """Heun: y + h/2 (k₁ + k₂); k₁ = f(t, y), k₂ = f(t + h, y + h k₁)."""
    k1 = dy_dt(t, y, W1, b1, W2, b2)
    k2 = dy_dt(t + H, y + H * k1, W1, b1, W2, b2)
    return y + H / 2 * (k1 + k2)


def weight_decay(w: Tensor) -> Tensor:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA / 2 * (w**2).sum()


class Network(nn.Module):
    """shared-planar: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.W1 = nn.Parameter(torch.tensor(weights["W1"]))  # (4, 1)
        self.b1 = nn.Parameter(torch.tensor(weights["b1"]))  # (4,)
        self.W2 = nn.Parameter(torch.tensor(weights["W2"]))  # (14, 4)
        self.b2 = nn.Parameter(torch.tensor(weights["b2"]))  # (14,)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def layer_weights(self) -> Layer:
        """The one layer's weights; vectors as columns."""
        return self.W1, self.b1[:, None], self.W2, self.b2[:, None]

    def initial_state(self, x: Tensor) -> Tensor:
        """y(0) = x; one column per example."""
        check_rows(x, FEATURES, "x")
        return x.T.contiguous()

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y = self.initial_state(x)
        layer = self.layer_weights()
        for t in H * torch.arange(STEPS, dtype=x.dtype, device=x.device):
            y = step(y, t, *layer)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, …, t_N: (N + 1, s, 3)."""
        y = self.initial_state(x)
        layer = self.layer_weights()
        ys = [y]
        for t in H * torch.arange(STEPS, dtype=x.dtype, device=x.device):
            y = step(y, t, *layer)
            ys.append(y)
        return torch.stack(ys).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 3) in and out."""
        check_rows(y, STATES, "y")
        layer = self.layer_weights()
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        y = y.T
        return dy_dt(time, y, *layer).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R: weight-decay of W1, W."""
        return weight_decay(self.W1) + weight_decay(self.W)

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """Mean over the examples of −Σ (C ⊙ log softmax(u)), u the logits, plus R;
        targets C are classes (s,) or their probabilities (s, classes).
        """
        check_targets(x, targets)
        logits = self(x).T
        C = class_probabilities(targets, x.dtype).T
        losses = -(C * torch.log_softmax(logits, dim=0)).sum(dim=0)
        return losses.mean() + self.regularizer()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("shared_planar.safetensors")
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
