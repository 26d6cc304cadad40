"""A program of the user's runs in other processes only, and may do there what it likes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from handwritten import handwritten
from planting import specs

from wellposed.checking.ladder import check
from wellposed.checking.locate.difference import Difference
from wellposed.checking.locate.find import locate
from wellposed.checking.locate.repro import write_repro
from wellposed.compiler.lower import lower

SPEC = specs()["rk4"]


def checked(text: str, folder: Path, limit: float, level: str) -> Difference:
    """Checked and located as the command line does it."""
    path = folder / "program.py"
    path.write_text(text, encoding="utf-8")
    report = check(
        SPEC,
        programs={"torch": path},
        backends=("torch",),
        dtypes=("float64",),
        levels=(level,),
        limit=limit,
    )
    found = locate(report, lower(SPEC), {"torch": text}, limit=limit)
    assert found is not None, report.message
    return found


def test_nothing_of_the_program_runs_in_this_process(tmp_path: Path):
    """The program leaves the number of every process that loads it."""
    log = tmp_path / "pids"
    spy = f"import os\nopen({str(log)!r}, 'a').write(f'{{os.getpid()}} ')\n"
    text = spy + handwritten("torch.tanh(", "torch.sin(")
    found = checked(text, tmp_path, 120.0, "L1")
    assert found.equation == "field y"
    write_repro(found, lower(SPEC), {"torch": text}, tmp_path / "pair")
    pids = log.read_text(encoding="utf-8").split()
    assert len(set(pids)) == 2, "the check and the further questions load it once each"
    assert str(os.getpid()) not in pids


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("        y, h = x @ self.L.T", "        while True: pass\n        y, h = x", "no answer"),
        (
            "        y, h = x @ self.L.T",
            "        import os; os._exit(3)\n        y, h = x",
            "code 3",
        ),
    ],
    ids=["hangs", "dies"],
)
def test_a_program_that_hangs_or_dies_is_located_in_words(
    old: str, new: str, words: str, tmp_path: Path
):
    found = checked(handwritten(old, new), tmp_path, 15.0, "L2")
    assert (found.quantity, found.equation) == ("trajectory", "path")
    assert words in found.reason
