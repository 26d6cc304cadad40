"""What the command line and notebooks share: from a spec, or the folder of a run, to a result.

Importing this module imports no framework and nothing that draws.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .backends.model import ArgumentError, Model, checked_weights
from .backends.registry import get
from .backends.texts import text_of
from .backends.threads import Threaded, Threads, cores, on_threads, threads_for
from .compiler.analysis.halved import step_matters
from .compiler.analysis.oddities import majority, oddities
from .compiler.front.facts import Facts, facts_of
from .compiler.front.load import find, load
from .compiler.front.lower import diagnose
from .compiler.front.series import with_horizon
from .compiler.ir.module import Module
from .compiler.pipeline import Compiled, compiled
from .spec.diagnostics import Diagnostic, SpecError
from .spec.load import open_document, validate
from .spec.model import Density, Spec
from .training.checkpoint import RunError, naming
from .training.origin import Origin, resolved
from .training.progress import Progress, Quiet
from .training.results import INTERRUPTED, Result
from .training.run import FILES, LAST, Row, Run, open_run
from .training.train import train as train_in

PLOTS = "plots"
Arrays = Mapping[str, NDArray[Any]]
Paths = list[Path]


def trainable(spec: Spec) -> Compiled:
    """The spec with its data, which have been read. Raises SpecError where it cannot be trained, or
    for its data."""
    missing = list(_missing(spec))
    if missing:
        raise SpecError(missing)
    made = compiled(spec)
    in_run = replace(made, module=replace(made.module, weights_name=LAST))
    assert in_run.dataset is not None
    return in_run


def _missing(spec: Spec) -> Iterator[Diagnostic]:
    """What keeps a legal spec from being trained."""
    root, is_density = spec.span("name", key=True), isinstance(spec.task, Density)
    is_matched = isinstance(spec.task, Density) and spec.task.target is not None
    if spec.train is None:
        help = "such as train: {optimizer: {kind: adam, lr: 1e-2}, epochs: 100}"
        yield Diagnostic("E208", "the spec has no `train`", root, help=help)
    if spec.data is None and not is_matched:
        yield Diagnostic("E208", "the spec has no `data` to train on", root)
    elif spec.data is not None and spec.data.target_kind == "none" and not is_density:
        message = "the data have no labels and no targets: there is nothing to learn"
        yield Diagnostic("E208", message, spec.span("data"))
    if spec.model.readout is None and not (is_density or spec.task.is_of_series):
        message = "the model has no `readout`, hence no loss to train with"
        yield Diagnostic("E208", message, spec.span("model", key=True))


def model_of(compiled: Compiled, backend: str = "torch", device: str = "cpu") -> Model:
    """The program emitted for a backend and loaded. Raises BackendError, and SpecError for what
    the backend has no words for."""
    return get(backend).load(compiled.module, text_of(compiled, backend), device)


def train(
    spec: Spec,
    backend: str = "torch",
    device: str = "cpu",
    out: str | os.PathLike[str] | None = None,
    *,
    progress: Progress | None = None,
    origin: Origin | None = None,
    stop_after: int | None = None,
    plots: bool = True,
    threads: int | None = None,
) -> Result:
    """Train a spec and keep the run in `out`, by default a new folder runs/NAME-1, -2, …

    `threads` share an operation of torch on the CPU, by default as many as its work is worth;
    `origin` is the spec as it was given, by default what can be known of it. Raises SpecError for a
    spec that cannot be trained, BackendError and RunError.
    """
    problem = trainable(spec)
    model = model_of(problem, backend, device)
    given = origin or _origin_known(spec, problem.spec)
    chosen = threads_for(model, rows_at_once(problem), threads)
    with _run_folder(out, spec.name) as folder:
        how: dict[str, Any] = {"origin": given, "stop_after": stop_after}
        return _train(problem, model, chosen, folder, progress, plots, **how)


def resume(
    folder: str | os.PathLike[str],
    backend: str | None = None,
    device: str | None = None,
    *,
    epochs: int | None = None,
    progress: Progress | None = None,
    plots: bool = True,
    threads: int | None = None,
) -> Result:
    """Go on with a run, by default on the backend, the device and the threads it was begun on.

    It ends after `epochs` in all from then on, as if its spec had said so. Raises RunError for a
    folder that is no run, whose spec was changed since, or that has trained more; SpecError for
    epochs that the spec does not allow.
    """
    run, problem = open_learning(folder, epochs)
    model = model_of_run(run, problem, backend, device)
    chosen = threads_of_run(run, problem, model, threads)
    how: dict[str, Any] = {"resume": True, "extend": epochs is not None}
    return _train(problem, model, chosen, run.folder, progress, plots, **how)


def open_problem(folder: str | os.PathLike[str]) -> tuple[Run, Compiled]:
    """A run and its network, from what the folder holds alone; of a run that an older version began
    the data are read too. Raises RunError, SpecError."""
    run = open_run(Path(folder))
    spec, facts = _spec_of(run)
    if run.preprocessing is None:
        run.check_data(spec)
    return run, compiled(spec, facts, run.kept())


def open_learning(
    folder: str | os.PathLike[str], epochs: int | None = None
) -> tuple[Run, Compiled]:
    """A run and its learning problem: with all of its data, and with other `epochs` where they are
    asked for. Raises RunError, SpecError."""
    run = open_run(Path(folder))
    spec, facts = _spec_of(run)
    run.check_data(spec)
    if epochs is not None:
        spec = _read(run, facts, f"train.epochs={epochs}")
    return run, trainable(spec)


def _spec_of(run: Run) -> tuple[Spec, Facts | None]:
    """The spec that a run keeps, and what it knows of its data."""
    known, facts = run.preprocessing, None
    if known is not None:
        targets = len(known.targets) if known.targets else None
        facts = Facts(len(known.features), targets, known.horizon)
    spec = _read(run, facts)
    run.check(spec)
    if known is None:
        _refuse_older(run, spec)
    return spec, facts


def _read(run: Run, facts: Facts | None, *overrides: str) -> Spec:
    """The spec in a run; paths of data files count from where it was read when the run began."""
    document = open_document(run.spec, (*run.overrides, *overrides))
    found = replace(document, folder=run.base)
    spec = validate(found, Spec, lambda spec: diagnose(spec, facts or facts_of(spec)))
    return with_horizon(spec, facts or facts_of(spec))


def _refuse_older(run: Run, spec: Spec) -> None:
    """An older version's `standardize` left the targets of a regression as they were."""
    if spec.data is not None and spec.data.target_kind == "values" and spec.data.standardized:
        message = f"{run.folder} was begun by an older version, which left targets as they were"
        raise RunError(f"{message}: train it anew (standardize: {{targets: false}} does so again)")


def model_of_run(run: Run, problem: Compiled, backend: str | None, device: str | None) -> Model:
    """The model of a run, where nothing else is said on what it was begun on."""
    begun_on = str(run.facts.get("backend")), str(run.facts.get("device"))
    return model_of(problem, backend or begun_on[0], device or begun_on[1])


def epoch_of(run: Run, which: str = "last") -> int:
    """How many whole epochs the weights of a run have seen."""
    epoch = run.weights(which, facts_only=True).epoch
    return last_epoch(run.metrics()) if epoch is None else epoch


def rows_at_once(problem: Compiled) -> int:
    """How many examples a step of the training takes."""
    assert problem.dataset is not None
    train, rows = problem.spec.train, len(problem.dataset.train)
    return rows if train is None or train.batch is None else min(train.batch, rows)


def threads_of_run(
    run: Run, problem: Compiled, model: Model, asked: int | None = None
) -> Threads | None:
    """Those that are asked for, or that the run was begun on: others add in another order, and the
    weights would be others than without an interruption."""
    begun_on = run.facts.get("threads")
    if asked is None and isinstance(model, Threaded) and isinstance(begun_on, int):
        return Threads(min(begun_on, cores()), "as the run was begun")
    return threads_for(model, rows_at_once(problem), asked)


def last_epoch(rows: list[Row]) -> int:
    """The number of epochs that the metrics tell of."""
    return rows[-1]["epoch"] if rows else 0


def weights_of(run: Run, module: Module, which: str = "last") -> Arrays:
    """The weights of a run after its last good step, or those of its best epoch, in float64.

    Raises RunError.
    """
    try:
        return checked_weights(module, run.weights(which).weights, "float64")
    except ArgumentError as error:
        message = f"{run.folder / FILES[which]} does not hold the weights of this network: {error}"
        raise RunError(message) from None


def draw_run(
    problem: Compiled, model: Model, weights: Arrays, rows: list[Row], epoch: int, out: Path
) -> Paths:
    """Draw the network of a run after an epoch, and all of its metrics; the files."""
    from .plots.draw import Subject, draw  # matplotlib is slow to import, and this the only use

    when = f"{model.backend}, epoch {epoch}"
    with naming(out):
        return draw(Subject(problem, model, weights, rows, when), out)


def redraw(
    folder: str | os.PathLike[str],
    out: Path | None = None,
    backend: str | None = None,
    device: str | None = None,
    which: str = "last",
) -> Paths:
    """Draw a run again, with its `last` or `best` weights, into `out` or its folder `plots`; the
    files."""
    run, problem = open_problem(folder)
    model = model_of_run(run, problem, backend, device)
    given = weights_of(run, problem.module, which), run.metrics(), epoch_of(run, which)
    return draw_run(problem, model, *given, out or run.folder / PLOTS)


def draw_untrained(spec: Spec, folder: Path) -> Paths:
    """Draw the initial weights of a spec, by the reference; the files."""
    from .plots.draw import Subject, draw

    made = compiled(spec)
    model = model_of(made, "numpy")
    with naming(folder):
        return draw(Subject(made, model, model.init()), folder)


def _train(
    problem: Compiled,
    model: Model,
    threads: Threads | None,
    folder: Path,
    progress: Progress | None,
    plots: bool,
    **how: Any,
) -> Result:
    """The training itself, and its pictures."""
    assert problem.dataset is not None
    shown = progress or Quiet()
    shown.warn(oddities(problem, problem.dataset))
    line = ", ".join([f"trains on {model.backend}", model.device, *_said(threads)])
    with on_threads(model, threads):
        how |= {"progress": shown, "opening": line}
        result = train_in(problem, model, problem.dataset, folder, **how)
        accuracy = result.metrics[-1].get("train_accuracy") if result.metrics else None
        shown.warn(majority(problem.spec, problem.dataset, accuracy))
        rows = None if problem.problem.is_matched else problem.dataset.train.starts
        shown.warn(step_matters(problem, result.weights, rows))
        if plots and result.status not in INTERRUPTED:
            given = result.weights, result.metrics, last_epoch(result.metrics)
            draw_run(problem, model, *given, folder / PLOTS)
    return result


def _said(threads: Threads | None) -> list[str]:
    return [] if threads is None else [str(threads)]


@contextmanager
def _run_folder(out: str | os.PathLike[str] | None, name: str) -> Iterator[Path]:
    """The folder that was asked for, or a new one, which goes again if nothing came into it."""
    if out is not None:
        yield Path(out)
        return
    folder = _new_folder(name, Path("runs"))
    try:
        yield folder
    finally:
        if not any(folder.iterdir()):
            folder.rmdir()


def _new_folder(name: str, under: Path) -> Path:
    """A new empty folder NAME-n, n one above the highest there is.

    It is made at once, so that two trainings that start together get two numbers.
    """
    under.mkdir(parents=True, exist_ok=True)
    while True:
        taken = (path.name.removeprefix(f"{name}-") for path in under.glob(f"{name}-*"))
        number = max((int(n) for n in taken if n.isascii() and n.isdigit()), default=0) + 1
        try:
            (under / f"{name}-{number}").mkdir()
        except FileExistsError:
            continue
        return under / f"{name}-{number}"


def origin_of(spec: Spec, overrides: Iterable[str] = ()) -> Origin:
    """The file that a spec was read from under these overrides; OSError where it is gone."""
    assert spec.document is not None
    return Origin(Path(find(spec.document.name)).read_bytes(), tuple(overrides), spec.folder)


def _origin_known(spec: Spec, trained: Spec) -> Origin:
    """The file of the spec if it says the same today, without overrides; else what is trained, to
    which the data may have given its horizon, as YAML."""
    try:
        if spec.document is not None and load(spec.document.name) == spec:
            return origin_of(spec)
    except (SpecError, OSError):
        pass  # the file is gone or says something else: the spec in hand is what counts
    return Origin(resolved(trained), (), spec.folder)
