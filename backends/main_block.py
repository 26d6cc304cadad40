"""What a program does when it is run by itself: a look at the network and one gradient."""

from __future__ import annotations

from ..compiler.ir.program import Program
from .docs import has_classes
from .layout import Bracket, docstring, laid_out

_DOC = "Print what this network is and take one gradient on a small batch."


def _head(program: Program) -> list[str]:
    return [
        "def main() -> None:",
        docstring([_DOC]),
        "    print(__doc__)",
    ]


def _weights(program: Program) -> list[str]:
    file = f'"{program.module_name}.safetensors"'
    beside = Bracket("beside = Path(__file__).with_name(", (file,), ")")
    return [
        f"    {laid_out(beside, 4)}",
        "    arrays = load_file(beside) if beside.exists() else init()",
        "    count = sum(value.size for value in arrays.values())",
        '    print(f"{count:,} weights:", {n: v.shape for n, v in arrays.items()})',
    ]


def _batch(program: Program) -> list[str]:
    lines = [
        "    rng = np.random.default_rng(0)",
        f'    x = rng.normal(size=(8, FEATURES)).astype("{program.spec.dtype}")',
    ]
    if program.loss is None:
        return lines
    if has_classes(program):
        return [*lines, "    targets = np.arange(8) % OUTPUTS"]
    return [*lines, f'    targets = rng.normal(size=(8, OUTPUTS)).astype("{program.spec.dtype}")']


def _guard() -> list[str]:
    return ["", "", 'if __name__ == "__main__":', "    main()"]


def jax_main(program: Program) -> list[str]:
    lines = [*_head(program), *_weights(program), *_batch(program)]
    if program.spec.dtype == "float64":
        lines.insert(2, '    jax.config.update("jax_enable_x64", True)')
    lines.append("    weights = {name: jnp.asarray(value) for name, value in arrays.items()}")
    if program.loss is None:
        lines.append('    print(f"y(T) = {forward(weights, jnp.asarray(x))}")')
        return [*lines, *_guard()]
    return [
        *lines,
        "    value, gradient = jax.value_and_grad(loss)(",
        "        weights, jnp.asarray(x), jnp.asarray(targets)",
        "    )",
        "    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5",
        '    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")',
        *_guard(),
    ]


def torch_main(program: Program) -> list[str]:
    lines = [*_head(program), *_weights(program), "    network = Network(arrays)", *_batch(program)]
    if program.loss is None:
        lines.append('    print(f"y(T) = {network(torch.tensor(x)).tolist()}")')
        return [*lines, *_guard()]
    return [
        *lines,
        "    value = network.loss(torch.tensor(x), torch.tensor(targets))",
        "    value.backward()",
        "    gradients = [w.grad for w in network.parameters() if w.grad is not None]",
        "    norm = sum(g.square().sum().item() for g in gradients) ** 0.5",
        '    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")',
        *_guard(),
    ]
