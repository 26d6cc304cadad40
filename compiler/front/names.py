"""Names that a user's weights and blocks may not take, because the emitted programs use them."""

import keyword
import re

from .ir.functions import BY_DEFINITION, PUBLIC

_PROGRAM = """
    np torch jax jnp F nn math Tensor Array Iterator Path Weights State Layer Network load_file
    H STEPS HORIZON FEATURES OUTPUTS t x pi self seed targets weights init stream main step
    operands lift readout forward trajectory initial_state final_state vector_field regularizer
    loss likelihoods antisymmetric negative_gram layer layers j theta rounding time columns state
    raw layer_at float int range zip len print tuple dict list str min max
""".split()  # noqa: SIM905

_MODULE = """
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double
    dump_patches eval extra_repr float get_buffer get_extra_state get_parameter get_submodule
    half ipu load_state_dict modules mtia named_buffers named_children named_modules
    named_parameters parameters register_buffer register_module register_parameter
    requires_grad_ set_extra_state set_submodule share_memory state_dict to to_empty train
    training type xpu zero_grad
""".split()  # noqa: SIM905
"""Attributes of torch.nn.Module: a weight is one too."""

_RESERVED = frozenset(_PROGRAM) | frozenset(_MODULE) | frozenset(PUBLIC) | frozenset(BY_DEFINITION)
_PATTERN = re.compile(
    r"k\d+(_\w+)?|d\d?\w+_dt\d?|u\d+|(GAMMA|ALPHA)(_\w+)?|\w+_(start|mid|end|rate)"
    r"|(antisymmetric|negative_gram)_\w+|register_\w+"
)
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def refusal(name: str) -> str:
    """Why a name cannot be taken, or nothing when it can."""
    if not _IDENTIFIER.fullmatch(name):
        return "a name is a letter followed by letters, digits and _"
    if len(name) > 40:
        return "a name has at most 40 characters"
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "this is a word of Python"
    if name in _RESERVED or _PATTERN.fullmatch(name):
        return "the emitted programs use this name themselves"
    return ""
