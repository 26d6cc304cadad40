"""`python -m campaigns.edits`: random edits of emitted programs, and what survives."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .campaign import run_edits


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was caught and what survived; 1 where too much did, or for no known reason."""
    parser = argparse.ArgumentParser(
        prog="python -m campaigns.edits",
        description="Random edits of emitted programs: how many does the ladder catch?",
    )
    parser.add_argument("--edits", type=_count, default=300, help="how many to try (300)")
    parser.add_argument("--seed", type=_seed, default=0, help="which ones (0)")
    parser.add_argument("--processes", type=_count, default=2, help="at a time (2)")
    given = parser.parse_args(arguments)
    outcome = run_edits(given.edits, given.seed, processes=given.processes)
    print(*outcome.lines(), sep="\n")
    return 0 if outcome.passed else 1


def _count(text: str) -> int:
    return _at_least(1, text)


def _seed(text: str) -> int:
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    number = int(text)
    if number < least:
        raise argparse.ArgumentTypeError(f"at least {least}, got {number}")
    return number


if __name__ == "__main__":
    sys.exit(main())
