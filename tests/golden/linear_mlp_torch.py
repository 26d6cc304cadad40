"""linear-mlp: y' = W₃ tanh(W₂ tanh(W₁ [y; t] + b₁) + b₂) + b₃,  0 <= t <= T.

Vector field   mlp, y in R^3
Integrator     classical Runge–Kutta 4, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 268 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of W1, W, α = 0.1
               smoothness of W1, b1, W2, b2, W3, b3, α = 0.2
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec linear-mlp, 7eef8f3e.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn

FEATURES = 3  # d
OUTPUTS = 3  # classes or numbers per example
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h
ALPHA_1 = 0.1  # α
ALPHA_2 = 0.2  # α


def stream(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": np.repeat(
            stream(seed, "W1").normal(0.0, 4**-0.5, (5, 4))[None], STEPS + 1, axis=0
        ),
        "b1": np.zeros((STEPS + 1, 5)),
        "W2": np.repeat(
            stream(seed, "W2").normal(0.0, 5**-0.5, (4, 5))[None], STEPS + 1, axis=0
        ),
        "b2": np.zeros((STEPS + 1, 4)),
        "W3": np.repeat(
            stream(seed, "W3").normal(0.0, 4**-0.5, (3, 4))[None], STEPS + 1, axis=0
        ),
        "b3": np.zeros((STEPS + 1, 3)),
        "W": stream(seed, "W").normal(0.0, 3**-0.5, (3, 3)),
        "mu": np.zeros(3),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def dy_dt(
    t: Tensor,
    y: Tensor,
    W1: Tensor,
    b1: Tensor,
    W2: Tensor,
    b2: Tensor,
    W3: Tensor,
    b3: Tensor,
) -> Tensor:
    """y' = W₃ tanh(W₂ tanh(W₁ [y; t] + b₁) + b₂) + b₃."""
    u1 = W2 @ torch.tanh(W1 @ torch.cat([y, t.expand(1, y.shape[1])]) + b1) + b2
    return W3 @ torch.tanh(u1) + b3


def step(
    y: Tensor,
    t: Tensor,
    W1_start: Tensor,
    b1_start: Tensor,
    W2_start: Tensor,
    b2_start: Tensor,
    W3_start: Tensor,
    b3_start: Tensor,
    W1_mid: Tensor,
    b1_mid: Tensor,
    W2_mid: Tensor,
    b2_mid: Tensor,
    W3_mid: Tensor,
    b3_mid: Tensor,
    W1_end: Tensor,
    b1_end: Tensor,
    W2_end: Tensor,
    b2_end: Tensor,
    W3_end: Tensor,
    b3_end: Tensor,
) -> Tensor:
    """Classical Runge–Kutta 4: The classical fourth-order method (not the 3/8 rule)."""
    k1 = dy_dt(t, y, W1_start, b1_start, W2_start, b2_start, W3_start, b3_start)
    k2 = dy_dt(
        t + H / 2, y + H / 2 * k1, W1_mid, b1_mid, W2_mid, b2_mid, W3_mid, b3_mid
    )
    k3 = dy_dt(
        t + H / 2, y + H / 2 * k2, W1_mid, b1_mid, W2_mid, b2_mid, W3_mid, b3_mid
    )
    k4 = dy_dt(t + H, y + H * k3, W1_end, b1_end, W2_end, b2_end, W3_end, b3_end)
    return y + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def likelihoods(targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Integer classes as one-hot rows; likelihoods of the classes as they are."""
    if targets.ndim == 1:
        return F.one_hot(targets, OUTPUTS).to(dtype)
    return targets


class Network(nn.Module):
    """linear-mlp: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        self.W1 = nn.Parameter(torch.tensor(weights["W1"]))  # (N+1, 5, 4)
        self.b1 = nn.Parameter(torch.tensor(weights["b1"]))  # (N+1, 5)
        self.W2 = nn.Parameter(torch.tensor(weights["W2"]))  # (N+1, 4, 5)
        self.b2 = nn.Parameter(torch.tensor(weights["b2"]))  # (N+1, 4)
        self.W3 = nn.Parameter(torch.tensor(weights["W3"]))  # (N+1, 3, 4)
        self.b3 = nn.Parameter(torch.tensor(weights["b3"]))  # (N+1, 3)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def operands(self) -> tuple[Tensor, ...]:
        """The weights of all steps: vectors as columns."""
        W1_start = self.W1[:-1]
        b1_start = self.b1[:-1][..., None]
        W2_start = self.W2[:-1]
        b2_start = self.b2[:-1][..., None]
        W3_start = self.W3[:-1]
        b3_start = self.b3[:-1][..., None]
        W1_mid = (self.W1[:-1] + self.W1[1:]) / 2
        b1_mid = ((self.b1[:-1] + self.b1[1:]) / 2)[..., None]
        W2_mid = (self.W2[:-1] + self.W2[1:]) / 2
        b2_mid = ((self.b2[:-1] + self.b2[1:]) / 2)[..., None]
        W3_mid = (self.W3[:-1] + self.W3[1:]) / 2
        b3_mid = ((self.b3[:-1] + self.b3[1:]) / 2)[..., None]
        W1_end = self.W1[1:]
        b1_end = self.b1[1:][..., None]
        W2_end = self.W2[1:]
        b2_end = self.b2[1:][..., None]
        W3_end = self.W3[1:]
        b3_end = self.b3[1:][..., None]
        return (
            W1_start,
            b1_start,
            W2_start,
            b2_start,
            W3_start,
            b3_start,
            W1_mid,
            b1_mid,
            W2_mid,
            b2_mid,
            W3_mid,
            b3_mid,
            W1_end,
            b1_end,
            W2_end,
            b2_end,
            W3_end,
            b3_end,
        )

    def layers(self, like: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """The time and weights of one step after the other."""
        times = H * torch.arange(STEPS, dtype=like.dtype, device=like.device)
        stacks = (times, *self.operands())
        return zip(*(w.unbind() for w in stacks), strict=True)

    def initial_state(self, x: Tensor) -> Tensor:
        """y(0) = x; one column per example."""
        return x.T.contiguous()

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y = self.initial_state(x)
        for layer in self.layers(x):
            y = step(y, *layer)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, ..., t_N: (N + 1, s, 3)."""
        y = self.initial_state(x)
        path = [y]
        for layer in self.layers(x):
            y = step(y, *layer)
            path.append(y)
        return torch.stack(path).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 3) in and out, with weights interpolated at t."""
        j = min(max(int(t / H + 1e-9), 0), STEPS - 1)
        theta = t / H - j
        W1 = (1 - theta) * self.W1[j] + theta * self.W1[j + 1]
        b1 = ((1 - theta) * self.b1[j] + theta * self.b1[j + 1])[..., None]
        W2 = (1 - theta) * self.W2[j] + theta * self.W2[j + 1]
        b2 = ((1 - theta) * self.b2[j] + theta * self.b2[j + 1])[..., None]
        W3 = (1 - theta) * self.W3[j] + theta * self.W3[j + 1]
        b3 = ((1 - theta) * self.b3[j] + theta * self.b3[j + 1])[..., None]
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        y = y.T
        return dy_dt(time, y, W1, b1, W2, b2, W3, b3).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits W^T y(T) + mu, one row per example: (s, 3)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R = alpha/2 sum |w|^2 + alpha/(2h) sum_j |w_{j+1} - w_j|^2."""
        of = (self.W1, self.W)
        terms = torch.stack([(w**2).sum() for w in of])
        weight_decay = ALPHA_1 / 2 * terms.sum()
        of = (self.W1, self.b1, self.W2, self.b2, self.W3, self.b3)
        terms = torch.stack([((w[1:] - w[:-1]) ** 2).sum() for w in of])
        smoothness = ALPHA_2 / (2 * H) * terms.sum()
        return weight_decay + smoothness

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """Mean over the examples of −Σ (C ⊙ log softmax(x)) + R; targets are classes
        (s,) or likelihoods (s, classes).
        """
        logits = self(x).T
        C = likelihoods(targets, logits.dtype).T
        losses = -(C * torch.log_softmax(logits, dim=0)).sum(dim=0)
        return losses.mean() + self.regularizer()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    beside = Path(__file__).with_name("linear_mlp.safetensors")
    arrays = load_file(beside) if beside.exists() else init()
    count = sum(value.size for value in arrays.values())
    print(f"{count:,} weights:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, FEATURES)).astype("float64")
    targets = np.arange(8) % OUTPUTS
    value = network.loss(torch.tensor(x), torch.tensor(targets))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
