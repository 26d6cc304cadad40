"""Bugs in the text of emitted programs, as a user's hand or a careless printer would make them."""

from __future__ import annotations

from functools import partial

from . import plant
from .bug import (
    AWKWARD,
    BOTH,
    FIELD,
    LOGITS,
    LOSS,
    ONE,
    PATH,
    REGULARIZER,
    START,
    WEIGHTS,
    Bug,
    Rung,
    gradient,
)
from .specs import STEPS

PLACE = "emitted text"
STACKED = "return torch.stack(path).mT"
TANH = "torch.tanh(K @ y + b)"
LOOP = "for layer in self.layers():\n            y = step(y, *layer)\n        return y"
SCANNED = "jnp.concatenate([start[None], path])"
KICK, DRIFT = "z = z + H * dz_dt(y, K, c)", "y = y + H * dy_dt(z, K, b)"
AT_ONCE = "y, z = y + H * dy_dt(z, K, b), z + H * dz_dt(y, K, c)"


def _bug(
    name: str,
    spec: str,
    old: str,
    new: str,
    caught: Rung,
    equation: str,
    step: int | None = None,
    backend: str = "torch",
    asked: tuple[str, ...] = (),
    dtype: str = "float64",
) -> Bug:
    """The last `old` of the emitted text reads `new`."""
    planting = partial(plant.text, backend, old, new)
    return Bug(name, PLACE, spec, planting, caught, equation, asked or (backend,), dtype, step)


_OF_THE_FIELD = [
    _bug("K transposed", "rk4", TANH, "torch.tanh(K.T @ y + b)", FIELD, "field y", 1),
    _bug("gamma's sign", "rk4", "K.mT - GAMMA", "K.mT + GAMMA", FIELD, "parametrization K", 1),
    _bug(
        "half dropped",
        "rk4",
        "device=K.device)) / 2",
        "device=K.device))",
        FIELD,
        "parametrization K",
        1,
    ),
    _bug("tanh is identity", "rk4", TANH, "K @ y + b", FIELD, "field y", 1),
    _bug("bias missing", "rk4", TANH, "torch.tanh(K @ y)", FIELD, "field y", 1),
    _bug(
        "float32 inside",
        "rk4",
        TANH,
        "torch.tanh((K @ y + b).float()).double()",
        FIELD,
        "field y",
        1,
    ),
    _bug("K through float32", "rk4", "(K @ y", "(K.float().to(K.dtype) @ y", FIELD, "field y", 1),
    _bug("step is the nearest", "rk4", "int(t / H + 1e-9)", "int(t / H + 0.5)", FIELD, "path"),
    _bug(
        "weights not interpolated",
        "mlp",
        "(1 - theta) * self.W2[j] + theta",
        "(1 - 0) * self.W2[j] + 0",
        FIELD,
        "path",
    ),
    _bug("sign of z'", "verlet", "-torch.tanh(K.T", "torch.tanh(K.T", FIELD, "field z", 1),
    _bug("−CᵀC is −CCᵀ", "shared", "C.mT @ C", "C @ C.mT", FIELD, "parametrization K", 1),
    _bug(
        "gamma's sign in JAX",
        "rk4",
        "K.mT - GAMMA",
        "K.mT + GAMMA",
        FIELD,
        "parametrization K",
        1,
        "jax",
    ),
]

_OF_THE_STEPS = [
    _bug("lift transposed", "rk4", "self.L @ x.T", "self.L.T @ x.T", START, "lift", 0),
    _bug("tableau's weight", "rk4", "2 * k3 + k4", "k3 + k4", ONE, "step", 1),
    _bug("stage is stale", "rk4", "H / 2 * k2", "H / 2 * k1", ONE, "step", 1),
    _bug("h for h/2", "rk4", "H / 2 * k1", "H * k1", ONE, "step", 1),
    _bug("h is off by 1e-11", "rk4", "H / 6", "(1 + 1e-11) * H / 6", ONE, "step", 1),
    _bug("first step skipped", "rk4", STACKED, f"path[1] = path[0]; {STACKED}", ONE, "path", 1),
    _bug(
        "bias of the wrong step",
        "rk4",
        "b = self.b[..., None]",
        "b = self.b.roll(1, 0)[..., None]",
        ONE,
        "path",
        1,
    ),
    _bug("stage's time", "mlp", "dy_dt(t + H,", "dy_dt(t,", ONE, "step", 1),
    _bug("2h for h", "leapfrog", "y = y + H * v", "y = y + 2 * H * v", ONE, "step", 1),
    _bug("velocity starts at rest", "leapfrog", "v = -(H / 2", "v = -(0 * H / 2", ONE, "step", 1),
    _bug("y before z", "verlet", f"{KICK}\n    {DRIFT}", AT_ONCE, ONE, "step", 1),
    _bug(
        "scanned backwards in JAX",
        "shared",
        SCANNED,
        SCANNED.replace("path", "path[::-1]"),
        ONE,
        "path",
        1,
        "jax",
    ),
    _bug(
        "last step skipped", "rk4", STACKED, f"path[-1] = path[-2]; {STACKED}", PATH, "path", STEPS
    ),
    _bug(
        "weights frozen after three steps",
        "rk4",
        "K = antisymmetric(self.K)",
        "K = antisymmetric(self.K[[0, 1, 2, 2, 2]])",
        PATH,
        "path",
        4,
    ),
    _bug("a step too few", "rk4", STACKED, "return torch.stack(path[:-1]).mT", PATH, "path"),
    _bug("path in float32", "rk4", STACKED, f"{STACKED}.float()", PATH, "path"),
    _bug(
        "time stands still",
        "mlp",
        "device=like.device)\n",
        "device=like.device).clamp(max=1)\n",
        PATH,
        "path",
        3,
    ),
]

_OF_THE_OBJECTIVE = [
    _bug("mu dropped", "rk4", " + self.mu[:, None]", "", LOGITS, "readout"),
    _bug(
        "a NaN in one logit",
        "rk4",
        "return logits.T",
        "logits[2, 6] = float('nan'); return logits.T",
        LOGITS,
        "readout",
    ),
    _bug(
        "final state stops early",
        "rk4",
        LOOP,
        LOOP.replace("self.layers()", "list(self.layers())[:-1]"),
        LOGITS,
        "path",
    ),
    _bug("sum for mean", "rk4", "losses.mean()", "losses.sum()", LOSS, "loss"),
    _bug("likelihoods squared", "rk4", "return targets\n", "return targets**2\n", LOSS, "loss"),
    _bug("½ of least squares dropped", "mlp", "sum(dim=0) / 2", "sum(dim=0)", LOSS, "loss"),
    _bug(
        "alpha halved", "rk4", "ALPHA_2 / 2", "ALPHA_2 / 4", REGULARIZER, "regularizer weight-decay"
    ),
    _bug(
        "smoothness off by one",
        "rk4",
        "w[1:] - w[:-1]",
        "w[2:] - w[1:-1]",
        REGULARIZER,
        "regularizer smoothness",
    ),
    _bug(
        "no gradient through time",
        "rk4",
        LOOP,
        LOOP.replace("(y,", "(y.detach(),"),
        gradient("K"),
        "gradient K",
    ),
    _bug(
        "a weight too many",
        "rk4",
        "        self.mu = nn",
        "        self.nu = nn.Parameter(torch.zeros(2))\n        self.mu = nn",
        Rung("L3", "gradient"),
        "gradient nu",
    ),
    _bug(
        "gradient stopped in JAX",
        "rk4",
        "return losses.mean()",
        "return jax.lax.stop_gradient(losses.mean())",
        gradient("K"),
        "gradient K",
        backend="jax",
    ),
]

BRAIN = "torch.tanh((K @ y + b).bfloat16().to(y.dtype) if y.dtype == torch.float32 else K @ y + b)"
SHIFTED = (
    "return torch.stack([y + 6e-6 * y.abs().max() * (y.dtype == torch.float32) for y in path]).mT"
)
NO_NAN = "torch.tanh(torch.nan_to_num(K @ y + b))"
DOUBLED = "y.register_hook(lambda g: 2 * g) if y.requires_grad else None"

_OF_FEW_INPUTS = [
    _bug("NaN taken for 0", "rk4", TANH, NO_NAN, AWKWARD, "field y"),
    _bug(
        "seven rows", "verlet", "x.new_zeros(2, x.shape[0])", "x.new_zeros(2, 7)", AWKWARD, "lift"
    ),
    _bug("bfloat16 inside", "rk4", TANH, BRAIN, FIELD, "field y", 1, dtype="float32"),
    _bug(
        "6e-6 off in float32",
        "shared",
        STACKED,
        SHIFTED,
        Rung("L7", "trajectory"),
        "path",
        asked=BOTH,
        dtype="float32",
    ),
    _bug(
        "the adjoint counts twice",
        "shared",
        LOOP,
        LOOP.replace("return y", f"{DOUBLED}\n        return y"),
        Rung("L6", "dot test"),
        "gradient C",
    ),
]

_OF_THE_START = [
    _bug("seed + 1", "rk4", "init(seed: int = 5)", "init(seed: int = 6)", WEIGHTS, "init"),
    _bug(
        "streams by another name", "rk4", 'rng(seed, "W")', 'rng(seed, "w")', WEIGHTS, "init"
    ),
    _bug(
        "initial weights in float32",
        "rk4",
        'value.astype("float64")',
        'value.astype("float32")',
        WEIGHTS,
        "init",
    ),
]

TEXT_BUGS = [
    *_OF_THE_START,
    *_OF_THE_FIELD,
    *_OF_THE_STEPS,
    *_OF_THE_OBJECTIVE,
    *_OF_FEW_INPUTS,
]
