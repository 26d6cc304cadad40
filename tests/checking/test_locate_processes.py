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
from wellposed.checking.process import Outcome, Runner, run
from wellposed.compiler.pipeline import compiled

SPEC = specs()["rk4"]


def checked(text: str, folder: Path, limit: float, level: str, further: Runner = run) -> Difference:
    """Checked and located as the command line does it."""
    path = folder / "program.py"
    path.write_text(text, encoding="utf-8")
    report = check(
        SPEC,
        programs={"torch": path},
        backends=("torch",),
        dtypes=("float64",),
        rungs=(level,),
        limit=limit,
    )
    found = locate(report, compiled(SPEC), {"torch": text}, run=further, limit=limit)
    assert found is not None, report.message
    return found


def test_nothing_of_the_program_runs_in_this_process(tmp_path: Path):
    """The program leaves the number of every process that loads it."""
    log = tmp_path / "pids"
    spy = f"import os\nopen({str(log)!r}, 'a').write(f'{{os.getpid()}} ')\n"
    text = spy + handwritten("torch.tanh(", "torch.sin(")
    found = checked(text, tmp_path, 120.0, "L1")
    assert found.equation == "field y"
    write_repro(found, compiled(SPEC), {"torch": text}, tmp_path / "pair")
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
def test_a_program_that_hangs_or_dies_is_located_in_words_and_not_run_again(
    old: str, new: str, words: str, tmp_path: Path
):
    log = tmp_path / "runs"
    text = f"open({str(log)!r}, 'a').write('.')\n" + handwritten(old, new)
    found = checked(text, tmp_path, 15.0, "L2")
    assert (found.quantity, found.equation) == ("trajectory", "path")
    assert words in found.reason
    assert_no_pair(found, text, tmp_path, "gave no answer and is not run again")
    assert log.read_text(encoding="utf-8") == "."


def assert_no_pair(found: Difference, text: str, folder: Path, words: str) -> None:
    repro = write_repro(found, compiled(SPEC), {"torch": text}, folder / "pair", limit=0.01)
    assert repro.paths == ()
    assert words in repro.words


def test_a_program_that_hangs_at_a_further_question_is_not_run_again(tmp_path: Path):
    text = handwritten("torch.tanh(", "torch.sin(")
    found = checked(text, tmp_path, 60.0, "L1", lambda job, limit: Outcome({}, "no answer"))
    assert found.stopped
    assert_no_pair(found, text, tmp_path, "gave no answer and is not run again")


def test_the_first_file_that_takes_too_long_is_the_last(tmp_path: Path):
    text = handwritten("torch.tanh(", "torch.sin(")
    found = checked(text, tmp_path, 60.0, "L1")
    assert not found.stopped
    assert_no_pair(found, text, tmp_path, "a file for it took more than 0.01 s")
