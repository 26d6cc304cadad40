"""A campaign finds nothing in the compiler, and finds, names, shrinks and saves a planted bug."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from campaigns.fuzz import __main__ as command
from campaigns.fuzz import trial
from campaigns.fuzz.campaign import Campaign, Find
from campaigns.fuzz.coverage import keys_of_its_own
from campaigns.fuzz.limits import Hang, within
from campaigns.fuzz.trial import COMPILING, Scope
from wellposed.backends.dialect import Row
from wellposed.backends.jax_dialect import JAX
from wellposed.backends.torch_dialect import TORCH
from wellposed.spec.mend import Mended
from wellposed.spec.model import Spec

FEW_KEYS = 5
FIELD_IN_TORCH = Scope(("L0", "L1"), ("torch",))
ROOT = Path(__file__).parents[2]


def test_the_command_from_the_root_of_a_checkout(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "campaigns.fuzz", "--near", "--specs", "10", "--out", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1].startswith("10 nearly valid specs in ")
    assert not list(tmp_path.glob("0*.yaml"))


def test_valid_specs(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, seed=4, count=3)
    campaign.run()
    assert [f"{find.detail}\n{find.text}" for find in campaign.found.values()] == []
    assert campaign.verdicts["agrees"] >= 2


def test_nearly_valid_specs(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, seed=4, near=True, count=60)
    campaign.run()
    assert [f"{find}\n{find.text!r}" for find in campaign.found.values()] == []
    assert campaign.verdicts.keys() == {"refused", "compiles"}
    assert campaign.verdicts["refused"] > 30


def found_alone(campaign: Campaign) -> Find:
    """The only find of a campaign, saved as it is."""
    campaign.run()
    (find,) = campaign.found.values()
    assert (campaign.folder / "001.yaml").read_text(encoding="utf-8") == find.text
    assert (campaign.folder / "001.txt").read_text(encoding="utf-8").startswith(find.what)
    return find


def test_a_wrong_row_of_a_dialect_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TORCH.rows, "tanh", Row("torch.sin({0})"))
    campaign = Campaign(tmp_path, count=4, scope=FIELD_IN_TORCH)
    assert found_alone(campaign).what == "L1 torch vector field"
    assert campaign.tried == 4


def test_distinct_finds_are_told_apart_and_shrunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(JAX.rows, "tanh", Row("jnp.tanh({0}"))
    monkeypatch.delitem(TORCH.rows, "log_softmax")
    said: list[str] = []
    campaign = Campaign(tmp_path, seed=2, count=8, scope=COMPILING, said=said.append)
    campaign.run()
    syntax, printing = "SyntaxError in trial._compile", "NotPrinted in expressions._row"
    assert set(campaign.found) == {syntax, printing}
    assert [line.split()[0] for line in said[:2]] == ["find", "find"]  # in one search
    for find in campaign.found.values():
        assert len(keys_of_its_own(yaml.safe_load(find.text))) <= FEW_KEYS, find.text


def test_the_same_seed_finds_the_same_and_what_was_found_is_replayed(tmp_path: Path) -> None:
    def campaign(name: str, seed: int, count: int) -> Campaign:
        (tmp_path / name).mkdir(exist_ok=True)
        return Campaign(tmp_path / name, seed, count=count, scope=COMPILING)

    with pytest.MonkeyPatch.context() as planted:
        planted.setitem(JAX.rows, "tanh", Row("jnp.tanh({0}"))
        found = found_alone(campaign("a", seed=3, count=3))
        assert found_alone(campaign("b", seed=3, count=3)).text == found.text
        assert found_alone(campaign("a", seed=9, count=0)).text == found.text
    repaired = campaign("a", seed=9, count=0)
    repaired.run()
    assert not repaired.found and repaired.attempts > 0


def test_a_traceback_for_bad_input_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: Any) -> bool:
        raise KeyError("planted")

    monkeypatch.setattr(Mended, "_move", fails)
    campaign = Campaign(tmp_path, seed=1, near=True, count=40)
    campaign.run()
    assert list(campaign.found) == ["KeyError in mend._mend"]
    assert "planted" in campaign.found["KeyError in mend._mend"].detail


def test_an_error_without_a_place_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = {"state": 2, "vector_field": "layer", "time": {"horizon": 1, "steps": 1}}
    plain = {"wellposed": 1, "name": "net", "model": {**model, "integrator": "leapfrog"}}
    text = trial.to_text(plain)
    assert trial.nearly_valid(text, tmp_path).verdict == "refused"
    assert trial.nearly_valid(text, tmp_path).find == ""
    monkeypatch.setattr(Spec, "span", lambda *arguments, **words: None)
    assert "without a place in the file" in trial.nearly_valid(text, tmp_path).find


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
