"""The text of one file of a standalone pair."""

from __future__ import annotations

import json
from dataclasses import dataclass

from . import slice
from .targets import DRAW, Input, Target

LONGEST = 40
"""Lines of a file at most."""

FRAMEWORK = {
    "torch": ["import numpy as np", "import torch"],
    "jax": ["import jax", "import jax.numpy as jnp", "import numpy as np"],
}
PARTS = "(value if isinstance(value, tuple) else (value,))"
PUT = {"torch": "torch.tensor", "jax": "jnp.asarray"}


class TooLong(Exception):
    """The file would have more than LONGEST lines."""


@dataclass(frozen=True)
class Script:
    """How one backend computes a target on the inputs of a seed."""

    backend: str
    text: str
    target: Target
    dtype: str
    seed: int
    title: str

    def probing(self) -> str:
        """Prints all numbers as JSON, to choose one from; of any length."""
        return "\n".join([*self._head(2), "import json", "print(json.dumps(found))", ""])

    def showing(self, index: int, expected: float) -> str:
        """Prints one number, what it should be, and the error. Raises TooLong."""
        return self._whole(f"found[{index}]", expected)

    def counting(self, expected: int) -> str:
        """Prints how many numbers there are. Raises TooLong."""
        return self._whole("len(found)", expected)

    def _whole(self, found: str, expected: float) -> str:
        tail = [
            f"expected = {json.dumps(expected)}  # {self._oracle()}",
            f'print("found   ", {found})',
            'print("expected", expected)',
            f'print("error   ", abs({found} - expected))',
        ]
        lines: list[str] = []
        for level in (0, 1, 2):
            lines = [*self._head(level), *tail]
            if len(lines) <= LONGEST:
                return "\n".join([*lines, ""])
        raise TooLong(f"{len(lines)} lines")

    def _oracle(self) -> str:
        if self.target.by_rule:
            return "what the compiler's own derivative rules give"
        if self.target.by:
            return "a difference quotient of the float64 reference"
        return "the float64 reference"

    def _head(self, level: int) -> list[str]:
        """Everything up to `found`, the list of all numbers."""
        keep = {self.target.by} & self.target.weights.keys()
        cuts = self.target.cuts.get(self.backend, {})
        module = slice.sliced(self.text, self.target.function, cuts, keep)
        lines = slice.printed(module, level)
        imports = [line for line in lines if line.startswith(("import ", "from "))]
        rest = [line for line in lines if line not in imports]
        first = [f'"""{self.title}"""', *dict.fromkeys([*FRAMEWORK[self.backend], *imports])]
        blank = [""] * (level == 0)
        return [*first, *self._settings(), *blank, *rest, *blank, *self._inputs(), *self._found()]

    def _settings(self) -> list[str]:
        is_jax64 = self.backend == "jax" and self.dtype == "float64"
        return ['jax.config.update("jax_enable_x64", True)'] * is_jax64

    def _inputs(self) -> list[str]:
        """Weights, then arguments, then the direction of a derivative: all from one stream."""
        t, put = self.target, PUT[self.backend]
        drawn = [*(Input(n, s) for n, s in t.weights.items()), *t.inputs]
        if not drawn:
            return []
        lines = [f'rng, dtype = np.random.default_rng({self.seed}), "{self.dtype}"', DRAW]
        if t.weights:
            weights = ", ".join(f'"{n}": {Input(n, s).text}' for n, s in t.weights.items())
            lines.append(f"weights = {{{weights}}}")
            if self.backend == "jax":
                lines.append("weights = {name: jnp.asarray(w) for name, w in weights.items()}")
        if t.inputs:
            names = ", ".join(i.name for i in t.inputs)
            values = ", ".join(i.text for i in t.inputs)
            lines.append(f"inputs = [{put}(a) for a in ({values},)]  # {names}")
        return [*lines, f"v = {t.direction.text}"] if t.by else lines

    def _found(self) -> list[str]:
        if self.target.by:
            return self._derivative()
        if self.target.function == "init":
            return ["found = [float(e) for w in init().values() for e in np.ravel(w)]"]
        detach = ".detach()" if self.backend == "torch" else ""
        return [
            f"value = {self._call('weights', 'inputs')}",
            f"parts = {PARTS}",
            f"found = [float(e) for part in parts for e in np.ravel(part{detach})]",
        ]

    def _call(self, weights: str, inputs: str) -> str:
        t = self.target
        given = [f"*{inputs}"] * bool(t.inputs)
        if not t.weights:
            return f"{t.function}({', '.join(given)})"
        if self.backend == "torch":
            return f"Network({weights}).{t.function}({', '.join(given)})"
        return f"{t.function}({', '.join([weights, *given])})"

    def _derivative(self) -> list[str]:
        """The derivative of the sum of squares of all values, in direction v."""
        squares = f"sum((part**2).sum() for part in {PARTS})"
        return self._torch(squares) if self.backend == "torch" else self._jax(squares)

    def _torch(self, squares: str) -> list[str]:
        t = self.target
        inputs = [i.name for i in t.inputs]
        made, leaf = [], f"network.{t.by}"
        call = f"network.{t.function}({'*inputs' if inputs else ''})"
        if t.by in inputs:
            leaf = f"inputs[{inputs.index(t.by)}]"
            made = [f"{leaf}.requires_grad_()"]
        if t.weights:
            made.append("network = Network(weights)")
        return [
            *made,
            f"value = {call if t.weights else self._call('', 'inputs')}",
            f"{squares}.backward()",
            f"found = [0.0 if {leaf}.grad is None else float(np.sum({leaf}.grad.numpy() * v))]",
        ]

    def _jax(self, squares: str) -> list[str]:
        t = self.target
        inputs = [i.name for i in t.inputs]
        moved, at, leaf = self._call("w", "inputs"), "weights", f'["{t.by}"]'
        if t.by in inputs:
            i = inputs.index(t.by)
            moved = self._call("weights", f"(*inputs[:{i}], w, *inputs[{i + 1}:])")
            at, leaf = f"inputs[{i}]", ""
        return [
            "def squares(w):",
            f"    value = {moved}",
            f"    return {squares}",
            f"found = [float(np.sum(jax.grad(squares)({at}){leaf} * v))]",
        ]
