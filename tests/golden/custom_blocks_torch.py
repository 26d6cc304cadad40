"""custom-blocks: y' = A y + q; q' = −0.5 q (Σ (y²)) + cos(t),  0 <= t <= T.

Vector field   custom, y in R^2, q in R^2
               A ↦ −Aᵀ A
Integrator     classical Runge–Kutta 4, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight shared by all steps; 13 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of A, α = 0.1
               weight-decay of W, mu, α = 0.2
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec custom-blocks, 63b642c3.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn

State = tuple[Tensor, Tensor]

FEATURES = 2  # d
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
        "A": stream(seed, "A").normal(0.0, 2**-0.5, (2, 2)),
        "W": stream(seed, "W").normal(0.0, 3**-0.5, (2, 3)),
        "mu": np.zeros(3),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def negative_gram_A(C: Tensor) -> Tensor:
    """−Cᵀ C, of one matrix or of a stack of them."""
    return -C.mT @ C


def dy_dt(y: Tensor, q: Tensor, A: Tensor) -> Tensor:
    """y' = A y + q."""
    return A @ y + q


def dq_dt(t: Tensor, y: Tensor, q: Tensor) -> Tensor:
    """q' = −0.5 q (Σ (y²)) + cos(t)."""
    return -(0.5 * q * (y**2).sum(dim=0, keepdim=True)) + torch.cos(t)


def step(y: Tensor, q: Tensor, t: Tensor, A: Tensor) -> State:
    """Classical Runge–Kutta 4: The classical fourth-order method (not the 3/8 rule)."""
    k1_y = dy_dt(y, q, A)
    k1_q = dq_dt(t, y, q)
    k2_y = dy_dt(y + H / 2 * k1_y, q + H / 2 * k1_q, A)
    k2_q = dq_dt(t + H / 2, y + H / 2 * k1_y, q + H / 2 * k1_q)
    k3_y = dy_dt(y + H / 2 * k2_y, q + H / 2 * k2_q, A)
    k3_q = dq_dt(t + H / 2, y + H / 2 * k2_y, q + H / 2 * k2_q)
    k4_y = dy_dt(y + H * k3_y, q + H * k3_q, A)
    k4_q = dq_dt(t + H, y + H * k3_y, q + H * k3_q)
    return (
        y + H / 6 * (k1_y + 2 * k2_y + 2 * k3_y + k4_y),
        q + H / 6 * (k1_q + 2 * k2_q + 2 * k3_q + k4_q),
    )


def likelihoods(targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Integer classes as one-hot rows; likelihoods of the classes as they are."""
    if targets.ndim == 1:
        return F.one_hot(targets, OUTPUTS).to(dtype)
    return targets


class Network(nn.Module):
    """custom-blocks: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        self.A = nn.Parameter(torch.tensor(weights["A"]))  # (n, n)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def operands(self) -> tuple[Tensor, ...]:
        """The one layer's weights: A ↦ −Aᵀ A."""
        A = negative_gram_A(self.A)
        return (A,)

    def layers(self, like: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """The time and weights of one step after the other."""
        shared = self.operands()
        times = H * torch.arange(STEPS, dtype=like.dtype, device=like.device)
        return iter([(t, *shared) for t in times.unbind()])

    def initial_state(self, x: Tensor) -> State:
        """y(0) = x, q(0) = 0; one column per example."""
        y = x.T.contiguous()
        q = x.new_zeros(2, x.shape[0])
        return y, q

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        state = self.initial_state(x)
        for layer in self.layers(x):
            state = step(*state, *layer)
        return state[0]

    def trajectory(self, x: Tensor) -> Tensor:
        """(y, q) at t_0, ..., t_N: (N + 1, s, 4)."""
        state = self.initial_state(x)
        path = [torch.cat(state)]
        for layer in self.layers(x):
            state = step(*state, *layer)
            path.append(torch.cat(state))
        return torch.stack(path).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 4) in and out."""
        A = negative_gram_A(self.A)
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        columns = y.T
        y = columns[:2]
        q = columns[2:]
        y_rate = dy_dt(y, q, A)
        q_rate = dq_dt(time, y, q)
        return torch.cat([y_rate, q_rate]).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits W^T y(T) + mu, one row per example: (s, 3)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R = alpha/2 sum |w|^2."""
        weight_decay = ALPHA_1 / 2 * (self.A**2).sum()
        of = (self.W, self.mu)
        terms = torch.stack([(w**2).sum() for w in of])
        weight_decay_2 = ALPHA_2 / 2 * terms.sum()
        return weight_decay + weight_decay_2

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
    beside = Path(__file__).with_name("custom_blocks.safetensors")
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
