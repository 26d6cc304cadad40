"""Two small specs for each program shape: what is emitted for them is kept in tests/golden/."""

from __future__ import annotations

from specs import Case, Plain, regularizers

PENDULUM = {
    "kind": "custom",
    "weights": {"w2": {"shape": []}},
    "hamiltonian": "z.T @ z / 2 - w2 * sum(cos(y))",
}
"""H of a pendulum: y the angle, z its velocity, w2 = ω²."""
DRIVEN = {
    "kind": "custom",
    "weights": {"A": {"shape": ["y", "y"], "parametrization": "negative-gram"}},
    "equations": {"y": "A @ y + q", "q": "-0.5 * q * sum(y**2) + cos(t)"},
}
"""An oscillation y that is driven by a block of another size and by time."""

DAMPED = {
    "kind": "custom",
    "weights": {
        "A": {"shape": ["q", "p"]},
        "b": {"shape": ["q"], "time": "linear"},
        "c": {"shape": [], "time": "shared"},
        "m": {"shape": ["p"], "time": "shared", "trainable": False, "value": [1, 2, 0.5]},
    },
    "equations": {"q": "tanh(A @ p + b)", "p": "-(A.T @ q + c * p) / m"},
}
"""Positions q and momenta p of another number: masses m are given, the friction c is learned."""


LEARNED = {
    "kind": "custom",
    "weights": {"w2": {"shape": [], "time": "shared"}},
    "networks": {"f": {"hidden": [4], "activation": "softplus", "outputs": 1}},
    "equations": {"y": "[y[1], -w2 * sin(pi * y[0]) + f(y, t)[0]]"},
}
"""A pendulum of which a part is learned."""
MIXED = {
    "kind": "custom",
    "weights": {
        "K": {"shape": ["y", "z"]},
        "b": {"shape": ["y"]},
        "c": {"shape": ["z"], "time": "shared"},
    },
    "equations": {"y": "tanh(K @ z + b)", "z": "-tanh(K.T @ y + c)"},
}
"""A weight for each step beside one that all steps share."""
ENERGY = {
    "kind": "custom",
    "networks": {"net": {"hidden": [4, 3], "activation": "tanh", "outputs": 1}},
    "hamiltonian": "z[0] ** 2 / 2 + sum(net(y, z))",
}
"""A Hamiltonian that is learned."""


def regularized(case: Case, **changes) -> Plain:
    return case.plain(regularizers=regularizers(case.problem()), **changes)


SHAPES: dict[str, Plain] = {
    # one block, a weight for each step
    "steps-layer": regularized(Case("layer", "antisymmetric", "heun"), dtype="float32"),
    "steps-parabolic": regularized(Case("parabolic", bias="scalar", lift="linear", readout=4)),
    # one weight for all steps, with and without time
    "shared-layer": Case("layer", "negative-gram", "midpoint", "shared", "gelu").plain(),
    "shared-mlp": Case("mlp", integrator="euler", mode="shared", readout=3).plain(),
    # matrices that are read off a network of time
    "shared-planar": regularized(Case("planar-mixture", integrator="heun", mode="shared")),
    # weights that are linear in time, taken at several places of a step
    "linear-mlp": regularized(Case("mlp", integrator="rk4", mode="linear")),
    "linear-blocks": regularized(Case("hamiltonian", "free", "rk4", "linear", "softplus")),
    # two halves that move in turn
    "verlet-hamiltonian": regularized(Case("hamiltonian", integrator="verlet", readout=2)),
    "verlet-linear": regularized(
        Case("double-layer-hamiltonian", "antisymmetric", "verlet", "linear")
    ),
    "verlet-kicks": Case(
        "hamiltonian", integrator="kick-drift-kick", mode="linear", bias="scalar"
    ).plain(),
    # second order
    "leapfrog-steps": regularized(Case("second-order", "negative-gram", "leapfrog", "linear")),
    "leapfrog-shared": Case("second-order", integrator="leapfrog", mode="shared").plain(),
    # a field of the user's own: equations, a Hamiltonian
    "custom-blocks": Case("one-block", integrator="rk4", mode="shared").plain(
        vector_field=DRIVEN,
        state={"y": 2, "q": 2},
        regularizers=[
            {"kind": "weight-decay", "of": ["A"], "alpha": 0.1},
            {"kind": "weight-decay", "of": ["W", "mu"], "alpha": 0.2},
        ],
    ),
    "pendulum": Case("hamiltonian-H", integrator="verlet").plain(
        vector_field=PENDULUM, state={"y": 1, "z": 1}
    ),
    # networks within equations and within a Hamiltonian
    "learned-part": Case("one-block", integrator="rk4", mode="shared").plain(
        vector_field=LEARNED,
        state=2,
        regularizers=[{"kind": "weight-decay", "of": ["f", "W"], "alpha": 0.1}],
    ),
    "learned-energy": Case("hamiltonian-H", integrator="midpoint").plain(
        vector_field=ENERGY, state={"y": 2, "z": 2}, regularizers=[]
    ),
    # weights with a time of their own, one that is not trained; blocks by the user's names
    "own-times": Case("one-block", integrator="heun", readout=4).plain(
        vector_field=DAMPED,
        state={"q": 2, "p": 3},
        lift="blocks",
        readout="state",
        regularizers=[
            {"kind": "weight-decay", "of": ["A", "c"], "alpha": 0.1},
            {"kind": "smoothness", "of": ["A", "b"], "alpha": 0.2},
        ],
    ),
    "pendulum-kicks": Case("hamiltonian-H", integrator="kick-drift-kick", readout=4).plain(
        vector_field={
            "kind": "custom",
            "weights": {"w2": {"shape": [], "time": "shared", "value": 9.81}},
            "hamiltonian": "p.T @ p / 2 - w2 * sum(cos(q))",
        },
        state={"q": 1, "p": 1},
        lift="blocks",
        readout="state",
        regularizers=[],
    ),
    "steps-and-shared": Case("one-block", integrator="verlet").plain(
        vector_field=MIXED, state={"y": 3, "z": 2}, regularizers=[]
    ),
    # integrals along the path
    "penalized": Case("mlp", integrator="rk4").plain(
        regularizers=[
            {"kind": "kinetic-energy", "alpha": 0.1},
            {"kind": "jacobian-frobenius", "alpha": 0.2},
        ]
    ),
    "penalized-blocks": Case("one-block", integrator="euler", mode="linear", readout=3).plain(
        vector_field=MIXED,
        state={"y": 3, "z": 2},
        regularizers=[
            {"kind": "weight-decay", "of": ["K", "W"], "alpha": 0.3},
            {"kind": "jacobian-frobenius", "alpha": 0.1},
            {"kind": "kinetic-energy", "alpha": 0.2},
        ],
    ),
    # no readout, no weights
    "field-alone": Case("three-blocks", integrator="midpoint", mode="linear").plain(
        readout=None, regularizers=[]
    ),
    "no-weights": Case("one-block").plain(
        vector_field={"kind": "custom", "equations": {"y": "sin(t) - y"}},
        state=2,
        readout=None,
        regularizers=[],
    ),
}

UNDONE: dict[str, Plain] = {
    "undone-verlet": regularized(
        Case("hamiltonian", integrator="verlet", readout=2), gradient="reversible"
    ),
    "undone-leapfrog": Case("second-order", "negative-gram", "leapfrog", "shared").plain(
        gradient="reversible"
    ),
    "undone-kicks": Case("hamiltonian", integrator="kick-drift-kick", mode="linear").plain(
        gradient="reversible"
    ),
}
"""Specs whose programs have a derivative of their own: only a framework with a reverse mode prints
it."""
