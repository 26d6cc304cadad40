"""density-target: y' = W₂ tanh(W₁ [y; t] + b₁) + b₂,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ²
Integrator     forward Euler, order 1
               N = 4 steps of h = T/N = 1/4 = 0.25
Weights        linear in time between N + 1 nodes; 160 numbers
Log-density    log N(y(T); 0, I) + ∫ tr ∂f/∂y dt; the trace in closed form; matched to
               exp(−U) by KL(q ‖ p)
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec density-target, 18740cf7.
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
            STEPS + 1,
            axis=0,
        ),
        "b1": np.zeros((STEPS + 1, 5)),
        "W2": np.repeat(
            rng(seed, "W2").normal(0.0, 5**-0.5, (1, STATES, 5)), STEPS + 1, axis=0
        ),
        "b2": np.zeros((STEPS + 1, STATES)),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "W1": (STEPS + 1, 5, STATES + 1),
        "b1": (STEPS + 1, 5),
        "W2": (STEPS + 1, STATES, 5),
        "b2": (STEPS + 1, STATES),
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


def dlogp_dt(t: Tensor, y: Tensor, W1: Tensor, b1: Tensor, W2: Tensor) -> Tensor:
    """(log p)' = −tr ∂f/∂y, in closed form."""
    u1 = 1 - torch.tanh(W1 @ torch.cat([y, t.expand(1, y.shape[1])]) + b1) ** 2
    return -(u1 * (W1[:, :2] * W2.T).sum(dim=-1, keepdim=True)).sum(dim=0, keepdim=True)


def step(
    y: Tensor, t: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor
) -> Tensor:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(t, y, W1, b1, W2, b2)


def density_step(
    y: Tensor, logp: Tensor, t: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor
) -> FlowState:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(t, y, W1, b1, W2, b2), logp + H * dlogp_dt(t, y, W1, b1, W2)


def reverse_step(
    y: Tensor, t: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor
) -> Tensor:
    """Forward Euler from t + h to t: the step by −h."""
    return y - H * dy_dt(t + H, y, W1, b1, W2, b2)


def density_reverse_step(
    y: Tensor, logp: Tensor, t: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor
) -> FlowState:
    """Forward Euler from t + h to t: the step by −h."""
    return (
        y - H * dy_dt(t + H, y, W1, b1, W2, b2),
        logp - H * dlogp_dt(t + H, y, W1, b1, W2),
    )


def energy(y: Tensor) -> Tensor:
    """U of every column: the target is e⁻ᵁ but for a factor."""
    u1 = ((y[0:1] - 2) / 0.6) ** 2 / 2
    u2 = ((torch.sqrt((y**2).sum(dim=0, keepdim=True)) - 2) / 0.4) ** 2 / 2 + u1
    return u2 - F.softplus(u1 - ((y[0:1] + 2) / 0.6) ** 2 / 2, threshold=40)


class Network(nn.Module):
    """density-target: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.W1 = nn.Parameter(torch.tensor(weights["W1"]))  # (N+1, 5, n+1)
        self.b1 = nn.Parameter(torch.tensor(weights["b1"]))  # (N+1, 5)
        self.W2 = nn.Parameter(torch.tensor(weights["W2"]))  # (N+1, n, 5)
        self.b2 = nn.Parameter(torch.tensor(weights["b2"]))  # (N+1, n)

    def layer_weights(self) -> Layer:
        """The weights of all steps; vectors as columns."""
        return (
            self.W1[:-1],
            self.b1[:-1][..., None],
            self.W2[:-1],
            self.b2[:-1][..., None],
        )

    def weights_at(self, t: float) -> Layer:
        """Weights interpolated at t."""
        j = step_of(t)
        theta = t / H - j
        return (
            (1 - theta) * self.W1[j] + theta * self.W1[j + 1],
            ((1 - theta) * self.b1[j] + theta * self.b1[j + 1])[:, None],
            (1 - theta) * self.W2[j] + theta * self.W2[j + 1],
            ((1 - theta) * self.b2[j] + theta * self.b2[j + 1])[:, None],
        )

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
        """f(t, y), rows (s, 2) in and out, with weights interpolated at t."""
        check_rows(y, STATES, "y")
        layer = self.weights_at(t)
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        y = y.T
        return dy_dt(time, y, *layer).T

    def divergence(self, t: float, y: Tensor) -> Tensor:
        """tr ∂f/∂y of rows (s, 2): (s,)."""
        check_rows(y, STATES, "y")
        W1, b1, W2, _ = self.weights_at(t)
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        y = y.T
        rate = dlogp_dt(time, y, W1, b1, W2)
        return -rate[0]

    def density_state(self, x: Tensor) -> FlowState:
        """y(T), and log p(y(T)) − log p(y(0)); one column per example."""
        y = self.initial_state(x)
        logp = y.new_zeros(1, y.shape[1])
        layers = self.layer_weights()
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *layers,
            strict=True,
        ):
            y, logp = density_step(y, logp, *layer)
        return y, logp

    def log_density(self, x: Tensor) -> Tensor:
        """log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,)."""
        check_rows(x, FEATURES, "x")
        y, logp = self.density_state(x)
        log_p = -(y**2).sum(dim=0, keepdim=True) / 2 - NORMALIZER - logp
        return log_p[0]

    def reverse_layer_weights(self) -> Layer:
        """The weights of all steps; vectors as columns."""
        return self.W1[1:], self.b1[1:][..., None], self.W2[1:], self.b2[1:][..., None]

    def sample(self, z: Tensor) -> Tensor:
        """Rows z of the base, which is y(T), as rows of the data: (s, 2)."""
        check_rows(z, FEATURES, "z")
        y = self.initial_state(z)
        layers = self.reverse_layer_weights()
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

    def density_state_of_base(self, x: Tensor) -> FlowState:
        """y(0) for y(T) = x, and log q(y(0)) − log N(y(T)); one column per example."""
        layers = self.reverse_layer_weights()
        y = self.initial_state(x)
        logp = y.new_zeros(1, y.shape[1])
        for layer in reversed(
            list(
                zip(
                    H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
                    *layers,
                    strict=True,
                )
            )
        ):
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
    file = Path(__file__).with_name("density_target.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    value = network.loss(torch.tensor(x))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
