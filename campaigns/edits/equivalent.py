"""Equivalent mutants: edits of emitted text that no rung can see, each with the reason why."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .edits import Edit


@dataclass(frozen=True)
class Equivalent:
    """Why the edits that read like `edit` on lines that read like `line` change nothing.

    Both are regular expressions, `edit` of `old → new`.
    """

    why: str
    edit: str
    line: str = ""
    backend: str = ""

    def covers(self, edit: Edit, text: str, backend: str) -> bool:
        line = text.splitlines()[edit.line - 1]
        is_here = self.backend in ("", backend) and re.search(self.line, line) is not None
        return is_here and re.search(self.edit, f"{edit.old} → {edit.new}") is not None


GUARD = (
    "the guard puts a node t_j into step j where t_j / h is rounded below j, which no node of these"
    " specs is in float64; interpolated weights are the same on both sides of a node"
)

EQUIVALENT = (
    Equivalent(GUARD, edit=r"^(t / H \+ (1e-9|rounding)|1e-9) →"),
    Equivalent(GUARD, "", r"rounding = 1e-9 \+ 4", "jax"),
    Equivalent(
        "JAX takes the last entry where an index lies beyond it", r"^STEPS - 1 →", r"clip\(", "jax"
    ),
    Equivalent(
        "a time is ≥ 0, where the conversion to int is the floor", r"^jnp.floor\(", "", "jax"
    ),
    Equivalent(
        "the array lends its dtype and device, which all arrays share",
        "^x → y",
        r"layers\(x\)|new_zeros",
    ),
    Equivalent("integers times floats are floats", "^dtype → targets", "one_hot"),
    Equivalent("the check always hands the weights over", "→ pass", "weights = init"),
    Equivalent("log(1 + e⁴⁰) is 40 in float64", "^40 → 41", "softplus"),
    Equivalent("2 / 2 is 1", "^2 / 2 [*] y → y"),
    Equivalent("without a readout there is no loss, and no gradient is asked for", "^nn.Parameter"),
    Equivalent("the lift takes no weights", "^weights → x", r"initial_state\(weights, x\)", "jax"),
)


def reason(edit: Edit, text: str, backend: str) -> str:
    """Why an edit of a text changes nothing; '' where that is not known."""
    return next((e.why for e in EQUIVALENT if e.covers(edit, text, backend)), "")
