"""Dynamics: networks without readout, with shared weights, whose blocks are at one time."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from wellposed.spec.integrators import Integrator, Splitting
from wellposed.spec.observations import TimeSeries
from wellposed.spec.vector_fields import PlanarMixture

Plain = dict[str, Any]
SMALL = {"train": 2, "validation": 1, "points": 6}
OBSERVED = ("[{0}[0], sum({0} ** 2)]", "[sum({0}), {0}[0] * sin({0}[0])]")
"""Two numbers of a block, as many as every drawn series has channels."""


def may_be_one(spec: Plain) -> bool:
    """Has it no readout, a method that has all blocks at the same time, and no matrix made of a
    time that all examples share?"""
    net = spec["model"]
    field = net["vector_field"]
    if PlanarMixture.kind == (field if isinstance(field, str) else field["kind"]):
        return False
    method = Integrator._choose(net.get("integrator", "euler"))
    return "readout" not in net and not (isinstance(method, Splitting) and method.lag)


@st.composite
def as_series(draw: st.DrawFn, spec: Plain) -> Plain:
    """The same network fitted to series, those of a rule or some that it is not given."""
    net = {k: v for k, v in spec["model"].items() if k not in ("gradient", "initializers", "lift")}
    net["time"] = {**net["time"], "weights": "shared"}
    net["vector_field"] = _shared(net["vector_field"])
    found = {k: v for k, v in spec.items() if k != "data"}
    found |= {"task": "dynamics", "model": net}
    sizes = {"y": net["state"]} if isinstance(net["state"], int) else net["state"]
    first = "y" if "y" in sizes else next(iter(sizes))
    if sum(sizes.values()) > 1 or draw(st.booleans()):
        net |= {"lift": "linear"} if sum(sizes.values()) < 2 or draw(st.booleans()) else {}
        if sum(sizes.values()) < 2 or draw(st.booleans()):
            net["observe"] = draw(st.sampled_from(OBSERVED)).format(first)
        if draw(st.sampled_from((False, True, True, True))):
            kind = draw(st.sampled_from(sorted(TimeSeries.members())))
            found["data"] = {"kind": kind, **SMALL}
            net["time"] = {k: v for k, v in net["time"].items() if k != "horizon"}
    if "train" in found:
        found["train"] = {k: v for k, v in found["train"].items() if k != "steps"}
        found["train"] |= draw(st.sampled_from(({}, {"window": 2}, {"window": 4})))
    return found


def _shared(field: Plain | str) -> Plain | str:
    """The field, of whose weights none says how it depends on time."""
    if isinstance(field, str) or "weights" not in field:
        return field
    weights = {
        name: {k: v for k, v in w.items() if k not in ("time", "value")}
        for name, w in field["weights"].items()
    }
    return {**field, "weights": weights}
