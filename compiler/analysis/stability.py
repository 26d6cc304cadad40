"""Stability findings: what is known before a step is trained, and on what grounds.

Haber & Ruthotto (2017), section 2: the continuous problem is stable when Re λ(J) ≤ 0 and the
weights change slowly; forward Euler when |1 + h λ| ≤ 1. Findings by construction hold for all
weights; those at the initial weights say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, sqrt

from ...data.sources import counted
from ...spec.adaptive import Adaptive
from ...spec.diagnostics import Span
from ...spec.initializers import Random
from ...spec.integrators import RK4, Euler, RungeKutta
from ...spec.parametrizations import Free
from ..ir.compiled import Compiled
from ..ir.problem import Problem
from ..ir.text import number
from .closely import closely
from .findings import Finding, Level
from .jacobian import Array
from .numbers import NEGLIGIBLE, Lost, Numbers, numbers_of
from .seen import Seen, look_at
from .spectrum import Spectrum, range_of, spectrum
from .structure import structure

NEGLIGIBLE_ROOT = 1e-6
"""A real part over |λ| that is zero but for rounding, where λ = √μ: that of a repeated μ is √ε."""
TOLERATED_GROWTH = 10.0
"""How much the method may amplify over all steps before it is a warning."""
TOO_MUCH = "no eigenvalues are computed of a network as large as this one"
CURE_FOR_OSCILLATIONS = (
    f"γ > 0, or integrator: rk4 (stable for |h ω| ≤ {RK4.imaginary_limit():.3g}), or the "
    "hamiltonian parametrization with verlet"
)


def analyse(compiled: Compiled, given: Seen | None = None) -> tuple[Finding, ...]:
    """Findings on the field, then on the method, by what is `given` to look at. Imports no
    framework."""
    compiled = closely(compiled)
    problem = compiled.problem
    known = spectrum(problem)
    given = given or look_at(problem)
    if given.budget is None:
        return tuple(_for_all_weights(problem, known, TOO_MUCH))
    numbers = numbers_of(compiled, given)
    found = [] if numbers.lost is None else [_lost(problem, numbers.lost, numbers.where)]
    if not numbers.count:
        seen = numbers.where if numbers.lost is None else f"{numbers.where}: not finite"
        found += _for_all_weights(problem, known, seen)
        return tuple(found)
    found += _of_field(problem, known, numbers)
    return (*found, *_of_method(problem, known, numbers))


def in_a_line(compiled: Compiled, given: Seen) -> str:
    """What the eigenvalues are at the weights that are given; nothing where they cost too much
    or none are finite."""
    if given.budget is None:
        return ""
    numbers = numbers_of(closely(compiled), given)
    if not numbers.count:
        return ""
    if isinstance(compiled.problem.integrator, Adaptive):
        return f"{numbers.where}: {numbers.range}"
    return f"{numbers.where}: {numbers.range}; {_outside(numbers)}"


# --- the field -------------------------------------------------------------------------------


def _of_field(problem: Problem, known: Spectrum | None, numbers: Numbers) -> Iterator[Finding]:
    if _given_by_value(problem) and (numbers.is_whole or _field_grows(numbers)):
        yield _by_value(problem, numbers)
    else:
        yield from _for_all_weights(problem, known, f"{numbers.where}: {numbers.range}")


def _lost(problem: Problem, lost: Lost, where: str) -> Finding:
    """A singularity, or states that overflow: its slopes are unknown from there on."""
    start = f"x = {_vector(lost.x)}"
    if lost.is_singular:
        claim = (
            f"∂f/∂y is not finite at {_state(problem)} = {_vector(lost.state)}, t = {lost.t:.3g}"
        )
        cure = "a field without a singularity there, or states that keep away from it"
    else:
        claim = f"the states leave the range of numbers before t = {lost.t:.3g}, from {start}"
        cure = "more steps where the method amplifies, else a field that does not blow up"
    return Finding("W204", "warning", claim, start, where, cure, _field_span(problem))


def _state(problem: Problem) -> str:
    names = ", ".join(problem.blocks)
    return names if len(problem.blocks) == 1 else f"({names})"


def _vector(values: Array) -> str:
    shown = ", ".join(f"{v:.3g}" for v in values[:4])
    return f"({shown}{', …' if len(values) > 4 else ''})" if len(values) > 1 else shown


def _for_all_weights(problem: Problem, known: Spectrum | None, seen: str) -> Iterator[Finding]:
    """What is known by construction, or that nothing is; `seen` is the evidence of numbers."""
    if known is not None:
        yield _by_construction(problem, known, seen)
        return
    yield Finding(
        "N202",
        "note",
        "nothing is known of the spectrum of the field by construction",
        "any weights",
        f"{_unknown_because(problem)}; {seen}",
        "antisymmetric, negative-gram or hamiltonian weights bound it",
        _field_span(problem),
    )


def _by_construction(problem: Problem, known: Spectrum, seen: str) -> Finding:
    span = _field_span(problem)
    assumption = "any weights and states" + (f", {known.assumption}" if known.assumption else "")
    evidence = f"{known.why}; {seen}"
    if problem.order == 2:
        return _second_order(problem, known, assumption, evidence)
    if known.upper > 0:
        claim = f"the field may amplify: {range_of(problem, known)}"
        return Finding("W203", "warning", claim, assumption, evidence, "", span)
    claim = f"{range_of(problem, known)}: the continuous network does not amplify"
    return Finding("N201", "note", claim, assumption, evidence, "", span)


def _second_order(problem: Problem, known: Spectrum, assumption: str, evidence: str) -> Finding:
    """y'' = f(y): bounded when ∂f/∂y has real eigenvalues ≤ 0, since λ = ±√μ."""
    span = _field_span(problem)
    if known.real and known.upper <= 0:
        claim = "y oscillates and does not grow: the eigenvalues of ∂f/∂y are real and ≤ 0"
        return Finding("N201", "note", claim, assumption, evidence, "", span)
    claim = "y may grow: an eigenvalue of ∂f/∂y that is not real and ≤ 0 has a root with Re > 0"
    cure = "parametrization: negative-gram"
    return Finding("W203", "warning", claim, assumption, evidence, cure, span)


def _by_value(problem: Problem, numbers: Numbers) -> Finding:
    """The weights are given: their eigenvalues are facts."""
    span = problem.spec.span("model", "initializers")
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


def _given_by_value(problem: Problem) -> bool:
    return not any(isinstance(w.raw.initializer, Random) for w in problem.layer)


def _unknown_because(problem: Problem) -> str:
    if any(isinstance(w.parametrization, Free) and w.name.startswith("K") for w in problem.layer):
        return "K is free"
    return "the equations have none of the forms that bound it"


# --- the method ------------------------------------------------------------------------------


def _of_method(problem: Problem, known: Spectrum | None, numbers: Numbers) -> Iterator[Finding]:
    if isinstance(problem.integrator, Adaptive):
        yield _adaptive(problem, problem.integrator, numbers)
    elif not isinstance(problem.integrator, RungeKutta):
        yield _staggered(problem, known, numbers)
    elif _is_imaginary(problem, known, numbers):
        yield _on_imaginary_axis(problem, numbers)
    else:
        is_damped = isinstance(problem.integrator, Euler) and _has_damped_modes(problem, known)
        found = [_damped_euler(problem, numbers)] if is_damped else []
        warned = any(finding.level == "warning" for finding in found)
        if numbers.stiff and not warned:
            found.append(_beyond(problem, numbers))
        elif numbers.growth > TOLERATED_GROWTH and not _field_grows(numbers) and not warned:
            found.append(_amplified(problem, numbers))
        yield from found


def _adaptive(problem: Problem, integrator: Adaptive, numbers: Numbers) -> Finding:
    """The solver chooses its steps by tolerances, and by stability: where a mode decays that it
    would amplify, the error grows and steps are rejected."""
    span = problem.spec.span("model", "integrator")
    horizon, longest = problem.spec.model.time.horizon, limit_of(integrator, numbers)
    fewest = ceil(horizon / longest) if longest else 1
    evidence = f"{numbers.where}: {numbers.range}, |λ| up to {numbers.modulus:.3g}"
    if fewest > integrator.max_steps:
        claim = (
            f"stability alone asks for {fewest:,} steps of {integrator.name}, "
            f"max_steps is {integrator.max_steps:,}"
        )
        cure = "a larger max_steps, a field with smaller weights, or a shorter horizon"
        return Finding("W202", "warning", claim, "Re λ < 0", evidence, cure, span)
    claim = "the solver chooses its steps by the tolerances: no step is too long to be stable"
    if fewest > 1:
        claim += f"; the modes that decay ask for {fewest:,} at least"
    return Finding("N204", "note", claim, "the initial weights", evidence, "", span)


def limit_of(integrator: Adaptive, numbers: Numbers) -> float:
    """The longest step that amplifies no mode as fast as the fastest that decays; 0: any is."""
    rate = -numbers.lower
    return integrator.limit_along(-1.0) / rate if rate > NEGLIGIBLE else 0.0


def _beyond(problem: Problem, numbers: Numbers) -> Finding:
    """A mode decays too fast for the step: |R(h λ)| > 1 where Re λ < 0."""
    integrator, stiff = problem.integrator, numbers.stiff
    assert isinstance(integrator, RungeKutta) and stiff is not None
    limit, reach = integrator.limit_along(stiff.mode), problem.h * abs(stiff.mode)
    where = f"λ = {stiff.mode:.3g}" if stiff.mode.imag else f"λ = {stiff.mode.real:.3g}"
    past = f"h |λ| = {reach:.3g} > {limit:.3g} at {where}"
    claim = f"the step is beyond the limit of {integrator.name}: {past}"
    evidence = f"{numbers.where}: {_outside(numbers)}"
    span = problem.spec.span("model", "integrator")
    when = f"t = {stiff.t:.3g}"
    return Finding("W202", "warning", claim, when, evidence, "more steps", span)


def _is_imaginary(problem: Problem, known: Spectrum | None, numbers: Numbers) -> bool:
    if known is not None:
        return known.is_imaginary
    still = max(abs(numbers.lower), abs(numbers.upper)) <= NEGLIGIBLE
    oscillates = still and numbers.modulus > NEGLIGIBLE
    return numbers.is_whole and _given_by_value(problem) and oscillates and problem.order == 1


def _on_imaginary_axis(problem: Problem, numbers: Numbers) -> Finding:
    """Oscillations under a Runge–Kutta method."""
    limit, h = problem.integrator.imaginary_limit(), problem.h
    name, reach = problem.integrator.name, h * numbers.modulus
    span = problem.spec.span("model", "integrator")
    evidence = f"{numbers.where}: |h ω| up to {reach:.3g}, {_growth(numbers)}"
    if limit == 0 and isinstance(problem.integrator, Euler):
        claim = f"{name} amplifies every oscillation: |1 + i h ω| > 1 for all ω ≠ 0"
        return Finding("W201", "warning", claim, "Re λ = 0", evidence, CURE_FOR_OSCILLATIONS, span)
    if limit == 0:
        assert isinstance(problem.integrator, RungeKutta)  # what else there is has a limit
        coefficient, power = problem.integrator.leading_growth()
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


def _damped_euler(problem: Problem, numbers: Numbers) -> Finding:
    """|1 + h λ| ≤ 1 for λ = −γ/2 ± iω means |λ|² ≤ γ/h, or ω² ≤ γ/h − γ²/4: most at γ = 2/h."""
    gamma, h = _gamma(problem), problem.h
    room, limit = gamma * (1 / h - gamma / 4), sqrt(gamma / h)  # γ² may overflow
    span = problem.spec.span("model", "parametrization", "gamma")
    claim = f"forward Euler amplifies every mode -γ/2 ± iω: h γ = {h * gamma:.3g} > 4"
    if room >= 0:
        reach = f"|ω| ≤ √(γ/h − γ²/4) = {sqrt(room):.3g}"
        claim = f"forward Euler amplifies no mode -γ/2 ± iω with {reach}"
    evidence = f"{numbers.where}: |λ| up to {numbers.modulus:.3g}, {_growth(numbers)}"
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


def _amplified(problem: Problem, numbers: Numbers) -> Finding:
    claim = f"{problem.integrator.name} amplifies modes that the field does not"
    evidence = f"{numbers.where}: {_growth(numbers)}"
    span = problem.spec.span("model", "integrator")
    return Finding("W201", "warning", claim, "the initial weights", evidence, "more steps", span)


def _staggered(problem: Problem, known: Spectrum | None, numbers: Numbers) -> Finding:
    """Methods with a limit on the imaginary axis, Verlet's and leapfrog's h |ω| ≤ 2.

    The limit is on oscillations: where Re λ > 0 the states grow however short the step is.
    """
    limit = problem.integrator.imaginary_limit()
    grows = not _only_oscillates(problem, known) and _grows_as_roots_do(numbers)
    reach = problem.h * (numbers.frequency if grows else numbers.modulus)
    what, name = "h |Im λ|" if grows else "h |λ|", problem.integrator.name
    span = problem.spec.span("model", "integrator")
    evidence = f"{numbers.where}: {what} up to {reach:.3g}"
    assumption = (
        f"h²|μ| ≤ {limit**2:g}, μ the eigenvalues of ∂f/∂y"
        if problem.order == 2
        else f"h |ω| ≤ {limit:g}, ±iω the eigenvalues of ∂f/∂(y, z)"
    )
    if reach > limit:
        claim = f"the step is beyond the limit of {name}: {what} = {reach:.3g} > {limit:g}"
        return Finding("W202", "warning", claim, assumption, evidence, "more steps", span)
    within = f"{what} = {reach:.3g} ≤ {limit:g}"
    if not grows:
        claim = f"{name} is stable: {within}"
        if not numbers.is_whole:
            claim = f"{name} is stable for the eigenvalues that were computed: {within}"
        return Finding("N204", "note", claim, assumption, evidence, "", span)
    claim = (
        f"the step is within the limit of {name} for oscillations, {within}, "
        f"but the field amplifies: Re λ reaches {numbers.upper:.3g} > 0"
    )
    evidence = f"{evidence}, {numbers.range}, {_growth(numbers)}"
    cure = "antisymmetric or negative-gram weights, or a hamiltonian field"
    return Finding("N206", "note", claim, "the initial weights", evidence, cure, span)


def _only_oscillates(problem: Problem, known: Spectrum | None) -> bool:
    """Is Re λ = 0 by construction?"""
    if known is None:
        return False
    return known.is_imaginary if problem.order == 1 else known.real and known.upper <= 0


def _grows_as_roots_do(numbers: Numbers) -> bool:
    """Re λ > 0 beyond the rounding of roots, which the eigenvalues of y'' = f and of a separable
    field are."""
    return numbers.upper > NEGLIGIBLE_ROOT * numbers.modulus


def _growth(numbers: Numbers) -> str:
    if numbers.growth <= 1 + 1e-12:
        return "no mode grows" if numbers.is_whole else "none of these modes grows"
    most = "growth by at most" if numbers.is_whole else "these modes grow by at most"
    grown = f"{most} {numbers.growth:.3g} over {counted(numbers.steps, 'step')}"
    return f"{grown}, {_outside(numbers)}"


def _outside(numbers: Numbers) -> str:
    return f"{numbers.outside} of {numbers.count} h λ lie outside the method's region"


def _field_grows(numbers: Numbers) -> bool:
    return numbers.upper > NEGLIGIBLE


def _has_damped_modes(problem: Problem, known: Spectrum | None) -> bool:
    """Are there modes −γ/2 ± iω, by what is known of ∂f/∂y itself?"""
    gamma = _gamma(problem)
    if known is None or known.real or gamma <= 0:
        return False
    return known.lower == -gamma / 2 and known.upper <= 0


def _gamma(problem: Problem) -> float:
    """γ of a matrix −γ/2 I + S with S skew: the largest of those in a layer."""
    found = [structure(w.definition) for w in problem.layer if w.definition.type.is_operator]
    return max((-2 * s.lower for s in found if s.lower == s.upper and not s.symmetric), default=0.0)


def _field_span(problem: Problem) -> Span | None:
    """Where the spec says what bounds the spectrum: the parametrization, if it has one."""
    given = "parametrization" in problem.spec.model.model_fields_set
    return problem.spec.span("model", "parametrization" if given else "vector_field")
