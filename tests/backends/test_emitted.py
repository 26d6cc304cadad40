"""The emitted files as files: style, types, bytes, and what they do when they are run."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from densities import DENSITIES, density
from flows import FLOWS, flow
from safetensors.numpy import save_file
from series import SERIES, series
from specs import MODES, Case, Plain, batch, regularizers

import wellposed
from wellposed import compile
from wellposed.backends import jax_program, torch_program
from wellposed.backends.document import WIDTH
from wellposed.backends.registry import get
from wellposed.compiler.pipeline import compiled
from wellposed.compiler.reference.initial import initial_weights
from wellposed.spec.model import Spec

EMITTERS = {"torch": torch_program.emit, "jax": jax_program.emit}
FOREIGN = {"torch": {"jax", "jaxlib"}, "jax": {"torch"}}


def custom(equations: dict[str, str] | str, weights: dict[str, list[str]], **changes) -> Plain:
    key = "hamiltonian" if isinstance(equations, str) else "equations"
    shapes = {name: {"shape": shape} for name, shape in weights.items()}
    field = {"kind": "custom", "weights": shapes, key: equations}
    return Case("one-block").plain(vector_field=field, **changes)


def many_weights() -> Plain:
    """Twelve matrices in one right-hand side."""
    names = [f"A{i}" for i in range(1, 13)]
    text = " + ".join(f"tanh({name} @ y + b)" for name in names)
    return custom({"y": text}, {"b": ["y"], **{name: ["y", "y"] for name in names}}, state=3)


def with_regularizers(case: Case, **changes) -> Plain:
    return case.plain(regularizers=regularizers(case.problem()), **changes)


def long_names(mode: str) -> Plain:
    """Names of fourteen letters, in the equation, in a parametrization and in a regularizer."""
    names = {"first_operator": ["y", "y"], "first_bias": ["y"], "shift_amount": []}
    plain = custom({"y": "tanh(first_operator @ y + first_bias) * shift_amount"}, names, state=3)
    gamma = {"kind": "antisymmetric", "gamma": 0.1}
    plain["model"]["vector_field"]["weights"]["first_operator"]["parametrization"] = gamma
    plain["model"]["time"]["weights"] = mode
    decay = {"kind": "weight-decay", "of": [*names, "W", "mu"], "alpha": 0.3}
    smooth = {"kind": "smoothness", "of": list(names), "alpha": 0.2}
    return plain | {"regularizers": [decay] if mode == "shared" else [decay, smooth]}


LONG = "sum(exp(-y**2)) * t + y.T @ y / 2 + sum(log(cosh(first_operator @ z + first_bias)))"
IN_TIME = {
    "kind": "custom",
    "weights": {
        "A": {"shape": ["y", "z"], "time": "linear"},
        "b": {"shape": ["y"]},
        "c": {"shape": [], "time": "shared"},
        "bars": {"shape": ["z"], "time": "shared"},
    },
    "equations": {"y": "tanh(A @ z + b) * cos(t)", "z": "-(A.T @ y + c) / bars"},
}
"""Weights of all times, and the time itself."""
SPECS: dict[str, Plain] = {
    "layer": with_regularizers(Case("layer", "antisymmetric", "rk4")),
    "single-precision": with_regularizers(Case(lift="linear", readout=4), dtype="float32"),
    "leapfrog": with_regularizers(Case("second-order", "negative-gram", "leapfrog", "linear")),
    "leapfrog-shared": Case("second-order", integrator="leapfrog", mode="shared").plain(),
    "verlet": with_regularizers(
        Case("double-layer-hamiltonian", "antisymmetric", "verlet", "linear")
    ),
    "rk4-blocks": with_regularizers(Case("hamiltonian", "free", "rk4", "linear", "gelu")),
    "block-parametrization": Case("layer", "hamiltonian", "verlet", "shared", "softplus").plain(),
    "parabolic": Case("parabolic", integrator="heun", bias="scalar", readout=3).plain(),
    "no-bias": Case("hamiltonian", integrator="midpoint", bias="none", readout=2).plain(),
    "deep-mlp": Case("mlp", integrator="rk4", mode="linear").plain(
        vector_field={"kind": "mlp", "hidden": [7] * 12, "time_input": True}
    ),
    "mlp-shared": Case("mlp", mode="shared", integrator="midpoint").plain(),
    "planar": Case("planar-mixture", integrator="rk4", mode="linear").plain(
        vector_field={"kind": "planar-mixture", "width": 64, "hidden": [32, 32]}
    ),
    "many-weights": many_weights(),
    "three-blocks": Case("three-blocks", integrator="rk4", mode="linear").plain(),
    "long-hamiltonian": custom(
        LONG,
        {"first_operator": ["y", "z"], "first_bias": ["y"]},
        state={"y": 3, "z": 3},
        integrator="verlet",
    ),
    **{f"names-{mode}": long_names(mode) for mode in MODES},
    "only-time-blocks": custom({"y": "1", "p": "t"}, {}, state={"y": 2, "p": 3}),
    "one-gram": Case("one-block", "negative-gram", "rk4", "shared", "cubic").plain(),
    "no-weights": custom({"y": "z * 1", "z": "-sin(y)"}, {}, state={"y": 2, "z": 2}),
    "only-time": custom({"y": "sin(t)"}, {}, state=2, readout=None, regularizers=[]),
    "segments": Case("layer", "antisymmetric", "heun").plain(
        gradient={"kind": "checkpoint", "every": 2}
    ),
    **{
        f"undone-{mode}": with_regularizers(
            Case("hamiltonian", integrator="kick-drift-kick", mode=mode), gradient="reversible"
        )
        for mode in MODES
    },
    "undone-leapfrog": Case("second-order", "negative-gram", "leapfrog", "linear").plain(
        gradient="reversible"
    ),
    "undone-in-time": Case("one-block", integrator="verlet").plain(
        vector_field=IN_TIME, state={"y": 2, "z": 3}, gradient="reversible"
    ),
    "undone-without-weights": custom(
        {"y": "z * t", "z": "-sin(y)"},
        {},
        state={"y": 2, "z": 2},
        integrator="verlet",
        gradient="reversible",
    ),
    "no-readout": Case("hamiltonian").plain(readout=None, regularizers=[]),
    "long-name": Case().plain()
    | {"name": "a-name-that-is-long-" * 3 + "end", "reference": "R " * 150},
    "three-blocks-heun": Case("three-blocks", integrator="heun", mode="shared").plain(),
    "values": Case().plain(
        initializers={
            "K": {"kind": "values", "values": [[1 / 3, -2 / 3, 1e-7]] * 3},
            "b": {"kind": "uniform", "low": -0.123456789, "high": 0.987654321, "repeat": False},
            "W": {"kind": "normal", "mean": 0.1234567, "std": 0.7654321},
            "mu": {"kind": "constant", "value": 0.5},
        }
    ),
}
SPECS |= {name: flow(name).to_plain() for name in FLOWS if name != "flow-tsit5"}
SPECS |= {name: density(name).to_plain() for name in DENSITIES}
SPECS |= {name: series(name).to_plain() for name in SERIES}
FILES = [(name, backend) for name in SPECS for backend in EMITTERS]


def emitted(name: str, backend: str) -> str:
    return EMITTERS[backend](compiled(Spec.model_validate(SPECS[name])).written)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All programs, one file each, in a folder of their own."""
    path = tmp_path_factory.mktemp("emitted")
    for name, backend in FILES:
        (path / f"{name.replace('-', '_')}_{backend}.py").write_text(
            emitted(name, backend), encoding="utf-8"
        )
    return path


def tool(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.defpath]))
    return found or pytest.skip(f"{name} is not installed")


def ran(command: list[str], cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=240, env={**os.environ, **env}
    )


# --- style and types ------------------------------------------------------------------------------


def test_ruff_finds_nothing(folder: Path):
    rules = "--extend-select=I,B,UP,SIM"
    found = ran(
        [tool("ruff"), "check", "--isolated", "--no-cache", rules, "--output-format=concise", "."],
        folder,
    )
    assert found.returncode == 0, found.stdout


def test_ruff_would_format_nothing(folder: Path):
    """`--line-length` is its default: the file is as its owner's editor would leave it."""
    found = ran([tool("ruff"), "format", "--isolated", "--no-cache", "--diff", "."], folder)
    assert found.returncode == 0, found.stdout


def test_pyright_finds_nothing(folder: Path):
    found = ran([tool("pyright"), "--pythonpath", sys.executable, "."], folder)
    assert found.returncode == 0, found.stdout


def test_the_tools_would_find_something(tmp_path: Path):
    (tmp_path / "bad.py").write_text("import os\nx = ( 1)\n")
    assert ran([tool("ruff"), "check", "--isolated", "--no-cache", "."], tmp_path).returncode == 1
    command = [tool("ruff"), "format", "--isolated", "--no-cache", "--diff", "."]
    assert ran(command, tmp_path).returncode == 1


@pytest.mark.parametrize(("name", "backend"), FILES)
def test_lines_are_short_and_clean(name: str, backend: str):
    lines = emitted(name, backend).splitlines()
    assert [line for line in lines if len(line) > WIDTH] == []
    assert [line for line in lines if line != line.rstrip() or "\t" in line] == []


@pytest.mark.parametrize(("name", "backend"), FILES)
def test_every_function_says_what_it_does(name: str, backend: str):
    tree = ast.parse(emitted(name, backend))
    assert ast.get_docstring(tree)
    bare = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not ast.get_docstring(node)
        and not node.name.startswith(("__init__", "advance", "layer_at"))
    ]
    assert bare == []


# --- what a program imports, and its bytes -------------------------------------------------------


@pytest.mark.parametrize(("name", "backend"), FILES)
def test_a_program_imports_nothing_of_ours_and_not_the_other_framework(name: str, backend: str):
    imported: set[str] = set()
    for node in ast.walk(ast.parse(emitted(name, backend))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    others = {backend, "numpy", "safetensors", *sys.stdlib_module_names}
    is_solved = name in FLOWS or "dopri5" in str(SPECS[name]["model"].get("integrator"))
    others |= {get(backend).solver} if is_solved else set()
    assert imported <= others
    assert not imported & (FOREIGN[backend] | {"wellposed"})


SCRIPT = """
import hashlib, json, sys
from wellposed.backends import jax_program, torch_program
from wellposed.compiler.pipeline import compiled
from wellposed.spec.model import Spec
for plain in json.load(sys.stdin):
    module = compiled(Spec.model_validate(plain)).written
    for emit in (torch_program.emit, jax_program.emit):
        print(hashlib.sha256(emit(module).encode()).hexdigest())
"""


def test_the_bytes_depend_on_the_spec_alone(tmp_path: Path):
    """Not on the order of sets (the hash seed), the time, the folder, the process or `-OO`."""
    import json

    root = Path(wellposed.__file__).parent
    (tmp_path / "wellposed").symlink_to(root, target_is_directory=True)
    found = []
    for seed, options in (("0", []), ("1", []), ("2", ["-OO"])):
        run = subprocess.run(
            [sys.executable, *options, "-c", SCRIPT],
            input=json.dumps(list(SPECS.values())),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(tmp_path)},
        )
        assert run.returncode == 0, run.stderr
        found.append(run.stdout.split())
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == len(found[0]) == 2 * len(SPECS)


def test_no_program_names_a_place_or_a_time():
    for name, backend in FILES:
        text = emitted(name, backend)
        assert not re.search(r"(?<![\w.])/(?:home|tmp|work|root|Users)/", text)
        assert not re.search(r"\b20\d\d-\d\d-\d\d\b", text)


# --- run by itself --------------------------------------------------------------------------------


RUN = [("layer", "jax"), ("layer", "torch"), ("leapfrog", "jax"), ("no-readout", "torch")]


@pytest.mark.parametrize(("name", "backend"), RUN)
def test_a_program_runs_alone(name: str, backend: str, tmp_path: Path):
    """`python -I -W error file.py`: it says what it is, its loss and the norm of the gradient."""
    module = compiled(Spec.model_validate(SPECS[name])).module
    path = tmp_path / f"{module.file_name}_{backend}.py"
    path.write_text(emitted(name, backend), encoding="utf-8")
    first = ran([sys.executable, "-I", "-W", "error", str(path)], tmp_path)
    assert (first.returncode, first.stderr) == (0, "")
    count = sum(int(np.prod(w.shape)) for w in module.weights)
    assert f"{count:,} weights" in first.stdout
    drawn = initial_weights(module.weights, 99)
    beside = {name: w.astype(module.dtype) for name, w in drawn.items()}
    save_file(beside, tmp_path / f"{module.file_name}.safetensors")
    second = ran([sys.executable, "-I", "-W", "error", str(path)], tmp_path)
    assert (second.returncode, second.stderr) == (0, "")
    assert first.stdout != second.stdout
    if module.has_loss:
        assert _said(first.stdout) and _said(second.stdout)


def _said(output: str) -> re.Match[str] | None:
    return re.search(r"loss ([\d.e+-]+), gradient norm ([\d.e+-]+)", output)


@pytest.mark.parametrize("backend", EMITTERS)
def test_the_source_of_a_model_is_the_emitted_text(backend: str):
    spec = Spec.model_validate(SPECS["layer"])
    model = compile(spec, backend)
    assert model.source == emitted("layer", backend)
    changed = Spec.model_validate(SPECS["layer"] | {"seed": 2})
    assert compile(changed, backend).source != model.source


def test_a_run_in_the_same_process_gives_the_printed_loss(tmp_path: Path):
    """What the file prints is what the model computes on the same batch."""
    found = compiled(Spec.model_validate(SPECS["layer"]))
    path = tmp_path / "case_jax.py"
    path.write_text(emitted("layer", "jax"), encoding="utf-8")
    said = _said(ran([sys.executable, "-I", str(path)], tmp_path).stdout)
    assert said is not None
    model = compile(found.problem.spec, "numpy")
    x = np.random.default_rng(0).normal(size=(8, found.module.signature.features))
    targets = np.arange(8) % found.module.signature.outputs
    gradient = model.gradient(model.init(), x, targets)
    norm = sum(float((g**2).sum()) for g in gradient.values()) ** 0.5
    assert float(said[1]) == pytest.approx(model.loss(model.init(), x, targets), rel=1e-5)
    assert float(said[2]) == pytest.approx(norm, rel=1e-5)
    assert batch(found.problem)[0].shape[1] == x.shape[1]
