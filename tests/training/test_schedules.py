"""Learning rates against torch's schedulers and by hand; the `train` node's limits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from wellposed.spec.training import Train
from wellposed.training.schedules import Clock, learning_rate


def rates(schedule: Any, per_epoch: int, epochs: int, lr: float = 0.1) -> list[float]:
    train = Train.model_validate(
        {"optimizer": {"kind": "sgd", "lr": lr}, "epochs": epochs, "schedule": schedule}
    )
    steps = range(epochs * per_epoch)
    return [learning_rate(train, Clock(step, per_epoch, epochs)) for step in steps]


def torch_rates(scheduler: Any, per_call: int, count: int) -> list[float]:
    """The rates of `count` updates where torch's scheduler steps after every `per_call` of them."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler = scheduler(optimizer)
    found = []
    for step in range(count):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if (step + 1) % per_call == 0:
            scheduler.step()
    return found


def test_constant_is_the_default_and_constant() -> None:
    assert rates("constant", 3, 4) == [0.1] * 12


def test_cosine_is_that_of_torch() -> None:
    ours = rates({"kind": "cosine", "final": 1e-3}, 5, 8)
    lr_scheduler = torch.optim.lr_scheduler
    theirs = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, 40, eta_min=1e-3), 1, 40)
    assert ours == pytest.approx(theirs, rel=1e-12)
    assert ours[0] == 0.1 and ours[20] == pytest.approx((0.1 + 1e-3) / 2)


def test_steps_are_those_of_torch() -> None:
    ours = rates({"kind": "step", "every": 3, "factor": 0.5}, 2, 10)
    theirs = torch_rates(lambda o: torch.optim.lr_scheduler.StepLR(o, 3, gamma=0.5), 2, 20)
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_warmup_grows_in_equal_steps_to_the_peak_and_the_cosine_follows() -> None:
    ours = rates({"kind": "cosine", "final": 0.0, "warmup": 2}, 5, 10)
    assert ours[:10] == pytest.approx([0.01 * k for k in range(1, 11)])
    assert ours[10] == 0.1
    assert ours[10:] == pytest.approx(rates({"kind": "cosine", "final": 0.0}, 5, 8))


def test_a_warmup_of_part_of_an_epoch_never_exceeds_the_peak() -> None:
    ours = rates({"kind": "cosine", "final": 0.0, "warmup": 0.5}, 5, 2)
    assert ours[:3] == pytest.approx([0.04, 0.08, 0.1])
    assert max(ours) <= 0.1


BAD: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"optimizer": {"kind": "adam", "lr": 0.0}}, ("optimizer", "lr")),
    ({"optimizer": {"kind": "sgd"}}, ("optimizer", "lr")),
    ({"optimizer": {"kind": "adamw", "weight_decay": -1.0}}, ("optimizer", "weight_decay")),
    ({"optimizer": {"kind": "adam", "lr": 0.1, "beta2": 1.0}}, ("optimizer", "beta2")),
    ({"optimizer": {"kind": "adam", "lr": 0.1, "eps": 0.0}}, ("optimizer", "eps")),
    ({"optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 1}}, ("optimizer", "momentum")),
    ({"optimizer": {"kind": "sgd", "lr": 0.1, "nesterov": True}}, ("optimizer", "nesterov")),
    ({"epochs": 0}, ("epochs",)),
    ({"batch": 0}, ("batch",)),
    ({"clip": 0.0}, ("clip",)),
    ({"schedule": {"kind": "cosine", "final": 1.0}}, ("schedule", "final")),
    ({"schedule": {"kind": "cosine", "final": 0.0, "warmup": 9}}, ("schedule", "warmup")),
    ({"schedule": {"kind": "step", "every": 1, "factor": 2.0}}, ("schedule", "factor")),
]


@pytest.mark.parametrize(("change", "loc"), BAD, ids=lambda value: str(value)[:60])
def test_a_bad_number_is_refused_at_its_place(change: dict[str, Any], loc: tuple[str, ...]) -> None:
    good: dict[str, Any] = {"optimizer": {"kind": "sgd", "lr": 0.1}, "epochs": 9}
    Train.model_validate(good)
    with pytest.raises(ValidationError) as caught:
        Train.model_validate(good | change)
    assert [error["loc"] for error in caught.value.errors()] == [loc]


def test_everything_wrong_with_a_schedule_is_said_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        rates({"kind": "cosine", "final": 1.0, "warmup": 5}, 1, 5)
    places = [error["loc"] for error in caught.value.errors()]
    assert places == [("schedule", "final"), ("schedule", "warmup")]
