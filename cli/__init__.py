"""The command line."""

from __future__ import annotations

import sys
import warnings


def main() -> None:
    """Run the command in `sys.argv` and exit: 0 done, 1 a check or training failed, 2 wrong."""
    try:
        for output in (sys.stdout, sys.stderr):
            reconfigure = getattr(output, "reconfigure", None)
            if reconfigure is not None:  # a terminal without Unicode shows ? for σ
                reconfigure(errors="replace")
        if not sys.warnoptions:  # of libraries: what concerns the user is an error or a finding
            warnings.simplefilter("ignore")
        from .app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
