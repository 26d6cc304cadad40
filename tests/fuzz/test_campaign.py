"""A campaign finds nothing in the compiler, and finds, names, shrinks and saves a planted bug."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from wellposed.backends import dialects
from wellposed.checking.fuzz import __main__ as command
from wellposed.checking.fuzz import trial
from wellposed.checking.fuzz.campaign import Campaign
from wellposed.checking.fuzz.coverage import keys_beside_the_simplest
from wellposed.checking.fuzz.limits import Hang, within
from wellposed.checking.fuzz.trial import COMPILING, Scope
from wellposed.spec.mend import Mended
from wellposed.spec.model import Spec

FEW_KEYS = 5
FIELD_IN_TORCH = Scope(("L0", "L1"), ("torch",))


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.run(
        [sys.executable, "-m", "wellposed.checking.fuzz", *arguments],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_valid_specs(tmp_path: Path) -> None:
    run = fuzz("--specs", "20", "--seed", "4", "--out", str(tmp_path))
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1].startswith("20 valid specs in ")
    assert not list(tmp_path.glob("0*.yaml"))


def test_nearly_valid_specs(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, seed=4, near=True, count=300)
    campaign.run()
    assert [f"{one.what}\n{one.text!r}" for one in campaign.found] == []
    assert campaign.verdicts.keys() == {"refused", "compiles"}
    assert campaign.verdicts["refused"] > 150


def found_alone(campaign: Campaign) -> tuple[str, Any]:
    """What the campaign calls its only find, and the spec that it has saved."""
    campaign.run()
    (one,) = campaign.found
    text = (campaign.folder / "001.yaml").read_text(encoding="utf-8")
    assert text == one.text
    assert (campaign.folder / "001.txt").read_text(encoding="utf-8").startswith(one.what)
    return one.what, yaml.safe_load(text)


def test_a_wrong_row_of_a_dialect_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dialects.TORCH.operations, "sigmoid", "F.hardsigmoid({})")
    campaign = Campaign(tmp_path, seed=2, count=60, scope=FIELD_IN_TORCH, shrinking=100)
    what, plain = found_alone(campaign)
    assert what == "L1 torch vector field"
    assert len(keys_beside_the_simplest(plain)) <= FEW_KEYS
    assert "sigmoid" in str(plain["model"]["vector_field"])
    assert campaign.tried == 60


def test_a_text_that_is_no_python_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dialects.JAX.operations, "sigmoid", "jax.nn.sigmoid({}")
    campaign = Campaign(tmp_path, seed=2, count=60, scope=COMPILING)
    what, plain = found_alone(campaign)
    assert what == "SyntaxError in trial._compile"
    assert len(keys_beside_the_simplest(plain)) <= FEW_KEYS
    assert "sigmoid" in str(plain["model"]["vector_field"])


def test_the_same_seed_finds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dialects.JAX.operations, "tanh", "jnp.tanh({}")
    runs = [Campaign(tmp_path, seed=3, count=10, scope=COMPILING) for _ in range(2)]
    for campaign in runs:
        campaign.run()
    assert runs[0].found == runs[1].found != []


def test_a_traceback_for_bad_input_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: Any) -> bool:
        raise KeyError("planted")

    monkeypatch.setattr(Mended, "_rename", fails)
    campaign = Campaign(tmp_path, seed=1, near=True, count=60, shrinking=50)
    campaign.run()
    assert [one.what for one in campaign.found] == ["KeyError in mend._mend"]
    assert "planted" in campaign.found[0].detail


def test_an_error_without_a_place_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spec, "span", lambda *arguments, **words: None)
    campaign = Campaign(tmp_path, seed=1, near=True, count=40, shrinking=10)
    campaign.run()
    assert campaign.found and campaign.tried == 40
    assert all("without a place in the file" in one.what for one in campaign.found)


def test_a_spec_that_is_refused_is_found(tmp_path: Path) -> None:
    outcome = trial.valid({"wellposed": 1, "name": "net"}, tmp_path)
    assert outcome.find == "refused E104"


def test_what_never_ends_is_stopped() -> None:
    with pytest.raises(Hang), within(0.2):
        while True:
            pass


def test_without_hypothesis(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert command.main(["--specs", "1"]) == 2
    assert capsys.readouterr().err == ("fuzzing needs hypothesis: pip install 'wellposed[test]'\n")
