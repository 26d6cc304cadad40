"""penalized: y' = W₃ tanh(W₂ tanh(W₁ [y; t] + b₁) + b₂) + b₃,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ³
Integrator     classical Runge–Kutta 4, order 4
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight for each step; 204 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    kinetic-energy, α = 0.1: ∫ ‖f(t, y)‖² dt
               jacobian-frobenius, α = 0.2: ∫ ‖∂f/∂y‖²_F dt, by products with all unit
               vectors
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec penalized, 2b168cf6.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn

PenalizedState = tuple[Tensor, Tensor, Tensor]
Layer = tuple[Tensor, ...]

FEATURES = 3  # d
STATES = 3  # n
CLASSES = 3
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N
ALPHA_1 = 0.1  # α of kinetic-energy
ALPHA_2 = 0.2  # α of jacobian-frobenius


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": np.repeat(
            rng(seed, "W1").normal(0.0, (STATES + 1) ** -0.5, (1, 5, STATES + 1)),
            STEPS,
            axis=0,
        ),
        "b1": np.zeros((STEPS, 5)),
        "W2": np.repeat(rng(seed, "W2").normal(0.0, 5**-0.5, (1, 4, 5)), STEPS, axis=0),
        "b2": np.zeros((STEPS, 4)),
        "W3": np.repeat(
            rng(seed, "W3").normal(0.0, 4**-0.5, (1, STATES, 4)), STEPS, axis=0
        ),
        "b3": np.zeros((STEPS, STATES)),
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
        "W1": (STEPS, 5, STATES + 1),
        "b1": (STEPS, 5),
        "W2": (STEPS, 4, 5),
        "b2": (STEPS, 4),
        "W3": (STEPS, STATES, 4),
        "b3": (STEPS, STATES),
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


def dkinetic_dt(dy: Tensor) -> Tensor:
    """kinetic' = ‖f(t, y)‖²."""
    return (dy**2).sum(dim=0, keepdim=True)


def djacobian_dt(
    t: Tensor, y: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor, W3: Tensor
) -> Tensor:
    """jacobian' = ‖∂f/∂y‖²_F, by products with all unit vectors."""
    u1 = torch.tanh(W1 @ torch.cat([y, t.expand(1, y.shape[1])]) + b1)
    u2 = torch.eye(STATES, dtype=y.dtype, device=y.device)[..., None]
    u3 = W2 @ ((1 - u1**2) * (W1 @ F.pad(u2, (0, 0, 0, 1))))
    u4 = (W3 @ ((1 - torch.tanh(W2 @ u1 + b2) ** 2) * u3)) ** 2
    return u4.sum(dim=1, keepdim=True).sum(dim=0)


def step(
    y: Tensor,
    t: Tensor,
    W1: Tensor,
    b1: Tensor,
    W2: Tensor,
    b2: Tensor,
    W3: Tensor,
    b3: Tensor,
) -> Tensor:
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1 = dy_dt(t, y, W1, b1, W2, b2, W3, b3)
    k2 = dy_dt(t + H / 2, y + H / 2 * k1, W1, b1, W2, b2, W3, b3)
    k3 = dy_dt(t + H / 2, y + H / 2 * k2, W1, b1, W2, b2, W3, b3)
    k4 = dy_dt(t + H, y + H * k3, W1, b1, W2, b2, W3, b3)
    return y + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def penalized_step(
    y: Tensor,
    kinetic: Tensor,
    jacobian: Tensor,
    t: Tensor,
    W1: Tensor,
    b1: Tensor,
    W2: Tensor,
    b2: Tensor,
    W3: Tensor,
    b3: Tensor,
) -> PenalizedState:
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1_y = dy_dt(t, y, W1, b1, W2, b2, W3, b3)
    k1_kinetic = dkinetic_dt(k1_y)
    k1_jacobian = djacobian_dt(t, y, W1, b1, W2, b2, W3)
    y2 = y + H / 2 * k1_y
    k2_y = dy_dt(t + H / 2, y2, W1, b1, W2, b2, W3, b3)
    k2_kinetic = dkinetic_dt(k2_y)
    k2_jacobian = djacobian_dt(t + H / 2, y2, W1, b1, W2, b2, W3)
    y3 = y + H / 2 * k2_y
    k3_y = dy_dt(t + H / 2, y3, W1, b1, W2, b2, W3, b3)
    k3_kinetic = dkinetic_dt(k3_y)
    k3_jacobian = djacobian_dt(t + H / 2, y3, W1, b1, W2, b2, W3)
    y4 = y + H * k3_y
    k4_y = dy_dt(t + H, y4, W1, b1, W2, b2, W3, b3)
    k4_kinetic = dkinetic_dt(k4_y)
    k4_jacobian = djacobian_dt(t + H, y4, W1, b1, W2, b2, W3)
    u1 = H / 6 * (k1_jacobian + 2 * k2_jacobian + 2 * k3_jacobian + k4_jacobian)
    return (
        y + H / 6 * (k1_y + 2 * k2_y + 2 * k3_y + k4_y),
        kinetic + H / 6 * (k1_kinetic + 2 * k2_kinetic + 2 * k3_kinetic + k4_kinetic),
        jacobian + u1,
    )


class Network(nn.Module):
    """penalized: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.W1 = nn.Parameter(torch.tensor(weights["W1"]))  # (N, 5, n+1)
        self.b1 = nn.Parameter(torch.tensor(weights["b1"]))  # (N, 5)
        self.W2 = nn.Parameter(torch.tensor(weights["W2"]))  # (N, 4, 5)
        self.b2 = nn.Parameter(torch.tensor(weights["b2"]))  # (N, 4)
        self.W3 = nn.Parameter(torch.tensor(weights["W3"]))  # (N, n, 4)
        self.b3 = nn.Parameter(torch.tensor(weights["b3"]))  # (N, n)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def layer_weights(self) -> Layer:
        """The weights of all steps; vectors as columns."""
        return (
            self.W1,
            self.b1[..., None],
            self.W2,
            self.b2[..., None],
            self.W3,
            self.b3[..., None],
        )

    def weights_at(self, t: float) -> Layer:
        """The weights of step j, t_j ≤ t < t_{j+1}."""
        j = step_of(t)
        return (
            self.W1[j],
            self.b1[j][:, None],
            self.W2[j],
            self.b2[j][:, None],
            self.W3[j],
            self.b3[j][:, None],
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
        """y at t_0, …, t_N: (N + 1, s, 3)."""
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
        """f(t, y), rows (s, 3) in and out, with weight j for t_j ≤ t < t_{j+1}."""
        check_rows(y, STATES, "y")
        layer = self.weights_at(t)
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        y = y.T
        return dy_dt(time, y, *layer).T

    def penalized_state(self, x: Tensor) -> PenalizedState:
        """The states at T, and the integrals kinetic, jacobian; one column per
        example.
        """
        y = self.initial_state(x)
        kinetic = y.new_zeros(1, y.shape[1])
        jacobian = y.new_zeros(1, y.shape[1])
        layers = self.layer_weights()
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *layers,
            strict=True,
        ):
            y, kinetic, jacobian = penalized_step(y, kinetic, jacobian, *layer)
        return y, kinetic, jacobian

    def path_penalty(self, x: Tensor) -> Tensor:
        """What the path of each row adds to the loss: (s,).
        Along the path: 0.1 ∫ ‖f(t, y)‖² dt; 0.2 ∫ ‖∂f/∂y‖²_F dt, by products with all
            unit vectors.
        """
        check_rows(x, FEATURES, "x")
        _, kinetic, jacobian = self.penalized_state(x)
        return (ALPHA_1 * kinetic + ALPHA_2 * jacobian)[0]

    def forward(self, x: Tensor) -> Tensor:
        """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """Mean over the examples of −Σ (C ⊙ log softmax(u)), u the logits; targets C
            are classes (s,) or their probabilities (s, classes).
        Along the path: 0.1 ∫ ‖f(t, y)‖² dt; 0.2 ∫ ‖∂f/∂y‖²_F dt, by products with all
            unit vectors.
        """
        check_targets(x, targets)
        y, kinetic, jacobian = self.penalized_state(x)
        along_path = (ALPHA_1 * kinetic + ALPHA_2 * jacobian)[0]
        logits = self.W.T @ y + self.mu[:, None]
        C = class_probabilities(targets, x.dtype).T
        losses = -(C * torch.log_softmax(logits, dim=0)).sum(dim=0)
        return losses.mean() + along_path.mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("penalized.safetensors")
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
