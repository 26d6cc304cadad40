"""The verbs, and what becomes of their errors. Importing this module imports typer and no more."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from .. import _version
from . import checks, compiling, doctor, runs, specs

VERBS = (
    specs.ls,
    specs.init,
    specs.validate,
    specs.show,
    compiling.compile,
    runs.train,
    runs.resume,
    runs.evaluate,
    runs.predict,
    runs.sample,
    checks.check,
    runs.plot,
    specs.schema,
    doctor.doctor,
)

WRONG_CALL, INTERRUPTED, CLOSED_PIPE = 2, 130, 141

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in VERBS:
    app.command(verb.__name__)(verb)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"wellposed {_version.__version__}")
        raise typer.Exit


@app.callback()
def wellposed(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """From a YAML spec of an ODE-inspired network to PyTorch and JAX, analysed and checked.

    A SPEC is a file or the name of a shipped example; KEY.SUB=VALUE after it override its keys.
    """


def run(arguments: Sequence[str]) -> int:
    """The exit code of a call. Errors of the user's are printed; those of ours are raised."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave their core
    try:
        _check_verb(arguments)
        code = _invoke(arguments or ["--help"])
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # typer and rich make the latter of the former
        return _without_reader()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        from .errors import report

        report(error, as_json="--json" in arguments)
        return WRONG_CALL
    return code if arguments else WRONG_CALL


def _invoke(arguments: Sequence[str]) -> int:
    """Exit by `typer.Exit` gives its code, every other end of a verb 0."""
    command = typer.main.get_command(app)
    code = command.main(list(arguments), prog_name="wellposed", standalone_mode=False)
    return code if isinstance(code, int) else 0


def _check_verb(arguments: Sequence[str]) -> None:
    """Refuse a verb that there is not, before typer does so in words of its own."""
    names = [verb.__name__ for verb in VERBS]
    if arguments and not arguments[0].startswith("-") and arguments[0] not in names:
        from ..spec.diagnostics import did_you_mean, quote
        from .errors import CallError

        help = did_you_mean(arguments[0], names) or f"verbs: {', '.join(names)}"
        raise CallError(f"there is no verb {quote(arguments[0])}", help)


def _without_reader() -> int:
    """The reader of the output has gone (`| head`): drop what is left in the buffer."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return CLOSED_PIPE
