"""density-penalized: y' = W₄ tanh(W₃ tanh(W₂ tanh(W₁ y + b₁) + b₂) + b₃) + b₄,  0 ≤ t ≤
    T.

Vector field   mlp, y ∈ ℝ³
Integrator     Heun, order 2
               N = 4 steps of h = T/N = 1/4 = 0.25
Weights        one weight for each step; 284 numbers
Log-density    log N(y(T); 0, I) + ∫ tr ∂f/∂y dt; the trace the mean of εᵀ (∂f/∂y) ε
               over 2 normal vectors for a row and a solve
Regularizer    kinetic-energy, α = 0.1: ∫ ‖f(t, y)‖² dt
               jacobian-frobenius, α = 0.2: ∫ ‖∂f/∂y‖²_F dt, the mean of ‖εᵀ ∂f/∂y‖²
               over 2 normal vectors for a row and a solve
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec density-penalized, bc4bda12.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

FlowState = tuple[Tensor, Tensor]
PenalizedState = tuple[Tensor, Tensor, Tensor, Tensor]
Layer = tuple[Tensor, ...]

FEATURES = 3  # d
STATES = 3  # n
HORIZON, STEPS = 1, 4  # T, N
H = HORIZON / STEPS  # h = T/N
NORMALIZER = 2.756815599614018  # n/2 log 2π, of the standard normal
ALPHA_1 = 0.1  # α of kinetic-energy
ALPHA_2 = 0.2  # α of jacobian-frobenius


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 2) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": np.repeat(
            rng(seed, "W1").normal(0.0, STATES**-0.5, (1, 4, STATES)), STEPS, axis=0
        ),
        "b1": np.zeros((STEPS, 4)),
        "W2": np.repeat(rng(seed, "W2").normal(0.0, 4**-0.5, (1, 4, 4)), STEPS, axis=0),
        "b2": np.zeros((STEPS, 4)),
        "W3": np.repeat(rng(seed, "W3").normal(0.0, 4**-0.5, (1, 4, 4)), STEPS, axis=0),
        "b3": np.zeros((STEPS, 4)),
        "W4": np.repeat(
            rng(seed, "W4").normal(0.0, 4**-0.5, (1, STATES, 4)), STEPS, axis=0
        ),
        "b4": np.zeros((STEPS, STATES)),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "W1": (STEPS, 4, STATES),
        "b1": (STEPS, 4),
        "W2": (STEPS, 4, 4),
        "b2": (STEPS, 4),
        "W3": (STEPS, 4, 4),
        "b3": (STEPS, 4),
        "W4": (STEPS, STATES, 4),
        "b4": (STEPS, STATES),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float) -> int:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    return min(max(int(t / H + 1e-9), 0), STEPS - 1)


def dy_dt(
    y: Tensor,
    W1: Tensor,
    b1: Tensor,
    W2: Tensor,
    b2: Tensor,
    W3: Tensor,
    b3: Tensor,
    W4: Tensor,
    b4: Tensor,
) -> Tensor:
    """y' = W₄ tanh(W₃ tanh(W₂ tanh(W₁ y + b₁) + b₂) + b₃) + b₄."""
    return W4 @ torch.tanh(W3 @ torch.tanh(W2 @ torch.tanh(W1 @ y + b1) + b2) + b3) + b4


def dlogp_dt(
    y: Tensor,
    W1: Tensor,
    b1: Tensor,
    W2: Tensor,
    b2: Tensor,
    W3: Tensor,
    b3: Tensor,
    W4: Tensor,
    probes: Tensor,
) -> Tensor:
    """(log p)' = −tr ∂f/∂y, the mean of εᵀ (∂f/∂y) ε over 2 normal vectors for a row
    and a solve.
    """
    u1 = torch.tanh(W1 @ y + b1)
    u2 = torch.tanh(W2 @ u1 + b2)
    u3 = W3 @ ((1 - u2**2) * (W2 @ ((1 - u1**2) * (W1 @ probes))))
    u4 = probes * (W4 @ ((1 - torch.tanh(W3 @ u2 + b3) ** 2) * u3))
    return -(u4.sum(dim=1, keepdim=True).sum(dim=0) / 2)


def dkinetic_dt(dy: Tensor) -> Tensor:
    """kinetic' = ‖f(t, y)‖²."""
    return (dy**2).sum(dim=0, keepdim=True)


def djacobian_dt(
    y: Tensor,
    W1: Tensor,
    b1: Tensor,
    W2: Tensor,
    b2: Tensor,
    W3: Tensor,
    b3: Tensor,
    W4: Tensor,
    probes: Tensor,
) -> Tensor:
    """jacobian' = ‖∂f/∂y‖²_F, the mean of ‖εᵀ ∂f/∂y‖² over 2 normal vectors for a
    row and a solve.
    """
    u1 = torch.tanh(W1 @ y + b1)
    u2 = torch.tanh(W2 @ u1 + b2)
    u3 = W3.T @ ((1 - torch.tanh(W3 @ u2 + b3) ** 2) * (W4.T @ probes))
    u4 = (W1.T @ ((1 - u1**2) * (W2.T @ ((1 - u2**2) * u3)))) ** 2
    return u4.sum(dim=1, keepdim=True).sum(dim=0) / 2


def step(
    y: Tensor,
    W1: Tensor,
    b1: Tensor,
    W2: Tensor,
    b2: Tensor,
    W3: Tensor,
    b3: Tensor,
    W4: Tensor,
    b4: Tensor,
) -> Tensor:
    """Heun: y + h/2 (k₁ + k₂); k₁ = f(t, y), k₂ = f(t + h, y + h k₁)."""
    k1 = dy_dt(y, W1, b1, W2, b2, W3, b3, W4, b4)
    k2 = dy_dt(y + H * k1, W1, b1, W2, b2, W3, b3, W4, b4)
    return y + H / 2 * (k1 + k2)


def density_step(y: Tensor, logp: Tensor, layer: Layer, probes: Tensor) -> FlowState:
    """Heun: y + h/2 (k₁ + k₂); k₁ = f(t, y), k₂ = f(t + h, y + h k₁)."""
    W1, b1, W2, b2, W3, b3, W4, b4 = layer
    k1_y = dy_dt(y, W1, b1, W2, b2, W3, b3, W4, b4)
    k1_logp = dlogp_dt(y, W1, b1, W2, b2, W3, b3, W4, probes)
    y2 = y + H * k1_y
    k2_y = dy_dt(y2, W1, b1, W2, b2, W3, b3, W4, b4)
    k2_logp = dlogp_dt(y2, W1, b1, W2, b2, W3, b3, W4, probes)
    return y + H / 2 * (k1_y + k2_y), logp + H / 2 * (k1_logp + k2_logp)


def reverse_step(
    y: Tensor,
    W1: Tensor,
    b1: Tensor,
    W2: Tensor,
    b2: Tensor,
    W3: Tensor,
    b3: Tensor,
    W4: Tensor,
    b4: Tensor,
) -> Tensor:
    """Heun from t + h to t: the step by −h."""
    k1 = dy_dt(y, W1, b1, W2, b2, W3, b3, W4, b4)
    k2 = dy_dt(y - H * k1, W1, b1, W2, b2, W3, b3, W4, b4)
    return y - H / 2 * (k1 + k2)


def penalized_step(
    y: Tensor,
    logp: Tensor,
    kinetic: Tensor,
    jacobian: Tensor,
    layer: Layer,
    probes: Tensor,
) -> PenalizedState:
    """Heun: y + h/2 (k₁ + k₂); k₁ = f(t, y), k₂ = f(t + h, y + h k₁)."""
    W1, b1, W2, b2, W3, b3, W4, b4 = layer
    k1_y = dy_dt(y, W1, b1, W2, b2, W3, b3, W4, b4)
    k1_logp = dlogp_dt(y, W1, b1, W2, b2, W3, b3, W4, probes)
    k1_kinetic = dkinetic_dt(k1_y)
    k1_jacobian = djacobian_dt(y, W1, b1, W2, b2, W3, b3, W4, probes)
    y2 = y + H * k1_y
    k2_y = dy_dt(y2, W1, b1, W2, b2, W3, b3, W4, b4)
    k2_logp = dlogp_dt(y2, W1, b1, W2, b2, W3, b3, W4, probes)
    k2_kinetic = dkinetic_dt(k2_y)
    k2_jacobian = djacobian_dt(y2, W1, b1, W2, b2, W3, b3, W4, probes)
    return (
        y + H / 2 * (k1_y + k2_y),
        logp + H / 2 * (k1_logp + k2_logp),
        kinetic + H / 2 * (k1_kinetic + k2_kinetic),
        jacobian + H / 2 * (k1_jacobian + k2_jacobian),
    )


class Network(nn.Module):
    """density-penalized: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.W1 = nn.Parameter(torch.tensor(weights["W1"]))  # (N, 4, n)
        self.b1 = nn.Parameter(torch.tensor(weights["b1"]))  # (N, 4)
        self.W2 = nn.Parameter(torch.tensor(weights["W2"]))  # (N, 4, 4)
        self.b2 = nn.Parameter(torch.tensor(weights["b2"]))  # (N, 4)
        self.W3 = nn.Parameter(torch.tensor(weights["W3"]))  # (N, 4, 4)
        self.b3 = nn.Parameter(torch.tensor(weights["b3"]))  # (N, 4)
        self.W4 = nn.Parameter(torch.tensor(weights["W4"]))  # (N, n, 4)
        self.b4 = nn.Parameter(torch.tensor(weights["b4"]))  # (N, n)

    def layer_weights(self) -> Layer:
        """The weights of all steps; vectors as columns."""
        return (
            self.W1,
            self.b1[..., None],
            self.W2,
            self.b2[..., None],
            self.W3,
            self.b3[..., None],
            self.W4,
            self.b4[..., None],
        )

    def weights_at(self, t: float) -> Layer:
        """The weights of step j, t_j ≤ t < t_{j+1}."""
        j = step_of(t)
        return (
            self.W1[j],
            self.b1[j][:, None],
            self.W2[j],
            self.b2[j][:, None],
            self.W3[j],
            self.b3[j][:, None],
            self.W4[j],
            self.b4[j][:, None],
        )

    def initial_state(self, x: Tensor) -> Tensor:
        """y(0) = x; one column per example."""
        check_rows(x, FEATURES, "x")
        return x.T.contiguous()

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y = self.initial_state(x)
        layers = self.layer_weights()
        for layer in zip(*layers, strict=True):
            y = step(y, *layer)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, …, t_N: (N + 1, s, 3)."""
        y = self.initial_state(x)
        layers = self.layer_weights()
        ys = [y]
        for layer in zip(*layers, strict=True):
            y = step(y, *layer)
            ys.append(y)
        return torch.stack(ys).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 3) in and out, with weight j for t_j ≤ t < t_{j+1}."""
        check_rows(y, STATES, "y")
        layer = self.weights_at(t)
        y = y.T
        return dy_dt(y, *layer).T

    def divergence(self, t: float, y: Tensor, probes: Tensor) -> Tensor:
        """tr ∂f/∂y of rows (s, 3): (s,); probes are (2, s, 3)."""
        check_rows(y, STATES, "y")
        W1, b1, W2, b2, W3, b3, W4, _ = self.weights_at(t)
        y = y.T
        rate = dlogp_dt(y, W1, b1, W2, b2, W3, b3, W4, probes.mT)
        return -rate[0]

    def density_state(self, x: Tensor, probes: Tensor) -> FlowState:
        """y(T), and log p(y(T)) − log p(y(0)); one column per example."""
        y = self.initial_state(x)
        logp = y.new_zeros(1, y.shape[1])
        layers = self.layer_weights()
        columns = probes.mT
        for layer in zip(*layers, strict=True):
            y, logp = density_step(y, logp, layer, probes=columns)
        return y, logp

    def log_density(self, x: Tensor, probes: Tensor) -> Tensor:
        """log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,); probes are
        (2, s, 3).
        """
        check_rows(x, FEATURES, "x")
        y, logp = self.density_state(x, probes)
        log_p = -(y**2).sum(dim=0, keepdim=True) / 2 - NORMALIZER - logp
        return log_p[0]

    def sample(self, z: Tensor) -> Tensor:
        """Rows z of the base, which is y(T), as rows of the data: (s, 3)."""
        check_rows(z, FEATURES, "z")
        y = self.initial_state(z)
        layers = self.layer_weights()
        for layer in reversed(list(zip(*layers, strict=True))):
            y = reverse_step(y, *layer)
        return y.T

    def penalized_state(self, x: Tensor, probes: Tensor) -> PenalizedState:
        """The states at T, and the integrals logp, kinetic, jacobian; one column per
        example.
        """
        y = self.initial_state(x)
        logp = y.new_zeros(1, y.shape[1])
        kinetic = y.new_zeros(1, y.shape[1])
        jacobian = y.new_zeros(1, y.shape[1])
        layers = self.layer_weights()
        columns = probes.mT
        for layer in zip(*layers, strict=True):
            y, logp, kinetic, jacobian = penalized_step(
                y, logp, kinetic, jacobian, layer, probes=columns
            )
        return y, logp, kinetic, jacobian

    def path_penalty(self, x: Tensor, probes: Tensor) -> Tensor:
        """What the path of each row adds to the loss: (s,); probes are (2, s, 3).
        Along the path: 0.1 ∫ ‖f(t, y)‖² dt; 0.2 ∫ ‖∂f/∂y‖²_F dt, the mean of ‖εᵀ
            ∂f/∂y‖² over 2 normal vectors for a row and a solve.
        """
        check_rows(x, FEATURES, "x")
        _, _, kinetic, jacobian = self.penalized_state(x, probes)
        return (ALPHA_1 * kinetic + ALPHA_2 * jacobian)[0]

    def forward(self, x: Tensor) -> Tensor:
        """y(T), one row per example."""
        return self.final_state(x).T

    def loss(self, x: Tensor, probes: Tensor) -> Tensor:
        """Mean over the examples of −log p(x).
        Along the path: 0.1 ∫ ‖f(t, y)‖² dt; 0.2 ∫ ‖∂f/∂y‖²_F dt, the mean of ‖εᵀ
            ∂f/∂y‖² over 2 normal vectors for a row and a solve.
        """
        check_rows(x, FEATURES, "x")
        y, logp, kinetic, jacobian = self.penalized_state(x, probes)
        log_p = (-(y**2).sum(dim=0, keepdim=True) / 2 - NORMALIZER - logp)[0]
        along_path = (ALPHA_1 * kinetic + ALPHA_2 * jacobian)[0]
        return -log_p.mean() + along_path.mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("density_penalized.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    probes = random.normal(size=(2, *x.shape)).astype("float64")
    value = network.loss(torch.tensor(x), torch.tensor(probes))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
