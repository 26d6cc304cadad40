"""A third party adds a vector field and a backend by an entry point."""

from __future__ import annotations

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


def test_a_vector_field_and_a_backend_come_in_by_entry_point(tmp_path: Path) -> None:
    info = tmp_path / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[wellposed.plugins]\nthird = third_party\n")
    (tmp_path / "third_party.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "gated.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "use.py").write_text(USE, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "use.py"],
        cwd=tmp_path,
        env=_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "with-plugin in words"


def _environment(folder: Path) -> dict[str, str]:
    """The test's own search path, with the plugin's folder before it."""
    return {"PYTHONPATH": ":".join([str(folder), *filter(None, sys.path)]), "PATH": ""}
