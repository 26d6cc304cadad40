"""A third party adds a vector field and a backend by an entry point."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

MODULE = '''
from wellposed.backends import registry
from wellposed.spec.vector_fields import Equations, Weight, WithActivation


class Gated(WithActivation, kind="gated"):
    """y' = σ(K y + b) - y."""

    def describe(self, blocks, k):
        weights = (Weight("K", ("y", "y"), k), *self._biases(b="y"))
        return Equations(blocks, weights, {"y": self._sigma("K @ y", "b") + " - y"})


registry.register(registry.Backend("words", lambda module: f"{module.name} in words", "none"))
'''

USE = """
import numpy as np
import wellposed
from wellposed.backends.registry import get, names
from wellposed.compiler.pipeline import compiled

spec = wellposed.load("gated.yaml")
model = wellposed.compile(spec, backend="numpy")
weights = model.init()
y = np.array([[0.3, -0.2]])
expected = np.tanh(y @ weights["K"][0].T) - y
np.testing.assert_allclose(model.vector_field(weights, 0.0, y), expected, rtol=1e-14)
assert "words" in names()
print(get("words").emit(compiled(spec).module))
"""

SPEC = """
wellposed: 1
name: with-plugin
dtype: float64
model:
  state: 2
  vector_field: gated
  time: {horizon: 1, steps: 2}
"""


METHODS = """
wellposed: 1
name: plugins
dtype: float64
model:
  state: {y: 2, z: 2}
  vector_field: hamiltonian
  time: {horizon: 1, steps: 2}
  integrator: strang
"""
PLUGINS = Path(__file__).parent / "plugins"
PRINTER = Path(__file__).parent / "numpy_printer.py"


def install(folder: Path, *modules: str) -> None:
    """Modules in a folder as an installed distribution whose entry points name them."""
    info = folder / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    points = "".join(f"{name} = {name}\n" for name in modules)
    (info / "entry_points.txt").write_text(f"[wellposed.plugins]\n{points}")


def run(folder: Path, *command: str) -> str:
    """What a process of Python prints, with the folder on its search path."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_vector_field_and_a_backend_come_in_by_entry_point(tmp_path: Path) -> None:
    install(tmp_path, "third_party")
    (tmp_path / "third_party.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "gated.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "use.py").write_text(USE, encoding="utf-8")
    assert run(tmp_path, "use.py").strip() == "with-plugin in words"


def test_a_third_framework_is_checked_in_processes_of_its_own(tmp_path: Path) -> None:
    """The printer and an integrator by entry point; the program runs by itself, too."""
    for file in (PRINTER, PLUGINS / "splittings.py"):
        shutil.copy(file, tmp_path)
    install(tmp_path, PRINTER.stem, "splittings")
    (tmp_path / "s.yaml").write_text(METHODS, encoding="utf-8")
    command = "-m", "wellposed"
    assert "Strang splitting, order 2" in run(tmp_path, *command, "show", "s.yaml")
    backend = "--backend", "numpy-plugin"
    said = run(tmp_path, *command, "check", "s.yaml", *backend, "--to", "L3")
    assert "numpy-plugin agrees with the reference from L0 to L3 in float64 and float32" in said
    run(tmp_path, *command, "compile", "s.yaml", *backend)
    assert "Strang splitting, order 2" in run(tmp_path, "-I", "plugins_numpy-plugin.py")


def _environment(folder: Path) -> dict[str, str]:
    """The test's own search path, with the plugin's folder before it."""
    return {"PYTHONPATH": ":".join([str(folder), *filter(None, sys.path)]), "PATH": ""}
