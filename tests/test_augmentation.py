"""The shipped examples of a flow that cannot, and of a wider state that can."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import wellposed
from wellposed.opened import Run


def trained(name: str, folder: Path) -> Run:
    run = wellposed.train(wellposed.load(name), backend="jax", out=folder / name)
    assert run.status == "finished"
    return run


def test_the_flip_is_learned_with_one_component_more_and_never_without(tmp_path: Path) -> None:
    """Without it y(T) of 1 is above y(T) of -1; of all such numbers 0 and 0 are the best, nearly
    (there are a few more of one sign)."""
    narrow, wide = (trained(n, tmp_path) for n in ("flip-flow", "flip-augmented"))
    low, high = narrow.predict([[-1.0], [1.0]]).ravel()
    assert low < high and max(abs(low), abs(high)) < 0.1
    assert narrow.metrics[-1]["train_loss"] == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(wide.predict([[-1.0], [1.0]]), [[1.0], [-1.0]], atol=1e-3)


def test_the_inner_class_runs_out_through_the_outer_one_but_not_with_one_component_more(
    tmp_path: Path,
) -> None:
    """On the circle of radius 1.25, in the middle of the ring, which is dense enough for the gap to
    be seen wherever it is narrowest."""
    angle = np.linspace(0, 2 * np.pi, 50_001)
    circle = 1.25 * np.column_stack([np.cos(angle), np.sin(angle)])
    narrow, wide = (trained(n, tmp_path) for n in ("spheres-flow", "spheres-augmented"))
    for run in (narrow, wide):
        assert run.predict([[0.0, 0.0]])[0].argmax() == 0, "the centre is of the inner class"
    inner = [run.predict(circle).argmax(axis=1) == 0 for run in (narrow, wide)]
    assert 0 < inner[0].mean() < 0.1 and not inner[1].any()
    assert narrow.metrics[-1]["train_loss"] > 5 * wide.metrics[-1]["train_loss"]
