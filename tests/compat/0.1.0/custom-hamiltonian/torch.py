"""custom-hamiltonian: y' = Kᵀ tanh(K z + b); z' = −Aᵀ tanh(A y + c),  0 <= t <= T.

Vector field   custom, y in R^3, z in R^3, from H = Σ log(cosh(K z + b)) + Σ log(cosh(A
               y + c))
Integrator     Störmer–Verlet, N = 32 steps of h = T/N = 10/32 = 0.3125
Weights        linear in time between N + 1 nodes; 800 numbers
Readout        Wᵀ y + μ; 2 classes, logistic, cross-entropy
Regularizer    smoothness of K, b, A, c, α = 0.0001
               weight-decay of W, mu, α = 0.0001
Stability      Re λ(∂f/∂y) = 0 for all weights and states: ∂f/∂(y, z) = [[0, A], [−B,
               0]] with A, B symmetric and semidefinite
Reference      Greydanus, Dzamba & Yosinski, Hamiltonian neural networks, NeurIPS 2019,
               arXiv:1906.01563

Written by wellposed 0.1.0 (PyTorch) from the spec custom-hamiltonian, c88f2492.
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
HORIZON, STEPS = 10, 32  # T, N
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
            rng(seed, "K").normal(0.0, 3**-0.5, (3, 3))[None], STEPS + 1, axis=0
        ),
        "b": np.zeros((STEPS + 1, 3)),
        "A": np.repeat(
            rng(seed, "A").normal(0.0, 3**-0.5, (3, 3))[None], STEPS + 1, axis=0
        ),
        "c": np.zeros((STEPS + 1, 3)),
        "W": rng(seed, "W").normal(0.0, 2**-0.5, (3, 2)),
        "mu": np.zeros(2),
    }
    return {name: value.astype("float32") for name, value in weights.items()}


def dy_dt(z: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """y' = Kᵀ tanh(K z + b)."""
    return K.T @ torch.tanh(K @ z + b)


def dz_dt(y: Tensor, A: Tensor, c: Tensor) -> Tensor:
    """z' = −Aᵀ tanh(A y + c)."""
    return -(A.T @ torch.tanh(A @ y + c))


def step(
    y: Tensor, z: Tensor, A_start: Tensor, c_start: Tensor, K_mid: Tensor, b_mid: Tensor
) -> State:
    """Störmer–Verlet: z_{j+½} = z_{j−½} + h g_j(y_j), y_{j+1} = y_j + h
    f_j(z_{j+½}).
    """
    z = z + H * dz_dt(y, A_start, c_start)
    y = y + H * dy_dt(z, K_mid, b_mid)
    return y, z


def likelihoods(targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Integer classes as one-hot rows; likelihoods of the classes as they are."""
    if targets.ndim == 1:
        return F.one_hot(targets, OUTPUTS).to(dtype)
    return targets


class Network(nn.Module):
    """custom-hamiltonian: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        self.K = nn.Parameter(torch.tensor(weights["K"]))  # (N+1, m, m)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (N+1, m)
        self.A = nn.Parameter(torch.tensor(weights["A"]))  # (N+1, n, n)
        self.c = nn.Parameter(torch.tensor(weights["c"]))  # (N+1, n)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def operands(self) -> tuple[Tensor, ...]:
        """The weights of all steps: vectors as columns."""
        A_start = self.A[:-1]
        c_start = self.c[:-1][..., None]
        K_mid = (self.K[:-1] + self.K[1:]) / 2
        b_mid = ((self.b[:-1] + self.b[1:]) / 2)[..., None]
        return A_start, c_start, K_mid, b_mid

    def layers(self) -> Iterator[tuple[Tensor, ...]]:
        """The weights of one step after the other."""
        return zip(*(w.unbind() for w in self.operands()), strict=True)

    def initial_state(self, x: Tensor) -> State:
        """y(0) = (x, 0), z(0) = 0; one column per example."""
        y = F.pad(x.T, (0, 0, 0, 1))
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
        K = (1 - theta) * self.K[j] + theta * self.K[j + 1]
        b = ((1 - theta) * self.b[j] + theta * self.b[j + 1])[..., None]
        A = (1 - theta) * self.A[j] + theta * self.A[j + 1]
        c = ((1 - theta) * self.c[j] + theta * self.c[j + 1])[..., None]
        columns = y.T
        y = columns[:3]
        z = columns[3:]
        y_rate = dy_dt(z, K, b)
        z_rate = dz_dt(y, A, c)
        return torch.cat([y_rate, z_rate]).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits W^T y(T) + mu, one row per example: (s, 2)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R = alpha/(2h) sum_j |w_{j+1} - w_j|^2 + alpha/2 sum |w|^2."""
        of = (self.K, self.b, self.A, self.c)
        terms = torch.stack([((w[1:] - w[:-1]) ** 2).sum() for w in of])
        smoothness = ALPHA_1 / (2 * H) * terms.sum()
        of = (self.W, self.mu)
        terms = torch.stack([(w**2).sum() for w in of])
        weight_decay = ALPHA_2 / 2 * terms.sum()
        return smoothness + weight_decay

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """Mean over the examples of Σ (softplus(x) − C ⊙ x) + R; targets are classes
        (s,) or likelihoods (s, classes).
        """
        logits = self(x).T
        C = likelihoods(targets, logits.dtype).T
        losses = (F.softplus(logits, threshold=40) - C * logits).sum(dim=0)
        return losses.mean() + self.regularizer()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    beside = Path(__file__).with_name("custom_hamiltonian.safetensors")
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
