"""density-jumps: y' = tanh(K z) − sin(y); z' = Kᵀ y + tanh(a ⊙ z) z[0] + t,  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ¹, z ∈ ℝ²
Integrator     Dormand–Prince 5(4), order 5
               T = 1, 4 solves of h = T/N = 0.25, one for each weight; rtol 1e-05, atol
               1e-07, at most 4,096 steps
Weights        linear in time between N + 1 nodes; 20 numbers
Log-density    log N(y(T); 0, I) + ∫ tr ∂f/∂y dt; the trace the mean of εᵀ (∂f/∂y) ε
               over 1 rademacher vector for a row and a solve
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec density-jumps, 246f415a.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn
from torchdiffeq import odeint

FlowState = tuple[Tensor, Tensor, Tensor]
Layer = tuple[Tensor, ...]

FEATURES = 3  # d
STATES = 1  # n
MOMENTA = 2  # m
MAX_STEPS = 4096  # of a solve, which fails with more
HORIZON, STEPS = 1, 4  # T, N
H = HORIZON / STEPS  # h = T/N
RTOL = 1e-05  # of a step: relative
ATOL = 1e-07  # and absolute
NORMALIZER = 2.756815599614018  # n/2 log 2π, of the standard normal


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 2) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            rng(seed, "K").normal(0.0, MOMENTA**-0.5, (1, STATES, MOMENTA)),
            STEPS + 1,
            axis=0,
        ),
        "a": np.zeros((STEPS + 1, MOMENTA)),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "K": (STEPS + 1, STATES, MOMENTA),
        "a": (STEPS + 1, MOMENTA),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float) -> int:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    return min(max(int(t / H + 1e-9), 0), STEPS - 1)


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


def dy_dt(y: Tensor, z: Tensor, K: Tensor) -> Tensor:
    """y' = tanh(K z) − sin(y)."""
    return torch.tanh(K @ z) - torch.sin(y)


def dz_dt(t: Tensor, y: Tensor, z: Tensor, K: Tensor, a: Tensor) -> Tensor:
    """z' = Kᵀ y + tanh(a ⊙ z) z[0] + t."""
    return K.T @ y + torch.tanh(a * z) * z[0:1] + t


def dlogp_dt(y: Tensor, z: Tensor, a: Tensor, probes: Tensor) -> Tensor:
    """(log p)' = −tr ∂f/∂y, the mean of εᵀ (∂f/∂y) ε over 1 rademacher vector for a
    row and a solve.
    """
    u1 = torch.tanh(a * z)
    u2 = probes[..., :STATES, :] * (torch.cos(y) * probes[..., :STATES, :])
    u3 = u1 * probes[..., STATES:, :][..., :1, :].sum(dim=1, keepdim=True)
    u4 = z[0:1] * ((1 - u1**2) * (a * probes[..., STATES:, :])) + u3
    u5 = (probes[..., STATES:, :] * u4).sum(dim=1, keepdim=True)
    return -((-u2).sum(dim=1, keepdim=True) + u5).sum(dim=0)


def slopes(
    t: Tensor,
    state: Tensor,
    t_j: Tensor,
    K_start: Tensor,
    a_start: Tensor,
    K_end: Tensor,
    a_end: Tensor,
) -> Tensor:
    """(y', z') of the stacked state at t_j + θ h, weights linear between both ends
    of the step.
    """
    theta = (t - t_j) / H
    K = (1 - theta) * K_start + theta * K_end
    a = ((1 - theta) * a_start + theta * a_end)[:, None]
    y = state[:STATES]
    z = state[STATES:]
    return torch.cat([dy_dt(y, z, K), dz_dt(t, y, z, K, a)])


def step(state: Tensor, t: Tensor, start: Layer, end: Layer, h: float) -> Tensor:
    """Dormand–Prince 5(4) over a step, in as many of its own as it needs."""
    states = integrate(
        slopes,
        state,
        t + torch.tensor([0.0, h], dtype=state.dtype, device=state.device),
        t,
        *start,
        *end,
    )
    return states[-1]


def density_slopes(
    t: Tensor,
    state: Tensor,
    t_j: Tensor,
    K_start: Tensor,
    a_start: Tensor,
    K_end: Tensor,
    a_end: Tensor,
    probes: Tensor,
) -> Tensor:
    """(y', z', logp') of the stacked state at t_j + θ h, weights linear between both
    ends of the step; what they have in common is computed once.
    """
    theta = (t - t_j) / H
    K = (1 - theta) * K_start + theta * K_end
    a = ((1 - theta) * a_start + theta * a_end)[:, None]
    y = state[:STATES]
    z = state[STATES : STATES + MOMENTA]
    u1 = torch.tanh(a * z)
    u2 = probes[..., :STATES, :] * (torch.cos(y) * probes[..., :STATES, :])
    u3 = u1 * probes[..., STATES:, :][..., :1, :].sum(dim=1, keepdim=True)
    u4 = z[0:1] * ((1 - u1**2) * (a * probes[..., STATES:, :])) + u3
    u5 = (probes[..., STATES:, :] * u4).sum(dim=1, keepdim=True)
    u6 = ((-u2).sum(dim=1, keepdim=True) + u5).sum(dim=0)
    return torch.cat([torch.tanh(K @ z) - torch.sin(y), K.T @ y + u1 * z[0:1] + t, -u6])


def density_step(
    state: Tensor, t: Tensor, start: Layer, end: Layer, probes: Tensor, h: float
) -> Tensor:
    """Dormand–Prince 5(4) over a step, in as many of its own as it needs."""
    states = integrate(
        density_slopes,
        state,
        t + torch.tensor([0.0, h], dtype=state.dtype, device=state.device),
        t,
        *start,
        *end,
        probes,
    )
    return states[-1]


def reverse_step(
    state: Tensor, t: Tensor, start: Layer, end: Layer, h: float
) -> Tensor:
    """Dormand–Prince 5(4) over a step, from its end back, in as many of its own as
    it needs.
    """
    states = integrate(
        slopes,
        state,
        t + torch.tensor([h, 0.0], dtype=state.dtype, device=state.device),
        t,
        *start,
        *end,
    )
    return states[-1]


class Network(nn.Module):
    """density-jumps: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.K = nn.Parameter(torch.tensor(weights["K"]))  # (N+1, n, m)
        self.a = nn.Parameter(torch.tensor(weights["a"]))  # (N+1, m)

    def layer_weights(self) -> tuple[Layer, Layer]:
        """The weights of all steps."""
        start = (self.K[:-1], self.a[:-1])
        end = (self.K[1:], self.a[1:])
        return start, end

    def weights_at(self, t: float) -> Layer:
        """Weights interpolated at t."""
        j = step_of(t)
        theta = t / H - j
        return (
            (1 - theta) * self.K[j] + theta * self.K[j + 1],
            ((1 - theta) * self.a[j] + theta * self.a[j + 1])[:, None],
        )

    def initial_state(self, x: Tensor) -> Tensor:
        """(y(0), z(0)) = x; one column per example."""
        check_rows(x, FEATURES, "x")
        columns = x.T.contiguous()
        return torch.cat([columns[:STATES], columns[STATES:]])

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        state = self.initial_state(x)
        starts, ends = self.layer_weights()
        stages = [zip(*stage, strict=True) for stage in (starts, ends)]
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *stages,
            strict=True,
        ):
            state = step(state, *layer, h=H)
        return state[:STATES]

    def trajectory(self, x: Tensor) -> Tensor:
        """(y, z) at t_0, …, t_N: (N + 1, s, 3)."""
        state = self.initial_state(x)
        starts, ends = self.layer_weights()
        states = [state]
        stages = [zip(*stage, strict=True) for stage in (starts, ends)]
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *stages,
            strict=True,
        ):
            state = step(state, *layer, h=H)
            states.append(state)
        return torch.stack(states).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 3) in and out, with weights interpolated at t."""
        check_rows(y, STATES + MOMENTA, "y")
        K, a = self.weights_at(t)
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        columns = y.T
        y = columns[:STATES]
        z = columns[STATES:]
        return torch.cat([dy_dt(y, z, K), dz_dt(time, y, z, K, a)]).T

    def divergence(self, t: float, y: Tensor, probes: Tensor) -> Tensor:
        """tr ∂f/∂y of rows (s, 3): (s,); probes are (1, s, 3)."""
        check_rows(y, STATES + MOMENTA, "y")
        _, a = self.weights_at(t)
        columns = y.T
        y = columns[:STATES]
        z = columns[STATES:]
        rate = dlogp_dt(y, z, a, probes.mT)
        return -rate[0]

    def density_state(self, x: Tensor, probes: Tensor) -> FlowState:
        """y(T), and log p(y(T)) − log p(y(0)); one column per example."""
        state = self.initial_state(x)
        logp = state.new_zeros(1, state.shape[1])
        starts, ends = self.layer_weights()
        columns = probes.mT
        state = torch.cat([state, logp])
        stages = [zip(*stage, strict=True) for stage in (starts, ends)]
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *stages,
            strict=True,
        ):
            state = density_step(state, *layer, probes=columns, h=H)
        return state[:STATES], state[STATES : STATES + MOMENTA], state[3:4]

    def log_density(self, x: Tensor, probes: Tensor) -> Tensor:
        """log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,); probes are
        (1, s, 3).
        """
        check_rows(x, FEATURES, "x")
        y, z, logp = self.density_state(x, probes)
        u1 = -((y**2).sum(dim=0, keepdim=True) + (z**2).sum(dim=0, keepdim=True)) / 2
        log_p = u1 - NORMALIZER - logp
        return log_p[0]

    def sample(self, z: Tensor) -> Tensor:
        """Rows z of the base, which is y(T), as rows of the data: (s, 3)."""
        check_rows(z, FEATURES, "z")
        state = self.initial_state(z)
        starts, ends = self.layer_weights()
        stages = [zip(*stage, strict=True) for stage in (starts, ends)]
        for layer in reversed(
            list(
                zip(
                    H * torch.arange(STEPS, dtype=z.dtype, device=z.device),
                    *stages,
                    strict=True,
                )
            )
        ):
            state = reverse_step(state, *layer, h=H)
        return state.T

    def forward(self, x: Tensor) -> Tensor:
        """y(T), one row per example."""
        return self.final_state(x).T

    def loss(self, x: Tensor, probes: Tensor) -> Tensor:
        """Mean over the examples of −log p(x)."""
        return -self.log_density(x, probes).mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("density_jumps.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    probes = random.choice((-1.0, 1.0), (1, *x.shape)).astype("float64")
    value = network.loss(torch.tensor(x), torch.tensor(probes))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
