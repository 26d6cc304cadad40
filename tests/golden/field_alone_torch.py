"""field-alone: y' = −Kᵀ z; z' = tanh(K y) − s z; q' = A q + s (Σ y) − t,  0 <= t <= T.

Vector field   custom, y in R^3, z in R^2, q in R^4
Integrator     explicit midpoint, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 92 numbers
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec field-alone, e759ca61.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

State = tuple[Tensor, Tensor, Tensor]

FEATURES = 3  # d
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h


def stream(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            stream(seed, "K").normal(0.0, 3**-0.5, (2, 3))[None], STEPS + 1, axis=0
        ),
        "A": np.repeat(
            stream(seed, "A").normal(0.0, 4**-0.5, (4, 4))[None], STEPS + 1, axis=0
        ),
        "s": np.zeros(STEPS + 1),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def dy_dt(z: Tensor, K: Tensor) -> Tensor:
    """y' = −Kᵀ z."""
    return -K.T @ z


def dz_dt(y: Tensor, z: Tensor, K: Tensor, s: Tensor) -> Tensor:
    """z' = tanh(K y) − s z."""
    return torch.tanh(K @ y) - s * z


def dq_dt(t: Tensor, y: Tensor, q: Tensor, A: Tensor, s: Tensor) -> Tensor:
    """q' = A q + s (Σ y) − t."""
    return A @ q + s * y.sum(dim=0, keepdim=True) - t


def step(
    y: Tensor,
    z: Tensor,
    q: Tensor,
    t: Tensor,
    K_start: Tensor,
    A_start: Tensor,
    s_start: Tensor,
    K_mid: Tensor,
    A_mid: Tensor,
    s_mid: Tensor,
) -> State:
    """Explicit midpoint: k₂ = f(t + h/2, y + h/2 k₁), y + h k₂."""
    k1_y = dy_dt(z, K_start)
    k1_z = dz_dt(y, z, K_start, s_start)
    k1_q = dq_dt(t, y, q, A_start, s_start)
    k2_y = dy_dt(z + H / 2 * k1_z, K_mid)
    k2_z = dz_dt(y + H / 2 * k1_y, z + H / 2 * k1_z, K_mid, s_mid)
    k2_q = dq_dt(t + H / 2, y + H / 2 * k1_y, q + H / 2 * k1_q, A_mid, s_mid)
    return y + H * k2_y, z + H * k2_z, q + H * k2_q


class Network(nn.Module):
    """field-alone: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        self.K = nn.Parameter(torch.tensor(weights["K"]))  # (N+1, m, n)
        self.A = nn.Parameter(torch.tensor(weights["A"]))  # (N+1, q, q)
        self.s = nn.Parameter(torch.tensor(weights["s"]))  # (N+1,)

    def operands(self) -> tuple[Tensor, ...]:
        """The weights of all steps."""
        K_start = self.K[:-1]
        A_start = self.A[:-1]
        s_start = self.s[:-1]
        K_mid = (self.K[:-1] + self.K[1:]) / 2
        A_mid = (self.A[:-1] + self.A[1:]) / 2
        s_mid = (self.s[:-1] + self.s[1:]) / 2
        return K_start, A_start, s_start, K_mid, A_mid, s_mid

    def layers(self, like: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """The time and weights of one step after the other."""
        times = H * torch.arange(STEPS, dtype=like.dtype, device=like.device)
        stacks = (times, *self.operands())
        return zip(*(w.unbind() for w in stacks), strict=True)

    def initial_state(self, x: Tensor) -> State:
        """y(0) = x, z(0) = 0, q(0) = 0; one column per example."""
        y = x.T.contiguous()
        z = x.new_zeros(2, x.shape[0])
        q = x.new_zeros(4, x.shape[0])
        return y, z, q

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        state = self.initial_state(x)
        for layer in self.layers(x):
            state = step(*state, *layer)
        return state[0]

    def trajectory(self, x: Tensor) -> Tensor:
        """(y, z, q) at t_0, ..., t_N: (N + 1, s, 9)."""
        state = self.initial_state(x)
        path = [torch.cat(state)]
        for layer in self.layers(x):
            state = step(*state, *layer)
            path.append(torch.cat(state))
        return torch.stack(path).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 9) in and out, with weights interpolated at t."""
        j = min(max(int(t / H + 1e-9), 0), STEPS - 1)
        theta = t / H - j
        K = (1 - theta) * self.K[j] + theta * self.K[j + 1]
        A = (1 - theta) * self.A[j] + theta * self.A[j + 1]
        s = (1 - theta) * self.s[j] + theta * self.s[j + 1]
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        columns = y.T
        y = columns[:3]
        z = columns[3:5]
        q = columns[5:]
        y_rate = dy_dt(z, K)
        z_rate = dz_dt(y, z, K, s)
        q_rate = dq_dt(time, y, q, A, s)
        return torch.cat([y_rate, z_rate, q_rate]).T

    def forward(self, x: Tensor) -> Tensor:
        """y(T), one row per example."""
        return self.final_state(x).T


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    beside = Path(__file__).with_name("field_alone.safetensors")
    arrays = load_file(beside) if beside.exists() else init()
    count = sum(value.size for value in arrays.values())
    print(f"{count:,} weights:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, FEATURES)).astype("float64")
    print(f"y(T) = {network(torch.tensor(x)).tolist()}")


if __name__ == "__main__":
    main()
