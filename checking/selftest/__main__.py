"""`python -m wellposed.checking.selftest`: random edits of emitted programs, and what survives."""

from __future__ import annotations

import argparse
import sys

from .mutants import run_edits


def main() -> int:
    """Print what was caught and what survived; 1 where too much did, or for no known reason."""
    parser = argparse.ArgumentParser(prog="python -m wellposed.checking.selftest")
    parser.add_argument("--edits", type=int, default=300, help="how many to try (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="which ones (default 0)")
    parser.add_argument("--processes", type=int, default=2, help="at a time (default 2)")
    given = parser.parse_args()
    outcome = run_edits(given.edits, given.seed, processes=given.processes)
    print(*outcome.lines(), sep="\n")
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
