"""The specs that bugs are planted in, from `specs.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ...data.rng import rng
from ...spec.model import Spec

POINTS = 12
HEAD = {"wellposed": 1, "name": "net", "seed": 5, "dtype": "float64"}
TIME = {"horizon": 2, "steps": 5}
"""What they have in common."""


def specs() -> dict[str, Spec]:
    """The specs by name."""
    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    return {name: _spec(given) for name, given in yaml.safe_load(text).items()}


def _spec(given: Mapping[str, Any]) -> Spec:
    data = {"data": _points()} if given.get("data") == "points" else {}
    model = given["model"]
    model = {**model, "time": {**TIME, **model.get("time", {})}}
    return Spec.model_validate({**HEAD, **given, **data, "model": model})


def _points() -> dict[str, Any]:
    """Some points of three features, in the three classes."""
    features = rng(5, "points").normal(size=(POINTS, 3)).round(2).tolist()
    return {"kind": "points", "features": features, "labels": [i % 3 for i in range(POINTS)]}
