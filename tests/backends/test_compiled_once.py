"""What XLA takes a second to compile is compiled once for a program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wellposed import api
from wellposed.backends import run_jax
from wellposed.backends.optimizers import updater
from wellposed.compiler.front.load import load


def test_two_trainings_of_a_program_share_the_update(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    jit = run_jax.jax.jit

    def counted(function: Any, **options: Any) -> Any:
        made.append(function.__name__)
        return jit(function, **options)

    monkeypatch.setattr(run_jax.jax, "jit", counted)
    changes = ["data.train=20", "data.validation=0", "model.time.steps=4"]
    problem = api.trainable(load("ellipses-antisymmetric", changes))
    assert problem.spec.train is not None and problem.dataset is not None
    model, split = api.model_of(problem, "jax"), problem.dataset.train
    rule = updater(problem.spec.train)
    one, other = (model.stepper(rule, split.x, split.targets) for _ in range(2))
    for stepper, shift in ((one, 0.0), (other, 0.5)):
        stepper.load({name: w + shift for name, w in model.init().items()})
        stepper.step(np.arange(20), 1e-2)
    assert made.count("update") == 1
    assert np.abs(one.weights()["K"] - other.weights()["K"]).max() > 0.1
