"""penalized-blocks: y' = tanh(K z + b); z' = −tanh(Kᵀ y + c),  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ³, z ∈ ℝ²
Integrator     forward Euler, order 1
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        K, b linear in time between N + 1 nodes; c one weight shared by all
               steps; 50 numbers
Readout        Wᵀ y + μ; 3 classes, logistic, least-squares
Regularizer    weight-decay of K, W, α = 0.3
               jacobian-frobenius, α = 0.1: ∫ ‖∂f/∂y‖²_F dt, in closed form
               kinetic-energy, α = 0.2: ∫ ‖f(t, y)‖² dt
Stability      Re λ(∂f/∂(y, z)) = 0 for all weights and states (0 ≤ σ' ≤ 1): ∂f/∂(y, z)
               = D [[0, K], [−Kᵀ, 0]] with D = diag σ' is similar to a skew matrix

Written by wellposed 0.1.0 (PyTorch) from the spec penalized-blocks, 4ad7eba1.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
PenalizedState = tuple[Tensor, Tensor, Tensor, Tensor]
Layer = tuple[Tensor, ...]

FEATURES = 3  # d
STATES = 3  # n
MOMENTA = 2  # m
CLASSES = 3
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N
ALPHA_1 = 0.3  # α of weight-decay
ALPHA_2 = 0.1  # α of jacobian-frobenius
ALPHA_3 = 0.2  # α of kinetic-energy


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            rng(seed, "K").normal(0.0, MOMENTA**-0.5, (1, STATES, MOMENTA)),
            STEPS + 1,
            axis=0,
        ),
        "b": np.zeros((STEPS + 1, STATES)),
        "c": np.zeros(MOMENTA),
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
        "K": (STEPS + 1, STATES, MOMENTA),
        "b": (STEPS + 1, STATES),
        "c": (MOMENTA,),
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


def dy_dt(z: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """y' = tanh(K z + b)."""
    return torch.tanh(K @ z + b)


def dz_dt(y: Tensor, K: Tensor, c: Tensor) -> Tensor:
    """z' = −tanh(Kᵀ y + c)."""
    return -torch.tanh(K.T @ y + c)


def djacobian_dt(y: Tensor, z: Tensor, K: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """jacobian' = ‖∂f/∂y‖²_F, in closed form."""
    u1 = (1 - torch.tanh(K @ z + b) ** 2) ** 2 * (K**2).sum(dim=-1, keepdim=True)
    u2 = (1 - torch.tanh(K.T @ y + c) ** 2) ** 2
    u3 = (u2 * (K.T**2).sum(dim=-1, keepdim=True)).sum(dim=0, keepdim=True)
    return u1.sum(dim=0, keepdim=True) + u3


def dkinetic_dt(dy: Tensor, dz: Tensor) -> Tensor:
    """kinetic' = ‖f(t, y)‖²."""
    return (dy**2).sum(dim=0, keepdim=True) + (dz**2).sum(dim=0, keepdim=True)


def step(y: Tensor, z: Tensor, layer: Layer, shared: Tensor) -> State:
    """Forward Euler: y + h f(t, y)."""
    K, b = layer
    return y + H * dy_dt(z, K, b), z + H * dz_dt(y, K, shared)


def penalized_step(
    y: Tensor,
    z: Tensor,
    jacobian: Tensor,
    kinetic: Tensor,
    layer: Layer,
    shared: Tensor,
) -> PenalizedState:
    """Forward Euler: y + h f(t, y)."""
    K, b = layer
    k1_y = dy_dt(z, K, b)
    k1_z = dz_dt(y, K, shared)
    return (
        y + H * k1_y,
        z + H * k1_z,
        jacobian + H * djacobian_dt(y, z, K, b, shared),
        kinetic + H * dkinetic_dt(k1_y, k1_z),
    )


def weight_decay(w: Tensor) -> Tensor:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA_1 / 2 * (w**2).sum()


class Network(nn.Module):
    """penalized-blocks: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.K = nn.Parameter(torch.tensor(weights["K"]))  # (N+1, n, m)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (N+1, n)
        self.c = nn.Parameter(torch.tensor(weights["c"]))  # (m,)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def layer_weights(self) -> tuple[Layer, Tensor]:
        """The weights of all steps; vectors as columns."""
        layer = (self.K[:-1], self.b[:-1][..., None])
        shared = self.c[:, None]
        return layer, shared

    def weights_at(self, t: float) -> Layer:
        """The weights at t: K, b interpolated."""
        j = step_of(t)
        theta = t / H - j
        return (
            (1 - theta) * self.K[j] + theta * self.K[j + 1],
            ((1 - theta) * self.b[j] + theta * self.b[j + 1])[:, None],
            self.c[:, None],
        )

    def initial_state(self, x: Tensor) -> State:
        """y(0) = x, z(0) = 0; one column per example."""
        check_rows(x, FEATURES, "x")
        return x.T.contiguous(), x.new_zeros(MOMENTA, x.shape[0])

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y, z = self.initial_state(x)
        layers, shared = self.layer_weights()
        for layer in zip(*layers, strict=True):
            y, z = step(y, z, layer, shared)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """(y, z) at t_0, …, t_N: (N + 1, s, 5)."""
        y, z = self.initial_state(x)
        layers, shared = self.layer_weights()
        ys, zs = [y], [z]
        for layer in zip(*layers, strict=True):
            y, z = step(y, z, layer, shared)
            ys.append(y)
            zs.append(z)
        return torch.cat([torch.stack(ys), torch.stack(zs)], dim=1).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 5) in and out, with weights interpolated at t."""
        check_rows(y, STATES + MOMENTA, "y")
        K, b, c = self.weights_at(t)
        columns = y.T
        y = columns[:STATES]
        z = columns[STATES:]
        return torch.cat([dy_dt(z, K, b), dz_dt(y, K, c)]).T

    def penalized_state(self, x: Tensor) -> PenalizedState:
        """The states at T, and the integrals jacobian, kinetic; one column per
        example.
        """
        y, z = self.initial_state(x)
        jacobian = y.new_zeros(1, y.shape[1])
        kinetic = y.new_zeros(1, y.shape[1])
        layers, shared = self.layer_weights()
        for layer in zip(*layers, strict=True):
            y, z, jacobian, kinetic = penalized_step(
                y, z, jacobian, kinetic, layer, shared
            )
        return y, z, jacobian, kinetic

    def path_penalty(self, x: Tensor) -> Tensor:
        """What the path of each row adds to the loss: (s,).
        Along the path: 0.1 ∫ ‖∂f/∂y‖²_F dt, in closed form; 0.2 ∫ ‖f(t, y)‖² dt.
        """
        check_rows(x, FEATURES, "x")
        _, _, jacobian, kinetic = self.penalized_state(x)
        return (ALPHA_2 * jacobian + ALPHA_3 * kinetic)[0]

    def forward(self, x: Tensor) -> Tensor:
        """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R: weight-decay of K, W."""
        return weight_decay(self.K) + weight_decay(self.W)

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """Mean over the examples of ½ (Σ ((sigmoid(u) − C)²)), u the logits, plus R;
            targets C are classes (s,) or their probabilities (s, classes).
        Along the path: 0.1 ∫ ‖∂f/∂y‖²_F dt, in closed form; 0.2 ∫ ‖f(t, y)‖² dt.
        """
        check_targets(x, targets)
        y, _, jacobian, kinetic = self.penalized_state(x)
        along_path = (ALPHA_2 * jacobian + ALPHA_3 * kinetic)[0]
        logits = self.W.T @ y + self.mu[:, None]
        C = class_probabilities(targets, x.dtype).T
        losses = ((torch.sigmoid(logits) - C) ** 2).sum(dim=0) / 2
        return losses.mean() + along_path.mean() + self.regularizer()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("penalized_blocks.safetensors")
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
