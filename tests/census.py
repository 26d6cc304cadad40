"""The census: which names of the catalogue the tests really go over, and in which respect.

Of operations and functions also: for which rows of the compiler's tables a test sees a wrong one.

A test says what it shows of the names that it is parametrized over:

    @pytest.mark.covers("gradient", by="case")                  # specs: all that occurs in them
    @pytest.mark.covers("value", by="name", of="function")      # names of one family
    @pytest.mark.covers("value", names=("initializer zeros",))  # a test that is about these

and the names are read off the very values of its `parametrize`: there is no second list.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, get_args

from specs import Case, regularizers

from wellposed.backends.dialect import NOT_PRINTED
from wellposed.backends.jax_dialect import JAX as JAX_DIALECT
from wellposed.backends.torch_dialect import TORCH as TORCH_DIALECT
from wellposed.compiler.ir.elementary import FUNCTIONS
from wellposed.compiler.ir.expr import walk
from wellposed.compiler.ir.operations import ELEMENTWISE_FUNCTIONS, OPERATIONS
from wellposed.compiler.passes.derive import RULES
from wellposed.compiler.pipeline import compiled
from wellposed.compiler.semantics.meaning import MEANING
from wellposed.spec.initializers import Initializer
from wellposed.spec.integrators import Integrator, Verlet
from wellposed.spec.model import Lift, Spec, Time
from wellposed.spec.parametrizations import Parametrization
from wellposed.spec.readouts import Classifier, Readout
from wellposed.spec.regularizers import AnyRegularizer
from wellposed.spec.training import Optimizer, Schedule
from wellposed.spec.vector_fields import VectorField, WithActivation

TESTS = Path(__file__).parent
VALUE, GRADIENT, TORCH, JAX, DOUBLE = "value", "gradient", "torch", "jax", "float64"
AWKWARD, BUG = "awkward inputs", "planted bug"
COLUMNS = (VALUE, GRADIENT, TORCH, JAX, DOUBLE, AWKWARD, BUG)

FAMILIES: dict[str, tuple[str, ...]] = {
    "vector field": tuple(VectorField.members()),
    "parametrization": tuple(Parametrization.members()),
    "integrator": tuple(Integrator.members()),
    "form": get_args(Verlet.model_fields["form"].annotation),
    "regularizer": tuple(AnyRegularizer.members()),
    "readout": tuple(Readout.members()),
    "hypothesis": tuple(dict.fromkeys(hypothesis for hypothesis, _ in Classifier.LOSSES)),
    "loss": tuple(dict.fromkeys(loss for _, loss in Classifier.LOSSES)),
    "lift": tuple(Lift.members()),
    "bias": get_args(WithActivation.model_fields["bias"].annotation),
    "weights": get_args(Time.model_fields["weights"].annotation),
    "function": tuple(FUNCTIONS),
    "operation": tuple(sorted(MEANING.keys() - set(ELEMENTWISE_FUNCTIONS))),
    "initializer": tuple(Initializer.members()),
    "optimizer": tuple(Optimizer.members()),
    "schedule": tuple(Schedule.members()),
}

EXEMPT: dict[tuple[str, str], tuple[str, ...]] = {
    # drawn once, and not differentiated; no input reaches them
    ("initializer", ""): (GRADIENT, AWKWARD),
    # rules of an update: their inputs are gradients, and what overflows ends the training
    ("optimizer", ""): (GRADIENT, AWKWARD),
    # numbers that Python computes once for both programs
    ("schedule", ""): (GRADIENT, AWKWARD, TORCH, JAX),
    # what is given, and what no derivative is asked of: steps, and parts of derivatives
    **{("operation", op): (GRADIENT,) for op in MEANING.keys() - RULES.keys()},
    # a pass makes arrays of operators before a program is printed or run
    **{("operation", op): (GRADIENT, TORCH, JAX, DOUBLE, AWKWARD) for op in NOT_PRINTED},
    # parts of derivatives, which the reference computes and no program
    **{("operation", op): (AWKWARD,) for op in ("flatten", "inner_sum", "last", "scattered")},
    **{("operation", op): (AWKWARD,) for op in ("pad_first", "pad_last")},
    **{("operation", op): (AWKWARD,) for op in ("rest", "segments", "uncolumn", "unsegmented")},
    **{
        ("operation", op): (GRADIENT, AWKWARD)
        for op in ("diagonal", "outer", "put", "reduce", "rounded", "zeros_like")
    },
}
"""Where a column says nothing of a family (of one name of it), and why."""

TABLES: dict[str, Iterable[str]] = {
    "wrong type": OPERATIONS,
    "wrong meaning": MEANING,
    "wrong derivative": RULES,
    "wrong text in torch": TORCH_DIALECT.rows.keys() & MEANING,
    "wrong text in jax": JAX_DIALECT.rows.keys() & MEANING,
}
"""The operations and functions of which each table has a row: a test sees a wrong one."""


def wanted() -> set[tuple[str, str]]:
    """Every name of the catalogue with every column that it needs."""
    found = {
        (f"{family} {kind}", column)
        for family, kinds in FAMILIES.items()
        for kind in kinds
        for column in COLUMNS
    }
    rows = {(operation(op), table) for table, ops in TABLES.items() for op in ops}
    return rows | {(name, column) for name, column in found if column not in _exempt(name)}


def operation(op: str) -> str:
    """`operation add`, `function tanh`."""
    return f"{'function' if op in FUNCTIONS else 'operation'} {op}"


def _exempt(name: str) -> tuple[str, ...]:
    family = next(f for f in FAMILIES if name.startswith(f"{f} "))
    kind = name.removeprefix(f"{family} ")
    return (*EXEMPT.get((family, ""), ()), *EXEMPT.get((family, kind), ()))


# --- names ------------------------------------------------------------------------------------


def names_of(value: Any) -> set[str]:
    """The names of the catalogue that occur in a parameter of a test."""
    match value:
        case Case():
            return names_of(value.spec(regularizers=regularizers(value.problem())))
        case Spec():
            return _names_of_spec(value)
        case str():
            return {value}
        case {"wellposed": _}:
            return names_of(Spec.model_validate(value))
        case Mapping():
            kinds = (w if isinstance(w, str) else w["kind"] for w in value.values())
            return {f"initializer {kind}" for kind in kinds}
    raise TypeError(f"the census reads no names off {value!r}")


@cache
def _of_text(text: str) -> set[str]:
    """Names of a spec, given as text so that equal ones are read once."""
    spec = Spec.model_validate_json(text)
    return set(_kinds(spec.to_plain())) | set(_operations(spec))


def _names_of_spec(spec: Spec) -> set[str]:
    return _of_text(spec.model_dump_json())


def _kinds(plain: Mapping[str, Any]) -> Iterator[str]:
    model, train = plain["model"], plain.get("train") or {}
    field, readout = model["vector_field"], model["readout"] or {}
    yield f"vector field {field['kind']}"
    yield f"function {field.get('activation', 'identity')}"
    yield f"bias {field.get('bias', 'none')}"
    yield f"integrator {model['integrator']['kind']}"
    yield from (f"form {form}" for form in [model["integrator"].get("form")] if form)
    yield f"weights {model['time']['weights']}"
    yield f"lift {model['lift']['kind']}"
    made = [w["parametrization"] for w in field.get("weights", {}).values()]
    yield from (f"parametrization {k['kind']}" for k in (model["parametrization"], *made))
    yield from (f"regularizer {r['kind']}" for r in plain["regularizers"])
    yield from (f"initializer {i['kind']}" for i in (model.get("initializers") or {}).values())
    for key, family in (("kind", "readout"), ("hypothesis", "hypothesis"), ("loss", "loss")):
        yield from ([f"{family} {readout[key]}"] if key in readout else [])
    for key in ("optimizer", "schedule"):
        yield from ([f"{key} {train[key]['kind']}"] if key in train else [])


def _operations(spec: Spec) -> Iterator[str]:
    """What the program's expressions are made of, custom texts and penalties included."""
    functions = compiled(spec).module.functions.values()
    expressions = [e for function in functions for e in function.expressions]
    for op in {node.op for node in walk(*expressions)} & MEANING.keys():
        yield operation(op)


# --- tests ------------------------------------------------------------------------------------


def covered() -> set[tuple[str, str]]:
    """Every name with every column that some test covers."""
    return {pair for path in _modules() for test in _tests(path) for pair in _covered_by(test)}


def _modules() -> list[Path]:
    return [p for p in sorted(TESTS.rglob("test_*.py")) if "mark.covers(" in p.read_text("utf-8")]


def _tests(path: Path) -> list[Any]:
    """The test functions of a module, which is run apart from pytest."""
    spec = spec_from_file_location(f"census_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return [f for name, f in vars(module).items() if name.startswith("test_")]


def _covered_by(test: Any) -> Iterator[tuple[str, str]]:
    for mark in getattr(test, "pytestmark", []):
        if mark.name == "covers":
            for name in _names(test, **mark.kwargs):
                yield from ((name, column) for column in mark.args)


def _names(
    test: Any,
    by: str = "",
    of: str = "",
    through: Mapping[Any, Any] | None = None,
    names: Iterable[str] = (),
) -> Iterator[str]:
    """Those given, and those of the parameter `by`: through a table, or names `of` a family."""
    yield from names
    for value in _parameters(test, by) if by else ():
        found = value if through is None else through[value]
        if of == "operation":
            yield operation(found)
        else:
            yield from [f"{of} {found}"] if of else names_of(found)


def _parameters(test: Any, by: str) -> list[Any]:
    """The values that a test is parametrized over, of one argument."""
    for mark in test.pytestmark:
        if mark.name == "parametrize":
            given, values = mark.args
            arguments = given.replace(" ", "").split(",") if isinstance(given, str) else given
            if by in arguments:
                at = list(arguments).index(by)
                return [v if len(arguments) == 1 else v[at] for v in values]
    raise LookupError(f"{test.__name__} has no parameter {by}")
