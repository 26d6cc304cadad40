"""Which pictures a network gets, and that what they show are its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wellposed
from wellposed import api
from wellposed.plots import draw as pictures

K = [[-2.0, 0.0], [2.0, -1.0]]
FIELD = f"model.initializers={{K: {{kind: values, values: {K}}}}}"


def drawn(*overrides: str, base: str = "stability-minus", out: str = "p") -> list[str]:
    spec = wellposed.load(base, overrides=overrides)
    return [path.name for path in api.draw_untrained(spec, Path(out))]


@pytest.mark.parametrize(
    ("base", "overrides", "wanted"),
    [
        ("stability-minus", (), {"features", "eigenvalues", "trajectories"}),
        ("tiny.yaml", (), {"decision", "features", "eigenvalues", "trajectories"}),
        ("tiny.yaml", ("model.state=3",), {"decision", "features", "eigenvalues", "trajectories"}),
        ("tiny.yaml", ("model.state=4",), {"decision", "features", "eigenvalues"}),
        ("tiny.yaml", ("data.validation=0",), {"features", "eigenvalues", "trajectories"}),
        (
            "tiny.yaml",
            (
                "model.vector_field=hamiltonian",
                "model.parametrization=free",
                "model.integrator=verlet",
            ),
            {"decision", "features", "eigenvalues"},
        ),
    ],
)
def test_what_the_shapes_allow_is_drawn(
    folder: Path, base: str, overrides: tuple[str, ...], wanted: set[str]
) -> None:
    names = drawn(*overrides, base=base)
    assert set(names) == {f"{name}.png" for name in wanted}
    assert all((folder / "p" / name).read_bytes().startswith(b"\x89PNG") for name in names)


def test_a_spec_without_data_is_drawn_at_random_points(folder: Path) -> None:
    text = (folder / "tiny.yaml").read_text()
    keep = [line for line in text.splitlines(True) if not line.startswith("data:")]
    (folder / "bare.yaml").write_text("".join(keep).partition("train:")[0])
    assert drawn(base="bare.yaml") == ["features.png", "eigenvalues.png", "trajectories.png"]


def spy(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments of the picture of eigenvalues."""
    seen: dict[str, Any] = {}

    def record(h_lambda: Any, times: Any, path: Any, title: str, **region: Any) -> None:
        seen.update(h_lambda=h_lambda, times=times, title=title, **region)

    monkeypatch.setattr(pictures.eigenvalues, "eigenvalues", record)
    return seen


@pytest.mark.parametrize(("fit", "wanted"), [(100, (10, 8)), (45, (10, 4)), (3, (3, 1))])
def test_of_a_wide_network_eigenvalues_are_drawn_at_fewer_places(
    fit: int, wanted: tuple[int, int], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The budget is for so many matrices of 40³."""
    monkeypatch.setattr(pictures, "WHOLE", fit * 40**3)
    seen = spy(monkeypatch)
    drawn("model.state=40", "model.time.steps=10", base="tiny.yaml")
    assert seen["h_lambda"].shape[:2] == wanted
    assert "eigenvalues.png" not in drawn("model.state=200", base="tiny.yaml", out="q")


def test_eigenvalues_are_those_of_the_jacobian_times_h(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At y = 0 the Jacobian of tanh(K y) is K, of eigenvalues −2 and −1; h = 0.1."""
    seen = spy(monkeypatch)
    drawn("data={kind: points, features: [[0.0, 0.0]]}", FIELD)
    assert np.allclose(np.sort(seen["h_lambda"].real, axis=-1), [-0.2, -0.1])
    assert np.allclose(seen["times"], np.arange(10) * 0.1)
    assert seen["stability"] == (1.0, 1.0)


def test_staggered_methods_are_drawn_over_their_interval(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = spy(monkeypatch)
    drawn("model.vector_field={kind: second-order, bias: none}", "model.integrator=leapfrog", FIELD)
    assert seen["interval"] == 2.0 and "stability" not in seen
    assert seen["h_lambda"].shape[-1] == 4


def test_features_are_the_block_that_the_readout_sees(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def record(y: Any, labels: Any, times: Any, path: Any, title: str, *_: Any, **how: Any) -> None:
        seen.update(y=y, labels=labels, times=times, **how)

    monkeypatch.setattr(pictures.features, "features_through_layers", record)
    given = ("model.vector_field=hamiltonian", "model.parametrization=free")
    spec = wellposed.load("tiny.yaml", overrides=[*given, "model.integrator=verlet"])
    api.draw_untrained(spec, Path("p"))
    assert seen["y"].shape == (5, 40, 2) and seen["times"][-1] == 2.0
    dataset = api.trainable(spec).dataset
    assert dataset is not None
    train = dataset.train
    assert (
        np.allclose(seen["y"][0], train.x)
        and seen["labels"].tolist() == np.asarray(train.targets).tolist()
    )
    assert (seen["over_time"], seen["goals"]) == (False, None)


def test_of_points_that_are_the_same_one_is_drawn_with_its_target(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the 500 numbers ±1 of the flip there are two paths."""
    seen: dict[str, Any] = {}

    def record(y: Any, *_: Any, **how: Any) -> None:
        seen.update(y=y, **how)

    monkeypatch.setattr(pictures.features, "features_through_layers", record)
    api.draw_untrained(wellposed.load("flip-augmented"), Path("p"))
    assert sorted(seen["y"][0, :, 0]) == [-1, 1] and seen["over_time"]
    np.testing.assert_array_equal(seen["goals"], -seen["y"][0, :, :1])
    spec = wellposed.load("flip-flow", {"model.readout": {"kind": "regression"}})
    api.draw_untrained(spec, Path("p"))
    assert seen["goals"] is None, "of the prediction Wᵀ y + μ, and not of y"
