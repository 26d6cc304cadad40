"""Verbs about specs: ls, init, validate, show, schema. None of them imports a framework."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .arguments import Json, Overrides, SpecOrRun
from .output import pairs, quantity, say, say_json, section, table

if TYPE_CHECKING:
    from ..compiler.analysis.cost import Cost
    from ..compiler.analysis.describe import WeightRow
    from ..compiler.analysis.findings import Finding
    from ..compiler.ir.problem import Problem


def ls(json: Json = False) -> None:
    """List the shipped examples."""
    from ..compiler.front.load import examples

    listed = [_example(path) for path in examples()]
    if json:
        say_json(listed)
    else:
        pairs((example["name"], example["about"]) for example in listed)


def _example(path: Path) -> dict[str, Any]:
    """A shipped example: its first comment says what it is."""
    from ..spec.source import read

    first = path.read_text(encoding="utf-8").partition("\n")[0]
    reference = read(path).value.get("reference", "")
    about = first.removeprefix("#").strip()
    return {"name": path.stem, "about": about, "reference": reference, "file": str(path)}


def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A shipped example.")],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="The new file: NAME.yaml.")
    ] = None,
) -> None:
    """Copy an example, to start from."""
    from ..compiler.front.load import examples
    from ..spec.diagnostics import did_you_mean, quote
    from ..training.checkpoint import naming
    from .errors import CallError

    known = {path.stem: path for path in examples()}
    if name not in known:
        help = did_you_mean(name, known) or f"examples: {', '.join(known)}"
        raise CallError(f"there is no example {quote(name)}", help)
    target = Path(f"{name}.yaml") if to is None else to
    try:
        with naming(target), target.open("xb") as file:
            file.write(known[name].read_bytes())
    except FileExistsError:
        raise CallError(f"{target} exists and is not overwritten", "--to FILE") from None
    say(f"{target}", f"  wellposed show {target}", f"  wellposed train {target}")


def validate(spec: SpecOrRun, overrides: Overrides = None, json: Json = False) -> None:
    """Check a spec, or that of a run: every error at once, each at its place."""
    from ..compiler.analysis.oddities import oddities
    from .subject import read_subject

    made = read_subject(spec, overrides).compiled
    problem, odd = made.problem, oddities(made)
    if json:
        said = {"valid": True, "name": problem.name, "summary": _summary(problem), "errors": []}
        say_json(said | {"warnings": [each.to_json() for each in odd]})
    else:
        say(f"ok  {problem.name}: {_summary(problem)}", *(each.render() for each in odd))


def _summary(problem: Problem) -> str:
    model = problem.spec.model
    kinds = [model.vector_field.kind, model.parametrization.kind, model.integrator.kind]
    size = [f"{problem.steps} steps", f"state {problem.size}", f"{problem.weight_count:,} weights"]
    return ", ".join([*kinds, *size])


def show(spec: SpecOrRun, overrides: Overrides = None, json: Json = False) -> None:
    """Print equations, weights, integrator, cost and findings, of a run at its own weights."""
    # the eigenvalues of matrices this small take longer with more threads, several times on a busy
    # machine; the library reads this when NumPy is imported
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from ..compiler.analysis.describe import describe
    from ..compiler.analysis.oddities import oddities
    from .subject import read_subject

    subject = read_subject(spec, overrides)
    described = describe(subject.compiled, subject.seen())
    odd = oddities(subject.compiled, subject.compiled.dataset)
    if json:
        say_json(described.to_json() | {"warnings": [each.to_json() for each in odd]})
        return
    say(described.name)
    section("Equations", described.equations)
    section("Weights")
    rows = ((w.name, w.shape, " × ".join(w.axes), _start(w), w.count) for w in described.weights)
    table(("name", "shape", "axes", "initial", "numbers"), rows, right=("numbers",))
    section("Integrator", described.integrator)
    section("Cost")
    pairs(_cost(described.cost))
    section("Stability")
    say(*("\n" + _finding(finding) for finding in described.findings))
    if described.limits:
        section("Flow")
        say(*("\n" + _finding(finding) for finding in described.limits))
    if odd:
        section("Warnings")
        say(*("\n" + each.render() for each in odd))


def _start(weight: WeightRow) -> str:
    return weight.initial if weight.trainable else f"{weight.initial}, not trained"


def _cost(cost: Cost) -> list[tuple[str, str]]:
    per = " in one step of each solve" * cost.is_of_one_step
    return [
        ("evaluations of the field", f"{cost.field_evaluations:,} forward{per}"),
        ("operations per example", f"{quantity(cost.forward_flops, 'FLOP')} forward"),
        ("", f"{quantity(cost.gradient_flops, 'FLOP')} for a gradient"),
        ("activations per example", quantity(cost.activation_bytes, "B", 1024)),
        ("weights", f"{cost.weights:,}, {quantity(cost.weight_bytes, 'B', 1024)}"),
    ]


def _finding(finding: Finding) -> str:
    """A finding in the form of an error message, with all that it rests on."""
    from dataclasses import replace

    claim = replace(finding.diagnostic, label="", help="").render()
    gutter = " " * (len(str(finding.span.line)) + 1) if finding.span else ""
    rests = {"assumes": finding.assumption, "evidence": finding.evidence, "cure": finding.cure}
    return "\n".join(
        [claim, *(f"  {gutter}= {name}: {text}" for name, text in rests.items() if text)]
    )


def schema() -> None:
    """Print the JSON schema of the language, for editors."""
    from ..spec.model import Spec
    from ..spec.schema import json_schema

    say_json(json_schema(Spec))
