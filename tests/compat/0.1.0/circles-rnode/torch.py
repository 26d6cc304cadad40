"""circles-rnode: y' = W₃ tanh(W₂ tanh(W₁ [y; t] + b₁) + b₂) + b₃,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ²
Integrator     Dormand–Prince 5(4), order 5
               T = 1, one solve; rtol 0.0001, atol 1e-05, at most 4,096 steps
Weights        one weight shared by all steps; 4,546 numbers
Log-density    log N(y(T); 0, I) + ∫ tr ∂f/∂y dt; the trace in closed form
Regularizer    kinetic-energy, α = 0.05: ∫ ‖f(t, y)‖² dt
               jacobian-frobenius, α = 0.05: ∫ ‖∂f/∂y‖²_F dt, by products with all unit
               vectors
Stability      nothing is known of the spectrum by construction
Reference      C. Finlay et al. (2020). How to Train Your Neural ODE. ICML.
               arXiv:2002.02798

Written by wellposed 0.1.0 (PyTorch) from the spec circles-rnode, 06786ea1.
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

FlowState = tuple[Tensor, Tensor]
PenalizedState = tuple[Tensor, Tensor, Tensor, Tensor]
Layer = tuple[Tensor, ...]

FEATURES = 2  # d
STATES = 2  # n
MAX_STEPS = 4096  # of a solve, which fails with more
HORIZON, STEPS = 1, 1  # T, N
H = HORIZON / STEPS  # h = T/N
RTOL = 0.0001  # of a step: relative
ATOL = 1e-05  # and absolute
NORMALIZER = 1.8378770664093453  # n/2 log 2π, of the standard normal
ALPHA_1 = 0.05  # α of kinetic-energy
ALPHA_2 = 0.05  # α of jacobian-frobenius


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": rng(seed, "W1").normal(0.0, (STATES + 1) ** -0.5, (64, STATES + 1)),
        "b1": np.zeros(64),
        "W2": rng(seed, "W2").normal(0.0, 64**-0.5, (64, 64)),
        "b2": np.zeros(64),
        "W3": rng(seed, "W3").normal(0.0, 64**-0.5, (STATES, 64)),
        "b3": np.zeros(STATES),
    }
    return {name: value.astype("float32") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "W1": (64, STATES + 1),
        "b1": (64,),
        "W2": (64, 64),
        "b2": (64,),
        "W3": (STATES, 64),
        "b3": (STATES,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


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


def dlogp_dt(
    t: Tensor, y: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor, W3: Tensor
) -> Tensor:
    """(log p)' = −tr ∂f/∂y, in closed form."""
    u1 = torch.tanh(W1 @ torch.cat([y, t.expand(1, y.shape[1])]) + b1)
    u2 = W1[:, :2] @ W3 * W2.T @ (1 - torch.tanh(W2 @ u1 + b2) ** 2)
    return -((1 - u1**2) * u2).sum(dim=0, keepdim=True)


def density_slopes(
    t: Tensor,
    state: Tensor,
    W1: Tensor,
    b1: Tensor,
    W2: Tensor,
    b2: Tensor,
    W3: Tensor,
    b3: Tensor,
) -> Tensor:
    """(y', logp') of the stacked state; what they have in common is computed once."""
    y = state[:STATES]
    u1 = torch.tanh(W1 @ torch.cat([y, t.expand(1, y.shape[1])]) + b1)
    u2 = torch.tanh(W2 @ u1 + b2)
    u3 = (1 - u1**2) * (W1[:, :2] @ W3 * W2.T @ (1 - u2**2))
    return torch.cat([W3 @ u2 + b3, -u3.sum(dim=0, keepdim=True)])


def penalized_slopes(
    t: Tensor,
    state: Tensor,
    W1: Tensor,
    b1: Tensor,
    W2: Tensor,
    b2: Tensor,
    W3: Tensor,
    b3: Tensor,
) -> Tensor:
    """(y', logp', kinetic', jacobian') of the stacked state; what they have in
    common is computed once.
    """
    y = state[:STATES]
    u1 = W2 @ torch.tanh(W1 @ torch.cat([y, t.expand(1, y.shape[1])]) + b1) + b2
    dy = W3 @ torch.tanh(u1) + b3
    u2 = torch.tanh(W1 @ torch.cat([y, t.expand(1, y.shape[1])]) + b1)
    u3 = 1 - u2**2
    u4 = 1 - torch.tanh(u1) ** 2
    u5 = torch.eye(STATES, dtype=state.dtype, device=state.device)[..., None]
    u6 = (W3 @ (u4 * (W2 @ (u3 * (W1 @ F.pad(u5, (0, 0, 0, 1))))))) ** 2
    u7 = (u3 * (W1[:, :2] @ W3 * W2.T @ u4)).sum(dim=0, keepdim=True)
    u8 = u6.sum(dim=1, keepdim=True).sum(dim=0)
    return torch.cat([dy, -u7, (dy**2).sum(dim=0, keepdim=True), u8])


class Network(nn.Module):
    """circles-rnode: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.W1 = nn.Parameter(torch.tensor(weights["W1"]))  # (64, n+1)
        self.b1 = nn.Parameter(torch.tensor(weights["b1"]))  # (64,)
        self.W2 = nn.Parameter(torch.tensor(weights["W2"]))  # (64, 64)
        self.b2 = nn.Parameter(torch.tensor(weights["b2"]))  # (64,)
        self.W3 = nn.Parameter(torch.tensor(weights["W3"]))  # (n, 64)
        self.b3 = nn.Parameter(torch.tensor(weights["b3"]))  # (n,)

    def layer_weights(self) -> Layer:
        """The one layer's weights; vectors as columns."""
        return (
            self.W1,
            self.b1[:, None],
            self.W2,
            self.b2[:, None],
            self.W3,
            self.b3[:, None],
        )

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
        """y at t_0, …, t_N: (N + 1, s, 2)."""
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
        """The states at these times, x belongs to the first: (times, s, 2).
        The times increase or decrease; they only read the solution.
        """
        check_rows(x, FEATURES, "x")
        y = self.initial_state(x)
        layer = self.layer_weights()
        ys = integrate(dy_dt, y, times, *layer)
        return ys.mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 2) in and out."""
        check_rows(y, STATES, "y")
        layer = self.layer_weights()
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        y = y.T
        return dy_dt(time, y, *layer).T

    def divergence(self, t: float, y: Tensor) -> Tensor:
        """tr ∂f/∂y of rows (s, 2): (s,)."""
        check_rows(y, STATES, "y")
        W1, b1, W2, b2, W3, _ = self.layer_weights()
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        y = y.T
        rate = dlogp_dt(time, y, W1, b1, W2, b2, W3)
        return -rate[0]

    def density_state(self, x: Tensor) -> FlowState:
        """y(T), and log p(y(T)) − log p(y(0)); one column per example."""
        y = self.initial_state(x)
        logp = y.new_zeros(1, y.shape[1])
        layer = self.layer_weights()
        state = torch.cat([y, logp])
        states = integrate(
            density_slopes,
            state,
            torch.tensor([0.0, HORIZON], dtype=x.dtype, device=x.device),
            *layer,
        )
        state = states[-1]
        return state[:STATES], state[2:3]

    def log_density(self, x: Tensor) -> Tensor:
        """log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,)."""
        check_rows(x, FEATURES, "x")
        y, logp = self.density_state(x)
        log_p = -(y**2).sum(dim=0, keepdim=True) / 2 - NORMALIZER - logp
        return log_p[0]

    def sample(self, z: Tensor) -> Tensor:
        """Rows z of the base, which is y(T), as rows of the data: (s, 2)."""
        check_rows(z, FEATURES, "z")
        y = self.initial_state(z)
        layer = self.layer_weights()
        ys = integrate(
            dy_dt,
            y,
            torch.tensor([HORIZON, 0.0], dtype=z.dtype, device=z.device),
            *layer,
        )
        return ys[-1].T

    def penalized_state(self, x: Tensor) -> PenalizedState:
        """The states at T, and the integrals logp, kinetic, jacobian; one column per
        example.
        """
        y = self.initial_state(x)
        logp = y.new_zeros(1, y.shape[1])
        kinetic = y.new_zeros(1, y.shape[1])
        jacobian = y.new_zeros(1, y.shape[1])
        layer = self.layer_weights()
        state = torch.cat([y, logp, kinetic, jacobian])
        states = integrate(
            penalized_slopes,
            state,
            torch.tensor([0.0, HORIZON], dtype=x.dtype, device=x.device),
            *layer,
        )
        state = states[-1]
        return state[:STATES], state[2:3], state[3:4], state[4:5]

    def path_penalty(self, x: Tensor) -> Tensor:
        """What the path of each row adds to the loss: (s,).
        Along the path: 0.05 ∫ ‖f(t, y)‖² dt; 0.05 ∫ ‖∂f/∂y‖²_F dt, by products with all
            unit vectors.
        """
        check_rows(x, FEATURES, "x")
        _, _, kinetic, jacobian = self.penalized_state(x)
        return (ALPHA_1 * kinetic + ALPHA_2 * jacobian)[0]

    def forward(self, x: Tensor) -> Tensor:
        """y(T), one row per example."""
        return self.final_state(x).T

    def loss(self, x: Tensor) -> Tensor:
        """Mean over the examples of −log p(x).
        Along the path: 0.05 ∫ ‖f(t, y)‖² dt; 0.05 ∫ ‖∂f/∂y‖²_F dt, by products with all
            unit vectors.
        """
        check_rows(x, FEATURES, "x")
        y, logp, kinetic, jacobian = self.penalized_state(x)
        log_p = (-(y**2).sum(dim=0, keepdim=True) / 2 - NORMALIZER - logp)[0]
        along_path = (ALPHA_1 * kinetic + ALPHA_2 * jacobian)[0]
        return -log_p.mean() + along_path.mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("circles_rnode.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float32")
    value = network.loss(torch.tensor(x))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
