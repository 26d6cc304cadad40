"""Edits of emitted text that no rung can see, each with the reason why it changes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .edits import Edit


@dataclass(frozen=True)
class Excuse:
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


FLOAT32 = "the factor lifts nodes that float32 rounds down; in float64 there are none"

EXCUSES = (
    Excuse(
        "the guard puts a node t_j into step j where t_j / h is rounded below j, which no node of"
        " these specs is; interpolated weights are the same on both sides of a node",
        edit=r"^(t / H( \* rounding)? \+ 1e-9|1e-9) →",
    ),
    Excuse(FLOAT32, "", r"rounding = 1 \+ 4", "jax"),
    Excuse(FLOAT32, r"^t / H \* rounding → \(t / H\)$", "", "jax"),
    Excuse(
        "JAX takes the last entry where an index lies beyond it", r"^STEPS - 1 →", r"clip\(", "jax"
    ),
    Excuse("a time is ≥ 0, where the conversion to int is the floor", r"^jnp.floor\(", "", "jax"),
    Excuse(
        "the array lends its dtype and device, which all arrays share",
        "^x → y",
        r"layers\(x\)|new_zeros",
    ),
    Excuse("integers times floats are floats", "^dtype → targets", "one_hot"),
    Excuse("the check always hands the weights over", "→ pass", "weights = init"),
    Excuse("log(1 + e⁴⁰) is 40 in float64", "^40 → 41", "softplus"),
    Excuse("2 / 2 is 1", "^2 / 2 [*] y → y"),
    Excuse("without a readout there is no loss, and no gradient is asked for", "^nn.Parameter"),
    Excuse("the lift takes no weights", "^weights → x", r"initial_state\(weights, x\)", "jax"),
)


def excuse(edit: Edit, text: str, backend: str) -> str:
    """Why an edit of a text changes nothing; '' where nothing excuses its survival."""
    return next((e.why for e in EXCUSES if e.covers(edit, text, backend)), "")
