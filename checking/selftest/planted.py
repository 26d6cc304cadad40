"""The planted bugs that have names: each is one that a careful person could make.

Most are a line of text and stand in `planted.yaml`; the rest are rows of tables that hold no text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from ...backends import expressions
from ...backends.jax_dialect import JAX as JAX_DIALECT
from ...backends.torch_dialect import TORCH as TORCH_DIALECT
from ...compiler.ir.elementary import DERIVATIVES
from ...compiler.passes.derive import RULES
from ...spec.integrators import RK4, Heun, Tableau
from . import plant
from .plant import TORCH, Bug, Planting

DIALECTS = {"torch": TORCH_DIALECT.rows, "jax": JAX_DIALECT.rows}
Row = Mapping[str, Any]

PLANTINGS: dict[str, Callable[[Row, str], Planting]] = {
    "function": lambda row, _: partial(plant.edited, row["function"], row["old"], row["new"]),
    "text": lambda row, _: partial(plant.text, row["text"], row["old"], row["new"]),
    "row": lambda row, to: partial(plant.text_of_row, DIALECTS[to], row["row"], row["new"]),
    "derivative": lambda row, _: partial(plant.row, DERIVATIVES, row["derivative"], row["new"]),
}
"""How a row of the file is planted, by the key that says where."""


def _of_file() -> Iterator[Bug]:
    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    for place, rows in yaml.safe_load(text).items():
        for name, row in rows.items():
            backends = tuple(row.get("backends", TORCH))
            (how,) = PLANTINGS.keys() & row.keys()
            planting = PLANTINGS[how](row, backends[0])
            dtype = row.get("dtype", "float64")
            said = row["caught"], row["equation"]
            yield Bug(name, place, row["spec"], planting, *said, backends, dtype)


def _of_tables() -> Iterator[Bug]:
    for name, op, rule, spec in (
        ("(x / y)' as that of x y", "div", RULES["mul"], "functions"),
        ("[y; t]' is 0", "concat", lambda node, g: (None,) * len(node.args), "mlp"),
        ("mat(p)' is 0", "matrix", lambda node, g: (None,), "planar"),
        ("(log softmax)' without its sum", "log_softmax", lambda node, g: (g,), "rk4"),
        ("the adjoint of tail is head's", "tail", RULES["head"], "rk4"),
    ):
        planting = partial(plant.row, RULES, op, rule)
        yield Bug(name, "derivative rule", spec, planting, "L0 passes", f"derivative {op}")
    for name, method, a, b, spec in (
        ("b of rk4 out of order", RK4, ("", "1/2", "0 1/2", "0 0 1"), "1/6 1/6 1/3 1/3", "rk4"),
        ("b of heun", Heun, ("", "1"), "1/4 3/4", "mlp"),
    ):
        planting = partial(plant.member, method, "tableau", Tableau.parse(a, b))
        yield Bug(name, "tableau", spec, planting, "L6 order", "step")
    minus = partial(plant.row, expressions._BINARY, "sub", ("+", expressions.SUM))
    yield Bug("minus is plus", "printer", "rk4", minus, "L1 vector field", "parametrization K")


PLANTED = (*_of_file(), *_of_tables())
