"""Networks that a user's equations call: `f(y, t)`, with weights f_W1 (out, in), f_b1, …"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...data.sources import counted
from ...spec.vector_fields import Equations, Network, perceptron
from ..ir.operators import as_operator
from ..ir.problem import Block
from ..ir.types import ShapeError
from ..language.functions import Definition
from .declare import Declared, declare, is_free, size_of
from .refusals import Refusals

HERE = ("model", "vector_field", "networks")


@dataclass
class CalledNetwork:
    """A network, whose number of inputs is that of the arguments of its first call."""

    name: str
    declaration: Network
    blocks: Mapping[str, Block]
    refusals: Refusals
    inputs: int | None = None
    weights: list[Declared] = field(default_factory=list)
    definition: Definition | None = None

    def of(self, inputs: int) -> Definition:
        """Its definition. Raises ShapeError where it was called with another number of inputs."""
        if self.inputs is not None and inputs != self.inputs:
            known = counted(self.inputs, "input")
            message = f"{self.name} is called with {known} elsewhere, here with {inputs}"
            raise ShapeError(message)
        if self.definition is None:
            self.inputs, self.definition = inputs, self._define(inputs)
        return self.definition

    def _define(self, inputs: int) -> Definition:
        own = self.declaration
        widths = (inputs, *own.hidden, own.outputs)
        loc = (*HERE, self.name)
        text, weights = perceptron("x", widths, own.activation, prefix=f"{self.name}_", loc=loc)
        self.weights = declare(weights, self.blocks, self.refusals)
        scope = {d.declaration.name: as_operator(d.variable) for d in self.weights}
        if len(scope) < len(weights):
            raise ShapeError(f"the network {self.name} is wrong itself")
        return Definition(text, scope)


def networks_of(
    equations: Equations, blocks: Mapping[str, Block], refusals: Refusals
) -> dict[str, CalledNetwork]:
    """The networks that equations may call, with errors of their names and their outputs."""
    found: dict[str, CalledNetwork] = {}
    weights = {weight.name for weight in equations.weights}
    for name, network in equations.networks.items():
        free = is_free(name, "network", (*HERE, name), blocks, refusals)
        if name in weights:
            message = f"a weight and a network are called {name}"
            refusals.add("E207", message, *HERE, name, key=True)
        place = (*HERE, name, "outputs")
        outputs = size_of(network.outputs, "outputs are", place, blocks, refusals)
        if free and outputs is not None and name not in weights:
            found[name] = CalledNetwork(name, network, blocks, refusals)
    return found


def check_called(networks: Mapping[str, CalledNetwork], refusals: Refusals) -> None:
    """A network that no equation calls has no number of inputs."""
    for name, network in networks.items():
        if network.inputs is None:
            message = f"no equation calls the network {name}"
            refusals.add("E210", message, *HERE, name, key=True, label="it has no inputs")
