"""own-times: q' = tanh(A p + b); p' = −(Aᵀ q + c p) / m,  0 ≤ t ≤ T.

Vector field   custom, q ∈ ℝ², p ∈ ℝ³
Integrator     Heun, order 2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        A one weight for each step; b linear in time between N + 1 nodes; c, m
               one weight shared by all steps; 30 numbers; m not trained
Readout        q; 2 outputs, least squares
Regularizer    weight-decay of A, c, α = 0.1
               smoothness of A, b, α = 0.2
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec own-times, edadb78c.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
Layer = tuple[Tensor, ...]

FEATURES = 5  # d
SIZE_Q = 2  # components of q
SIZE_P = 3  # components of p
OUTPUTS = 2  # numbers per example
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
        "A": np.repeat(
            rng(seed, "A").normal(0.0, SIZE_P**-0.5, (1, SIZE_Q, SIZE_P)), STEPS, axis=0
        ),
        "b": np.zeros((STEPS + 1, SIZE_Q)),
        "c": np.zeros(()),
        "m": np.array([1, 2, 0.5], dtype=np.float64),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_targets(x: Tensor, targets: Tensor) -> None:
    """Refuse what is not one row of OUTPUTS numbers for each example."""
    check_rows(x, FEATURES, "x")
    shape = (x.shape[0], OUTPUTS)
    if tuple(targets.shape) != shape:
        raise ValueError(f"targets are {tuple(targets.shape)}, not {shape}")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "A": (STEPS, SIZE_Q, SIZE_P),
        "b": (STEPS + 1, SIZE_Q),
        "c": (),
        "m": (SIZE_P,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float) -> int:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    return min(max(int(t / H + 1e-9), 0), STEPS - 1)


def dq_dt(p: Tensor, A: Tensor, b: Tensor) -> Tensor:
    """q' = tanh(A p + b)."""
    return torch.tanh(A @ p + b)


def dp_dt(q: Tensor, p: Tensor, A: Tensor, c: Tensor, m: Tensor) -> Tensor:
    """p' = −(Aᵀ q + c p) / m."""
    return -((A.T @ q + c * p) / m)


def step(q: Tensor, p: Tensor, start: Layer, end: Tensor, shared: Layer) -> State:
    """Heun: y + h/2 (k₁ + k₂); k₁ = f(t, y), k₂ = f(t + h, y + h k₁)."""
    A, b_start = start
    k1_q = dq_dt(p, A, b_start)
    k1_p = dp_dt(q, p, A, *shared)
    q2 = q + H * k1_q
    p2 = p + H * k1_p
    k2_q = dq_dt(p2, A, end)
    k2_p = dp_dt(q2, p2, A, *shared)
    return q + H / 2 * (k1_q + k2_q), p + H / 2 * (k1_p + k2_p)


def weight_decay(w: Tensor) -> Tensor:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA_1 / 2 * (w**2).sum()


def smoothness(w: Tensor) -> Tensor:
    """α/(2h) Σ_j ‖w_{j+1} − w_j‖²; w is one weight at all its times."""
    return ALPHA_2 / (2 * H) * ((w[1:] - w[:-1]) ** 2).sum()


class Network(nn.Module):
    """own-times: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.A = nn.Parameter(torch.tensor(weights["A"]))  # (N, q, p)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (N+1, q)
        self.c = nn.Parameter(torch.tensor(weights["c"]))  # ()
        self.register_buffer("m", torch.tensor(weights["m"]))  # (p,), not trained

    def layer_weights(self) -> tuple[Layer, Tensor, Layer]:
        """The weights of all steps; vectors as columns."""
        start = (self.A, self.b[:-1][..., None])
        end = self.b[1:][..., None]
        shared = (self.c, self.m[:, None])
        return start, end, shared

    def weights_at(self, t: float) -> Layer:
        """The weights at t: A of step j, t_j ≤ t < t_{j+1}, b interpolated."""
        j = step_of(t)
        theta = t / H - j
        return (
            self.A[j],
            ((1 - theta) * self.b[j] + theta * self.b[j + 1])[:, None],
            self.c,
            self.m[:, None],
        )

    def initial_state(self, x: Tensor) -> State:
        """(q(0), p(0)) = x; one column per example."""
        check_rows(x, FEATURES, "x")
        columns = x.T.contiguous()
        return columns[:SIZE_Q], columns[SIZE_Q:]

    def final_state(self, x: Tensor) -> Tensor:
        """q(T), one column per example."""
        q, p = self.initial_state(x)
        starts, ends, shared = self.layer_weights()
        for layer in zip(zip(*starts, strict=True), ends, strict=True):
            q, p = step(q, p, *layer, shared)
        return q

    def trajectory(self, x: Tensor) -> Tensor:
        """(q, p) at t_0, …, t_N: (N + 1, s, 5)."""
        q, p = self.initial_state(x)
        starts, ends, shared = self.layer_weights()
        qs, ps = [q], [p]
        for layer in zip(zip(*starts, strict=True), ends, strict=True):
            q, p = step(q, p, *layer, shared)
            qs.append(q)
            ps.append(p)
        return torch.cat([torch.stack(qs), torch.stack(ps)], dim=1).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 5) in and out, with weight j for t_j ≤ t < t_{j+1} and
        weights interpolated at t.
        """
        check_rows(y, SIZE_Q + SIZE_P, "y")
        A, b, c, m = self.weights_at(t)
        columns = y.T
        q = columns[:SIZE_Q]
        p = columns[SIZE_Q:]
        return torch.cat([dq_dt(p, A, b), dp_dt(q, p, A, c, m)]).T

    def forward(self, x: Tensor) -> Tensor:
        """The prediction q(T), one row per example: (s, 2)."""
        return self.final_state(x).T

    def regularizer(self) -> Tensor:
        """R: weight-decay of A, c; smoothness of A, b."""
        return (
            weight_decay(self.A)
            + weight_decay(self.c)
            + smoothness(self.A)
            + smoothness(self.b)
        )

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """Mean over the examples of ½ (Σ ((u − C)²)), u the prediction, plus R;
        targets C are (s, 2).
        """
        check_targets(x, targets)
        u = self(x).T
        C = targets.T
        losses = ((u - C) ** 2).sum(dim=0) / 2
        return losses.mean() + self.regularizer()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("own_times.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    targets = random.normal(size=(8, OUTPUTS)).astype("float64")
    value = network.loss(torch.tensor(x), torch.tensor(targets))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
