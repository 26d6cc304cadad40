"""Writes docs/cases.md: inputs that people ran into, and what is said of each.

    python docs/cases.py

Each case writes its files into a folder, calls the command line or Python there, and the page has
what was printed. `tests/test_cases.py` holds that the page is up to date.
"""

from __future__ import annotations

import gzip
import shlex
from pathlib import Path

import calling
from calling import Case, Chapter

PAGE = Path(__file__).with_suffix(".md")
NET = """\
wellposed: 1
name: net
data: {data}
model:
  state: {state}
  vector_field: {vector_field}
  time: {time}
  integrator: {integrator}
  readout: {readout}
train: {{optimizer: adam, epochs: 2}}
"""
USUAL = {
    "data": "{kind: ellipses, train: 40, validation: 12}",
    "state": "2",
    "vector_field": "{kind: layer, activation: tanh}",
    "time": "{horizon: 1, steps: 20, weights: shared}",
    "integrator": "rk4",
    "readout": "{kind: classifier, classes: 2}",
}


def net(**parts: str) -> str:
    """A spec, of which the parts that are named are as given."""
    return NET.format(**{**USUAL, **parts})


def custom(field: str, data: str, state: str = "{y: 1}", **parts: str) -> str:
    data = f"{{kind: points, features: {data}, labels: [0, 1, 0, 1]}}"
    return net(data=data, state=state, vector_field=f"{{kind: custom, {field}}}", **parts)


def table(text: str, **keys: str) -> dict[str, str | bytes]:
    """A table t.csv and a spec net.yaml that reads it."""
    readout = keys.pop("readout", USUAL["readout"])
    said = "".join(f", {key}: {value}" for key, value in keys.items())
    return {
        "t.csv": text,
        "net.yaml": net(data=f"{{kind: csv, path: t.csv{said}}}", readout=readout),
    }


IRIS = "length,width,species\n" + "".join(
    f"{5 + i % 7 / 10},{3 + i % 5 / 10},{'setosa' if i % 2 else 'virginica'}\n" for i in range(30)
)
MANY = "a,b,y\n" + "".join(f"{i},{'' if i % 3 else 1},0\n" for i in range(12))
LOTKA = custom(
    'weights: {a: {shape: [y]}, K: {shape: [y, y]}}, equations: {y: "y*(a + K @ y)"}',
    "[[10.0, 5.0], [8.0, 4.0], [12.0, 6.0], [6.0, 3.0]]",
    state="{y: 2}",
    time="{horizon: 10, steps: 400, weights: shared}",
).replace(
    "train:",
    "  initializers: {a: {kind: values, values: [1.1, -0.4]},"
    " K: {kind: values, values: [[0, -0.4], [0.1, 0]]}}\ntrain:",
)
CUB = custom(
    'equations: {y: "-y**3"}',
    "[[12.0], [11.0], [13.0], [10.0]]",
    time="{horizon: 1, steps: 50, weights: shared}",
    integrator="euler",
)
INV = custom('equations: {y: "1/y"}', "[[1.0], [2.0], [1.5], [3.0]]")
KEPLER = custom(
    'hamiltonian: "sum(z**2)/2 - 1/sqrt(sum(y**2))"',
    "[[1.0, 0.0], [0.9, 0.1], [1.2, 0.0], [0.0, 1.0]]",
    state="{y: 2, z: 2}",
    integrator="{kind: verlet, form: kick-drift-kick}",
)
PENDULUM = custom(
    'weights: {w2: {shape: [], value: 9.81}}, hamiltonian: "z.T @ z / 2 - w2 * sum(cos(y))"',
    "[[1.0], [0.5], [0.2], [-1.0]]",
    state="{y: 1, z: 1}",
    integrator="{kind: verlet, form: staggered}",
    time="{horizon: 10, steps: 400, weights: shared}",
)
SWINGING = """\
wellposed: 1
name: pendulum
dtype: float64
model:
  state: {y: 1, z: 1}
  lift: blocks
  vector_field:
    kind: custom
    weights: {w2: {shape: [], time: shared, value: 2.0}}
    hamiltonian: "z.T @ z / 2 - w2 * sum(cos(y))"
  time: {horizon: 10, steps: 100}
  integrator: verlet
"""
ORDERS = """\
import numpy as np
from scipy.integrate import solve_ivp
import wellposed

def swing(t, state):
    return state[1], -2.0 * np.sin(state[0])

exact = solve_ivp(swing, (0, 10), [1.0, 0.5], method="DOP853", rtol=1e-12, atol=1e-12).y[0, -1]

def error(form, steps):
    changes = {"model.integrator": {"kind": "verlet", "form": form}, "model.time.steps": steps}
    model = wellposed.compile(wellposed.load("pendulum.yaml", changes), "numpy")
    return abs(model.forward(model.init(), [[1.0, 0.5]])[0, 0] - exact)

for form in ("staggered", "kick-drift-kick"):
    errors = [error(form, steps) for steps in (100, 200, 400, 800)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    print(f"{form:16}", *(f"{e:.1e}" for e in errors), " order", *(f"{o:.2f}" for o in orders))
"""
FINDINGS = r"\[[WN]2\d\d\]|^ += |order"
CHECK = "wellposed check net.yaml -b torch --to L3"
LOOKED_AT = r"evidence.*(at the initial weights, .*?):"
VERDICT = r"ill-posed|(agrees with .* comparisons)|FAILED"


def equation(text: str) -> Case:
    """What is said of a right-hand side."""
    weights = "weights: {K: {shape: [y, y]}, b: {shape: [y]}}"
    spec = net(vector_field=f'{{kind: custom, {weights}, equations: {{y: "{text}"}}}}')
    return validated(spec)


def override(*texts: str) -> tuple[Case, ...]:
    """What is said of an override of an example."""
    return tuple(
        Case((f"wellposed validate ellipses-antisymmetric {shlex.quote(text)}",)) for text in texts
    )


def validated(spec: str) -> Case:
    return Case(("wellposed validate net.yaml",), {"net.yaml": spec})


def read(text: str | bytes, **keys: str) -> Case:
    """What is said of a table."""
    files = table("", **keys)
    return Case(("wellposed train net.yaml -b numpy --dry-run",), {**files, "t.csv": text})


ODD = custom(
    "weights: {K: {shape: [y, y]}, unused: {shape: [y]}}, "
    'equations: {y: "tanh(K @ y)", z: "0 * z"}',
    "[[1.0e6, 1], [2.0e6, 2], [1.5e6, 0], [3.0e6, 1]]",
    state="{y: 2, z: 1}",
)

MAJORITY = net(
    data="{kind: points, features: [[1, 1], [1, 1], [1, 1], [1, 1]], labels: [0, 0, 0, 1]}",
).replace("adam, epochs: 2", "{kind: adam, lr: 0.1}, epochs: 30")
CHAPTERS = (
    Chapter(
        "The analysis looks at the data",
        "Eigenvalues, singularities and probes are those of rows of the training data.",
        (
            Case(("wellposed show net.yaml",), {"net.yaml": CUB}, FINDINGS),
            Case(("wellposed show net.yaml", CHECK), {"net.yaml": INV}, f"{FINDINGS}|{VERDICT}"),
            Case(("wellposed show net.yaml", CHECK), {"net.yaml": KEPLER}, f"{FINDINGS}|{VERDICT}"),
            Case(("wellposed show net.yaml", CHECK), {"net.yaml": LOTKA}, f"{FINDINGS}|{VERDICT}"),
            Case(("wellposed show net.yaml",), {"net.yaml": PENDULUM}, FINDINGS),
        ),
    ),
    Chapter(
        "The order of Verlet",
        "The error of y(T) of a pendulum that starts with a velocity, against SciPy.",
        (Case((">>> import orders",), {"pendulum.yaml": SWINGING, "orders.py": ORDERS}),),
    ),
    Chapter(
        "A run is whole",
        "Moved to another folder, without its table.",
        (
            Case(
                (
                    "wellposed train net.yaml -b numpy --out a -q --no-plots",
                    "mkdir elsewhere && mv a elsewhere/b && rm t.csv net.yaml",
                    "wellposed predict elsewhere/b new.csv",
                    "wellposed evaluate elsewhere/b more.csv",
                ),
                {
                    **table(IRIS, label="species", standardize="true"),
                    "new.csv": "length,width\n5.1,3.2\n5.6,3.0\n",
                    "more.csv": IRIS,
                },
            ),
        ),
    ),
    Chapter(
        "An emitted program refuses what it would misread",
        "",
        (
            Case(
                (
                    "wellposed compile ellipses-verlet dtype=float64",
                    ">>> import ellipses_verlet_torch as net, torch",
                    ">>> network, x = net.Network(), torch.zeros(5, 2, dtype=torch.float64)",
                    ">>> network.loss(x, torch.zeros(5, 1, dtype=torch.int64))",
                    ">>> network.loss(x, torch.zeros(3, dtype=torch.int64))",
                    ">>> network(torch.zeros(2, dtype=torch.float64))",
                    ">>> import ellipses_verlet_jax as net, jax.numpy as jnp",
                    ">>> net.loss(net.init(), jnp.zeros((5, 2)), jnp.zeros((5, 1), int))",
                    ">>> float(net.loss(net.init(), jnp.zeros((5, 2)), jnp.full(5, 7)))",
                    ">>> net.forward({'K': jnp.zeros((4, 2, 2))}, jnp.zeros((5, 2)))",
                ),
            ),
        ),
    ),
    Chapter(
        "Tables",
        "",
        (
            read("5.1,3.5,a\n4.9,3.0,b\n6.2,3.4,a\n", label="2", validation="0"),
            read(",a,b,c\n0,1,2,0\n1,3,4,1\n", label="c"),
            read(
                "a,b,c\n1,2,1\n3,4,2\n5,6,3\n", label="c", readout="{kind: classifier, classes: 3}"
            ),
            read("a,b,c\n1,2,0\n3,4,5\n", label="c"),
            read("a,b,c\n1,2,yes\n3,4,no\n5,6,Yes\n", label="c"),
            read("a,b,c\n1,2,1\n3,4,1\n", label="c"),
            read("a;b;c\n1;2;0\n3;4;1\n", label="c"),
            read("a\tb\tc\n1\t2\t0\n3\t4\t1\n", label="c"),
            read("a;b;c\n1,5;2;0\n3,2;4;1\n", label="c", delimiter='";"'),
            read("a,b,c\n1,2,é\n".encode("latin-1"), label="c"),
            read("a,b,c\n1,2,0\n".encode("utf-16"), label="c"),
            read(gzip.compress(b"a,b,c\n1,2,0\n", mtime=0), label="c"),
            read(b"PK\x03\x04\x14\x00\x06\x00" + bytes(30), label="c"),
            read("a,b,c,,\n1,2,0,,\n3,4,1,,\n", features="[a, b]", label="c"),
            read(MANY, label="y"),
            read("a,b,c\n1,1e39,0\n3,4,1\n", label="c"),
            read("a,b,c\n1e200,1,0\n-1e200,4,1\n", label="c", standardize="true"),
            read("a,b,c\n1,2,0\n", targets="[c]", readout="{kind: regression, outputs: 2}"),
            read("a,b,c\n1,2,0\n3,4,1\n", features="[a, b]"),
        ),
    ),
    Chapter(
        "One mistake, one error",
        "What was mended is not judged again, and no file is read through it.",
        (
            *override('model.vector_field={kind: mlp, hidden: ["16"]}'),
            validated(net(data="{kind: points, features: [[a, b]], labels: [0]}")),
            read("a,b,c\n1,2,0\n", label="c", classes="[False, True]"),
            read("a,b,c\n1,2,0\n", label="c", delimiter="tab"),
            validated(
                net(vector_field='{kind: custom, weights: {K: [y, y]}, equations: {y: "K @ y"}}')
            ),
            validated(net(vector_field='{kind: custom, equations: "K @ y"}')),
            *override("train.optimizer={<<: {kind: adam}, lr: 0.1}", "train.optimizer={kind:adam}"),
            *override(
                "model.steps=3",
                "lr=0.1",
                "regularizers.0.alpha=3",
                "regularizers.0.alpha=-3",
                "model.activation=relu",
            ),
        ),
    ),
    Chapter(
        "Legal and odd",
        "",
        (
            Case(("wellposed train net.yaml -b numpy --dry-run",), {"net.yaml": ODD}),
            Case(
                ("wellposed train net.yaml -b numpy --no-plots",), {"net.yaml": MAJORITY}, "warning"
            ),
        ),
    ),
    Chapter(
        "Wide and long networks",
        "Eigenvalues are taken within a budget, and what was looked at is said.",
        tuple(
            Case((f"wellposed show ellipses-antisymmetric {sizes}",), {}, LOOKED_AT)
            for sizes in (
                "model.state=784",
                "model.state=2000 model.time.steps=4",
                "model.state=2 model.time.steps=1000000",
            )
        ),
    ),
    Chapter(
        "Files of a run that are damaged",
        "",
        tuple(
            Case(
                (
                    "wellposed train ellipses-verlet -b numpy train.epochs=1 -qo a --no-plots",
                    f"echo what > a/{name}",
                    "wellposed resume a",
                ),
            )
            for name in ("metrics.jsonl", "checkpoint.safetensors", "run.json", "spec.yaml")
        ),
    ),
    Chapter(
        "Python",
        "",
        (
            Case(
                (
                    ">>> import wellposed",
                    ">>> wellposed.load('wellposed: 1\\nname: a\\n' * 90)",
                    ">>> wellposed.load('ellipses-antisymmetric', overrides='train.epochs=1')",
                    ">>> wellposed.load('ellipses-antisymmetric', overrides={'train.epochs': 0})",
                    ">>> wellposed.load({'wellposed': 1})",
                    ">>> wellposed.compile('base.yaml')",
                    ">>> wellposed.compile(wellposed.load('peaks-resnet'), 'numpy').init(-1)",
                    ">>> wellposed.open('.')",
                    ">>> [name for name in dir(wellposed) if not name.startswith('_')]",
                ),
            ),
        ),
    ),
    Chapter(
        "Words",
        "",
        (
            *override("name=a b", "train.optimizer.lr=.inf"),
            *(equation(text) for text in ("tan(y)", "sign(y)", "y^2", "K*y", "y²", "2y", "y[2]")),
            validated(
                net(
                    vector_field="{kind: custom, weights: {W: {shape: [y, y]}}, "
                    'equations: {y: "W @ y"}}'
                )
            ),
            Case(
                ("wellposed show net.yaml",),
                {
                    "net.yaml": net(
                        state="{y: 2, z: 2}",
                        vector_field='{kind: custom, hamiltonian: "sum(z**2)/2 + sum(y**2)"}',
                    )
                },
                r"^  [yz]' =",
            ),
        ),
    ),
)


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The page, every case called anew."""
    return calling.page(CHAPTERS, net())


if __name__ == "__main__":
    main()
