"""Programs in processes of their own: whatever they do, the check fails in words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from planting import check_text, edited, spec, specs
from safetensors.numpy import save_file

from wellposed import load
from wellposed.backends import registry
from wellposed.backends.expressions import NotPrinted
from wellposed.backends.registry import BackendError
from wellposed.checking import Report, check
from wellposed.checking.checks import RUNGS, plan
from wellposed.checking.child import scratch
from wellposed.checking.job import FORMAT, Job, StaleAnswer, read_answers, write_answer
from wellposed.checking.ladder import NoProgram
from wellposed.checking.probes import draw
from wellposed.checking.quantities import Answer
from wellposed.checking.ways import matrix
from wellposed.cli.rungs import every_row
from wellposed.compiler.front.facts import facts_of
from wellposed.compiler.ir.module import Module
from wellposed.compiler.pipeline import compiled
from wellposed.spec.diagnostics import SpecError

SPECS = specs()
LEAPFROG = SPECS["leapfrog"]


def only_failure(report: Report) -> str:
    """The reason of a report with one failed rung."""
    assert not report.passed
    (reason,) = {r.reason for r in report.rungs if not r.passed}
    assert "Traceback" not in report.message
    return reason


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\ndef init(", "\nraise ValueError('no good')\ndef init(", "ValueError: no good (line "),
        (
            "\ndef init(",
            "\nimport sys; sys.exit(3)\ndef init(",
            "the program calls sys.exit(3) (line ",
        ),
        ("\ndef init(", "\nimport no_such_module\ndef init(", "No module named 'no_such_module'"),
        ("def trajectory", "def path", "the program lacks `trajectory`"),
        ("class Network", "class Net", "the program lacks `Network`"),
        ("def init(", "def start(", "the program lacks `init`"),
        ("return torch.stack(ys).mT", "return ys", "'list' object has no attribute"),
        ("return torch.stack(ys).mT", "raise SystemExit", "the program calls sys.exit(None)"),
        ("    weights = {", "    return 'drawn'\n    weights = {", "init() gives str"),
    ],
)
def test_a_program_that_fails_is_a_failed_rung_with_the_reason(
    old: str, new: str, said: str, tmp_path: Path
):
    text = edited(LEAPFROG, "torch", old, new)
    report = check_text(LEAPFROG, "torch", text, tmp_path)
    assert not report.passed
    assert any(said in r.reason for r in report.rungs if not r.passed), report.message
    assert "Traceback" not in report.message


def test_the_reason_shows_the_line_of_the_program(tmp_path: Path):
    text = edited(LEAPFROG, "torch", "ys.append(y)", "ys.append(layers[7])")
    report = check_text(LEAPFROG, "torch", text, tmp_path)
    number = next(i for i, line in enumerate(text.splitlines(), 1) if "layers[7]" in line)
    place = f"(line {number} of the program: `ys.append(layers[7])`)"
    assert only_failure(report) == f"IndexError: tuple index out of range {place}"


def in_its_process(text: str, folder: Path, limit: float = 60.0) -> Report:
    path = folder / "mine.py"
    path.write_text(text, encoding="utf-8")
    return check(
        LEAPFROG,
        programs={"torch": path},
        backends=("torch",),
        dtypes=("float64",),
        limit=limit,
    )


def test_a_program_that_prints_garbage_and_then_dies_keeps_its_earlier_rungs(tmp_path: Path):
    noise = "import os, sys; print('x' * 10**6); sys.stderr.write('last words\\n'); os._exit(7)"
    text = edited(
        LEAPFROG, "torch", "        logits = self(x).T\n", f"        {noise}\n        logits = 0\n"
    )
    report = in_its_process(text, tmp_path)
    assert only_failure(report) == "the process ended with exit code 7: last words"
    assert [r.quantity for r in report.rungs if not r.passed] == ["loss"]
    assert {r.rung for r in report.rungs if r.passed} == {"L0", "L1", "L2", "L3"}


def test_a_program_that_leaves_quietly_has_not_passed(tmp_path: Path):
    text = edited(LEAPFROG, "torch", "\ndef init(", "\nimport os; os._exit(0)\ndef init(")
    reason = only_failure(in_its_process(text, tmp_path))
    assert reason == "the process ended before it had answered"


def test_a_program_that_hangs_is_stopped_with_all_that_it_started(tmp_path: Path):
    note = tmp_path / "pid"
    hang = (
        "\nimport subprocess, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)\n"
        "def init("
    )
    text = edited(LEAPFROG, "torch", "\ndef init(", hang)
    report = in_its_process(text, tmp_path, limit=15.0)
    assert only_failure(report) == "no answer within 15 s: the process was stopped"
    assert not _runs(int(note.read_text()))


def _runs(pid: int) -> bool:
    """Whether a process runs; one that was killed and waits to be buried does not."""
    for _ in range(50):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.1)
    return True


START = """
import signal
import sys
from pathlib import Path
from wellposed.checking.child import interruptible, scratch, started

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it,
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # one under nohup this
with interruptible(), scratch("wellposed-test-") as folder:
    with started([sys.executable, "-c", "import time; time.sleep(600)"], folder, {}) as process:
        print(process.pid, folder, flush=True)
        process.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_a_process_ends_with_the_one_that_started_it(number: signal.Signals):
    env = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", START]
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as starter:
        assert starter.stdout is not None
        pid, folder = starter.stdout.readline().split()
        starter.send_signal(number)
        assert starter.wait(60) == -number
    assert not _runs(int(pid))
    if number == signal.SIGKILL:  # nobody is left to remove it
        Path(folder).rmdir()
    assert not Path(folder).exists()


def test_the_exit_code_of_a_process_is_that_of_its_command(tmp_path: Path):
    crash = "\nimport os, signal; os.kill(os.getpid(), signal.SIGSEGV)\ndef init("
    text = edited(LEAPFROG, "torch", "\ndef init(", crash)
    assert "the process died of SIGSEGV" in only_failure(in_its_process(text, tmp_path))


def _nest(path: Path) -> None:
    """1500 folders, one in the other, a file in the last."""
    before = Path.cwd()
    try:
        os.chdir(path)
        for _ in range(1500):
            os.mkdir("d")
            os.chdir("d")
        Path("file").touch()
    finally:
        os.chdir(before)


def test_a_folder_is_removed_whatever_is_in_it(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    with scratch("wellposed-test-") as folder:
        _nest(folder)
        (folder / "link").symlink_to(outside)
        os.mkfifo(folder / "pipe")
        (folder / "locked" / "inner").mkdir(parents=True)
        (folder / "locked").chmod(0)
    assert not folder.exists()
    assert (outside / "kept").exists()


def test_a_device_in_place_of_a_program_is_not_read():
    with pytest.raises(NoProgram, match="not a regular file"):
        check(LEAPFROG, programs={"torch": Path("/dev/zero")}, backends=("torch",))


def test_a_program_for_a_backend_that_is_not_checked_is_refused(tmp_path: Path):
    with pytest.raises(BackendError, match="jax, which is not checked"):
        check(LEAPFROG, programs={"jax": tmp_path}, backends=("torch",))
    with pytest.raises(BackendError, match="no backend troch"):
        check(LEAPFROG, programs={"troch": tmp_path})


def test_a_stale_answer_is_never_compared(tmp_path: Path):
    net = compiled(LEAPFROG)
    keys = tuple(plan(net, draw(net), ("float64",)))
    job = Job("torch", "cpu", "one", LEAPFROG, facts_of(LEAPFROG), draw(net), keys)
    digest = job.write(tmp_path)
    assert Job.read(tmp_path)[1] == digest
    write_answer(tmp_path, 0, digest, keys[0], Answer(reason="none"))
    assert read_answers(tmp_path, digest) == {keys[0]: Answer(reason="none")}
    other = spec({"state": 3, "vector_field": "layer"})
    for number, changed in enumerate(
        (
            replace(job, source="two"),
            replace(job, spec=other),
            replace(job, probes=draw(compiled(other))),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(StaleAnswer):
            read_answers(tmp_path, changed.write(folder))
    (tmp_path / "answers" / "0001.safetensors").write_bytes(b"half a file")
    with pytest.raises(StaleAnswer):
        read_answers(tmp_path, digest)


def _tensors(facts: str) -> Callable[[Path], object]:
    return lambda path: save_file({"a": np.zeros(1)}, path, {FORMAT: facts})


@pytest.mark.parametrize(
    ("name", "leave"),
    [
        ("zz.safetensors", os.mkfifo),
        ("0000.safetensors", os.mkfifo),
        ("0000.safetensors", os.mkdir),
        ("0000.safetensors", lambda path: path.symlink_to("/dev/zero")),
        ("0000.safetensors", lambda path: path.write_bytes(b"")),
        ("0000.safetensors", lambda path: path.write_bytes(b"\xff" * 99)),
        ("0000.safetensors", _tensors("not json")),
        ("0000.safetensors", _tensors("[]")),
        ("0000.safetensors", _tensors("{}")),
        ("0000.safetensors", _tensors('{"digest": "", "key": [[]], "reason": 0, "offered": 0}')),
        ("0000.safetensors", _tensors("[" * 100_000)),
        (".", os.rmdir),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(
    name: str, leave: Callable[[Path], object], tmp_path: Path
):
    """In a thread: a pipe that is opened as a file is waited for without end."""
    (tmp_path / "answers").mkdir()
    leave(tmp_path / "answers" / name)
    raised: list[BaseException] = []

    def read() -> None:
        try:
            read_answers(tmp_path, "")
        except BaseException as error:
            raised.append(error)

    thread = Thread(target=read, daemon=True)
    thread.start()
    thread.join(10.0)
    assert [type(error) for error in raised] == [StaleAnswer]


def test_a_program_that_meddles_with_the_answers_fails_in_words(tmp_path: Path):
    meddling = "\nimport os; os.mkfifo('answers/zz.safetensors')\ndef init("
    text = edited(LEAPFROG, "torch", "\ndef init(", meddling)
    reason = only_failure(in_its_process(text, tmp_path))
    assert reason == (
        "the process left what is no answer: 'zz.safetensors' is no name of an answer"
    )


@pytest.mark.parametrize("name", ["ellipses-antisymmetric", "stability-zero"])
def test_a_shipped_example_passes_on_both_backends(name: str):
    report = check(load(name), rungs=RUNGS[:4])
    assert report.passed, report.message
    assert {r.backend for r in report.rungs} == {"torch", "jax"}
    assert {r.dtype for r in report.rungs} >= {"float64", "float32"}
    has_readout = name.startswith("ellipses")
    assert ("loss" in {r.quantity for r in report.rungs}) is has_readout
    assert ("no readout" in report.message) is not has_readout
    assert all(r.between is not None for r in report.rungs if r.rung in ("L1", "L2", "L3"))


def test_the_report_is_valid_json_also_where_nothing_is_finite(tmp_path: Path):
    given = SPECS["rk4"]
    text = edited(given, "torch", "return logits.T", "logits[2, 6] = float('nan'); return logits.T")
    report = check_text(given, "torch", text, tmp_path)
    plain = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert plain["passed"] is False
    assert {"rung", "backend", "passed", "worst", "tolerance"} <= plain["rungs"][0].keys()
    (logits,) = (r for r in plain["rungs"] if r["quantity"] == "logits")
    assert logits["worst"] is None
    assert "row 6, output 2: nan" in logits["element"]
    assert plain["message"] == report.message
    assert len(list(every_row(report.rungs))) == len(plain["rungs"])


def test_an_operation_that_a_backend_cannot_print_is_refused_at_its_place(tmp_path: Path):
    def emit(module: Module) -> str:
        raise NotPrinted("no words for it", ("model", "integrator"))

    (tmp_path / "m.yaml").write_text(
        "wellposed: 1\nname: m\nmodel:\n  state: 2\n  vector_field: layer\n"
        "  time: {horizon: 1, steps: 2}\n  integrator: rk4\n"
    )
    given, kept = load(tmp_path / "m.yaml"), dict(registry._BACKENDS)
    registry.register(registry.Backend("toy", emit, "none"))
    try:
        for ask in (check, matrix):
            with pytest.raises(SpecError, match="E214") as refused:
                ask(given, backends=["toy"])
            span = refused.value.diagnostics[0].span
            assert span is not None and span.line == 7
    finally:
        registry._BACKENDS.clear()
        registry._BACKENDS.update(kept)
