"""Stability findings: what is known before a step is trained, and on what grounds.

Haber & Ruthotto (2017), section 2: the continuous problem is stable when Re λ(J) ≤ 0 and the
weights change slowly; forward Euler when |1 + h λ| ≤ 1. Findings by construction hold for all
weights; those at the initial weights say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

from ..spec.diagnostics import Span
from ..spec.initializers import Random
from ..spec.integrators import Euler, Leapfrog, RungeKutta
from ..spec.parametrizations import Antisymmetric, Free
from .findings import Finding, Level
from .initial import initial_weights, stream
from .ir.program import Program
from .ir.text import number
from .jacobian import eigenvalues
from .regions import (
    STAGGERED_LIMIT,
    amplification,
    imaginary_limit,
    leading_growth,
    polynomial,
)
from .spectrum import Spectrum, spectrum

SAMPLES, FEW_SAMPLES, LARGE = 8, 2, 16
"""States that are looked at, fewer for a state above LARGE: eigenvalues cost its cube."""
LARGEST = 4096
"""Components of a state beyond which no eigenvalues are computed: they take hours and gigabytes."""
NEGLIGIBLE = 1e-9
"""A real part that is zero but for rounding."""
TOLERATED_GROWTH = 10.0
"""How much the method may amplify over all steps before it is a warning."""
CURE_FOR_OSCILLATIONS = (
    "γ > 0, or integrator: rk4 (stable for |h ω| ≤ 2.83), or the hamiltonian parametrization "
    "with verlet"
)


@dataclass(frozen=True)
class Numbers:
    """At the initial weights: extremes of Re λ, the largest |λ|, growth by the method.

    They say nothing unless all of them are `finite`.
    """

    finite: bool
    lower: float
    upper: float
    modulus: float
    growth: float
    """Product over all steps of max |R(h λ)|."""
    where: str

    @property
    def range(self) -> str:
        return f"Re λ in [{self.lower:.3g}, {self.upper:.3g}]"


def analyse(program: Program) -> tuple[Finding, ...]:
    """Findings on the field, then on the method. Imports no framework."""
    known = spectrum(program)
    if program.size > LARGEST:
        return tuple(_for_all_weights(program, known, f"{program.size} eigenvalues are too many"))
    numbers = _numbers(program)
    if not numbers.finite:
        return tuple(_without_numbers(program, known, numbers.where))
    found = [*_of_field(program, known, numbers), *_of_method(program, known, numbers)]
    return tuple(found)


def structural_claims(program: Program) -> list[str]:
    """One line for the head of an emitted program: what holds for all weights, and why."""
    known = spectrum(program)
    if known is None:
        return ["nothing is known of the spectrum by construction"]
    slopes = f" ({known.assumption})" if known.assumption else ""
    return [f"{_range(program, known)} for all weights and states{slopes}: {known.why}"]


# --- the field -------------------------------------------------------------------------------


def _of_field(program: Program, known: Spectrum | None, numbers: Numbers) -> Iterator[Finding]:
    if _given_by_value(program):
        yield _by_value(program, numbers)
    else:
        yield from _for_all_weights(program, known, f"{numbers.where}: {numbers.range}")


def _without_numbers(program: Program, known: Spectrum | None, where: str) -> Iterator[Finding]:
    """The field overflows on the way, or has a singularity there: its slopes say nothing."""
    seen = f"{where}: not finite"
    claim = "∂f/∂y is not finite"
    cure = "a smaller h, smaller initial weights, or a field without a singularity there"
    yield Finding("W204", "warning", claim, "the initial weights", seen, cure, _field_span(program))
    yield from _for_all_weights(program, known, seen)


def _for_all_weights(program: Program, known: Spectrum | None, seen: str) -> Iterator[Finding]:
    """What is known by construction, or that nothing is; `seen` is the evidence of numbers."""
    if known is not None:
        yield _by_construction(program, known, seen)
        return
    yield Finding(
        "N202",
        "note",
        "nothing is known of the spectrum of the field by construction",
        "any weights",
        f"{_unknown_because(program)}; {seen}",
        "antisymmetric, negative-gram or hamiltonian weights bound it",
        _field_span(program),
    )


def _by_construction(program: Program, known: Spectrum, seen: str) -> Finding:
    span = _field_span(program)
    assumption = "any weights and states" + (f", {known.assumption}" if known.assumption else "")
    evidence = f"{known.why}; {seen}"
    if program.order == 2:
        return _second_order(program, known, assumption, evidence)
    if known.upper > 0:
        claim = f"the field may amplify: {_range(program, known)}"
        return Finding("W203", "warning", claim, assumption, evidence, "", span)
    claim = f"{_range(program, known)}: the continuous network does not amplify"
    return Finding("N201", "note", claim, assumption, evidence, "", span)


def _second_order(program: Program, known: Spectrum, assumption: str, evidence: str) -> Finding:
    """y'' = f(y): bounded when ∂f/∂y has real eigenvalues ≤ 0, since λ = ±√μ."""
    span = _field_span(program)
    if known.real and known.upper <= 0:
        claim = "y oscillates and does not grow: the eigenvalues of ∂f/∂y are real and ≤ 0"
        return Finding("N201", "note", claim, assumption, evidence, "", span)
    claim = "y may grow: an eigenvalue of ∂f/∂y that is not real and ≤ 0 has a root with Re > 0"
    cure = "parametrization: negative-gram"
    return Finding("W203", "warning", claim, assumption, evidence, cure, span)


def _by_value(program: Program, numbers: Numbers) -> Finding:
    """The weights are given: their eigenvalues are facts."""
    span = program.spec.span("model", "initializers")
    assumption = "the weights as given"
    evidence = f"eigenvalues of ∂f/∂y {numbers.where}: {numbers.range}"
    if numbers.upper > NEGLIGIBLE:
        claim = f"the field amplifies: Re λ reaches {numbers.upper:.3g} > 0"
        cure = "weights with Re λ ≤ 0, for instance antisymmetric ones"
        return Finding("W203", "warning", claim, assumption, evidence, cure, span)
    if numbers.lower < -NEGLIGIBLE:
        claim = f"the field forgets: modes decay, Re λ down to {numbers.lower:.3g}"
        cure = "Re λ close to 0 keeps the information (Haber & Ruthotto 2017)"
        return Finding("N203", "note", claim, assumption, evidence, cure, span)
    claim = "the field neither amplifies nor forgets: Re λ = 0"
    return Finding("N201", "note", claim, assumption, evidence, "", span)


def _given_by_value(program: Program) -> bool:
    return not any(isinstance(o.raw.initializer, Random) for o in program.operands)


def _unknown_because(program: Program) -> str:
    if any(
        isinstance(o.parametrization, Free) and o.name.startswith("K") for o in program.operands
    ):
        return "K is free"
    return "the equations have none of the forms that bound it"


# --- the method ------------------------------------------------------------------------------


def _of_method(program: Program, known: Spectrum | None, numbers: Numbers) -> Iterator[Finding]:
    if polynomial(program.integrator) is None:
        yield _staggered(program, numbers)
    elif _is_imaginary(program, known, numbers):
        yield _on_imaginary_axis(program, numbers)
    else:
        is_damped = isinstance(program.integrator, Euler) and _gamma(program) > 0
        found = [_damped_euler(program, numbers)] if is_damped else []
        warned = any(finding.level == "warning" for finding in found)
        if numbers.growth > TOLERATED_GROWTH and not _field_grows(numbers) and not warned:
            found.append(_amplified(program, numbers))
        yield from found


def _is_imaginary(program: Program, known: Spectrum | None, numbers: Numbers) -> bool:
    if known is not None:
        return known.is_imaginary
    still = max(abs(numbers.lower), abs(numbers.upper)) <= NEGLIGIBLE
    oscillates = still and numbers.modulus > NEGLIGIBLE
    return _given_by_value(program) and oscillates and program.order == 1


def _on_imaginary_axis(program: Program, numbers: Numbers) -> Finding:
    """Oscillations under a Runge–Kutta method."""
    limit, h = imaginary_limit(program.integrator), program.h
    name, reach = program.integrator.name, h * numbers.modulus
    span = program.spec.span("model", "integrator")
    evidence = f"{numbers.where}: |h ω| up to {reach:.3g}, {_growth(program, numbers)}"
    if limit == 0 and isinstance(program.integrator, Euler):
        claim = f"{name} amplifies every oscillation: |1 + i h ω| > 1 for all ω ≠ 0"
        return Finding("W201", "warning", claim, "Re λ = 0", evidence, CURE_FOR_OSCILLATIONS, span)
    if limit == 0:
        assert isinstance(program.integrator, RungeKutta)  # the staggered ones reach up to 2
        coefficient, power = leading_growth(program.integrator)
        rate = f"|R(i h ω)| ≈ 1 + {coefficient} (h ω)^{power}"
        claim = f"{name} amplifies every oscillation, slightly: {rate}"
        code, level = _amplification(numbers)
        return Finding(code, level, claim, "Re λ = 0", evidence, "rk4, or a smaller h", span)
    claim = f"{name} is stable for |h ω| ≤ {limit:.3g}"
    beyond = reach > limit
    return Finding(
        "W202" if beyond else "N204",
        "warning" if beyond else "note",
        claim + (f"; here |h ω| reaches {reach:.3g}" if beyond else ""),
        "Re λ = 0",
        evidence,
        "more steps" if beyond else "",
        span,
    )


def _damped_euler(program: Program, numbers: Numbers) -> Finding:
    """|1 + h λ| ≤ 1 for λ = −γ/2 ± iω means |λ|² ≤ γ/h, or ω² ≤ γ/h − γ²/4: most at γ = 2/h."""
    gamma, h = _gamma(program), program.h
    room, limit = gamma / h - gamma**2 / 4, sqrt(gamma / h)
    span = program.spec.span("model", "parametrization", "gamma")
    claim = f"forward Euler amplifies every mode -γ/2 ± iω: h γ = {h * gamma:.3g} > 4"
    if room >= 0:
        reach = f"|ω| ≤ √(γ/h − γ²/4) = {sqrt(room):.3g}"
        claim = f"forward Euler amplifies no mode -γ/2 ± iω with {reach}"
    evidence = f"{numbers.where}: |λ| up to {numbers.modulus:.3g}, {_growth(program, numbers)}"
    beyond = room < 0 or numbers.modulus > limit
    if beyond and room >= 0:
        claim += f"; here |λ| reaches {numbers.modulus:.3g} > √(γ/h) = {limit:.3g}"
    better = "a larger γ, more steps, or rk4" if gamma < 2 / h else "a smaller γ, or more steps"
    cure = better if beyond else ""
    code, level = _amplification(numbers) if beyond else ("N204", "note")
    return Finding(code, level, claim, f"γ = {number(gamma)}, σ' = 1", evidence, cure, span)


def _amplification(numbers: Numbers) -> tuple[str, Level]:
    """A method that amplifies: how much over all steps decides whether it is warned of."""
    return ("W201", "warning") if numbers.growth > TOLERATED_GROWTH else ("N205", "note")


def _amplified(program: Program, numbers: Numbers) -> Finding:
    claim = f"{program.integrator.name} amplifies modes that the field does not"
    evidence = f"{numbers.where}: {_growth(program, numbers)}"
    span = program.spec.span("model", "integrator")
    return Finding("W201", "warning", claim, "the initial weights", evidence, "more steps", span)


def _staggered(program: Program, numbers: Numbers) -> Finding:
    """Verlet and leapfrog: h |ω| ≤ 2."""
    reach, name = program.h * numbers.modulus, program.integrator.name
    span = program.spec.span("model", "integrator")
    evidence = f"{numbers.where}: h |λ| up to {reach:.3g}"
    what = (
        "h²|μ| ≤ 4, μ the eigenvalues of ∂f/∂y"
        if isinstance(program.integrator, Leapfrog)
        else "h |ω| ≤ 2, ±iω the eigenvalues of ∂f/∂(y, z)"
    )
    if reach > STAGGERED_LIMIT:
        claim = f"the step is beyond the limit of {name}: h |λ| = {reach:.3g} > 2"
        return Finding("W202", "warning", claim, what, evidence, "more steps", span)
    claim = f"{name} is stable: h |λ| = {reach:.3g} ≤ 2"
    return Finding("N204", "note", claim, what, evidence, "", span)


# --- numbers ---------------------------------------------------------------------------------


def _numbers(program: Program) -> Numbers:
    """Eigenvalues along the trajectories of a few random states, at the initial weights."""
    with np.errstate(all="ignore"):
        samples = SAMPLES if program.size <= LARGE else FEW_SAMPLES
        x = stream(program.spec.seed, "probe").normal(size=(samples, program.features))
        x[0] = 0  # where σ' is largest
        times, found = eigenvalues(program, initial_weights(program), x)
        finite: NDArray[np.complex128] = np.where(np.isfinite(found), found, 0)
        per_step = amplification(program.integrator, program.h * finite).max(axis=(1, 2))
        growth = float(np.exp(program.steps * np.log(np.maximum(per_step, 1)).mean()))
    return Numbers(
        bool(np.isfinite(found).all()),
        float(np.real(finite).min()),
        float(np.real(finite).max()),
        float(np.abs(finite).max()),
        growth,
        f"at the initial weights, {samples} states, {len(times)} steps",
    )


def _growth(program: Program, numbers: Numbers) -> str:
    if numbers.growth <= 1 + 1e-12:
        return "no mode grows"
    return f"growth by at most {numbers.growth:.3g} over {program.steps} steps"


def _field_grows(numbers: Numbers) -> bool:
    return numbers.upper > NEGLIGIBLE


def _gamma(program: Program) -> float:
    kinds = (o.parametrization for o in program.operands)
    return max((k.gamma for k in kinds if isinstance(k, Antisymmetric)), default=0.0)


def _range(program: Program, known: Spectrum) -> str:
    what = "λ(∂f/∂y)" if program.order == 2 or known.real else "Re λ(∂f/∂y)"
    if known.lower == known.upper:
        return f"{what} = {number(known.upper)}"
    if known.lower == -inf:
        return f"{what} ≤ {number(known.upper)}"
    if known.upper == inf:
        return f"{what} ≥ {number(known.lower)}"
    return f"{what} ∈ [{number(known.lower)}, {number(known.upper)}]"


def _field_span(program: Program) -> Span | None:
    """Where the spec says what bounds the spectrum: the parametrization, if it has one."""
    given = "parametrization" in program.spec.model.model_fields_set
    return program.spec.span("model", "parametrization" if given else "vector_field")
