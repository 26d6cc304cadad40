"""density-hutchinson: y' = W₂ tanh(W₁ [y; t] + b₁) + b₂,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ²
Integrator     forward Euler, order 1
               N = 4 steps of h = T/N = 1/4 = 0.25
Weights        one weight for each step; 128 numbers
Log-density    log N(y(T); 0, I) + ∫ tr ∂f/∂y dt; the trace the mean of εᵀ (∂f/∂y) ε
               over 3 normal vectors for a row and a solve
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec density-hutchinson, da5f1184.
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
HORIZON, STEPS = 1, 4  # T, N
H = HORIZON / STEPS  # h = T/N
NORMALIZER = 1.8378770664093453  # n/2 log 2π, of the standard normal


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 2) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": np.repeat(
            rng(seed, "W1").normal(0.0, (STATES + 1) ** -0.5, (1, 5, STATES + 1)),
            STEPS,
            axis=0,
        ),
        "b1": np.zeros((STEPS, 5)),
        "W2": np.repeat(
            rng(seed, "W2").normal(0.0, 5**-0.5, (1, STATES, 5)), STEPS, axis=0
        ),
        "b2": np.zeros((STEPS, STATES)),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "W1": (STEPS, 5, STATES + 1),
        "b1": (STEPS, 5),
        "W2": (STEPS, STATES, 5),
        "b2": (STEPS, STATES),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float) -> int:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    return min(max(int(t / H + 1e-9), 0), STEPS - 1)


def dy_dt(
    t: Tensor, y: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor
) -> Tensor:
    """y' = W₂ tanh(W₁ [y; t] + b₁) + b₂."""
    return W2 @ torch.tanh(W1 @ torch.cat([y, t.expand(1, y.shape[1])]) + b1) + b2


def dlogp_dt(
    t: Tensor, y: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, probes: Tensor
) -> Tensor:
    """(log p)' = −tr ∂f/∂y, the mean of εᵀ (∂f/∂y) ε over 3 normal vectors for a row
    and a solve.
    """
    u1 = 1 - torch.tanh(W1 @ torch.cat([y, t.expand(1, y.shape[1])]) + b1) ** 2
    u2 = probes * (W2 @ (u1 * (W1 @ F.pad(probes, (0, 0, 0, 1)))))
    return -(u2.sum(dim=1, keepdim=True).sum(dim=0) / 3)


def step(
    y: Tensor, t: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor
) -> Tensor:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(t, y, W1, b1, W2, b2)


def density_step(
    y: Tensor, logp: Tensor, t: Tensor, layer: Layer, probes: Tensor
) -> FlowState:
    """Forward Euler: y + h f(t, y)."""
    W1, b1, W2, b2 = layer
    return (
        y + H * dy_dt(t, y, W1, b1, W2, b2),
        logp + H * dlogp_dt(t, y, W1, b1, W2, probes),
    )


def reverse_step(
    y: Tensor, t: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor
) -> Tensor:
    """Forward Euler from t + h to t: the step by −h."""
    return y - H * dy_dt(t + H, y, W1, b1, W2, b2)


class Network(nn.Module):
    """density-hutchinson: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.W1 = nn.Parameter(torch.tensor(weights["W1"]))  # (N, 5, n+1)
        self.b1 = nn.Parameter(torch.tensor(weights["b1"]))  # (N, 5)
        self.W2 = nn.Parameter(torch.tensor(weights["W2"]))  # (N, n, 5)
        self.b2 = nn.Parameter(torch.tensor(weights["b2"]))  # (N, n)

    def layer_weights(self) -> Layer:
        """The weights of all steps; vectors as columns."""
        return self.W1, self.b1[..., None], self.W2, self.b2[..., None]

    def weights_at(self, t: float) -> Layer:
        """The weights of step j, t_j ≤ t < t_{j+1}."""
        j = step_of(t)
        return self.W1[j], self.b1[j][:, None], self.W2[j], self.b2[j][:, None]

    def initial_state(self, x: Tensor) -> Tensor:
        """y(0) = x; one column per example."""
        check_rows(x, FEATURES, "x")
        return x.T.contiguous()

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y = self.initial_state(x)
        layers = self.layer_weights()
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *layers,
            strict=True,
        ):
            y = step(y, *layer)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, …, t_N: (N + 1, s, 2)."""
        y = self.initial_state(x)
        layers = self.layer_weights()
        ys = [y]
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *layers,
            strict=True,
        ):
            y = step(y, *layer)
            ys.append(y)
        return torch.stack(ys).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 2) in and out, with weight j for t_j ≤ t < t_{j+1}."""
        check_rows(y, STATES, "y")
        layer = self.weights_at(t)
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        y = y.T
        return dy_dt(time, y, *layer).T

    def divergence(self, t: float, y: Tensor, probes: Tensor) -> Tensor:
        """tr ∂f/∂y of rows (s, 2): (s,); probes are (3, s, 2)."""
        check_rows(y, STATES, "y")
        W1, b1, W2, _ = self.weights_at(t)
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        y = y.T
        rate = dlogp_dt(time, y, W1, b1, W2, probes.mT)
        return -rate[0]

    def density_state(self, x: Tensor, probes: Tensor) -> FlowState:
        """y(T), and log p(y(T)) − log p(y(0)); one column per example."""
        y = self.initial_state(x)
        logp = y.new_zeros(1, y.shape[1])
        layers = self.layer_weights()
        columns = probes.mT
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            zip(*layers, strict=True),
            strict=True,
        ):
            y, logp = density_step(y, logp, *layer, probes=columns)
        return y, logp

    def log_density(self, x: Tensor, probes: Tensor) -> Tensor:
        """log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,); probes are
        (3, s, 2).
        """
        check_rows(x, FEATURES, "x")
        y, logp = self.density_state(x, probes)
        log_p = -(y**2).sum(dim=0, keepdim=True) / 2 - NORMALIZER - logp
        return log_p[0]

    def sample(self, z: Tensor) -> Tensor:
        """Rows z of the base, which is y(T), as rows of the data: (s, 2)."""
        check_rows(z, FEATURES, "z")
        y = self.initial_state(z)
        layers = self.layer_weights()
        for layer in reversed(
            list(
                zip(
                    H * torch.arange(STEPS, dtype=z.dtype, device=z.device),
                    *layers,
                    strict=True,
                )
            )
        ):
            y = reverse_step(y, *layer)
        return y.T

    def forward(self, x: Tensor) -> Tensor:
        """y(T), one row per example."""
        return self.final_state(x).T

    def loss(self, x: Tensor, probes: Tensor) -> Tensor:
        """Mean over the examples of −log p(x)."""
        return -self.log_density(x, probes).mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("density_hutchinson.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    probes = random.normal(size=(3, *x.shape)).astype("float64")
    value = network.loss(torch.tensor(x), torch.tensor(probes))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
