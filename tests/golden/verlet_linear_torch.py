"""verlet-linear: y' = K₁ᵀ tanh(K₁ z + b); z' = −K₂ᵀ tanh(K₂ y + c),  0 <= t <= T.

Vector field   double-layer-hamiltonian, y in R^3, z in R^3
               K1 ↦ ½ (K₁ − K₁ᵀ − γ I), γ = 0.3
               K2 ↦ ½ (K₂ − K₂ᵀ − γ I), γ = 0.3
Integrator     Störmer–Verlet, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 108 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of K1, W, α = 0.1
               smoothness of K1, K2, b, c, α = 0.2
Stability      Re λ(∂f/∂y) = 0 for all weights and states: ∂f/∂(y, z) = [[0, A], [−B,
               0]] with A, B symmetric and semidefinite

Written by wellposed 0.1.0 (PyTorch) from the spec verlet-linear, b0ecfc04.
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

FEATURES = 3  # d
OUTPUTS = 3  # classes or numbers per example
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h
GAMMA = 0.3  # γ
ALPHA_1 = 0.1  # α
ALPHA_2 = 0.2  # α


def stream(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K1": np.repeat(
            stream(seed, "K1").normal(0.0, 3**-0.5, (3, 3))[None], STEPS + 1, axis=0
        ),
        "K2": np.repeat(
            stream(seed, "K2").normal(0.0, 3**-0.5, (3, 3))[None], STEPS + 1, axis=0
        ),
        "b": np.zeros((STEPS + 1, 3)),
        "c": np.zeros((STEPS + 1, 3)),
        "W": stream(seed, "W").normal(0.0, 3**-0.5, (3, 3)),
        "mu": np.zeros(3),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def antisymmetric(K: Tensor) -> Tensor:
    """½ (K − Kᵀ − γ I), of one matrix or of a stack of them."""
    return (K - K.mT - GAMMA * torch.eye(3, dtype=K.dtype, device=K.device)) / 2


def dy_dt(z: Tensor, K1: Tensor, b: Tensor) -> Tensor:
    """y' = K₁ᵀ tanh(K₁ z + b)."""
    return K1.T @ torch.tanh(K1 @ z + b)


def dz_dt(y: Tensor, K2: Tensor, c: Tensor) -> Tensor:
    """z' = −K₂ᵀ tanh(K₂ y + c)."""
    return -K2.T @ torch.tanh(K2 @ y + c)


def step(
    y: Tensor,
    z: Tensor,
    K2_start: Tensor,
    c_start: Tensor,
    K1_mid: Tensor,
    b_mid: Tensor,
) -> State:
    """Störmer–Verlet: z_{j+½} = z_{j−½} + h g_j(y_j), y_{j+1} = y_j + h
    f_j(z_{j+½}).
    """
    z = z + H * dz_dt(y, K2_start, c_start)
    y = y + H * dy_dt(z, K1_mid, b_mid)
    return y, z


def likelihoods(targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Integer classes as one-hot rows; likelihoods of the classes as they are."""
    if targets.ndim == 1:
        return F.one_hot(targets, OUTPUTS).to(dtype)
    return targets


class Network(nn.Module):
    """verlet-linear: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        self.K1 = nn.Parameter(torch.tensor(weights["K1"]))  # (N+1, n, m)
        self.K2 = nn.Parameter(torch.tensor(weights["K2"]))  # (N+1, n, n)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (N+1, n)
        self.c = nn.Parameter(torch.tensor(weights["c"]))  # (N+1, n)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def operands(self) -> tuple[Tensor, ...]:
        """The weights of all steps: K1 ↦ ½ (K₁ − K₁ᵀ − γ I); K2 ↦ ½ (K₂ − K₂ᵀ − γ
        I); vectors as columns.
        """
        K2_start = antisymmetric(self.K2[:-1])
        c_start = self.c[:-1][..., None]
        K1_mid = antisymmetric((self.K1[:-1] + self.K1[1:]) / 2)
        b_mid = ((self.b[:-1] + self.b[1:]) / 2)[..., None]
        return K2_start, c_start, K1_mid, b_mid

    def layers(self) -> Iterator[tuple[Tensor, ...]]:
        """The weights of one step after the other."""
        return zip(*(w.unbind() for w in self.operands()), strict=True)

    def initial_state(self, x: Tensor) -> State:
        """y(0) = x, z(0) = 0; one column per example."""
        y = x.T.contiguous()
        z = x.new_zeros(3, x.shape[0])
        return y, z

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        state = self.initial_state(x)
        for layer in self.layers():
            state = step(*state, *layer)
        return state[0]

    def trajectory(self, x: Tensor) -> Tensor:
        """(y, z) at t_0, ..., t_N: (N + 1, s, 6)."""
        state = self.initial_state(x)
        path = [torch.cat(state)]
        for layer in self.layers():
            state = step(*state, *layer)
            path.append(torch.cat(state))
        return torch.stack(path).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 6) in and out, with weights interpolated at t."""
        j = min(max(int(t / H + 1e-9), 0), STEPS - 1)
        theta = t / H - j
        K1 = antisymmetric((1 - theta) * self.K1[j] + theta * self.K1[j + 1])
        K2 = antisymmetric((1 - theta) * self.K2[j] + theta * self.K2[j + 1])
        b = ((1 - theta) * self.b[j] + theta * self.b[j + 1])[..., None]
        c = ((1 - theta) * self.c[j] + theta * self.c[j + 1])[..., None]
        columns = y.T
        y = columns[:3]
        z = columns[3:]
        y_rate = dy_dt(z, K1, b)
        z_rate = dz_dt(y, K2, c)
        return torch.cat([y_rate, z_rate]).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits W^T y(T) + mu, one row per example: (s, 3)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R = alpha/2 sum |w|^2 + alpha/(2h) sum_j |w_{j+1} - w_j|^2."""
        of = (self.K1, self.W)
        terms = torch.stack([(w**2).sum() for w in of])
        weight_decay = ALPHA_1 / 2 * terms.sum()
        of = (self.K1, self.K2, self.b, self.c)
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
    beside = Path(__file__).with_name("verlet_linear.safetensors")
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
