"""The text of one file of a standalone pair."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ...backends.grouping import result_parts
from ...backends.program_model import nested
from ...compiler.ir.module import Function
from .lines import functions
from .source import needed
from .target import Leaf, Target

LONGEST = 40
"""Lines of a file at most."""
FLAT = "def flat(v): return [e for p in v for e in flat(p)] if isinstance(v, tuple) else [v]"
IMPORTS = {
    "torch": ["import numpy as np", "import torch"],
    "jax": ["import jax", "import jax.numpy as jnp", "import numpy as np"],
}
PUT = {"torch": "torch.tensor", "jax": "jnp.asarray"}


class TooLong(Exception):
    """The file would have more than LONGEST lines."""


@dataclass(frozen=True)
class Script:
    """How one backend computes a target on the inputs of a seed; None: its initial weights."""

    backend: str
    text: str
    target: Target | None
    dtype: str
    seed: int
    title: str

    def probing(self) -> str:
        """Prints all numbers as JSON, to choose one from; of any length. Raises NoFunction."""
        return "\n".join([*self._head(), "import json", "print(json.dumps(found))", ""])

    def showing(self, found: str, expected: float) -> str:
        """Prints one number, what it should be, and the error. Raises NoFunction, TooLong."""
        lines = [
            *self._head(),
            f"expected = {json.dumps(expected)}  # {self._oracle()}",
            f'print("found   ", {found})',
            'print("expected", expected)',
            f'print("error   ", abs({found} - expected))',
        ]
        if len(lines) > LONGEST:
            lines = dense([line for line in lines if line])
        if len(lines) > LONGEST:
            raise TooLong(f"{len(lines)} lines")
        return "\n".join([*lines, ""])

    def _oracle(self) -> str:
        if self.target is None or not self.target.derivative:
            return "the float64 reference"
        return "a difference quotient of the float64 reference"

    def _head(self) -> list[str]:
        """Everything up to `found`, the list of all numbers."""
        given = {} if self.target is None else self.target.given
        stubs = {name: f"(*_): return given[{name!r}]" for name in given}
        name = "init" if self.target is None else self.target.function.name
        source = needed(self.text, name, stubs)
        imports = [line for line in source if line.startswith(("import ", "from "))]
        rest = [line for line in source if line not in imports]
        is_jax64 = self.backend == "jax" and self.dtype == "float64"
        settings = ['jax.config.update("jax_enable_x64", True)'] * is_jax64
        first = [f'"""{self.title}"""', *dict.fromkeys([*IMPORTS[self.backend], *imports])]
        return [*first, *settings, *rest, *self._found()]

    def _found(self) -> list[str]:
        if self.target is None:
            name = functions(self.text)["init"].name
            return [f"found = [float(e) for w in {name}().values() for e in np.ravel(w)]"]
        lines = [*self._leaves(self.target), *self._value(self.target)]
        if self.target.derivative:
            return [*lines, *DERIVATIVE[self.backend]]
        detach = ".detach()" if self.backend == "torch" else ""
        return [*lines, f"found = [float(e) for p in value(leaves) for e in np.ravel(p{detach})]"]

    def _leaves(self, target: Target) -> list[str]:
        names = ", ".join(leaf.name for leaf in target.leaves)
        leaves = ", ".join(leaf.text for leaf in target.leaves)
        return [
            f"rng, put = np.random.default_rng({self.seed}), {PUT[self.backend]}",
            f'def draw(*shape): return put(np.array(rng.normal(size=shape) / 2, "{self.dtype}"))',
            FLAT,
            f"leaves = [{leaves}]  # {names}",
        ]

    def _value(self, target: Target) -> list[str]:
        """`value(leaves)`, the list of all arrays that the function gives."""
        numbers = iter(range(len(target.leaves)))
        weights = {leaf.name: next(numbers) for leaf in target.weights}
        args = [next(numbers) if isinstance(a, Leaf) else repr(a) for a in target.args]
        lines, owner = [], ""
        name = functions(self.text)[target.function.name].name
        takes = target.function.takes_weights
        if takes and self.backend == "torch":
            held = ", ".join(f'"{n}": leaves[{i}].numpy()' for n, i in weights.items())
            lines.append(f"network = Network({{{held}}})")
            lines += [f"leaves[:{len(weights)}] = network.parameters()"] * bool(weights)
            owner = "network."
        given = {
            callee: tuple(next(numbers) for _ in leaves) for callee, leaves in target.given.items()
        }
        module = target.module
        made = [f"{n!r}: {_text(_structure(module.functions[n], at))}" for n, at in given.items()]
        first = []
        if takes and self.backend == "jax":
            first = ["{" + ", ".join(f'"{n}": leaves[{i}]' for n, i in weights.items()) + "}"]
        call = ", ".join([*first, *map(_text, nested(target.function, args))])
        return [
            *lines,
            *(["given = {}"] if given else []),
            "def value(leaves):",
            *([f"    given.update({{{', '.join(made)}}})"] if given else []),
            f"    return flat({owner}{name}({call}))",
        ]


def dense(lines: list[str]) -> list[str]:
    """The same statements with blocks of one simple statement on the line of their head."""
    found: list[str] = []
    for i, line in enumerate(lines):
        after = _indent(lines[i + 1]) if i + 1 < len(lines) else 0
        is_alone = bool(found) and found[-1].endswith(":") and after < _indent(line)
        if is_alone and _indent(found[-1]) < _indent(line) and not line.endswith(":"):
            found[-1] += f" {line.strip()}"
        else:
            found.append(line)
    return found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


DERIVATIVE = {
    "torch": [
        "along = [draw(*e.shape) for e in leaves]",
        "leaves = [e if e.requires_grad else e.requires_grad_() for e in leaves]",
        "sum((p**2).sum() for p in value(leaves)).backward()",
        "slopes = [torch.zeros_like(e) if e.grad is None else e.grad for e in leaves]",
        "found = [float(sum((g * v).sum() for g, v in zip(slopes, along)))]",
    ],
    "jax": [
        "along = [draw(*e.shape) for e in leaves]",
        "slopes = jax.grad(lambda leaves: sum((p**2).sum() for p in value(leaves)))(leaves)",
        "found = [float(sum((g * v).sum() for g, v in zip(slopes, along)))]",
    ],
}


def _structure(callee: Function, numbers: tuple[int, ...]) -> Any:
    """The results of a callee as it gives them: those of a group as one tuple."""
    at = iter(numbers)
    parts: list[Any] = []
    for _, members in result_parts(callee.results):
        own = [next(at) for _ in members]
        parts.append(tuple(own) if len(own) > 1 else own[0])
    return parts[0] if len(parts) == 1 else tuple(parts)


def _text(value: Any) -> str:
    """Numbers of leaves, and tuples of them, as expressions."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))})"
    return value if isinstance(value, str) else f"leaves[{value}]"
