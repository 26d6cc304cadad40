"""What a program does when it is run by itself: a look at the network and one gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiler.ir.module import Module, used_weights
from .document import Doc, bracket, docstring, laid_out
from .grids import GRID_OF

if TYPE_CHECKING:
    from .program import ProgramPrinter

_DOC = "Print what this network is and take one gradient on a small batch."

_LOSS = '    print(f"loss {{{}:.6g}} on 8 examples")'


def _head() -> list[str]:
    return ["def main() -> None:", docstring([_DOC]), "    print(__doc__)"]


def _weights(program: ProgramPrinter) -> list[str]:
    name = f'"{program.module.weights_file}"'
    return [
        f"    {laid_out(bracket('file = Path(__file__).with_name(', [name], ')'), 4)}",
        "    arrays = load_file(file) if file.exists() else init()",
        "    count = sum(value.size for value in arrays.values())",
        '    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"',
        '    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})',
    ]


def _batch(program: ProgramPrinter) -> list[str]:
    module, features = program.module, program.constant("FEATURES")
    lines = [
        "    random = np.random.default_rng(0)",
        f'    x = random.normal(size=(8, {features})).astype("{module.dtype}")',
    ]
    if module.is_of_series:
        return _series(program)
    if not module.has_loss:
        return lines
    if module.is_density:
        return [*lines, *_probes(module)]
    if module.signature.is_classifier:
        targets = f"    targets = np.arange(8) % {program.constant('CLASSES')}"
        return [*lines, targets, *_probes(module)]
    outputs = program.constant("OUTPUTS")
    targets = f'    targets = random.normal(size=(8, {outputs})).astype("{module.dtype}")'
    return [*lines, targets, *_probes(module)]


def _series(program: ProgramPrinter) -> list[str]:
    """Eight series of five observations, at times of their own."""
    dtype, channels = program.module.dtype, program.constant("FEATURES")
    horizon = program.constant("HORIZON")
    return [
        "    random = np.random.default_rng(0)",
        f'    values = random.normal(size=(5, 8, {channels})).astype("{dtype}")',
        f'    times = np.sort({horizon} * random.random((5, 8)), axis=0).astype("{dtype}")',
        f"    grid = {program.own(GRID_OF)}(times)",
    ]


def _probes(module: Module) -> list[str]:
    """Random vectors of the trace or of a norm, where it is estimated."""
    if module.chance is None:
        return []
    count, rademacher = module.chance.probes, module.chance.law == "rademacher"
    law = "choice((-1.0, 1.0), (" if rademacher else "normal(size=("
    shape = "*x.shape" if module.is_density else f"8, {module.signature.size}"
    return [f'    probes = random.{law}{count}, {shape})).astype("{module.dtype}")']


def _given(module: Module, put: str) -> list[str]:
    """What the loss takes besides the weights."""
    return [f"{put}({p.name})" for p in module.functions["loss"].params]


def _gradient(module: Module) -> Doc:
    given: list[Doc] = ["weights", *_given(module, "jnp.asarray")]
    return bracket("value, gradient = jax.value_and_grad(loss)(", given, ")")


def _learns(module: Module) -> bool:
    """Does the loss depend on a weight that is trained?"""
    used = used_weights(module, module.functions["loss"])
    return any(w.name in used for w in module.trained)


def _guard() -> list[str]:
    return ["", "", 'if __name__ == "__main__":', "    main()"]


def jax_main(program: ProgramPrinter) -> list[str]:
    lines = [*_head(), *_weights(program), *_batch(program)]
    lines.append("    weights = {name: jnp.asarray(value) for name, value in arrays.items()}")
    if not program.module.has_loss:
        lines.append('    print(f"y(T) = {forward(weights, jnp.asarray(x))}")')
        return [*lines, *_guard()]
    if not _learns(program.module):
        value = bracket("value = loss(", ["weights", *_given(program.module, "jnp.asarray")], ")")
        return [*lines, f"    {laid_out(value, 4)}", _LOSS.format("float(value)"), *_guard()]
    return [
        *lines,
        f"    {laid_out(_gradient(program.module), 4)}",
        "    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5",
        '    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")',
        *_guard(),
    ]


def torch_main(program: ProgramPrinter) -> list[str]:
    lines = [*_head(), *_weights(program), "    network = Network(arrays)", *_batch(program)]
    if not program.module.has_loss:
        lines.append('    print(f"y(T) = {network(torch.tensor(x)).tolist()}")')
        return [*lines, *_guard()]
    value = [f"    value = network.loss({', '.join(_given(program.module, 'torch.tensor'))})"]
    if not _learns(program.module):
        return [*lines, *value, _LOSS.format("value.item()"), *_guard()]
    return [
        *lines,
        *value,
        "    value.backward()",
        "    gradients = [w.grad for w in network.parameters() if w.grad is not None]",
        "    norm = sum(g.square().sum().item() for g in gradients) ** 0.5",
        '    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")',
        *_guard(),
    ]
