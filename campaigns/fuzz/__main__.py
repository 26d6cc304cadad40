"""`python -m campaigns.fuzz`: random specs through the compiler, for as long as you like.

What an earlier campaign in the same folder has found is tried first. Exit 0 when nothing was found,
1 with finds, 2 when the call is wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path

OUT = Path(".hypothesis/fuzz")
"""Campaigns that run at the same time need folders of their own."""


def main(arguments: list[str] | None = None) -> int:
    """Run a campaign and say what it found."""
    given = _parser().parse_args(arguments)
    extras = {"hypothesis": "test"} | ({} if given.near else {"torch": "torch", "jax": "jax"})
    for module, extra in extras.items():
        if find_spec(module) is None:
            print(f"fuzzing needs {module}: pip install 'wellposed[{extra}]'", file=sys.stderr)
            return 2
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    given.out.mkdir(parents=True, exist_ok=True)
    return _run(given, given.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m campaigns.fuzz", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, help="how long (default: 100 specs)")
    length.add_argument("--specs", type=int, help="how many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT, help=f"finds and their database ({OUT})")
    parser.add_argument("--near", action="store_true", help="nearly valid specs")
    return parser


def _run(given: argparse.Namespace, folder: Path) -> int:
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(folder))
    from .campaign import Campaign

    count = 100 if given.minutes is None and given.specs is None else given.specs
    campaign = Campaign(
        folder,
        given.seed,
        given.near,
        given.minutes,
        count,
        said=lambda line: print(line, flush=True),
    )
    try:
        campaign.run()
    except KeyboardInterrupt:
        print("stopped")
    for one in campaign.found.values():
        print(f"--- {one.what}\n{one.detail}\n{one.text}")
    print(campaign.summary())
    return 1 if campaign.found else 0


if __name__ == "__main__":
    sys.exit(main())
