"""Verbs about runs: train, resume, evaluate, predict, sample, plot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .arguments import (
    Backend,
    BackendOfRun,
    Device,
    DeviceOfRun,
    Json,
    NoPlots,
    Overrides,
    Quiet,
    RunFolder,
    SpecName,
    ThreadCount,
    Which,
    read_spec,
)
from .output import console, error_console, pairs, say, say_json

if TYPE_CHECKING:
    from ..evaluation import Evaluation
    from ..training.results import Result
    from .rehearsal import Rehearsal

StopAfter = Annotated[
    int | None,
    typer.Option(
        "--stop-after", min=1, metavar="K", help="Stop after K epochs, as an interruption would."
    ),
]


def train(
    spec: SpecName,
    overrides: Overrides = None,
    backend: Backend = "torch",
    device: Device = "cpu",
    threads: ThreadCount = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="RUN", help="The new folder: runs/NAME-n."),
    ] = None,
    stop_after: StopAfter = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do all but train; write nothing.")
    ] = False,
    quiet: Quiet = False,
    no_plots: NoPlots = False,
) -> None:
    """Train a spec and keep the run in a folder of its own."""
    given = read_spec(spec, overrides)
    if dry_run:
        from .rehearsal import rehearse

        _finish_rehearsal(rehearse(given, backend, device, threads))
        return
    from .. import api
    from ..training.progress import progress_on

    result = api.train(
        given,
        backend,
        device,
        out,
        progress=progress_on(console(), quiet),
        origin=api.origin_of(given, overrides or ()),
        stop_after=stop_after,
        plots=not no_plots,
        threads=threads,
    )
    _finish(result, quiet)


def resume(
    run: RunFolder,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs",
            min=1,
            metavar="N",
            help="End after N epochs in all, as if the spec said so.",
        ),
    ] = None,
    backend: BackendOfRun = None,
    device: DeviceOfRun = None,
    threads: ThreadCount = None,
    quiet: Quiet = False,
    no_plots: NoPlots = False,
) -> None:
    """Go on with a run that was stopped, on any backend."""
    from .. import api
    from ..training.progress import progress_on

    how: dict[str, Any] = {"progress": progress_on(console(), quiet), "plots": not no_plots}
    _finish(api.resume(run, backend, device, epochs=epochs, threads=threads, **how), quiet)


def evaluate(
    run: RunFolder,
    data: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A file like that of the spec, in place of its data."),
    ] = None,
    backend: BackendOfRun = None,
    device: DeviceOfRun = None,
    weights: Which = "last",
    threads: ThreadCount = None,
    json: Json = False,
) -> None:
    """Measure the weights of a run on its training and validation data, or on a file."""
    from .. import evaluation

    using = evaluation.Using(backend, device, weights, threads)
    if data is None:
        found = evaluation.evaluate(run, using)
    else:
        found = evaluation.evaluate_file(run, data, using)
    if json:
        say_json(found.to_json())
    else:
        pairs(_measured(found))


def predict(
    run: RunFolder,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A csv or npz file of features.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The new csv file.")
    ] = None,
    backend: BackendOfRun = None,
    device: DeviceOfRun = None,
    weights: Which = "last",
    threads: ThreadCount = None,
) -> None:
    """Predict for the rows of a file: class and probabilities, or values, as csv."""
    from ..evaluation import Using
    from ..evaluation import predict as predicted
    from .compiling import write

    text = predicted(run, data, Using(backend, device, weights, threads))
    if out is None:
        say(text.rstrip("\n"))
    else:
        write({out: text.encode()}, force=False, help="--out FILE")


def sample(
    run: RunFolder,
    count: Annotated[int, typer.Option("--count", "-n", min=1, metavar="K", help="How many rows.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The new npz file: its array x.")
    ],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the rows of the base.")] = 0,
    backend: BackendOfRun = None,
    device: DeviceOfRun = None,
    weights: Which = "last",
    threads: ThreadCount = None,
) -> None:
    """Draw rows from the density of a run, in the units of its data."""
    import io

    import numpy as np

    from ..evaluation import Using
    from ..evaluation import sample as sampled
    from .compiling import write
    from .errors import CallError

    if out.suffix != ".npz":
        raise CallError(f"{out} is no npz file", "--out FILE.npz")
    rows = sampled(run, count, seed, Using(backend, device, weights, threads))
    file = io.BytesIO()
    np.savez(file, x=rows)
    write({out: file.getvalue()}, force=False, help="--out FILE")


def plot(
    what: Annotated[str, typer.Argument(metavar="RUN|SPEC", help="A run, or a spec.")],
    overrides: Overrides = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Where to; of a run, RUN/plots."),
    ] = None,
    backend: BackendOfRun = None,
    device: DeviceOfRun = None,
    weights: Which = "last",
) -> None:
    """Draw a run again, or the network of a spec with its initial weights."""
    from .. import api
    from .errors import CallError

    if not Path(what).is_dir():
        given = read_spec(what, overrides)
        if backend or device or weights != "last":
            options = "--backend, --device and --weights"
            raise CallError(f"{options} are of a run, a spec is drawn by the reference")
        if out is None:
            raise CallError("the pictures of a spec need a folder", "--out DIR")
        say(*map(str, api.draw_untrained(given, out)))
    elif overrides:
        raise CallError(f"a run is drawn as it is: {overrides[0]} cannot override it")
    else:
        say(*map(str, api.redraw(what, out, backend, device, weights)))


def _finish(result: Result, quiet: bool) -> None:
    """Say how a training ended; its exit code."""
    from ..training.table import final_table

    folder = os.path.relpath(result.folder)
    if quiet:
        say(folder)
    else:
        pairs([*final_table(result), ("run", folder)])
    if result.was_finished and not quiet:
        say(f"{folder} was finished already: all of its {result.epochs} epochs are done")
    if result.divergence is not None:
        error_console().print(f"error: {result.divergence}", soft_wrap=True)
    elif result.status in ("stopped", "interrupted", "terminated") and not quiet:
        say(f"wellposed resume {folder} goes on with it")
    raise typer.Exit(result.exit_code)


def _finish_rehearsal(found: Rehearsal) -> None:
    pairs(found.lines())
    say(*(each.render() for each in found.odd))
    if found.divergence is not None:
        error_console().print(f"error: {found.divergence}", soft_wrap=True)
        raise typer.Exit(1)


def _measured(found: Evaluation) -> list[tuple[str, Any]]:
    numbers = ((name.replace("_", " "), value) for name, value in found.scores.items())
    shown = [(name, "–" if value is None else f"{value:.6g}") for name, value in numbers]
    of_file = [("file", found.file), ("examples", f"{found.examples:,}")] if found.file else []
    facts = [("run", found.run), ("backend", found.backend), ("epoch", found.epoch)]
    return [*facts, *of_file, *shown]
