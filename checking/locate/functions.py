"""Every function of a program by itself, on the arguments that the reference calls it with.

So a wrong weight is not taken for a wrong step: callees first, the first function that differs is
the one that is wrong. Functions that take weights are asked on random ones and on *steady* ones,
which are the same in every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from ...backends.model import Differentiable, Inspectable, Model
from ...compiler.ir.module import Function
from ...compiler.pipeline import Compiled
from ..compare import Array
from ..probes import RANDOM, Called, Probes
from ..quantities import FUNCTIONS, PULLBACKS, Answers, NotOffered, cast
from .calls import STEADY, steady

Asked = Callable[[Function, Mapping[str, Array], Called], Answers]


def ask(model: Model, case: Compiled, probes: Probes) -> Answers:
    """`random/step/0/y`, …: results by set of weights, function, call and name."""
    if not isinstance(model, Inspectable):
        raise NotOffered(FUNCTIONS)

    def called(function: Function, weights: Mapping[str, Array], call: Called) -> Answers:
        found = model.called(function, weights, call.args)
        return dict(zip((r.name for r in function.results), found, strict=True))

    weights = probes.weights[RANDOM]
    sets = {RANDOM: weights, STEADY: steady(case, weights)}
    return {
        f"{set_}/{leaf}": value
        for set_, weights in sets.items()
        for function in _functions(model, case)
        if set_ == RANDOM or function.takes_weights
        for leaf, value in _answers(model, function, weights, probes, called)
    }


def ask_pullbacks(model: Model, case: Compiled, probes: Probes) -> Answers:
    """`random/step/0/y`, …: the cotangents of arguments and weights, given those of the results.

    A function that is called on values of several types is differentiated where it is called.
    """
    if not isinstance(model, Differentiable):
        raise NotOffered(PULLBACKS)

    def pulled(function: Function, weights: Mapping[str, Array], call: Called) -> Answers:
        of_args, of_weights = model.pulled(function, weights, call.args, call.bars)
        pairs = zip(function.params, call.args, strict=True)
        names = [p.name for p, a in pairs if a.dtype.kind == "f"]
        return {**dict(zip(names, of_args, strict=True)), **of_weights}

    return {
        f"{RANDOM}/{leaf}": value
        for function in _functions(model, case)
        if not function.generic and not function.numbers
        for leaf, value in _answers(model, function, probes.weights[RANDOM], probes, pulled)
    }


def _functions(model: Inspectable, case: Compiled) -> list[Function]:
    return [f for f in case.module.functions.values() if model.offers(f)]


def _answers(
    model: Model, function: Function, weights: Mapping[str, Array], probes: Probes, asked: Asked
) -> Iterator[tuple[str, Array]]:
    """What a function answers to its calls; nothing where it fails: other questions will tell."""
    for i, call in enumerate(probes.calls[function.name]):
        args, bars = ([cast(a, model.dtype) for a in arrays] for arrays in (call.args, call.bars))
        try:
            found = asked(function, weights, Called(args, bars))
        except (Exception, SystemExit):
            continue
        for name, value in found.items():
            yield f"{function.name}/{i}/{name}", np.asarray(value)
