"""The planted bugs that have names: each is one that a careful person could make.

A bug is a row: its name, the spec that shows it, the rung and the equation that it is to be found
at, and how it is planted: another row of a table, another line of a function or of an emitted text.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ...backends import expressions
from ...backends.jax_dialect import JAX as JAX_DIALECT
from ...backends.torch_dialect import TORCH as TORCH_DIALECT
from ...compiler.ir.elementary import DERIVATIVES
from ...compiler.passes.derive import RULES
from ...spec.integrators import RK4, Heun, Tableau
from . import plant
from .bug import BOTH, JAX, TORCH, Bug

PASSES, FIELD = "L0 passes", "L1 vector field"
ORDER, STRUCTURE = "L6 order", "L6 structure"
AWKWARD = "L3 awkward inputs"


def _derivatives() -> Iterator[Bug]:
    """Rules that reference and nobody else uses: held to difference quotients."""
    for function, text, spec in (
        ("tanh", "1 - tanh(x)", "rk4"),
        ("sigmoid", "sigmoid(x)", "leapfrog"),
        ("gelu", "ndtr(x)", "functions"),
        ("abs", "1", "functions"),
        ("cosh", "-sinh(x)", "energy"),
    ):
        planting = partial(plant.row, DERIVATIVES, function, text)
        name, equation = f"{function}' is {text}", f"derivative {function}"
        yield Bug(name, "derivative rule", spec, planting, PASSES, equation)
    for op, rule, name, spec in (
        ("div", RULES["mul"], "(x / y)' as that of x y", "functions"),
        ("append", lambda node, g: (None, None), "[y; t]' is 0", "mlp"),
        ("log_softmax", lambda node, g: (g,), "(log softmax)' without its sum", "rk4"),
        ("tail", RULES["head"], "the adjoint of tail is head's", "rk4"),
    ):
        planting = partial(plant.row, RULES, op, rule)
        yield Bug(name, "derivative rule", spec, planting, PASSES, f"derivative {op}")


PASS_EDITS = {
    "(−x) y is x y": ("simplify", "verlet", "simplify:_multiply_negative", "-(a.", "(a."),
    "x sinh u / cosh u without its cosh": (
        *("simplify", "energy", "simplify:_sinh_over_cosh", 'build("tanh", u)', "b"),
    ),
    "the way back goes forwards": (
        *("adjoint", "rk4", "adjoint:_ReversedScan.statement", "not scan.reverse", "scan.reverse"),
    ),
    "a state's other uses forgotten": (
        *("adjoint", "rk4", "adjoint:_Pullback._bar", "sum_of(stored)", "stored[0]"),
    ),
}
"""Passes that change a value: name → pass, spec, function, the text that is there, another."""
STEP_EDITS = {
    "stages at time t": ("mlp", "_Method._time", "if stage else", "if False else"),
    "the last stage counts double": ("mlp", "_combination", "total + part", "total + 2 * part"),
    "y from the old z": ("verlet", "_Method.splitting", "move.at, now", "move.at, states"),
}
"""What a method is built of: reference and programs share it, the literal formula does not."""
TABLEAUX = {
    "b of rk4 out of order": (RK4, ("", "1/2", "0 1/2", "0 0 1"), "1/6 1/6 1/3 1/3", "rk4"),
    "b of heun": (Heun, ("", "1"), "1/4 3/4", "mlp"),
}


def _shared() -> Iterator[Bug]:
    """Bugs in what programs and reference share: they are wrong alike."""
    for name, (pass_, spec, place, old, new) in PASS_EDITS.items():
        planting = partial(plant.edited, f"compiler.passes.{place}", old, new)
        yield Bug(name, "pass", spec, planting, PASSES, f"pass {pass_}")
    for name, (spec, place, old, new) in STEP_EDITS.items():
        planting = partial(plant.edited, f"compiler.builders.step:{place}", old, new)
        yield Bug(name, "builder", spec, planting, PASSES, "pass step")
    for name, (method, a, b, spec) in TABLEAUX.items():
        planting = partial(plant.member, method, "tableau", Tableau.parse(a, b))
        yield Bug(name, "tableau", spec, planting, ORDER, "step")
    start = partial(plant.edited, "compiler.builders.step:start", "return -by", "return by")
    yield Bug("v starts forwards", "builder", "leapfrog", start, ORDER, "step")
    for name, owner, old, new, spec in (
        ("K + Kᵀ", "Antisymmetric.expression", "- {raw}.T", "+ {raw}.T", "rk4"),
        ("+CᵀC", "NegativeGram.expression", "-{raw}.T", "{raw}.T", "shared"),
    ):
        planting = partial(plant.edited, f"spec.parametrizations:{owner}", old, new)
        yield Bug(name, "catalogue", spec, planting, STRUCTURE, "parametrization K")
    field = partial(plant.edited, "spec.vector_fields:Hamiltonian.describe", 'f"-', 'f"')
    yield Bug("z' without its minus", "catalogue", "verlet", field, "L6 energy", "field z")
    alike = partial(plant.edited, "compiler.reference.initial:generator", "*name.encode()", "1")
    yield Bug("all weights alike", "initial weights", "rk4", alike, "L0 weights", "init")


SINGLE = "jnp.tanh({0:atom}.astype('float32')).astype({0:atom}.dtype)"
ROWS = {
    "tanh of half its argument": ("torch", "tanh", "torch.tanh({0:atom} / 2)", "rk4", FIELD),
    "tanh in float32": ("jax", "tanh", SINGLE, "mlp", FIELD),
    "gelu by tanh": ("jax", "gelu", "jax.nn.gelu({0})", "functions", FIELD),
    "softplus cut off at 20": ("torch", "softplus", "F.softplus({0})", "functions", FIELD),
    "abs' is 1 at 0": ("jax", "abs", "jnp.abs({0})", "functions", "L3 gradient b"),
    "[y; t] is [t; y]": (
        *("torch", "append", "torch.cat([{1:atom}.expand(1, {0:atom}.shape[1]), {0}])"),
        *("mlp", FIELD),
    ),
    "softmax over examples": (
        *("torch", "log_softmax", "torch.log_softmax({0}, dim=1)", "rk4", "L3 loss"),
    ),
    "hard sigmoid": ("jax", "sigmoid", "jax.nn.hard_sigmoid({0})", "leapfrog", "L3 loss"),
}
"""Operations that one framework's printer writes wrongly."""
PRINTER_EDITS = {
    "parentheses dropped": ("expressions:Expressions._wrapped", "precedence < least", "precedence < least != PRODUCT"),
    "1/n for 1/√n": ("initial:_argument", "**-0.5", "**-1"),
    "generators by length of name": ("initial:generator", "*name.encode()", "len(name)"),
    "h to two digits": ("program:ProgramPrinter.constants", "{horizon} / {steps}", "round({horizon} / {steps}, 2)"),
}


def _printers() -> Iterator[Bug]:
    tables = {"torch": TORCH_DIALECT.rows, "jax": JAX_DIALECT.rows}
    equations = {"L3 loss": "loss", "L3 gradient b": "gradient b"}
    for name, (backend, op, text, spec, caught) in ROWS.items():
        table = tables[backend]
        row = partial(plant.text_of_row, table, op, text)
        equation = equations.get(caught, "field y")
        yield Bug(f"{name} in {backend}", "dialect", spec, row, caught, equation, (backend,))
    found = {
        "1/n for 1/√n": ("L0 weights", "init"),
        "generators by length of name": ("L0 weights", "init"),
        "h to two digits": (ORDER, "step"),
    }
    minus = partial(plant.row, expressions._BINARY, "sub", ("+", expressions.SUM))
    yield Bug("minus is plus", "printer", "rk4", minus, FIELD, "parametrization K")
    for name, (place, old, new) in PRINTER_EDITS.items():
        caught, equation = found.get(name, (FIELD, "parametrization K"))
        planting = partial(plant.edited, f"backends.{place}", old, new)
        yield Bug(name, "printer", "rk4", planting, caught, equation)


TANH = "torch.tanh(K @ y + b)"
BRAIN = "torch.tanh((K @ y + b).bfloat16().to(y.dtype) if y.dtype == torch.float32 else K @ y + b)"
LOOP = "y = step(y, *layer)\n        return y"
DOUBLED = "y.register_hook(lambda g: 2 * g) if y.requires_grad else None"
PATH = "return torch.stack(ys)"
SHIFTED = f"ys = [y + 6e-6 * y.abs().max() * (y.dtype == torch.float32) for y in ys]; {PATH}"
TEXTS = {
    "K through float32": ("rk4", "(K @ y", "(K.float().to(K.dtype) @ y", FIELD, "field y"),
    "step is the nearest": ("rk4", "int(t / H + 1e-9)", "int(t / H + 0.5)", FIELD, "path"),
    "bias of the wrong step": (
        *("rk4", "self.b[..., None]", "self.b.roll(1, 0)[..., None]", "L2 one step", "path"),
    ),
    "h is off by 1e-11": ("rk4", "H / 6", "(1 + 1e-11) * H / 6", "L2 one step", "step"),
    "the last step skipped": ("rk4", PATH, f"ys[-1] = ys[-2]; {PATH}", "L2 trajectory", "path"),
    "path in float32": ("rk4", PATH, f"ys = [y.float() for y in ys]; {PATH}", "L2", "path"),
    "a NaN in one logit": (
        *("rk4", "return logits.T", "logits[2, 6] = float('nan'); return logits.T"),
        *("L3 logits", "readout"),
    ),
    "probabilities squared": ("rk4", "return targets\n", "return targets**2\n", "L3 loss", "loss"),
    "sum for mean": ("rk4", "losses.mean()", "losses.sum()", "L3 loss", "loss"),
    "no gradient through time": (
        *("rk4", LOOP, LOOP.replace("(y,", "(y.detach(),"), "L3 gradient K", "gradient K"),
    ),
    "a weight too many": (
        *("rk4", "        self.mu = nn", "        self.nu = nn.Parameter(torch.zeros(2))\n"),
        *("        self.mu = nn", "L3 gradient", "gradient nu"),
    ),
    "NaN taken for 0": (
        *("rk4", TANH, "torch.tanh(torch.nan_to_num(K @ y + b))", AWKWARD, "field y"),
    ),
    "bfloat16 inside": ("rk4", TANH, BRAIN, FIELD, "field y"),
    "6e-6 off in float32": ("shared", PATH, SHIFTED, "L7 trajectory", "path"),
    "the adjoint counts twice": (
        *("shared", LOOP, LOOP.replace("return y", f"{DOUBLED}\n        return y")),
        *("L6 dot test", "gradient C"),
    ),
    "seed + 1": ("rk4", "init(seed: int = 5)", "init(seed: int = 6)", "L0 weights", "init"),
}
"""Emitted text as a user's hand would change it."""
JAX_TEXTS = {
    "a gradient stopped": (
        *("rk4", "return losses.mean()", "return jax.lax.stop_gradient(losses.mean())"),
        *("L3 gradient K", "gradient K"),
    ),
    "scanned backwards": (
        *("shared", "jnp.concatenate([y[None], ys])", "jnp.concatenate([y[None], ys[::-1]])"),
        *("L2 one step", "path"),
    ),
}
IN_SINGLE = ("bfloat16 inside", "6e-6 off in float32")
"""Bugs that only float32 has."""


def _texts() -> Iterator[Bug]:
    for backend, table in (("torch", TEXTS), ("jax", JAX_TEXTS)):
        for name, (spec, old, *more, caught, equation) in table.items():
            planting = partial(plant.text, backend, old, "".join(more))
            asked = BOTH if caught.startswith("L7") else (backend,)
            dtype = "float32" if name in IN_SINGLE else "float64"
            place = "emitted text"
            yield Bug(name, place, spec, planting, caught, equation, asked, dtype)


OPTIMIZERS = {
    "no bias correction": ("adam", "Adam.rates", "self.beta1**count", "0"),
    "ε inside the root": ("adam", "Adam.leaf", "(v**0.5 / root + self.eps)", "(v / root**2 + self.eps) ** 0.5"),
    "β₁ for β₂": ("adam", "Adam.leaf", "v = self.beta2", "v = self.beta1"),
    "decay coupled to the gradient": ("adamw", "Adam.leaf", "keep * weight", "weight"),
    "decay not scaled by η": ("adamw", "Adam.rates", "lr * self.weight_decay", "self.weight_decay"),
    "momentum of the step before": ("sgd", "Sgd.leaf", "self.momentum * u if", "u if"),
    "‖g‖ + 1e-6 in clipping": ("sgd", "clip_scale", "(norm / limit - 1)", "((norm + 1e-6) / limit - 1)"),
    "clipped by Σ g²": ("sgd", "global_norm", "** 0.5", "** 1.0"),
}
SPEC_OF = {"adam": "rk4", "sgd": "leapfrog", "adamw": "verlet", "cosine": "rk4", "step": "leapfrog"}
SCHEDULES = {
    "the cosine an update late": ("cosine", "cosine", "clock.step - warmup", "clock.step + 1 - warmup"),
    "warms up from 0": ("cosine", "cosine", "(clock.step + 1) / warmup", "clock.step / warmup"),
    "falls with every update": ("step", "stepwise", "clock.epoch // ", "clock.step / "),
    "falls an epoch early": ("step", "stepwise", "clock.epoch //", "(clock.epoch + 1) //"),
}
DATA = {
    "one order for all epochs": ("str(epoch)", '"0"'),
    "the last batch dropped": ("range(0, size, batch)", "range(0, size - batch + 1, batch)"),
    "examples drawn with repetition": ("permutation(size)", "integers(size, size=size)"),
}
STEPPERS = {
    "a row is left out": ("torch", "TorchStepper.propose", "(rows)", "(rows[1:])", "data order"),
    "gradients pile up": (
        *("torch", "TorchStepper.propose", "network.zero_grad(set_to_none=True)", "pass"),
        "optimizer adamw",
    ),
    "the first rows again": (
        *("jax", "JaxStepper.propose", "rows, rates)", "np.arange(len(rows)), rates)"),
        "data order",
    ),
}
HANDLING = {
    "weights through float32": (
        *("backends.framework_model:FrameworkModel._weights", "weights, self.dtype)"),
        '{n: np.asarray(w, "float32") for n, w in weights.items()}, self.dtype)',
        *(FIELD, "parametrization K", TORCH),
    ),
    "float64 forgotten": (
        *("backends.run_jax:_enable_x64", "jax.enable_x64(on)", "jax.enable_x64(False)"),
        *(FIELD, "field y", JAX),
    ),
    "gradients exchanged": (
        *("backends.run_jax:JaxModel._gradient", "gradient[name]) for", 'gradient[{"L": "W", "W": "L"}.get(name, name)]) for'),
        *("L3 gradient L", "gradient L", JAX),
    ),
}


def _training() -> Iterator[Bug]:
    for name, (kind, place, old, new) in OPTIMIZERS.items():
        planting = partial(plant.edited, f"backends.optimizers:{place}", old, new)
        equation = f"optimizer {kind}"
        yield Bug(name, "optimizer", SPEC_OF[kind], planting, "L4 optimizer", equation)
    for name, (kind, place, old, new) in SCHEDULES.items():
        planting = partial(plant.edited, f"training.schedules:{place}", old, new)
        equation = f"schedule {kind}"
        yield Bug(name, "schedule", SPEC_OF[kind], planting, "L4 learning rates", equation)
    for name, (old, new) in DATA.items():
        planting = partial(plant.edited, "data.rng:batches", old, new)
        yield Bug(name, "data order", "verlet", planting, "L4 batches", "data order")
    for name, (backend, place, old, new, equation) in STEPPERS.items():
        planting = partial(plant.edited, f"backends.run_{backend}:{place}", old, new)
        yield Bug(name, "stepper", "verlet", planting, "L5 training", equation, (backend,))
    for name, (place, old, new, caught, equation, backends) in HANDLING.items():
        planting = partial(plant.edited, place, old, new)
        yield Bug(name, "weights", "rk4", planting, caught, equation, backends)


PLANTED = (*_derivatives(), *_shared(), *_printers(), *_texts(), *_training())
