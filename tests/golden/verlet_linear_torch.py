"""verlet-linear: y' = K₁ᵀ tanh(K₁ z + b); z' = −K₂ᵀ tanh(K₂ y + c),  0 ≤ t ≤ T.

Vector field   double-layer-hamiltonian, y ∈ ℝ³, z ∈ ℝ³
               K₁ ↦ ½ (K₁ − K₁ᵀ − γ I), γ = 0.3
               K₂ ↦ ½ (K₂ − K₂ᵀ − γ I), γ = 0.3
Integrator     Störmer–Verlet (staggered), order 1 in y for z given at t = 0, order 2
               for z given at t = −h/2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 108 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of K1, W, α = 0.1
               smoothness of K1, K2, b, c, α = 0.2
Stability      Re λ(∂f/∂(y, z)) = 0 for all weights and states: ∂f/∂(y, z) = [[0, P],
               [−Q, 0]] or its negative, with P, Q symmetric and semidefinite

Written by wellposed 0.1.0 (PyTorch) from the spec verlet-linear, b0ecfc04.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
Layer = tuple[Tensor, ...]

FEATURES = 3  # d
STATES = 3  # n
MOMENTA = 3  # m
CLASSES = 3
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N
GAMMA = 0.3  # γ
ALPHA_1 = 0.1  # α of weight-decay
ALPHA_2 = 0.2  # α of smoothness


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K1": np.repeat(
            rng(seed, "K1").normal(0.0, MOMENTA**-0.5, (1, STATES, MOMENTA)),
            STEPS + 1,
            axis=0,
        ),
        "K2": np.repeat(
            rng(seed, "K2").normal(0.0, STATES**-0.5, (1, STATES, STATES)),
            STEPS + 1,
            axis=0,
        ),
        "b": np.zeros((STEPS + 1, STATES)),
        "c": np.zeros((STEPS + 1, STATES)),
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
        "K1": (STEPS + 1, STATES, MOMENTA),
        "K2": (STEPS + 1, STATES, STATES),
        "b": (STEPS + 1, STATES),
        "c": (STEPS + 1, STATES),
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


def antisymmetric(K: Tensor) -> Tensor:
    """½ (K − Kᵀ − γ I), of one matrix or of a stack of them."""
    return (K - K.mT - GAMMA * torch.eye(STATES, dtype=K.dtype, device=K.device)) / 2


def dy_dt(z: Tensor, K1: Tensor, b: Tensor) -> Tensor:
    """y' = K₁ᵀ tanh(K₁ z + b)."""
    return K1.T @ torch.tanh(K1 @ z + b)


def dz_dt(y: Tensor, K2: Tensor, c: Tensor) -> Tensor:
    """z' = −K₂ᵀ tanh(K₂ y + c)."""
    return -K2.T @ torch.tanh(K2 @ y + c)


def step(y: Tensor, z: Tensor, start: Layer, mid: Layer) -> State:
    """Störmer–Verlet (staggered): z + h z'(y), then y + h y'(z) with the new z.
    Order 1 in y for z given at t = 0, order 2 for z given at t = −h/2.
    """
    z = z + H * dz_dt(y, *start)
    y = y + H * dy_dt(z, *mid)
    return y, z


def weight_decay(w: Tensor) -> Tensor:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA_1 / 2 * (w**2).sum()


def smoothness(w: Tensor) -> Tensor:
    """α/(2h) Σ_j ‖w_{j+1} − w_j‖²; w is one weight at all its times."""
    return ALPHA_2 / (2 * H) * ((w[1:] - w[:-1]) ** 2).sum()


class Network(nn.Module):
    """verlet-linear: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.K1 = nn.Parameter(torch.tensor(weights["K1"]))  # (N+1, n, m)
        self.K2 = nn.Parameter(torch.tensor(weights["K2"]))  # (N+1, n, n)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (N+1, n)
        self.c = nn.Parameter(torch.tensor(weights["c"]))  # (N+1, n)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def layer_weights(self) -> tuple[Layer, Layer]:
        """The weights of all steps; K₁ ↦ ½ (K₁ − K₁ᵀ − γ I); K₂ ↦ ½ (K₂ − K₂ᵀ − γ
        I); vectors as columns.
        """
        start = (antisymmetric(self.K2[:-1]), self.c[:-1][..., None])
        mid = (
            antisymmetric((self.K1[:-1] + self.K1[1:]) / 2),
            ((self.b[:-1] + self.b[1:]) / 2)[..., None],
        )
        return start, mid

    def weights_at(self, t: float) -> Layer:
        """Weights interpolated at t."""
        j = step_of(t)
        theta = t / H - j
        return (
            antisymmetric((1 - theta) * self.K1[j] + theta * self.K1[j + 1]),
            antisymmetric((1 - theta) * self.K2[j] + theta * self.K2[j + 1]),
            ((1 - theta) * self.b[j] + theta * self.b[j + 1])[:, None],
            ((1 - theta) * self.c[j] + theta * self.c[j + 1])[:, None],
        )

    def initial_state(self, x: Tensor) -> State:
        """y(0) = x, z(0) = 0; one column per example."""
        check_rows(x, FEATURES, "x")
        return x.T.contiguous(), x.new_zeros(MOMENTA, x.shape[0])

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y, z = self.initial_state(x)
        starts, mids = self.layer_weights()
        stages = [zip(*stage, strict=True) for stage in (starts, mids)]
        for layer in zip(*stages, strict=True):
            y, z = step(y, z, *layer)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """(y, z) at t_0, …, t_N, z by h/2 behind: (N + 1, s, 6)."""
        y, z = self.initial_state(x)
        starts, mids = self.layer_weights()
        ys, zs = [y], [z]
        stages = [zip(*stage, strict=True) for stage in (starts, mids)]
        for layer in zip(*stages, strict=True):
            y, z = step(y, z, *layer)
            ys.append(y)
            zs.append(z)
        return torch.cat([torch.stack(ys), torch.stack(zs)], dim=1).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 6) in and out, with weights interpolated at t."""
        check_rows(y, STATES + MOMENTA, "y")
        K1, K2, b, c = self.weights_at(t)
        columns = y.T
        y = columns[:STATES]
        z = columns[STATES:]
        return torch.cat([dy_dt(z, K1, b), dz_dt(y, K2, c)]).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R: weight-decay of K1, W; smoothness of K1, K2, b, c."""
        return (
            weight_decay(self.K1)
            + weight_decay(self.W)
            + smoothness(self.K1)
            + smoothness(self.K2)
            + smoothness(self.b)
            + smoothness(self.c)
        )

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """Mean over the examples of −Σ (C ⊙ log softmax(u)), u the logits, plus R;
        targets C are classes (s,) or their probabilities (s, classes).
        """
        check_targets(x, targets)
        logits = self(x).T
        C = class_probabilities(targets, x.dtype).T
        losses = -(C * torch.log_softmax(logits, dim=0)).sum(dim=0)
        return losses.mean() + self.regularizer()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("verlet_linear.safetensors")
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
