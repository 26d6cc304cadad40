"""density-blocks: y' = tanh(K z) − sin(y); z' = Kᵀ y + tanh(a ⊙ z) z[0] + t,  0 ≤ t ≤
    T.

Vector field   custom, y ∈ ℝ¹, z ∈ ℝ²
Integrator     Heun, order 2
               N = 4 steps of h = T/N = 1/4 = 0.25
Weights        linear in time between N + 1 nodes; 20 numbers
Log-density    log N(y(T); 0, I) + ∫ tr ∂f/∂y dt; the trace in closed form
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec density-blocks, 6e08a46e.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
FlowState = tuple[Tensor, Tensor, Tensor]
Layer = tuple[Tensor, ...]

FEATURES = 3  # d
STATES = 1  # n
MOMENTA = 2  # m
HORIZON, STEPS = 1, 4  # T, N
H = HORIZON / STEPS  # h = T/N
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


def dy_dt(y: Tensor, z: Tensor, K: Tensor) -> Tensor:
    """y' = tanh(K z) − sin(y)."""
    return torch.tanh(K @ z) - torch.sin(y)


def dz_dt(t: Tensor, y: Tensor, z: Tensor, K: Tensor, a: Tensor) -> Tensor:
    """z' = Kᵀ y + tanh(a ⊙ z) z[0] + t."""
    return K.T @ y + torch.tanh(a * z) * z[0:1] + t


def dlogp_dt(y: Tensor, z: Tensor, a: Tensor) -> Tensor:
    """(log p)' = −tr ∂f/∂y, in closed form."""
    u1 = torch.tanh(a * z)
    u2 = z[0:1] * ((1 - u1**2) * a).sum(dim=0, keepdim=True)
    u3 = torch.cos(y).sum(dim=0, keepdim=True)
    return -(-u3 + (u2 + u1[:1].sum(dim=0, keepdim=True)))


def step(y: Tensor, z: Tensor, t: Tensor, start: Layer, end: Layer) -> State:
    """Heun: y + h/2 (k₁ + k₂); k₁ = f(t, y), k₂ = f(t + h, y + h k₁)."""
    K_start, a_start = start
    K_end, a_end = end
    k1_y = dy_dt(y, z, K_start)
    k1_z = dz_dt(t, y, z, K_start, a_start)
    y2 = y + H * k1_y
    z2 = z + H * k1_z
    k2_y = dy_dt(y2, z2, K_end)
    k2_z = dz_dt(t + H, y2, z2, K_end, a_end)
    return y + H / 2 * (k1_y + k2_y), z + H / 2 * (k1_z + k2_z)


def density_step(
    y: Tensor, z: Tensor, logp: Tensor, t: Tensor, start: Layer, end: Layer
) -> FlowState:
    """Heun: y + h/2 (k₁ + k₂); k₁ = f(t, y), k₂ = f(t + h, y + h k₁)."""
    K_start, a_start = start
    K_end, a_end = end
    k1_y = dy_dt(y, z, K_start)
    k1_z = dz_dt(t, y, z, K_start, a_start)
    k1_logp = dlogp_dt(y, z, a_start)
    y2 = y + H * k1_y
    z2 = z + H * k1_z
    k2_y = dy_dt(y2, z2, K_end)
    k2_z = dz_dt(t + H, y2, z2, K_end, a_end)
    k2_logp = dlogp_dt(y2, z2, a_end)
    return (
        y + H / 2 * (k1_y + k2_y),
        z + H / 2 * (k1_z + k2_z),
        logp + H / 2 * (k1_logp + k2_logp),
    )


def reverse_step(y: Tensor, z: Tensor, t: Tensor, start: Layer, end: Layer) -> State:
    """Heun from t + h to t: the step by −h."""
    K_start, a_start = start
    K_end, a_end = end
    k1_y = dy_dt(y, z, K_end)
    k1_z = dz_dt(t + H, y, z, K_end, a_end)
    y2 = y - H * k1_y
    z2 = z - H * k1_z
    k2_y = dy_dt(y2, z2, K_start)
    k2_z = dz_dt(t, y2, z2, K_start, a_start)
    return y - H / 2 * (k1_y + k2_y), z - H / 2 * (k1_z + k2_z)


class Network(nn.Module):
    """density-blocks: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.K = nn.Parameter(torch.tensor(weights["K"]))  # (N+1, n, m)
        self.a = nn.Parameter(torch.tensor(weights["a"]))  # (N+1, m)

    def layer_weights(self) -> tuple[Layer, Layer]:
        """The weights of all steps; vectors as columns."""
        start = (self.K[:-1], self.a[:-1][..., None])
        end = (self.K[1:], self.a[1:][..., None])
        return start, end

    def weights_at(self, t: float) -> Layer:
        """Weights interpolated at t."""
        j = step_of(t)
        theta = t / H - j
        return (
            (1 - theta) * self.K[j] + theta * self.K[j + 1],
            ((1 - theta) * self.a[j] + theta * self.a[j + 1])[:, None],
        )

    def initial_state(self, x: Tensor) -> State:
        """(y(0), z(0)) = x; one column per example."""
        check_rows(x, FEATURES, "x")
        columns = x.T.contiguous()
        return columns[:STATES], columns[STATES:]

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y, z = self.initial_state(x)
        starts, ends = self.layer_weights()
        stages = [zip(*stage, strict=True) for stage in (starts, ends)]
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *stages,
            strict=True,
        ):
            y, z = step(y, z, *layer)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """(y, z) at t_0, …, t_N: (N + 1, s, 3)."""
        y, z = self.initial_state(x)
        starts, ends = self.layer_weights()
        ys, zs = [y], [z]
        stages = [zip(*stage, strict=True) for stage in (starts, ends)]
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *stages,
            strict=True,
        ):
            y, z = step(y, z, *layer)
            ys.append(y)
            zs.append(z)
        return torch.cat([torch.stack(ys), torch.stack(zs)], dim=1).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 3) in and out, with weights interpolated at t."""
        check_rows(y, STATES + MOMENTA, "y")
        K, a = self.weights_at(t)
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        columns = y.T
        y = columns[:STATES]
        z = columns[STATES:]
        return torch.cat([dy_dt(y, z, K), dz_dt(time, y, z, K, a)]).T

    def divergence(self, t: float, y: Tensor) -> Tensor:
        """tr ∂f/∂y of rows (s, 3): (s,)."""
        check_rows(y, STATES + MOMENTA, "y")
        _, a = self.weights_at(t)
        columns = y.T
        y = columns[:STATES]
        z = columns[STATES:]
        rate = dlogp_dt(y, z, a)
        return -rate[0]

    def density_state(self, x: Tensor) -> FlowState:
        """y(T), and log p(y(T)) − log p(y(0)); one column per example."""
        y, z = self.initial_state(x)
        logp = y.new_zeros(1, y.shape[1])
        starts, ends = self.layer_weights()
        stages = [zip(*stage, strict=True) for stage in (starts, ends)]
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *stages,
            strict=True,
        ):
            y, z, logp = density_step(y, z, logp, *layer)
        return y, z, logp

    def log_density(self, x: Tensor) -> Tensor:
        """log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,)."""
        check_rows(x, FEATURES, "x")
        y, z, logp = self.density_state(x)
        u1 = -((y**2).sum(dim=0, keepdim=True) + (z**2).sum(dim=0, keepdim=True)) / 2
        log_p = u1 - NORMALIZER - logp
        return log_p[0]

    def sample(self, z: Tensor) -> Tensor:
        """Rows z of the base, which is y(T), as rows of the data: (s, 3)."""
        check_rows(z, FEATURES, "z")
        y, z = self.initial_state(z)
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
            y, z = reverse_step(y, z, *layer)
        return torch.cat([y, z]).T

    def forward(self, x: Tensor) -> Tensor:
        """y(T), one row per example."""
        return self.final_state(x).T

    def loss(self, x: Tensor) -> Tensor:
        """Mean over the examples of −log p(x)."""
        return -self.log_density(x).mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("density_blocks.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    value = network.loss(torch.tensor(x))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
