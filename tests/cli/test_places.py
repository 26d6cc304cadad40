"""The place that a message names: the override that is in force, an example by its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import wellposed

from .conftest import Called, Cli

PACKAGE = str(Path(wellposed.__file__).parent)
GAMMA = "model.parametrization.gamma"


def places(called: Called) -> dict[str, tuple[str, int]]:
    """File and line of every finding by its code."""
    return {each["code"]: (each["file"], each["line"]) for each in called.json["findings"]}


def test_a_finding_is_at_the_override_of_a_part_of_what_it_is_about(cli: Cli) -> None:
    file = places(cli("show", "tiny.yaml", "--json"))
    assert file["N201"] == ("tiny.yaml", 8)
    found = places(cli("show", "tiny.yaml", f"{GAMMA}=0.2", "--json"))
    assert found["N201"] == ("command line", 1)
    said, _, flow = cli("show", "tiny.yaml", f"{GAMMA}=0.2").out.partition("\nFlow\n")
    assert f"command line:1:{len(GAMMA) + 2}: note[N201]" in said and "tiny.yaml:" not in said
    assert "tiny.yaml:6:10: note[N207]" in flow, "what is about the state stays in the file"


def test_other_findings_stay_in_the_file(cli: Cli, folder: Path) -> None:
    text = (folder / "tiny.yaml").read_text()
    (folder / "rk.yaml").write_text(text.replace("  readout", "  integrator: midpoint\n  readout"))
    found = places(cli("show", "rk.yaml", f"{GAMMA}=0", "--json"))
    assert found.pop("N201")[0] == "command line"
    assert set(found.values()) == {("rk.yaml", 10)}


def test_the_last_of_several_overrides_is_in_force(cli: Cli) -> None:
    whole = "model.parametrization={kind: antisymmetric, gamma: 0.3}"
    found = cli("show", "tiny.yaml", f"{GAMMA}=0.2", whole).out
    assert f"  1 | {whole}\n" in found and f"{GAMMA}=0.2" not in found
    found = cli("show", "tiny.yaml", whole, f"{GAMMA}=0.2").out
    assert f"  1 | {GAMMA}=0.2\n" in found and whole not in found


def test_an_error_is_at_the_override_that_makes_it_one(cli: Cli, folder: Path) -> None:
    text = (folder / "tiny.yaml").read_text()
    text = text.replace("state: 2", "state: {y: 2, z: 2}").replace("gamma: 0.1", "gamma: 0")
    field = "{kind: double-layer-hamiltonian}"
    (folder / "two.yaml").write_text(text.replace("{kind: layer, activation: tanh}", field))
    assert cli("validate", "two.yaml").code == 0
    err = cli("validate", "two.yaml", "model.state.z=3").err
    assert err.startswith("command line:1:15: error[E213]: double-layer-hamiltonian has y and z")


# --- shipped examples ------------------------------------------------------------------------


def assert_named(said: str, name: str) -> None:
    assert f"{name}:" in said
    assert PACKAGE not in said and "examples/" not in said


def test_findings_on_an_example_name_it(cli: Cli) -> None:
    assert_named(cli("show", "ellipses-antisymmetric").out, "ellipses-antisymmetric")
    found = places(cli("show", "ellipses-antisymmetric", "--json"))
    assert found["N201"] == ("ellipses-antisymmetric", 12)


def test_errors_of_an_example_name_it(cli: Cli) -> None:
    called = cli("train", "stability-plus", "--backend", "numpy")
    assert called.code == 2
    assert_named(called.err, "stability-plus")


def test_a_failed_check_is_at_the_override_and_names_no_place_of_the_package(
    cli: Cli, folder: Path
) -> None:
    pytest.importorskip("torch")
    given = ("ellipses-antisymmetric", "model.time.steps=4", f"{GAMMA}=0.3")
    cli("compile", *given, "--backend", "torch")
    program = folder / "ellipses_antisymmetric_torch.py"
    program.write_text(program.read_text().replace("K.mT - GAMMA", "K.mT + GAMMA"))
    wrong = ("-b", "torch", "--to", "L1", "--program", f"torch={program.name}")
    called = cli("check", *given, *wrong)
    assert called.code == 1
    assert f"command line:1:{len(GAMMA) + 2}: the spec" in called.out
    written = "".join(path.read_text() for path in (folder / "repro").iterdir())
    assert PACKAGE not in called.out + written


def test_a_run_of_an_example_keeps_no_place_of_the_package(cli: Cli, folder: Path) -> None:
    shrunk = ("train.epochs=1", "data.train=20", "model.time.steps=4")
    call = ("train", "ellipses-antisymmetric", *shrunk, "-b", "numpy", "--no-plots", "--out")
    assert cli(*call, "cli").code == 0
    spec = wellposed.load("ellipses-antisymmetric", shrunk)
    wellposed.train(spec, backend="numpy", out="python")
    wellposed.train(wellposed.load("ellipses-antisymmetric"), "numpy", out="plain", stop_after=1)
    for run in ("cli", "python", "plain"):
        files = [path for path in (folder / run).iterdir() if path.suffix in (".json", ".yaml")]
        kept = "".join(path.read_text() for path in files)
        assert "examples" not in kept and PACKAGE not in kept
        assert json.loads((folder / run / "run.json").read_text())["folder"] == ".."
        assert cli("evaluate", run, "--json").code == 0


def test_files_that_an_override_names_for_an_example_are_the_users(cli: Cli, folder: Path) -> None:
    rows = "".join(f"{a},{a * a},{int(a > 4)}\n" for a in range(9))
    (folder / "mine.csv").write_text("u,v,k\n" + rows)
    data = "data={kind: csv, path: mine.csv, label: k}"
    given = ("ellipses-antisymmetric", data, "train.epochs=1")
    assert cli("train", *given, "-b", "numpy", "--no-plots", "--out", "deep/run").code == 0
    assert cli("evaluate", "deep/run").code == 0


def test_a_file_of_the_name_of_an_example_is_a_file(cli: Cli, folder: Path) -> None:
    (folder / "ellipses-resnet").write_text("wellposed: 2\n")
    err = cli("validate", "ellipses-resnet").err
    assert err.startswith("ellipses-resnet:1:1: error[E104]")
