"""Asking a program: every answer as it comes, a failure in words."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext

from ..backends.framework_model import fast_compile
from ..backends.model import Model
from ..compiler.pipeline import Compiled
from .checks import CHECKS, is_as_trained
from .inputs import ARGUMENTS
from .probes import Probes
from .quantities import PROGRAM, Answer, Key, NotOffered
from .solver import tightened

FUNCTIONS = frozenset({"Network", "init", "features", *ARGUMENTS})
_LONGEST = 300  # characters of a program's own error message that a reason quotes


def answers(
    load: Callable[[str], Model], case: Compiled, keys: Sequence[Key], probes: Probes
) -> Iterator[tuple[Key, Answer]]:
    """The answers in order, each as soon as it is there.

    `load` gives the model of a dtype, which is asked on numbers of that dtype. A program that
    does not load gives one answer, that for PROGRAM, with the reason.
    """
    ready: dict[str, tuple[Model, Probes]] = {}
    for key in keys:
        try:
            if key.dtype not in ready:
                model = tightened(load(key.dtype), case)
                ready[key.dtype] = model, probes.rounded(key.dtype)
        except (Exception, SystemExit) as error:
            yield Key(key.dtype, PROGRAM), Answer(reason=in_words(error))
            return
        model, given = ready[key.dtype]
        yield key, _answer(model, case, key, given)


def _answer(model: Model, case: Compiled, key: Key, probes: Probes) -> Answer:
    try:
        with nullcontext() if is_as_trained(case, key) else fast_compile(model):
            return Answer(CHECKS[key.quantity].ask(model, case, probes))
    except NotOffered:
        return Answer(offered=False)
    except (Exception, SystemExit) as error:
        return Answer(reason=in_words(error))


def in_words(error: BaseException) -> str:
    """One line: what was raised, and the line of the program where."""
    place = _place(error)
    if isinstance(error, SystemExit):
        return f"the program calls sys.exit({error.code!r}){place}"
    if isinstance(error, AttributeError) and error.name in FUNCTIONS and not place:
        return f"the program lacks `{error.name}`"
    message = next((line for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, SyntaxError):
        message = error.msg
    return f"{type(error).__name__}: {message}"[:_LONGEST].rstrip(": ") + place


def _place(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return _line(error.lineno, error.text or "")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith("<wellposed ")]
    if not own or own[-1].lineno is None:
        return ""
    return _line(own[-1].lineno, linecache.getline(own[-1].filename, own[-1].lineno))


def _line(number: int, text: str) -> str:
    return f" (line {number} of the program: `{text.strip()[:100]}`)"
