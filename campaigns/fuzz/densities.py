"""Densities: networks without readout whose method goes through all blocks at once."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from wellposed.spec.integrators import Integrator, RungeKutta

Plain = dict[str, Any]

DIVERGENCES: tuple[Any, ...] = (
    None,
    "exact",
    "hutchinson",
    {"kind": "hutchinson", "probes": 2, "law": "rademacher"},
)
ALONG_PATH: tuple[Plain, ...] = (
    {"kind": "kinetic-energy", "alpha": 0.1},
    {"kind": "jacobian-frobenius", "alpha": 0.25},
)
ENERGY = "sum({0} ** 2) / 2 + log(1 + sum({0} ** 4))"


def may_be_one(spec: Plain) -> bool:
    """Has it no readout, no lift and a method that takes a density along?"""
    net = spec["model"]
    chosen = net.get("integrator", "euler")
    kind = chosen if isinstance(chosen, str) else chosen["kind"]
    is_plain = not {"readout", "lift"} & net.keys()
    return is_plain and issubclass(Integrator.members()[kind], RungeKutta)


@st.composite
def as_density(draw: st.DrawFn, spec: Plain) -> Plain:
    """The same network as a flow, of data that it is not given or of an energy."""
    net = dict(spec["model"])
    how = draw(st.sampled_from(DIVERGENCES))
    net |= {} if how is None else {"divergence": how}
    found = {**spec, "task": "density", "model": net}
    found.pop("data", None)
    found |= {"regularizers": [draw(st.sampled_from(ALONG_PATH))]} if draw(st.booleans()) else {}
    if draw(st.booleans()):
        state = net["state"]
        first = "y" if isinstance(state, int) or "y" in state else next(iter(state))
        found["task"] = {"kind": "density", "target": {"energy": ENERGY.format(first)}}
        if "train" in found:
            found["train"] = {k: v for k, v in found["train"].items() if k != "batch"}
    elif "train" in found:
        found["train"] = {k: v for k, v in found["train"].items() if k != "steps"}
    return found
