"""Regularizers along the path: of networks whose method goes through all blocks at once."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from wellposed.spec.integrators import Integrator, RungeKutta
from wellposed.spec.regularizers import PathRegularizer

from .values import Plain, of_kind


@st.composite
def along_path(draw: st.DrawFn, net: Plain) -> list[Any]:
    """Mostly none, else one of a kind: two estimates by other vectors do not go together."""
    is_fit = isinstance(Integrator._choose(net.get("integrator", "euler")), RungeKutta)
    if not is_fit or draw(st.booleans()):
        return []
    kinds = st.sampled_from(list(PathRegularizer.members().values()))
    chosen = draw(st.lists(kinds, max_size=2, unique=True))
    return [draw(of_kind(cls)) for cls in chosen]
