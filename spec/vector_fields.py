"""The catalogue of vector fields: each entry is its keys, its weights and its equations as text.

The equations are written in the closed expression grammar that `custom` gives to every user, so
the compiler has one path for all of them. Formulas: Haber & Ruthotto (2017), arXiv:1705.03341;
Chang et al. (2018), arXiv:1709.03698 (double-layer Hamiltonian, parabolic); Chen et al. (2018),
arXiv:1806.07366 (mlp; planar mixture, section 4).
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from .initializers import without_long_integers
from .node import Family, Later, Node
from .parametrizations import Free, HamiltonianBlock, Parametrization

Activation = Literal["tanh", "relu", "sigmoid", "softplus", "gelu", "sin", "identity", "cubic"]
Sigma = Annotated[Activation, Field(description="σ")]
Bias = Annotated[
    Literal["vector", "scalar", "none"],
    Field(description="biases as vectors, as one number each, or left out"),
]
InTime = Literal["per-step", "linear", "shared"]
Size = Annotated[int, Field(ge=1, le=65536)]
Hidden = Annotated[
    tuple[Size, ...], Field(min_length=1, max_length=64, description="widths of hidden layers")
]
Dimension = str | int
"""A block of the state by its name, or a number."""
Extent = Dimension | tuple[Dimension, ...]
"""A dimension, or several that lie below each other."""

Y, Z = "y", "z"


@dataclass(frozen=True)
class Weight:
    """One weight of one step: what the equations call it, and what it is made of."""

    name: str
    shape: tuple[Extent, ...]
    parametrization: Parametrization = field(default_factory=Free)
    raw: str = ""
    loc: tuple[str | int, ...] = ("model", "vector_field")
    time: InTime | None = None
    """How it depends on time; None for as the spec's other weights."""
    trainable: bool = True
    value: Any = None
    """What it starts at, if it is given with the weight."""

    def __post_init__(self) -> None:
        if not self.raw:
            raw = self.name.replace("K", self.parametrization.raw, 1)
            object.__setattr__(self, "raw", raw)


class Network(Node):
    """A network that the user's equations call: f(y, t) stacks its arguments in that order."""

    hidden: Hidden
    activation: Sigma = "tanh"
    outputs: Annotated[str | Size, Field(description="a block or a number: how many it gives")]


@dataclass(frozen=True)
class Equations:
    """What a vector field says of itself: right-hand sides (or H) as text, their weights, and the
    networks that they call."""

    blocks: dict[str, int]
    weights: tuple[Weight, ...]
    right_hand_sides: dict[str, str]
    hamiltonian: str | None = None
    networks: Mapping[str, Network] = field(default_factory=dict)
    order: int = 1
    locs: dict[str, tuple[str | int, ...]] = field(default_factory=dict)
    """Where in the spec a text stands, for the texts that a user wrote (by block, or `H`)."""


class VectorField(Family, title="vector field"):
    """The right-hand side f of y' = f(t, y)."""

    two_blocks: ClassVar[bool] = False
    keeps_energy: ClassVar[bool] = False
    """Is an energy constant along every flow of the field with constant weights, as it promises?"""
    takes_parametrization: ClassVar[bool] = True

    def describe(self, blocks: dict[str, int], k: Parametrization) -> Equations:
        """The equations on a state of these blocks, with this parametrization of K."""
        raise NotImplementedError


class WithActivation(VectorField):
    """Fields built of σ(K y + b)."""

    activation: Sigma = "tanh"
    bias: Bias = "vector"

    def _biases(self, **dimensions: Extent) -> tuple[Weight, ...]:
        if self.bias == "none":
            return ()
        shapes = {name: (d,) if self.bias == "vector" else () for name, d in dimensions.items()}
        return tuple(Weight(name, shape) for name, shape in shapes.items())

    def _sigma(self, product: str, bias: str) -> str:
        """σ(K y + b) as text; without biases σ(K y)."""
        return f"{self.activation}({product}{'' if self.bias == 'none' else f' + {bias}'})"


class Layer(WithActivation, kind="layer"):
    """y' = σ(K y + b)."""

    def describe(self, blocks: dict[str, int], k: Parametrization) -> Equations:
        if isinstance(k, HamiltonianBlock):
            return self._hamiltonian(blocks, k)
        weights = (Weight("K", (Y, Y), k), *self._biases(b=Y))
        return Equations(blocks, weights, {Y: self._sigma("K @ y", "b")})

    def _hamiltonian(self, blocks: dict[str, int], k: Parametrization) -> Equations:
        """σ([[0, K], [−Kᵀ, 0]] (y, z) + b): its two rows, with one bias (y first)."""
        n, m = blocks[Y], blocks[Z]
        upper, lower = (f"slice(b, 0, {n})", f"slice(b, {n}, {n + m})")
        if self.bias == "scalar":
            upper = lower = "b"
        weights = (Weight("K", (Y, Z), k), *self._biases(b=(Y, Z)))
        return Equations(
            blocks,
            weights,
            {Y: self._sigma("K @ z", upper), Z: self._sigma("-K.T @ y", lower)},
        )


class SecondOrder(WithActivation, kind="second-order"):
    """y'' = σ(K y + b), y'(0) = 0."""

    def describe(self, blocks: dict[str, int], k: Parametrization) -> Equations:
        weights = (Weight("K", (Y, Y), k), *self._biases(b=Y))
        return Equations(blocks, weights, {Y: self._sigma("K @ y", "b")}, order=2)


class Hamiltonian(WithActivation, kind="hamiltonian"):
    """y' = σ(K z + b), z' = −σ(Kᵀ y + c), z(0) = 0."""

    two_blocks: ClassVar[bool] = True
    keeps_energy: ClassVar[bool] = True

    def describe(self, blocks: dict[str, int], k: Parametrization) -> Equations:
        weights = (Weight("K", (Y, Z), k), *self._biases(b=Y, c=Z))
        right = {Y: self._sigma("K @ z", "b"), Z: f"-{self._sigma('K.T @ y', 'c')}"}
        return Equations(blocks, weights, right)


class DoubleLayerHamiltonian(WithActivation, kind="double-layer-hamiltonian"):
    """y' = K1ᵀ σ(K1 z + b), z' = −K2ᵀ σ(K2 y + c)."""

    two_blocks: ClassVar[bool] = True
    keeps_energy: ClassVar[bool] = True

    def describe(self, blocks: dict[str, int], k: Parametrization) -> Equations:
        operators = (Weight("K1", (Y, Z), k), Weight("K2", (Y, Y), k))
        right = {
            Y: f"K1.T @ {self._sigma('K1 @ z', 'b')}",
            Z: f"-K2.T @ {self._sigma('K2 @ y', 'c')}",
        }
        return Equations(blocks, (*operators, *self._biases(b=Y, c=Y)), right)


class Parabolic(WithActivation, kind="parabolic"):
    """y' = −Kᵀ σ(K y + b)."""

    def describe(self, blocks: dict[str, int], k: Parametrization) -> Equations:
        weights = (Weight("K", (Y, Y), k), *self._biases(b=Y))
        return Equations(blocks, weights, {Y: f"-K.T @ {self._sigma('K @ y', 'b')}"})


def perceptron(
    x: str,
    widths: tuple[Extent, ...],
    activation: str,
    bias: str = "vector",
    prefix: str = "",
    loc: tuple[str | int, ...] = ("model", "vector_field"),
) -> tuple[str, tuple[Weight, ...]]:
    """W₂ σ(… σ(W₁ x + b₁) …) + b₂ as text, no σ after the last layer, and its weights, W (out, in)
    before b in every layer. `widths` are those of x, of the hidden layers and of the result."""
    text = x
    weights: list[Weight] = []
    for i, (inputs, outputs) in enumerate(itertools.pairwise(widths), start=1):
        text = f"{activation}({text})" if i > 1 else text
        text = f"{prefix}W{i} @ {text}"
        weights.append(Weight(f"{prefix}W{i}", (outputs, inputs), loc=loc))
        if bias != "none":
            text = f"{text} + {prefix}b{i}"
            shape = (outputs,) if bias == "vector" else ()
            weights.append(Weight(f"{prefix}b{i}", shape, loc=loc))
    return text, tuple(weights)


class Mlp(VectorField, kind="mlp"):
    """y' = W₂ σ(… σ(W₁ [y; t] + b₁) …) + b₂, hidden widths given, no σ after the last layer."""

    takes_parametrization: ClassVar[bool] = False

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: mlp, hidden: [5, 3], activation: tanh, time_input: true, bias: vector}",
    )

    hidden: Hidden
    activation: Sigma = "tanh"
    time_input: Annotated[bool, Field(description="is t an input, after y?")] = False
    bias: Bias = "vector"

    def describe(self, blocks: dict[str, int], k: Parametrization) -> Equations:
        widths = ((Y, 1) if self.time_input else Y, *self.hidden, Y)
        x = "concat(y, t)" if self.time_input else "y"
        text, weights = perceptron(x, widths, self.activation, self.bias)
        return Equations(blocks, weights, {Y: text})


class PlanarMixture(VectorField, kind="planar-mixture"):
    """y' = Σᵢ uᵢ(t) tanh(wᵢ(t)ᵀ y + bᵢ(t)), i = 1 … width, where w (width, n), u (width, n) and b,
    in this order and row by row, are what an mlp of t gives.

    `activation` is that of the mlp's hidden layers; the units themselves are of tanh, as those of
    the authors' program are (rtqichen/torchdiffeq, examples/cnf.py, which also has a gate for u and
    takes the mean where this is the sum).
    """

    takes_parametrization: ClassVar[bool] = False

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: planar-mixture, width: 8, hidden: [32], activation: tanh}",
    )

    width: Annotated[Size, Field(description="units of the mixture")]
    hidden: Hidden
    activation: Sigma = "tanh"

    def describe(self, blocks: dict[str, int], k: Parametrization) -> Equations:
        n, m = blocks[Y], self.width
        widths = (1, *self.hidden, m * (2 * n + 1))
        p, weights = perceptron("broadcast(t, 1)", widths, self.activation)
        w, u = (f"matrix(slice({p}, {i * m * n}, {(i + 1) * m * n}), {m}, {n})" for i in (0, 1))
        b = f"slice({p}, {2 * m * n}, {m * (2 * n + 1)})"
        return Equations(blocks, weights, {Y: f"{u}.T @ tanh({w} @ y + {b})"})


def _text(value: object) -> object:
    """A bare number is an expression too: `z: 0`."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return repr(value) if number else value


Expression = Annotated[str, BeforeValidator(_text)]


class CustomWeight(Node):
    """A weight that the user's equations name."""

    shape: Annotated[
        tuple[Dimension, ...],
        Field(max_length=2, description="each dimension a block or a number; [] is a scalar"),
    ]
    parametrization: Annotated[
        Parametrization, Field(description="free, antisymmetric or negative-gram")
    ] = Free()
    time: Annotated[
        InTime | None,
        Field(description="how it depends on time; by default as model.time says"),
        Later(),
    ] = None
    trainable: Annotated[bool, Field(description="false: it stays what it starts at"), Later()] = (
        True
    )
    value: Annotated[
        Any,
        AfterValidator(without_long_integers),
        Field(description="what it starts at, a number or nested lists: one step's, or of all"),
        Later(),
    ] = None


class Custom(VectorField, kind="custom"):
    """The user's own right-hand sides, or a Hamiltonian H with y' = ∂H/∂z, z' = −∂H/∂y."""

    takes_parametrization: ClassVar[bool] = False

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: custom, weights: {K: {shape: [y, z], parametrization: free}, b: {shape: [y]}}, "
        'equations: {y: "tanh(K @ z + b)", z: "-tanh(K.T @ y)"}}',
        "{kind: custom, weights: {A: {shape: [y, y], parametrization: negative-gram}}, "
        'hamiltonian: "sum(cosh(z)) - y.T @ A @ y / 2"}',
        "{kind: custom, networks: {f: {hidden: [8], activation: tanh, outputs: y}}, "
        'equations: {y: "-y + f(y, t)"}}',
    )

    weights: Annotated[
        dict[str, CustomWeight], Field(description="the weights of one step, by their names")
    ] = {}
    networks: Annotated[
        dict[str, Network],
        Field(description="networks that the equations call, by their names"),
        Later(),
    ] = {}
    equations: Annotated[
        dict[str, Expression] | None,
        Field(description="the right-hand side of every block, as expressions"),
    ] = None
    hamiltonian: Annotated[
        Expression | None, Field(description="H(y, z, t) in the place of equations, an expression")
    ] = None

    def describe(self, blocks: dict[str, int], k: Parametrization) -> Equations:
        here = ("model", "vector_field")
        weights = tuple(
            Weight(
                name,
                w.shape,
                w.parametrization,
                raw=name,
                loc=(*here, "weights", name),
                time=w.time,
                trainable=w.trainable,
                value=w.value,
            )
            for name, w in self.weights.items()
        )
        right = self.equations or {}
        locs: dict[str, tuple[str | int, ...]] = {
            block: (*here, "equations", block) for block in right
        }
        locs["H"] = (*here, "hamiltonian")
        return Equations(blocks, weights, right, self.hamiltonian, self.networks, locs=locs)
