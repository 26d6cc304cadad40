"""Other tasks than that of the readout, of networks that have none."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from . import densities, series

Plain = dict[str, Any]


@st.composite
def with_task(draw: st.DrawFn, spec: Plain) -> Plain:
    """The same network as a flow, as a field that is fitted to series, or as it is."""
    tasks = [as_one for may_be_one, as_one in TASKS if may_be_one(spec)]
    if tasks and draw(st.sampled_from((True, True, True, False))):
        return draw(draw(st.sampled_from(tasks))(spec))
    return spec


TASKS = (
    (densities.may_be_one, densities.as_density),
    (series.may_be_one, series.as_series),
)
