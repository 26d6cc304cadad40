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
        found = draw(draw(st.sampled_from(tasks))(spec))
        is_fixed = not _has_trained_weights(found["model"])
        return {k: v for k, v in found.items() if not (is_fixed and k == "train")}
    return spec


def _has_trained_weights(net: Plain) -> bool:
    """Is there anything to fit? The fields of the catalogue have weights, the user's need not."""
    field = net["vector_field"]
    if isinstance(field, str) or field["kind"] != "custom" or field.get("networks"):
        return True
    own = field.get("weights", {}).values()
    return net.get("lift") == "linear" or any(w.get("trainable", True) for w in own)


TASKS = (
    (densities.may_be_one, densities.as_density),
    (series.may_be_one, series.as_series),
)
