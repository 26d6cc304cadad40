"""The blocks of the state: their names, sizes and roles."""

from __future__ import annotations

from collections.abc import Iterable

from ...spec.model import Spec
from ...spec.parametrizations import HamiltonianBlock
from ...spec.vector_fields import Custom
from ..ir.expr import variable
from ..ir.problem import Block, Role
from ..ir.types import Size, columns
from .names import TAKEN_NAMES, refusal
from .refusals import Refusals

IMAGE_KEYS = frozenset({"channels", "height", "width"})
SIZE_NAMES = {"y": "STATES", "z": "MOMENTA"}
HERE = ("model", "state")


def blocks_of(spec: Spec, refusals: Refusals) -> dict[str, Block]:
    """The blocks of the state: y first where there is one, the others as the spec has them."""
    sizes = _sizes(spec, refusals)
    is_one_number = isinstance(spec.model.state, int)
    first = next(iter(sizes), "")
    return {
        name: Block(
            name,
            Size(n, "STATES" if is_one_number else _size_name(name, sizes)),
            Role.DATA if name == first else Role.MOMENTUM,
            variable(name, columns((n,))),
        )
        for name, n in sizes.items()
    }


def _size_name(name: str, blocks: Iterable[str]) -> str:
    """`SIZE_A` of a block a; `SIZE_a` where there is a block A too."""
    is_alone = sum(other.upper() == name.upper() for other in blocks) == 1
    return SIZE_NAMES.get(name, f"SIZE_{name.upper() if is_alone else name}")


def _sizes(spec: Spec, refusals: Refusals) -> dict[str, int]:
    state, model = spec.model.state, spec.model
    two = model.vector_field.two_blocks or isinstance(model.parametrization, HamiltonianBlock)
    if isinstance(state, int):
        return {"y": state, "z": state} if two or _needs_z(model.vector_field) else {"y": state}
    if IMAGE_KEYS & set(state):
        refusals.add("E107", "image states are not supported by this version", *HERE)
        return {}
    if isinstance(model.vector_field, Custom):
        _check_names(state, refusals)
    elif set(state) != ({"y", "z"} if two else {"y"}):
        wanted = "y and z" if two else "y only"
        message = f"{model.vector_field.kind} has the blocks {wanted}, got {', '.join(state)}"
        refusals.add("E213", message, *HERE)
    if model.vector_field.kind == "double-layer-hamiltonian" and len(set(state.values())) > 1:
        refusals.add("E213", "double-layer-hamiltonian has y and z of one size", *HERE)
    return {"y": state["y"], **state} if "y" in state else dict(state)


def _needs_z(field: object) -> bool:
    """A custom field on a bare `state: n` has a second block when its own text says so."""
    if not isinstance(field, Custom):
        return False
    return field.hamiltonian is not None or "z" in (field.equations or {})


def _check_names(state: dict[str, int], refusals: Refusals) -> None:
    for name in state:
        reason = refusal(name)
        if reason:
            message = f"a block cannot be called {name}"
            refusals.add("E207", message, *HERE, name, key=True, label=reason, help=TAKEN_NAMES)
