"""The states before some steps, from the weights of a few steps at a time.

The reference makes the layers of all steps before the first; of wide networks these do not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

import numpy as np

from ..ir.compiled import Compiled
from .reference import Array, Reference, Weights

AT_ONCE = 2**22
"""Numbers in the weights of the steps whose layers are made at a time."""


def states_before(
    compiled: Compiled, weights: Weights, x: Array, steps: Iterable[int]
) -> dict[int, Array]:
    """The stacked states (s, n) with which some of the steps 0, 1, … begin."""
    problem, reference = compiled.problem, Reference(compiled.module)
    size, wanted = _at_once(compiled), set(steps)
    if "step" not in compiled.module.functions:  # one solve gives them all
        states = reference.trajectory(weights, x)
        return {j: states[j] for j in sorted(wanted)}
    names = [p.name for p in compiled.module.functions["step"].params]
    blocks = [names.index(name) for name in problem.blocks if name in names] or [0]
    h = (np.asarray(problem.h),) * problem.is_adaptive
    carry = reference.run("initial_state", _of_steps(compiled, weights, 0, 1), x)
    found = {0: carry}
    like = (1, len(x)) if problem.has_starts else ()  # a time of its own for every example
    for start in range(0, max(wanted), size):
        stop = min(start + size, max(wanted))
        stacks, shared = _layers(reference, _of_steps(compiled, weights, start, stop))
        for j in range(start, stop):
            layer = (stack[j - start] for stack in stacks)
            time = () if problem.is_autonomous else (np.full(like, problem.h * j),)
            carry = reference.run("step", {}, *carry, *time, *layer, *shared, *h)
            if j + 1 in wanted:
                found[j + 1] = carry
    return {j: np.concatenate([found[j][i] for i in blocks]).T for j in sorted(wanted)}


def _at_once(compiled: Compiled) -> int:
    each = sum(prod(w.step_shape) for w in compiled.module.weights if w.nodes)
    return max(1, AT_ONCE // max(each, 1))


def _of_steps(compiled: Compiled, weights: Weights, start: int, stop: int) -> Mapping[str, Array]:
    """The raw weights of some steps; those between two nodes have both."""
    more = {w.name: w.nodes - compiled.problem.steps for w in compiled.module.weights if w.nodes}
    return {n: w[start : stop + more[n]] if n in more else w for n, w in weights.items()}


def _layers(reference: Reference, weights: Weights) -> tuple[list[Array], list[Array]]:
    """What a step takes of the layers: stacks of the steps', and what all steps share."""
    function = reference.module.functions.get("layer_weights")
    if function is None:
        return [], []
    found = list(zip(function.results, reference.run(function.name, weights), strict=True))
    stacks = [value for result, value in found if result.value.type.path]
    return stacks, [value for result, value in found if not result.value.type.path]
