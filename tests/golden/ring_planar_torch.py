"""ring-planar: y' = −(u + ((softplus(Σ (w ⊙ u)) − 1 − Σ (w ⊙ u)) / (Σ (w²))) w) tanh(Σ
    (w ⊙ y) + b),  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ²
Integrator     forward Euler, order 1
               N = 8 steps of h = T/N = 8/8 = 1
Weights        one weight for each step; 40 numbers
Log-density    log N(y(T); 0, I) + Σ log|det| of the steps; the derivative has rank one:
               1 − h tr ∂f/∂y; matched to exp(−U) by KL(q ‖ p)
Stability      nothing is known of the spectrum by construction
Reference      D. J. Rezende & S. Mohamed (2015). Variational Inference with Normalizing
               Flows. ICML. arXiv:1505.05770

Written by wellposed 0.1.0 (PyTorch) from the spec ring-planar, 2b991175.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn

FlowState = tuple[Tensor, Tensor]
Layer = tuple[Tensor, ...]

FEATURES = 2  # d
STATES = 2  # n
HORIZON, STEPS = 8, 8  # T, N
H = HORIZON / STEPS  # h = T/N
NORMALIZER = 1.8378770664093453  # n/2 log 2π, of the standard normal


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "u": np.repeat(rng(seed, "u").normal(0.0, 0.7, (1, STATES)), STEPS, axis=0),
        "w": np.repeat(rng(seed, "w").normal(0.0, 0.7, (1, STATES)), STEPS, axis=0),
        "b": np.zeros(STEPS),
    }
    return {name: value.astype("float32") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "u": (STEPS, STATES),
        "w": (STEPS, STATES),
        "b": (STEPS,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float) -> int:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    return min(max(int(t / H + 1e-9), 0), STEPS - 1)


def dy_dt(y: Tensor, u: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """y' = −(u + ((softplus(Σ (w ⊙ u)) − 1 − Σ (w ⊙ u)) / (Σ (w²))) w) tanh(Σ (w ⊙
    y) + b).
    """
    u1 = (w * u).sum()
    u2 = u + (F.softplus(u1, threshold=40) - 1 - u1) / (w**2).sum() * w
    return -(u2 * torch.tanh((w * y).sum(dim=0, keepdim=True) + b))


def dlogp_dt(y: Tensor, u: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """(log p)' = −tr ∂f/∂y, log|det| of a step over h, the derivative has rank one:
    1 − h tr ∂f/∂y.
    """
    u1 = (w * u).sum()
    u2 = w * (u + (F.softplus(u1, threshold=40) - 1 - u1) / (w**2).sum() * w)
    u3 = (1 - torch.tanh((w * y).sum(dim=0, keepdim=True) + b) ** 2) * u2.sum()
    return -(torch.log(torch.abs(1 + H * u3)) / -H)


def step(y: Tensor, u: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(y, u, w, b)


def reverse_step(y: Tensor, u: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Forward Euler from t + h to t: the step by −h."""
    return y - H * dy_dt(y, u, w, b)


def density_reverse_step(
    y: Tensor, logp: Tensor, u: Tensor, w: Tensor, b: Tensor
) -> FlowState:
    """Forward Euler from t + h to t: the step by −h."""
    return y - H * dy_dt(y, u, w, b), logp - H * dlogp_dt(y, u, w, b)


def energy(y: Tensor) -> Tensor:
    """U of every column: the target is e⁻ᵁ but for a factor."""
    u1 = ((y[0:1] - 2) / 0.6) ** 2 / 2
    u2 = ((torch.sqrt((y**2).sum(dim=0, keepdim=True)) - 2) / 0.4) ** 2 / 2 + u1
    return u2 - F.softplus(u1 - ((y[0:1] + 2) / 0.6) ** 2 / 2, threshold=40)


class Network(nn.Module):
    """ring-planar: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.u = nn.Parameter(torch.tensor(weights["u"]))  # (N, n)
        self.w = nn.Parameter(torch.tensor(weights["w"]))  # (N, n)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (N,)

    def layer_weights(self) -> Layer:
        """The weights of all steps; vectors as columns."""
        return self.u[..., None], self.w[..., None], self.b

    def weights_at(self, t: float) -> Layer:
        """The weights of step j, t_j ≤ t < t_{j+1}."""
        j = step_of(t)
        return self.u[j][:, None], self.w[j][:, None], self.b[j]

    def initial_state(self, x: Tensor) -> Tensor:
        """y(0) = x; one column per example."""
        check_rows(x, FEATURES, "x")
        return x.T.contiguous()

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y = self.initial_state(x)
        layers = self.layer_weights()
        for layer in zip(*layers, strict=True):
            y = step(y, *layer)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, …, t_N: (N + 1, s, 2)."""
        y = self.initial_state(x)
        layers = self.layer_weights()
        ys = [y]
        for layer in zip(*layers, strict=True):
            y = step(y, *layer)
            ys.append(y)
        return torch.stack(ys).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 2) in and out, with weight j for t_j ≤ t < t_{j+1}."""
        check_rows(y, STATES, "y")
        layer = self.weights_at(t)
        y = y.T
        return dy_dt(y, *layer).T

    def divergence(self, t: float, y: Tensor) -> Tensor:
        """tr ∂f/∂y of rows (s, 2): (s,)."""
        check_rows(y, STATES, "y")
        layer = self.weights_at(t)
        y = y.T
        rate = dlogp_dt(y, *layer)
        return -rate[0]

    def sample(self, z: Tensor) -> Tensor:
        """Rows z of the base, which is y(T), as rows of the data: (s, 2)."""
        check_rows(z, FEATURES, "z")
        y = self.initial_state(z)
        layers = self.layer_weights()
        for layer in reversed(list(zip(*layers, strict=True))):
            y = reverse_step(y, *layer)
        return y.T

    def density_state_of_base(self, x: Tensor) -> FlowState:
        """y(0) for y(T) = x, and log q(y(0)) − log N(y(T)); one column per example."""
        layers = self.layer_weights()
        y = self.initial_state(x)
        logp = y.new_zeros(1, y.shape[1])
        for layer in reversed(list(zip(*layers, strict=True))):
            y, logp = density_reverse_step(y, logp, *layer)
        return y, logp

    def free_energy(self, x: Tensor) -> Tensor:
        """log q(y(0)) + U(y(0)) of each row y(T) = x: (s,)."""
        check_rows(x, FEATURES, "x")
        y, logp = self.density_state_of_base(x)
        z = x.T
        log_q = -(z**2).sum(dim=0, keepdim=True) / 2 - NORMALIZER + logp
        U = energy(y)
        return (log_q + U)[0]

    def forward(self, x: Tensor) -> Tensor:
        """y(T), one row per example."""
        return self.final_state(x).T

    def loss(self, x: Tensor) -> Tensor:
        """Mean over the examples of log q(y(0)) + U(y(0)), y(T) = x."""
        return self.free_energy(x).mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("ring_planar.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float32")
    value = network.loss(torch.tensor(x))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
