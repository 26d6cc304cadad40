"""swiss-roll-verlet: y' = tanh(K z + b); z' = −tanh(Kᵀ y + c),  0 <= t <= T.

Vector field   hamiltonian, y in R^4, z in R^4
Integrator     Störmer–Verlet, N = 32 steps of h = T/N = 20/32 = 0.625
Weights        one weight for each step; 778 numbers
Readout        Wᵀ y + μ; 2 classes, softmax, cross-entropy
Regularizer    smoothness of K, b, c, α = 0.0001
               weight-decay of W, mu, α = 0.0001
Stability      Re λ(∂f/∂y) = 0 for all weights and states (0 ≤ σ' ≤ 1): ∂f/∂(y, z) = D
               [[0, K], [−Kᵀ, 0]] with D = diag σ' is similar to a skew matrix
Reference      Haber & Ruthotto, Stable architectures for deep neural networks, Inverse
               Problems 34 (2017) 014004, arXiv:1705.03341

Written by wellposed 0.1.0 (PyTorch) from the spec swiss-roll-verlet, c2c2d975.
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
OUTPUTS = 2  # classes or numbers per example
HORIZON, STEPS = 20, 32  # T, N
H = HORIZON / STEPS  # h
ALPHA_1 = 0.0001  # α
ALPHA_2 = 0.0001  # α


def rng(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            rng(seed, "K").normal(0.0, 4**-0.5, (4, 4))[None], STEPS, axis=0
        ),
        "b": np.zeros((STEPS, 4)),
        "c": np.zeros((STEPS, 4)),
        "W": rng(seed, "W").normal(0.0, 2**-0.5, (4, 2)),
        "mu": np.zeros(2),
    }
    return {name: value.astype("float32") for name, value in weights.items()}


def dy_dt(z: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """y' = tanh(K z + b)."""
    return torch.tanh(K @ z + b)


def dz_dt(y: Tensor, K: Tensor, c: Tensor) -> Tensor:
    """z' = −tanh(Kᵀ y + c)."""
    return -torch.tanh(K.T @ y + c)


def step(y: Tensor, z: Tensor, K: Tensor, b: Tensor, c: Tensor) -> State:
    """Störmer–Verlet: z_{j+½} = z_{j−½} + h g_j(y_j), y_{j+1} = y_j + h
    f_j(z_{j+½}).
    """
    z = z + H * dz_dt(y, K, c)
    y = y + H * dy_dt(z, K, b)
    return y, z


def likelihoods(targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Integer classes as one-hot rows; likelihoods of the classes as they are."""
    if targets.ndim == 1:
        return F.one_hot(targets, OUTPUTS).to(dtype)
    return targets


class Network(nn.Module):
    """swiss-roll-verlet: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        self.K = nn.Parameter(torch.tensor(weights["K"]))  # (N, n, m)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (N, n)
        self.c = nn.Parameter(torch.tensor(weights["c"]))  # (N, m)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def operands(self) -> tuple[Tensor, ...]:
        """The weights of all steps: vectors as columns."""
        K = self.K
        b = self.b[..., None]
        c = self.c[..., None]
        return K, b, c

    def layers(self) -> Iterator[tuple[Tensor, ...]]:
        """The weights of one step after the other."""
        return zip(*(w.unbind() for w in self.operands()), strict=True)

    def initial_state(self, x: Tensor) -> State:
        """y(0) = (x, 0), z(0) = 0; one column per example."""
        y = F.pad(x.T, (0, 0, 0, 2))
        z = x.new_zeros(4, x.shape[0])
        return y, z

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        state = self.initial_state(x)
        for layer in self.layers():
            state = step(*state, *layer)
        return state[0]

    def trajectory(self, x: Tensor) -> Tensor:
        """(y, z) at t_0, ..., t_N: (N + 1, s, 8)."""
        state = self.initial_state(x)
        path = [torch.cat(state)]
        for layer in self.layers():
            state = step(*state, *layer)
            path.append(torch.cat(state))
        return torch.stack(path).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 8) in and out, with weight j for t_j <= t < t_{j+1}."""
        j = min(max(int(t / H + 1e-9), 0), STEPS - 1)
        K = self.K[j]
        b = self.b[j][..., None]
        c = self.c[j][..., None]
        columns = y.T
        y = columns[:4]
        z = columns[4:]
        y_rate = dy_dt(z, K, b)
        z_rate = dz_dt(y, K, c)
        return torch.cat([y_rate, z_rate]).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits W^T y(T) + mu, one row per example: (s, 2)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R = alpha/(2h) sum_j |w_{j+1} - w_j|^2 + alpha/2 sum |w|^2."""
        of = (self.K, self.b, self.c)
        terms = torch.stack([((w[1:] - w[:-1]) ** 2).sum() for w in of])
        smoothness = ALPHA_1 / (2 * H) * terms.sum()
        of = (self.W, self.mu)
        terms = torch.stack([(w**2).sum() for w in of])
        weight_decay = ALPHA_2 / 2 * terms.sum()
        return smoothness + weight_decay

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
    beside = Path(__file__).with_name("swiss_roll_verlet.safetensors")
    arrays = load_file(beside) if beside.exists() else init()
    count = sum(value.size for value in arrays.values())
    print(f"{count:,} weights:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, FEATURES)).astype("float32")
    targets = np.arange(8) % OUTPUTS
    value = network.loss(torch.tensor(x), torch.tensor(targets))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
