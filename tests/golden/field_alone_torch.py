"""field-alone: y' = −Kᵀ z; z' = tanh(K y) − s z; q' = A q + s (Σ y) − t,  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ³, z ∈ ℝ², q ∈ ℝ⁴
Integrator     explicit midpoint, order 2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 92 numbers
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec field-alone, e759ca61.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

State = tuple[Tensor, Tensor, Tensor]
Layer = tuple[Tensor, ...]

FEATURES = 3  # d
STATES = 3  # n
MOMENTA = 2  # m
SIZE_Q = 4  # components of q
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            rng(seed, "K").normal(0.0, STATES**-0.5, (1, MOMENTA, STATES)),
            STEPS + 1,
            axis=0,
        ),
        "A": np.repeat(
            rng(seed, "A").normal(0.0, SIZE_Q**-0.5, (1, SIZE_Q, SIZE_Q)),
            STEPS + 1,
            axis=0,
        ),
        "s": np.zeros(STEPS + 1),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "K": (STEPS + 1, MOMENTA, STATES),
        "A": (STEPS + 1, SIZE_Q, SIZE_Q),
        "s": (STEPS + 1,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float) -> int:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    return min(max(int(t / H + 1e-9), 0), STEPS - 1)


def dy_dt(z: Tensor, K: Tensor) -> Tensor:
    """y' = −Kᵀ z."""
    return -K.T @ z


def dz_dt(y: Tensor, z: Tensor, K: Tensor, s: Tensor) -> Tensor:
    """z' = tanh(K y) − s z."""
    return torch.tanh(K @ y) - s * z


def dq_dt(t: Tensor, y: Tensor, q: Tensor, A: Tensor, s: Tensor) -> Tensor:
    """q' = A q + s (Σ y) − t."""
    return A @ q + s * y.sum(dim=0, keepdim=True) - t


def step(y: Tensor, z: Tensor, q: Tensor, t: Tensor, start: Layer, mid: Layer) -> State:
    """Explicit midpoint: y + h k₂; k₁ = f(t, y), k₂ = f(t + h/2, y + h/2 k₁)."""
    K_start, A_start, s_start = start
    K_mid, A_mid, s_mid = mid
    k1_y = dy_dt(z, K_start)
    k1_z = dz_dt(y, z, K_start, s_start)
    k1_q = dq_dt(t, y, q, A_start, s_start)
    y2 = y + H / 2 * k1_y
    z2 = z + H / 2 * k1_z
    q2 = q + H / 2 * k1_q
    k2_y = dy_dt(z2, K_mid)
    k2_z = dz_dt(y2, z2, K_mid, s_mid)
    k2_q = dq_dt(t + H / 2, y2, q2, A_mid, s_mid)
    return y + H * k2_y, z + H * k2_z, q + H * k2_q


class Network(nn.Module):
    """field-alone: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.K = nn.Parameter(torch.tensor(weights["K"]))  # (N+1, m, n)
        self.A = nn.Parameter(torch.tensor(weights["A"]))  # (N+1, q, q)
        self.s = nn.Parameter(torch.tensor(weights["s"]))  # (N+1,)

    def layer_weights(self) -> tuple[Layer, Layer]:
        """The weights of all steps."""
        start = (self.K[:-1], self.A[:-1], self.s[:-1])
        mid = (
            (self.K[:-1] + self.K[1:]) / 2,
            (self.A[:-1] + self.A[1:]) / 2,
            (self.s[:-1] + self.s[1:]) / 2,
        )
        return start, mid

    def weights_at(self, t: float) -> Layer:
        """Weights interpolated at t."""
        j = step_of(t)
        theta = t / H - j
        return (
            (1 - theta) * self.K[j] + theta * self.K[j + 1],
            (1 - theta) * self.A[j] + theta * self.A[j + 1],
            (1 - theta) * self.s[j] + theta * self.s[j + 1],
        )

    def initial_state(self, x: Tensor) -> State:
        """y(0) = x, z(0) = 0, q(0) = 0; one column per example."""
        check_rows(x, FEATURES, "x")
        return (
            x.T.contiguous(),
            x.new_zeros(MOMENTA, x.shape[0]),
            x.new_zeros(SIZE_Q, x.shape[0]),
        )

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y, z, q = self.initial_state(x)
        starts, mids = self.layer_weights()
        stages = [zip(*stage, strict=True) for stage in (starts, mids)]
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *stages,
            strict=True,
        ):
            y, z, q = step(y, z, q, *layer)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """(y, z, q) at t_0, …, t_N: (N + 1, s, 9)."""
        y, z, q = self.initial_state(x)
        starts, mids = self.layer_weights()
        ys, zs, qs = [y], [z], [q]
        stages = [zip(*stage, strict=True) for stage in (starts, mids)]
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *stages,
            strict=True,
        ):
            y, z, q = step(y, z, q, *layer)
            ys.append(y)
            zs.append(z)
            qs.append(q)
        return torch.cat([torch.stack(ys), torch.stack(zs), torch.stack(qs)], dim=1).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 9) in and out, with weights interpolated at t."""
        check_rows(y, STATES + MOMENTA + SIZE_Q, "y")
        K, A, s = self.weights_at(t)
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        columns = y.T
        y = columns[:STATES]
        z = columns[STATES : STATES + MOMENTA]
        q = columns[STATES + MOMENTA :]
        return torch.cat([dy_dt(z, K), dz_dt(y, z, K, s), dq_dt(time, y, q, A, s)]).T

    def forward(self, x: Tensor) -> Tensor:
        """y(T), one row per example."""
        return self.final_state(x).T


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("field_alone.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    print(f"y(T) = {network(torch.tensor(x)).tolist()}")


if __name__ == "__main__":
    main()
