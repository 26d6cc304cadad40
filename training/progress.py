"""Progress of a training: a bar on a terminal, a few plain lines elsewhere, or nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from ..spec.diagnostics import Diagnostic
from .run import Row

LINES = 20  # about as many plain lines are written, however many epochs there are


class Progress(ABC):
    """Is told of what trains, and of every epoch while `of` is open."""

    @abstractmethod
    def opening(self, line: str) -> None:
        """What trains, and on what; before the first epoch."""

    @abstractmethod
    @contextmanager
    def of(self, done: int, epochs: int) -> Iterator[None]:
        """Show a training of `epochs` epochs of which `done` are done."""
        yield

    @abstractmethod
    def epoch(self, row: Row) -> None:
        """An epoch is done; `row` is its line of metrics."""

    @abstractmethod
    def warn(self, warnings: Iterable[Diagnostic]) -> None:
        """Something is odd, before the training or after it."""


class Quiet(Progress):
    """Shows nothing."""

    @contextmanager
    def of(self, done: int, epochs: int) -> Iterator[None]:
        yield

    def opening(self, line: str) -> None:
        pass

    def epoch(self, row: Row) -> None:
        pass

    def warn(self, warnings: Iterable[Diagnostic]) -> None:
        pass


class OnConsole(Progress):
    """Shows it to people."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def opening(self, line: str) -> None:
        self._print(line)

    def warn(self, warnings: Iterable[Diagnostic]) -> None:
        for warning in warnings:
            self._print(warning.render())

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class Bar(OnConsole):
    """One line that is redrawn: epoch, loss, validation score, learning rate, time left."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bar = RichProgress(
            TextColumn("epoch {task.completed}/{task.total}"),
            BarColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task("", visible=False, numbers="")

    @contextmanager
    def of(self, done: int, epochs: int) -> Iterator[None]:
        self._bar.reset(self._task, completed=done, total=epochs, visible=True)
        with self._bar:
            yield

    def epoch(self, row: Row) -> None:
        self._bar.update(self._task, completed=row["epoch"], numbers=numbers(row))


class Lines(OnConsole):
    """A line for the first epoch, the last, and some evenly spaced between."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._first = self._epochs = self._every = 1

    @contextmanager
    def of(self, done: int, epochs: int) -> Iterator[None]:
        self._first, self._epochs = done + 1, epochs
        self._every = max(1, -(-(epochs - done) // LINES))
        yield

    def epoch(self, row: Row) -> None:
        number = row["epoch"]
        if number in (self._first, self._epochs) or number % self._every == 0:
            width = len(str(self._epochs))
            text = f"epoch {number:{width}}/{self._epochs}  {numbers(row)}"
            self._print(text)


def progress_on(console: Console, quiet: bool = False) -> Progress:
    """The progress that suits the console."""
    if quiet:
        return Quiet()
    return Bar(console) if console.is_terminal else Lines(console)


def numbers(row: Row) -> str:
    """The numbers of an epoch: `loss 1.2e-02  validation accuracy 98.5 %  lr 1e-02`."""
    nfe = f"  nfe {row['nfe']} + {row['nfe_backward']}" if "nfe" in row else ""
    return f"loss {row['loss']:.4e}{_validation(row)}{nfe}  lr {row['lr']:.2e}"


def _validation(row: Row) -> str:
    if row.get("validation_accuracy") is not None:
        return f"  validation accuracy {100 * row['validation_accuracy']:5.1f} %"
    if row.get("validation_mse") is not None:
        return f"  validation mse {row['validation_mse']:.4e}"
    return ""
