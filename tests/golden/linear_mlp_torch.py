"""linear-mlp: y' = W₃ tanh(W₂ tanh(W₁ [y; t] + b₁) + b₂) + b₃,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ³
Integrator     classical Runge–Kutta 4, order 4
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 268 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of W1, W, α = 0.1
               smoothness of W1, b1, W2, b2, W3, b3, α = 0.2
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec linear-mlp, 7eef8f3e.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn

Layer = tuple[Tensor, ...]

FEATURES = 3  # d
STATES = 3  # n
CLASSES = 3
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N
ALPHA_1 = 0.1  # α of weight-decay
ALPHA_2 = 0.2  # α of smoothness


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": np.repeat(
            rng(seed, "W1").normal(0.0, (STATES + 1) ** -0.5, (1, 5, STATES + 1)),
            STEPS + 1,
            axis=0,
        ),
        "b1": np.zeros((STEPS + 1, 5)),
        "W2": np.repeat(
            rng(seed, "W2").normal(0.0, 5**-0.5, (1, 4, 5)), STEPS + 1, axis=0
        ),
        "b2": np.zeros((STEPS + 1, 4)),
        "W3": np.repeat(
            rng(seed, "W3").normal(0.0, 4**-0.5, (1, STATES, 4)), STEPS + 1, axis=0
        ),
        "b3": np.zeros((STEPS + 1, STATES)),
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
        "W1": (STEPS + 1, 5, STATES + 1),
        "b1": (STEPS + 1, 5),
        "W2": (STEPS + 1, 4, 5),
        "b2": (STEPS + 1, 4),
        "W3": (STEPS + 1, STATES, 4),
        "b3": (STEPS + 1, STATES),
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


def step(y: Tensor, t: Tensor, start: Layer, mid: Layer, end: Layer) -> Tensor:
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1 = dy_dt(t, y, *start)
    k2 = dy_dt(t + H / 2, y + H / 2 * k1, *mid)
    k3 = dy_dt(t + H / 2, y + H / 2 * k2, *mid)
    k4 = dy_dt(t + H, y + H * k3, *end)
    return y + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def weight_decay(w: Tensor) -> Tensor:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA_1 / 2 * (w**2).sum()


def smoothness(w: Tensor) -> Tensor:
    """α/(2h) Σ_j ‖w_{j+1} − w_j‖²; w is one weight at all its times."""
    return ALPHA_2 / (2 * H) * ((w[1:] - w[:-1]) ** 2).sum()


class Network(nn.Module):
    """linear-mlp: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.W1 = nn.Parameter(torch.tensor(weights["W1"]))  # (N+1, 5, n+1)
        self.b1 = nn.Parameter(torch.tensor(weights["b1"]))  # (N+1, 5)
        self.W2 = nn.Parameter(torch.tensor(weights["W2"]))  # (N+1, 4, 5)
        self.b2 = nn.Parameter(torch.tensor(weights["b2"]))  # (N+1, 4)
        self.W3 = nn.Parameter(torch.tensor(weights["W3"]))  # (N+1, n, 4)
        self.b3 = nn.Parameter(torch.tensor(weights["b3"]))  # (N+1, n)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def layer_weights(self) -> tuple[Layer, Layer, Layer]:
        """The weights of all steps; vectors as columns."""
        start = (
            self.W1[:-1],
            self.b1[:-1][..., None],
            self.W2[:-1],
            self.b2[:-1][..., None],
            self.W3[:-1],
            self.b3[:-1][..., None],
        )
        mid = (
            (self.W1[:-1] + self.W1[1:]) / 2,
            ((self.b1[:-1] + self.b1[1:]) / 2)[..., None],
            (self.W2[:-1] + self.W2[1:]) / 2,
            ((self.b2[:-1] + self.b2[1:]) / 2)[..., None],
            (self.W3[:-1] + self.W3[1:]) / 2,
            ((self.b3[:-1] + self.b3[1:]) / 2)[..., None],
        )
        end = (
            self.W1[1:],
            self.b1[1:][..., None],
            self.W2[1:],
            self.b2[1:][..., None],
            self.W3[1:],
            self.b3[1:][..., None],
        )
        return start, mid, end

    def weights_at(self, t: float) -> Layer:
        """Weights interpolated at t."""
        j = step_of(t)
        theta = t / H - j
        return (
            (1 - theta) * self.W1[j] + theta * self.W1[j + 1],
            ((1 - theta) * self.b1[j] + theta * self.b1[j + 1])[:, None],
            (1 - theta) * self.W2[j] + theta * self.W2[j + 1],
            ((1 - theta) * self.b2[j] + theta * self.b2[j + 1])[:, None],
            (1 - theta) * self.W3[j] + theta * self.W3[j + 1],
            ((1 - theta) * self.b3[j] + theta * self.b3[j + 1])[:, None],
        )

    def initial_state(self, x: Tensor) -> Tensor:
        """y(0) = x; one column per example."""
        check_rows(x, FEATURES, "x")
        return x.T.contiguous()

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y = self.initial_state(x)
        starts, mids, ends = self.layer_weights()
        stages = [zip(*stage, strict=True) for stage in (starts, mids, ends)]
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *stages,
            strict=True,
        ):
            y = step(y, *layer)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, …, t_N: (N + 1, s, 3)."""
        y = self.initial_state(x)
        starts, mids, ends = self.layer_weights()
        ys = [y]
        stages = [zip(*stage, strict=True) for stage in (starts, mids, ends)]
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *stages,
            strict=True,
        ):
            y = step(y, *layer)
            ys.append(y)
        return torch.stack(ys).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 3) in and out, with weights interpolated at t."""
        check_rows(y, STATES, "y")
        layer = self.weights_at(t)
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        y = y.T
        return dy_dt(time, y, *layer).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R: weight-decay of W1, W; smoothness of W1, b1, W2, b2, W3, b3."""
        return (
            weight_decay(self.W1)
            + weight_decay(self.W)
            + smoothness(self.W1)
            + smoothness(self.b1)
            + smoothness(self.W2)
            + smoothness(self.b2)
            + smoothness(self.W3)
            + smoothness(self.b3)
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
    file = Path(__file__).with_name("linear_mlp.safetensors")
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
