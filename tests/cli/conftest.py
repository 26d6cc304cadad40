"""A command line to call, in this process or in one of its own, and a spec that trains at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wellposed.cli.app import run

SPEC = """\
wellposed: 1
name: tiny-net
seed: 1
data: {kind: ellipses, train: 40, validation: 12}
model:
  state: 2
  vector_field: {kind: layer, activation: tanh}
  parametrization: {kind: antisymmetric, gamma: 0.1}
  time: {horizon: 2, steps: 4}
  readout: {kind: classifier, classes: 2}
train:
  optimizer: {kind: adam, lr: 2e-2}
  epochs: 4
  batch: 16
"""


@dataclass(frozen=True)
class Called:
    """What a call left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON value it has to be."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        return json.loads(self.out, parse_constant=refuse)


Cli = Callable[..., Called]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with tiny.yaml in it."""
    (tmp_path / "tiny.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(folder: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """`cli("show", "tiny.yaml")`, in this process: what is not a user's error is raised."""

    def call(*arguments: str | Path) -> Called:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return call


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """`python -m wellposed` as a process that Ctrl-C interrupts, as one of a shell is.

    A process begun in the background ignores SIGINT, and so would its children.
    """
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", "wellposed", *arguments]
    # one that this process handles is the default again in the child; one it ignores would stay so
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, **pipes | options)
    finally:
        signal.signal(signal.SIGINT, handler)


def process(*arguments: str, env: Mapping[str, str] | None = None) -> Called:
    """`python -m wellposed` to its end."""
    started = start(*arguments, env={**os.environ, **(env or {})})
    out, err = started.communicate(timeout=120)
    return Called(started.returncode, out, err)
