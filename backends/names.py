"""Names in an emitted program: the protocol's, the user's, and the program's own.

A name of the protocol or of Python stays what it is; a user's weight keeps its name wherever no
such name is meant; what a program calls itself makes way for both.
"""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Iterable

from ..compiler.ir.module import Module
from ..compiler.ir.naming import free
from .dialect import Dialect

PROTOCOL = (
    *("init", "features", "forward", "trajectory", "vector_field", "regularizer", "loss"),
    "main",
)
"""Functions that a caller finds by their names."""
IMPORTED = ("np", "math", "Path", "load_file", "Network", "self", "weights")


class Names:
    """Gives names that are free."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = set(taken)

    def take(self, wanted: str) -> str:
        """The name itself where it is free, else one like it."""
        name = free(wanted, self.taken)
        self.taken.add(name)
        return name


def fixed(dialect: Dialect) -> set[str]:
    """Names that stand for something else in every program of a dialect."""
    words = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins)}
    return {*words, *PROTOCOL, *IMPORTED, *dialect.reserved}


def own_names(module: Module, dialect: Dialect, wanted: Iterable[str]) -> dict[str, str]:
    """What a program calls its own functions, constants and types, by the name they would have."""
    names = Names(fixed(dialect) | module.names)
    found: dict[str, str] = {}
    for name in wanted:
        if name not in found:
            found[name] = name if name in PROTOCOL else names.take(name)
    return found


NN_MODULE = frozenset(
    """
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu
    cuda double dump_patches eval extra_repr float get_buffer get_extra_state
    get_parameter get_submodule half ipu load_state_dict modules mtia named_buffers
    named_children named_modules named_parameters parameters register_backward_hook
    register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
    register_parameter register_state_dict_post_hook register_state_dict_pre_hook
    requires_grad_ set_extra_state set_submodule share_memory state_dict to to_empty
    train training type xpu zero_grad
    """.split()  # noqa: SIM905
)
"""Attributes that a network has from torch.nn.Module."""


def attributes(module: Module, own: Iterable[str] = ()) -> dict[str, str]:
    """The attribute of a torch network that holds a weight: its name, or one like it where
    `nn.Module`, Python or the network itself (its `own` methods) has that name."""
    names = Names({*NN_MODULE, *PROTOCOL, *keyword.kwlist, *own})
    return {w.name: names.take(w.name) for w in module.weights}
