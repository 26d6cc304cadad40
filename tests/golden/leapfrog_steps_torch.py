"""leapfrog-steps: y'' = tanh(K y + b); y'(0) = 0,  0 ≤ t ≤ T.

Vector field   second-order, y ∈ ℝ³
               K = −Cᵀ C
Integrator     leapfrog, order 2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 60 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of C, W, α = 0.1
               smoothness of C, b, α = 0.2
Stability      λ(∂f/∂y) ≤ 0 for all weights and states (0 ≤ σ' ≤ 1): ∂f/∂y = D M with D
               = diag σ' is similar to D^½ M D^½

Written by wellposed 0.1.0 (PyTorch) from the spec leapfrog-steps, d0061d7c.
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
        "C": np.repeat(
            rng(seed, "C").normal(0.0, STATES**-0.5, (1, STATES, STATES)),
            STEPS + 1,
            axis=0,
        ),
        "b": np.zeros((STEPS + 1, STATES)),
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
        "C": (STEPS + 1, STATES, STATES),
        "b": (STEPS + 1, STATES),
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


def negative_gram(C: Tensor) -> Tensor:
    """−Cᵀ C, of one matrix or of a stack of them."""
    return -C.mT @ C


def d2y_dt2(y: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """y'' = tanh(K y + b)."""
    return torch.tanh(K @ y + b)


def step(y: Tensor, v: Tensor, K: Tensor, b: Tensor) -> State:
    """Leapfrog: v + h y''(y), then y + h v with the new v."""
    v = v + H * d2y_dt2(y, K, b)
    y = y + H * v
    return y, v


def weight_decay(w: Tensor) -> Tensor:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA_1 / 2 * (w**2).sum()


def smoothness(w: Tensor) -> Tensor:
    """α/(2h) Σ_j ‖w_{j+1} − w_j‖²; w is one weight at all its times."""
    return ALPHA_2 / (2 * H) * ((w[1:] - w[:-1]) ** 2).sum()


class Network(nn.Module):
    """leapfrog-steps: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.C = nn.Parameter(torch.tensor(weights["C"]))  # (N+1, n, n)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (N+1, n)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def layer_weights(self) -> Layer:
        """The weights of all steps; K = −Cᵀ C; vectors as columns."""
        return negative_gram(self.C[:-1]), self.b[:-1][..., None]

    def weights_at(self, t: float) -> Layer:
        """Weights interpolated at t."""
        j = step_of(t)
        theta = t / H - j
        return (
            negative_gram((1 - theta) * self.C[j] + theta * self.C[j + 1]),
            ((1 - theta) * self.b[j] + theta * self.b[j + 1])[:, None],
        )

    def initial_state(self, x: Tensor) -> State:
        """y(0) = x, v at −h/2 from y'(0) = 0; one column per example."""
        check_rows(x, FEATURES, "x")
        y = x.T.contiguous()
        K, b = self.layer_weights()
        return y, -(H / 2 * d2y_dt2(y, K[0], b[0]))

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y, v = self.initial_state(x)
        layers = self.layer_weights()
        for layer in zip(*layers, strict=True):
            y, v = step(y, v, *layer)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, …, t_N: (N + 1, s, 3)."""
        y, v = self.initial_state(x)
        layers = self.layer_weights()
        ys = [y]
        for layer in zip(*layers, strict=True):
            y, v = step(y, v, *layer)
            ys.append(y)
        return torch.stack(ys).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """y'', rows (s, 3) in and out, with weights interpolated at t."""
        check_rows(y, STATES, "y")
        layer = self.weights_at(t)
        y = y.T
        return d2y_dt2(y, *layer).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R: weight-decay of C, W; smoothness of C, b."""
        return (
            weight_decay(self.C)
            + weight_decay(self.W)
            + smoothness(self.C)
            + smoothness(self.b)
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
    file = Path(__file__).with_name("leapfrog_steps.safetensors")
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
