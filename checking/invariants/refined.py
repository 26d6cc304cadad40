"""The same vector field and integrator on short horizons of many steps, with smooth weights.

What a method promises as h → 0 is asked of further programs: the spec's own field, parametrization
and integrator, emitted anew with another time, in float64 and without data, readout and lift. Their
weights are constant in time, or a ramp where the spec interpolates them, so that every number of
steps has the very same weights.
"""

from __future__ import annotations

import itertools

import numpy as np

from ...backends import registry
from ...backends.framework_model import compiled_fast
from ...backends.model import Model
from ...compiler.ir.elementary import FUNCTIONS
from ...compiler.ir.expr import walk
from ...compiler.ir.problem import RawWeight
from ...compiler.pipeline import Compiled, compiled
from ...compiler.reference.reference import Reference
from ...data.rng import rng
from ...spec.model import Spec
from ..compare import Array
from ..probes import Weights

KEPT = ("state", "vector_field", "parametrization", "integrator")
ROWS = 3
SIZE = 0.7
"""Standard deviation of states, and of what K y adds to them."""
CHANGE = 1.0
"""Horizon times Lipschitz constant: one turn or one e-folding at most."""
LONGEST, SHORTEST = 0, -20
"""Exponents of the horizon, a power of 2, so that h is an exact number."""
SMALL = 1e-6
"""By how much states and times are moved to see how fast a field changes."""


def refined(case: Compiled, horizon: float, steps: int) -> Compiled:
    """The field and the integrator alone, on [0, horizon] in so many steps."""
    spec = case.problem.spec
    model = {key: value for key, value in spec.model.to_plain().items() if key in KEPT}
    time = {"horizon": horizon, "steps": steps, "weights": spec.model.time.weights}
    head = {"wellposed": 1, "name": spec.name, "seed": spec.seed, "dtype": "float64"}
    return compiled(Spec.model_validate({**head, "model": {**model, "time": time}}))


def loaded(case: Compiled, like: Model) -> Model:
    """The program emitted and loaded by the backend of a model, on its device."""
    backend, module = registry.get(like.backend), case.module
    return compiled_fast(backend.load(module, backend.emit(module), like.device, "float64"))


def is_smooth(case: Compiled) -> bool:
    """Is the field free of kinks? The rows of its functions say where they have one."""
    kinked = {name for name, function in FUNCTIONS.items() if function.kink is not None}
    return not any(e.op in kinked for e in walk(*case.problem.rhs.values()))


def smooth_weights(case: Compiled, slope: float = 1.0) -> Weights:
    """Weights of moderate size, the same at every step; for linear weights w₀ + slope t/T w₁."""
    return {w.name: _smooth(case, w, slope) for w in case.module.weights}


def _smooth(case: Compiled, weight: RawWeight, slope: float) -> Array:
    random = rng(case.module.seed, "invariants", weight.name)
    shape = weight.step_shape
    scale = SIZE * (shape[-1] if len(shape) == 2 else 1) ** -0.5
    first, second = (scale * random.normal(size=shape) for _ in range(2))
    if not weight.nodes:
        return np.asarray(first)
    ramp = np.linspace(0, slope, weight.nodes) if weight.mode == "linear" else np.zeros(1)
    nodes = first + ramp.reshape(-1, *[1] * len(shape)) * second
    return np.ascontiguousarray(np.broadcast_to(nodes, weight.shape))


def starts(case: Compiled) -> Array:
    """Rows y(0) (s, n) of a refined case, whose features are its first block."""
    n = case.problem.first.size.value
    return SIZE * rng(case.module.seed, "invariants").normal(size=(ROWS, n))


def longest(case: Compiled) -> float:
    """The largest power of 2 with T · L ≤ CHANGE, L how fast the field changes.

    For y' = f(t, y) that is ‖∂f/∂y‖, for y'' = f its square root, since y'' = −L² y turns by L;
    so it is √(‖∂f/∂t‖/‖y‖) for the change with time.
    """
    unit = refined(case, 1.0, 1)
    x = starts(unit)
    y = np.pad(x, ((0, 0), (0, unit.problem.size - x.shape[1])))
    with np.errstate(all="ignore"):
        by_state, by_time = _slopes(unit, y)
        fastest = max(by_state ** (1 / unit.problem.order), by_time**0.5)
        exponent = np.nan_to_num(np.floor(np.log2(CHANGE / fastest)))
    return 2.0 ** int(np.clip(exponent, SHORTEST, LONGEST))


def _slopes(case: Compiled, y: Array) -> tuple[np.float64, np.float64]:
    """The largest ‖Δf‖/‖Δy‖ and ‖Δf‖/(Δt ‖y‖), seen at a few states, directions and times."""
    field, weights = Reference(case.module).vector_field, smooth_weights(case)
    moves = rng(case.module.seed, "directions").normal(size=(4, *y.shape))
    moves *= SMALL / np.linalg.norm(moves, axis=-1, keepdims=True)
    by_state, by_time = [], []
    for t, at in itertools.product((0.0, 0.5), (y, 1.5 * y)):
        f = field(weights, t, at)
        by_state += [field(weights, t, at + v) - f for v in moves]
        by_time += [(field(weights, t + SMALL, at) - f) / np.linalg.norm(y, axis=-1, keepdims=True)]
    largest = (np.max(np.linalg.norm(changes, axis=-1)) for changes in (by_state, by_time))
    by_y, by_t = (np.float64(change / SMALL) for change in largest)
    return by_y, by_t
