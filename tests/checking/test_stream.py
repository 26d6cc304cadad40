"""A check tells its rungs as they become known: each once, a failure at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from planting import edited, specs

from wellposed.backends.texts import text_of
from wellposed.checking import inline, process
from wellposed.checking.checks import plan
from wellposed.checking.expectation import expectation
from wellposed.checking.job import Job
from wellposed.checking.ladder import NoProgram, check
from wellposed.checking.probes import draw
from wellposed.checking.quantities import FIELD, PROGRAM, WEIGHTS, Answer, Key
from wellposed.checking.rungs import Rung
from wellposed.checking.stream import Stream
from wellposed.cli.rungs import rows
from wellposed.compiler.front.facts import facts_of
from wellposed.compiler.pipeline import compiled

SPEC = specs()["leapfrog"]
DOUBLE = ("float64",)


def test_a_rung_is_told_when_all_have_answered_and_the_reference_too():
    case, told = compiled(SPEC), []
    probes = draw(case)
    keys = plan(case, probes, DOUBLE, ("L0", "L1"))
    stream = Stream(case, {"torch": keys, "jax": keys}, lambda rungs: told.extend(rungs))
    job = Job("numpy", "cpu", "", SPEC, facts_of(SPEC), probes, keys)
    answers = inline.run(job, 0).answers
    for key in keys:
        stream.add("torch", key, answers[key])
    assert told == []
    stream.expect(expectation(case, keys, probes))
    assert told == []
    stream.add("jax", keys[0], answers[keys[0]])
    assert [(r.backend, r.quantity) for r in told] == [("torch", WEIGHTS), ("jax", WEIGHTS)]
    stream.add("jax", Key("float64", PROGRAM), Answer(reason="it does not load"))
    assert [rung.quantity for rung in told if not rung.passed] == [PROGRAM]
    assert [rung.backend for rung in told if rung.quantity == FIELD] == ["torch"]


def test_a_program_that_does_not_load_is_told_before_the_reference_has_answered():
    case, told = compiled(SPEC), []
    stream = Stream(case, {"torch": ()}, lambda rungs: told.extend(rungs))
    stream.add("torch", Key("float64", PROGRAM), Answer(reason="no such module"))
    assert [rung.reason for rung in told] == ["no such module"]


def test_answers_come_while_the_process_runs(tmp_path: Path):
    """The program goes on when its first answer has been told, and not before."""
    note, heard = tmp_path / "note", []
    wait = (
        f"import pathlib, time\n        while not pathlib.Path({str(note)!r}).exists():\n"
        "            time.sleep(0.05)\n        logits = self(x).T\n"
    )
    text = edited(SPEC, "torch", "        logits = self(x).T\n", f"        {wait}")
    case = compiled(SPEC)
    probes = draw(case)
    keys = plan(case, probes, DOUBLE, ("L0", "L3"))

    def told(key: Key, answer: Answer) -> None:
        heard.append(key)
        note.touch()

    outcome = process.run(Job("torch", "cpu", text, SPEC, facts_of(SPEC), probes, keys), 60, told)
    assert outcome.ending == "" and set(outcome.answers) == set(keys)
    assert heard == list(keys)[: len(heard)]


def test_what_is_told_is_what_the_report_says():
    """But for what is judged at the end: training, and L7."""
    told: list[Rung] = []

    def seen(rungs: Sequence[Rung]) -> None:
        told.extend(rungs)

    report = check(SPEC, backends=("torch", "jax"), run=inline.run_fast, seen=seen, steps=3)
    late = [rung for rung in report.rungs if rung not in told]
    assert {rung.rung for rung in late} == {"L5", "L7"}
    assert all(rung in report.rungs for rung in told)
    lines = [tuple(row[:3]) for row in rows(report.rungs, report.backends)]
    assert len(lines) == len(set(lines))


def test_the_ladder_of_a_given_program_is_climbed_alone(tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text(text_of(compiled(SPEC), "torch"), encoding="utf-8")
    report = check(SPEC, programs={"torch": path}, run=inline.run_fast, dtypes=DOUBLE, steps=3)
    assert report.passed and report.backends == ["torch"]
    assert "L7 compares two backends" in report.message


@pytest.mark.parametrize(
    ("content", "code", "line", "column", "said"),
    [
        (None, "E001", 1, 1, "cannot be read: no such file"),
        (b"\xff\xfe", "E002", 1, 1, "no text in UTF-8"),
        (b"x = 1\ndef f(:\n    pass\n", "E016", 2, 7, "is no Python: invalid syntax"),
        ("ü = '√\n".encode(), "E016", 1, 5, "is no Python: unterminated string"),
        (b"return 1\n", "E016", 1, 1, "is no Python: 'return' outside function"),
        (b"(" * 300, "E016", 1, 1, "is no Python"),
        (b"x\0y", "E016", 1, 1, "is no Python"),
    ],
)
def test_what_is_no_program_is_told_at_once(
    content: bytes | None, code: str, line: int, column: int, said: str, tmp_path: Path
):
    """No process is started: there is none to run it in."""
    path = tmp_path / "mine.py"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NoProgram) as caught:
        check(SPEC, programs={"jax": path}, backends=("torch", "jax"), run=None)  # type: ignore
    (found,) = caught.value.diagnostics
    assert found.span is not None
    assert (found.code, found.span.line) == (code, line) and said in found.message
    assert content is None or len(content) > 99 or found.span.column == column
    (rung,) = caught.value.report.rungs
    assert (rung.backend, rung.quantity, rung.passed) == ("jax", PROGRAM, False)
    assert rung.reason == found.message


@pytest.mark.parametrize("start", ["{}", "init(1)", "init(None)"])
def test_a_network_that_is_given_no_weights_draws_those_of_the_spec(start: str, tmp_path: Path):
    old, new = "init() if weights is None", f"{start} if weights is None"
    path = tmp_path / "mine.py"
    path.write_text(edited(SPEC, "torch", old, new), encoding="utf-8")
    how = {"run": inline.run, "dtypes": DOUBLE, "rungs": ("L0",)}
    report = check(SPEC, programs={"torch": path}, **how)
    assert [rung.quantity for rung in report.rungs if not rung.passed] == [WEIGHTS]
