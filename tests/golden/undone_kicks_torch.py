"""undone-kicks: y' = tanh(K z + b); z' = −tanh(Kᵀ y + c),  0 ≤ t ≤ T.

Vector field   hamiltonian, y ∈ ℝ³, z ∈ ℝ³
Integrator     Störmer–Verlet (kick–drift–kick), order 2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 72 numbers
Gradient       keeps the last state alone, whatever N: each step is undone on the way
               back, exactly but for rounding
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of W, mu, α = 0.1
Stability      Re λ(∂f/∂(y, z)) = 0 for all weights and states (0 ≤ σ' ≤ 1): ∂f/∂(y, z)
               = D [[0, K], [−Kᵀ, 0]] with D = diag σ' is similar to a skew matrix

Written by wellposed 0.1.0 (PyTorch) from the spec undone-kicks, 404b3d74.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

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
ALPHA = 0.1  # α of weight-decay


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
        "c": np.zeros((STEPS + 1, MOMENTA)),
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
        "c": (STEPS + 1, MOMENTA),
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


def pull_back(
    function: Callable[..., tuple[Tensor, ...]],
    given: Sequence[Tensor],
    bars: Sequence[Tensor],
) -> tuple[Tensor, ...]:
    """The cotangents of what a function is given, from those of its results."""
    with torch.enable_grad():
        leaves = [v.view_as(v).requires_grad_() for v in given]
        results = function(*leaves)
    again = torch.is_grad_enabled()  # is this derivative to be differentiated too?
    return torch.autograd.grad(results, leaves, bars, create_graph=again)


def dy_dt(z: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """y' = tanh(K z + b)."""
    return torch.tanh(K @ z + b)


def dz_dt(y: Tensor, K: Tensor, c: Tensor) -> Tensor:
    """z' = −tanh(Kᵀ y + c)."""
    return -torch.tanh(K.T @ y + c)


def step(y: Tensor, z: Tensor, start: Layer, mid: Layer, end: Layer) -> State:
    """Störmer–Verlet (kick–drift–kick):
    z + h/2 z'(y), then y + h y'(z), then z + h/2 z'(y) with the new y.
    """
    z = z + H / 2 * dz_dt(y, *start)
    y = y + H * dy_dt(z, *mid)
    z = z + H / 2 * dz_dt(y, *end)
    return y, z


def propagate(
    y: Tensor,
    z: Tensor,
    K_start: Tensor,
    c_start: Tensor,
    K_mid: Tensor,
    b_mid: Tensor,
    K_end: Tensor,
    c_end: Tensor,
) -> State:
    """All steps; of the states only the last are kept for the derivative."""
    starts = (K_start, c_start)
    mids = (K_mid, b_mid)
    ends = (K_end, c_end)
    stages = [zip(*stage, strict=True) for stage in (starts, mids, ends)]
    for layer in zip(*stages, strict=True):
        y, z = step(y, z, *layer)
    return y, z


def unstep(y: Tensor, z: Tensor, start: Layer, mid: Layer, end: Layer) -> State:
    """The states before `step`, from those behind it."""
    z = z - H / 2 * dz_dt(y, *end)
    y = y - H * dy_dt(z, *mid)
    z = z - H / 2 * dz_dt(y, *start)
    return y, z


def step_back(
    y: Tensor,
    z: Tensor,
    y_bar: Tensor,
    z_bar: Tensor,
    K_start: Tensor,
    c_start: Tensor,
    K_mid: Tensor,
    b_mid: Tensor,
    K_end: Tensor,
    c_end: Tensor,
) -> tuple[Tensor, ...]:
    """`step` is undone, then cotangents are pulled back through it."""
    y, z = unstep(y, z, (K_start, c_start), (K_mid, b_mid), (K_end, c_end))
    (
        y_bar,
        z_bar,
        K_start_bar,
        c_start_bar,
        K_mid_bar,
        b_mid_bar,
        K_end_bar,
        c_end_bar,
    ) = pull_back(
        lambda y, z, K_start, c_start, K_mid, b_mid, K_end, c_end: step(
            y, z, (K_start, c_start), (K_mid, b_mid), (K_end, c_end)
        ),
        (y, z, K_start, c_start, K_mid, b_mid, K_end, c_end),
        (y_bar, z_bar),
    )
    return (
        y,
        z,
        y_bar,
        z_bar,
        K_start_bar,
        c_start_bar,
        K_mid_bar,
        b_mid_bar,
        K_end_bar,
        c_end_bar,
    )


def propagate_back(
    y: Tensor,
    z: Tensor,
    K_start: Tensor,
    c_start: Tensor,
    K_mid: Tensor,
    b_mid: Tensor,
    K_end: Tensor,
    c_end: Tensor,
    y_bar: Tensor,
    z_bar: Tensor,
) -> tuple[Tensor, ...]:
    """The cotangents of what `propagate` takes, from those of its states."""
    K_start_bar = []
    c_start_bar = []
    K_mid_bar = []
    b_mid_bar = []
    K_end_bar = []
    c_end_bar = []
    for layer in reversed(
        list(zip(K_start, c_start, K_mid, b_mid, K_end, c_end, strict=True))
    ):
        (
            y,
            z,
            y_bar,
            z_bar,
            K_start_bar_j,
            c_start_bar_j,
            K_mid_bar_j,
            b_mid_bar_j,
            K_end_bar_j,
            c_end_bar_j,
        ) = step_back(y, z, y_bar, z_bar, *layer)
        K_start_bar.append(K_start_bar_j)
        c_start_bar.append(c_start_bar_j)
        K_mid_bar.append(K_mid_bar_j)
        b_mid_bar.append(b_mid_bar_j)
        K_end_bar.append(K_end_bar_j)
        c_end_bar.append(c_end_bar_j)
    K_start_bar.reverse()
    c_start_bar.reverse()
    K_mid_bar.reverse()
    b_mid_bar.reverse()
    K_end_bar.reverse()
    c_end_bar.reverse()
    return (
        y_bar,
        z_bar,
        torch.stack(K_start_bar),
        torch.stack(c_start_bar),
        torch.stack(K_mid_bar),
        torch.stack(b_mid_bar),
        torch.stack(K_end_bar),
        torch.stack(c_end_bar),
    )


class Propagate(torch.autograd.Function):
    """`propagate` with its derivative `propagate_back`."""

    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> State:
        """The states behind all steps, of which these and the weights are kept."""
        states = propagate(*given)
        ctx.save_for_backward(*states, *given[2:])
        return states

    @staticmethod
    def backward(ctx: Any, *bars: Tensor) -> tuple[Tensor, ...]:
        """The way back from there."""
        return propagate_back(*ctx.saved_tensors, *bars)


def weight_decay(w: Tensor) -> Tensor:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA / 2 * (w**2).sum()


class Network(nn.Module):
    """undone-kicks: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.K = nn.Parameter(torch.tensor(weights["K"]))  # (N+1, n, m)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (N+1, n)
        self.c = nn.Parameter(torch.tensor(weights["c"]))  # (N+1, m)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def layer_weights(self) -> tuple[Layer, Layer, Layer]:
        """The weights of all steps; vectors as columns."""
        start = (self.K[:-1], self.c[:-1][..., None])
        mid = (
            (self.K[:-1] + self.K[1:]) / 2,
            ((self.b[:-1] + self.b[1:]) / 2)[..., None],
        )
        end = (self.K[1:], self.c[1:][..., None])
        return start, mid, end

    def weights_at(self, t: float) -> Layer:
        """Weights interpolated at t."""
        j = step_of(t)
        theta = t / H - j
        return (
            (1 - theta) * self.K[j] + theta * self.K[j + 1],
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
        starts, mids, ends = self.layer_weights()
        y, _ = Propagate.apply(y, z, *starts, *mids, *ends)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """(y, z) at t_0, …, t_N: (N + 1, s, 6)."""
        y, z = self.initial_state(x)
        starts, mids, ends = self.layer_weights()
        ys, zs = [y], [z]
        stages = [zip(*stage, strict=True) for stage in (starts, mids, ends)]
        for layer in zip(*stages, strict=True):
            y, z = step(y, z, *layer)
            ys.append(y)
            zs.append(z)
        return torch.cat([torch.stack(ys), torch.stack(zs)], dim=1).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 6) in and out, with weights interpolated at t."""
        check_rows(y, STATES + MOMENTA, "y")
        K, b, c = self.weights_at(t)
        columns = y.T
        y = columns[:STATES]
        z = columns[STATES:]
        return torch.cat([dy_dt(z, K, b), dz_dt(y, K, c)]).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R: weight-decay of W, mu."""
        return weight_decay(self.W) + weight_decay(self.mu)

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
    file = Path(__file__).with_name("undone_kicks.safetensors")
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
