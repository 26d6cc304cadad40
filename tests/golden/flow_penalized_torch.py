"""flow-penalized: y' = W₂ tanh(W₁ [y; t] + b₁) + b₂,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ³
Integrator     Dormand–Prince 5(4), order 5
               T = 1, one solve; rtol 1e-05, atol 1e-07, at most 4,096 steps
Weights        one weight shared by all steps; 43 numbers
Readout        Wᵀ y + μ; 2 classes, softmax, cross-entropy
Regularizer    kinetic-energy, α = 0.1: ∫ ‖f(t, y)‖² dt
               jacobian-frobenius, α = 0.2: ∫ ‖∂f/∂y‖²_F dt, the mean of ‖εᵀ ∂f/∂y‖²
               over 1 normal vector for a row and a solve
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec flow-penalized, 4878da73.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn
from torchdiffeq import odeint

PenalizedState = tuple[Tensor, Tensor, Tensor]
Layer = tuple[Tensor, ...]

FEATURES = 3  # d
STATES = 3  # n
CLASSES = 2
MAX_STEPS = 4096  # of a solve, which fails with more
HORIZON, STEPS = 1, 1  # T, N
H = HORIZON / STEPS  # h = T/N
RTOL = 1e-05  # of a step: relative
ATOL = 1e-07  # and absolute
ALPHA_1 = 0.1  # α of kinetic-energy
ALPHA_2 = 0.2  # α of jacobian-frobenius


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 2) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": rng(seed, "W1").normal(0.0, (STATES + 1) ** -0.5, (4, STATES + 1)),
        "b1": np.zeros(4),
        "W2": rng(seed, "W2").normal(0.0, 4**-0.5, (STATES, 4)),
        "b2": np.zeros(STATES),
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
        "W1": (4, STATES + 1),
        "b1": (4,),
        "W2": (STATES, 4),
        "b2": (STATES,),
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


def largest_rms(error: Tensor) -> Tensor:
    """The RMS over the state, of the row where it is largest: no row is solved worse
    for others.
    """
    return error.detach().square().mean(dim=0).sqrt().max()


def integrate(
    field: Callable[..., Tensor], y: Tensor, times: Tensor, *weights: Tensor
) -> Tensor:
    """y at these times, y' = field(t, y, *weights), by Dormand–Prince 5(4) of
    torchdiffeq.
    """
    options = {
        "norm": largest_rms,
        "max_num_steps": MAX_STEPS,
        "step_t": times[[0, -1]],
    }
    ys = odeint(
        lambda t, y: field(t, y, *weights),
        y,
        times,
        rtol=RTOL,
        atol=ATOL,
        method="dopri5",
        options=options,
    )
    return cast(Tensor, ys)


def dy_dt(
    t: Tensor, y: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor
) -> Tensor:
    """y' = W₂ tanh(W₁ [y; t] + b₁) + b₂."""
    return W2 @ torch.tanh(W1 @ torch.cat([y, t.expand(1, y.shape[1])]) + b1) + b2


def penalized_slopes(
    t: Tensor,
    state: Tensor,
    W1: Tensor,
    b1: Tensor,
    W2: Tensor,
    b2: Tensor,
    probes: Tensor,
) -> Tensor:
    """(y', kinetic', jacobian') of the stacked state; what they have in common is
    computed once.
    """
    y = state[:STATES]
    dy = W2 @ torch.tanh(W1 @ torch.cat([y, t.expand(1, y.shape[1])]) + b1) + b2
    u1 = 1 - torch.tanh(W1 @ torch.cat([y, t.expand(1, y.shape[1])]) + b1) ** 2
    u2 = (W1.T @ (u1 * (W2.T @ probes)))[..., :3, :] ** 2
    u3 = u2.sum(dim=1, keepdim=True).sum(dim=0)
    return torch.cat([dy, (dy**2).sum(dim=0, keepdim=True), u3])


class Network(nn.Module):
    """flow-penalized: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.W1 = nn.Parameter(torch.tensor(weights["W1"]))  # (4, n+1)
        self.b1 = nn.Parameter(torch.tensor(weights["b1"]))  # (4,)
        self.W2 = nn.Parameter(torch.tensor(weights["W2"]))  # (n, 4)
        self.b2 = nn.Parameter(torch.tensor(weights["b2"]))  # (n,)
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
        ys = integrate(
            dy_dt,
            y,
            torch.tensor([0.0, HORIZON], dtype=x.dtype, device=x.device),
            *layer,
        )
        return ys[-1]

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, …, t_N: (N + 1, s, 3)."""
        y = self.initial_state(x)
        layer = self.layer_weights()
        ys = integrate(
            dy_dt,
            y,
            H * torch.arange(STEPS + 1, dtype=x.dtype, device=x.device),
            *layer,
        )
        return ys.mT

    def solve(self, x: Tensor, times: Tensor) -> Tensor:
        """The states at these times, x belongs to the first: (times, s, 3).
        The times increase or decrease; they only read the solution.
        """
        check_rows(x, FEATURES, "x")
        y = self.initial_state(x)
        layer = self.layer_weights()
        ys = integrate(dy_dt, y, times, *layer)
        return ys.mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 3) in and out."""
        check_rows(y, STATES, "y")
        layer = self.layer_weights()
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        y = y.T
        return dy_dt(time, y, *layer).T

    def penalized_state(self, x: Tensor, probes: Tensor) -> PenalizedState:
        """The states at T, and the integrals kinetic, jacobian; one column per
        example.
        """
        y = self.initial_state(x)
        kinetic = y.new_zeros(1, y.shape[1])
        jacobian = y.new_zeros(1, y.shape[1])
        layer = self.layer_weights()
        columns = probes.mT
        state = torch.cat([y, kinetic, jacobian])
        states = integrate(
            penalized_slopes,
            state,
            torch.tensor([0.0, HORIZON], dtype=x.dtype, device=x.device),
            *layer,
            columns,
        )
        state = states[-1]
        return state[:STATES], state[3:4], state[4:5]

    def path_penalty(self, x: Tensor, probes: Tensor) -> Tensor:
        """What the path of each row adds to the loss: (s,); probes are (1, s, 3).
        Along the path: 0.1 ∫ ‖f(t, y)‖² dt; 0.2 ∫ ‖∂f/∂y‖²_F dt, the mean of ‖εᵀ
            ∂f/∂y‖² over 1 normal vector for a row and a solve.
        """
        check_rows(x, FEATURES, "x")
        _, kinetic, jacobian = self.penalized_state(x, probes)
        return (ALPHA_1 * kinetic + ALPHA_2 * jacobian)[0]

    def forward(self, x: Tensor) -> Tensor:
        """Logits Wᵀ y(T) + μ, one row per example: (s, 2)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def loss(self, x: Tensor, targets: Tensor, probes: Tensor) -> Tensor:
        """Mean over the examples of −Σ (C ⊙ log softmax(u)), u the logits; targets C
            are classes (s,) or their probabilities (s, classes).
        Along the path: 0.1 ∫ ‖f(t, y)‖² dt; 0.2 ∫ ‖∂f/∂y‖²_F dt, the mean of ‖εᵀ
            ∂f/∂y‖² over 1 normal vector for a row and a solve.
        """
        check_targets(x, targets)
        y, kinetic, jacobian = self.penalized_state(x, probes)
        along_path = (ALPHA_1 * kinetic + ALPHA_2 * jacobian)[0]
        logits = self.W.T @ y + self.mu[:, None]
        C = class_probabilities(targets, x.dtype).T
        losses = -(C * torch.log_softmax(logits, dim=0)).sum(dim=0)
        return losses.mean() + along_path.mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("flow_penalized.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    targets = np.arange(8) % CLASSES
    probes = random.normal(size=(1, 8, 3)).astype("float64")
    value = network.loss(torch.tensor(x), torch.tensor(targets), torch.tensor(probes))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
