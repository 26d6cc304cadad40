"""Readouts: from y(T) to logits (one affine map) and the loss of one example, as text.

In the texts `u` is the column of logits of one example and `C` its target column.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .node import Family
from .vector_fields import Size


class Readout(Family, title="readout"):
    """Logits u of y(T), Wᵀ y(T) + μ unless a kind says otherwise, and a loss."""

    task: ClassVar[str]
    """The kind of task that it is for."""

    @property
    def outputs_count(self) -> int | None:
        """Number of logits; None where the targets say it."""
        raise NotImplementedError

    @property
    def hypothesis_expression(self) -> str:
        """h(u): what the logits stand for."""
        raise NotImplementedError

    @property
    def loss_expression(self) -> str:
        """The loss of one example in terms of its logits u and its target C."""
        raise NotImplementedError


class Classifier(Readout, kind="classifier"):
    """Softmax or logistic hypothesis; cross-entropy or ½ ‖h(u) − C‖²."""

    task: ClassVar[str] = "classification"

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: classifier, classes: 2, hypothesis: softmax, loss: cross-entropy}",
        "{kind: classifier, classes: 2, hypothesis: logistic, loss: least-squares}",
    )

    classes: Annotated[Size, Field(ge=2, description="number of classes")]
    hypothesis: Annotated[
        Literal["softmax", "logistic"], Field(description="what the logits stand for")
    ] = "softmax"
    loss: Annotated[
        Literal["cross-entropy", "least-squares"], Field(description="of one example")
    ] = "cross-entropy"

    LOSSES: ClassVar[dict[tuple[str, str], str]] = {
        ("softmax", "cross-entropy"): "-sum(C * log_softmax(u))",
        # −[C log h + (1 − C) log(1 − h)] with h = 1/(1 + e⁻ᵘ), without cancellation
        ("logistic", "cross-entropy"): "sum(softplus(u) - C * u)",
        ("softmax", "least-squares"): "sum((softmax(u) - C) ** 2) / 2",
        ("logistic", "least-squares"): "sum((sigmoid(u) - C) ** 2) / 2",
    }

    @property
    def outputs_count(self) -> int:
        return self.classes

    @property
    def hypothesis_expression(self) -> str:
        return "softmax(u)" if self.hypothesis == "softmax" else "sigmoid(u)"

    @property
    def loss_expression(self) -> str:
        return self.LOSSES[self.hypothesis, self.loss]


class LeastSquares(Readout):
    """logits are the prediction, the loss is ½ ‖u − C‖²."""

    task: ClassVar[str] = "regression"

    @property
    def hypothesis_expression(self) -> str:
        return "u"

    @property
    def loss_expression(self) -> str:
        return "sum((u - C) ** 2) / 2"


class Regression(LeastSquares, kind="regression"):
    """logits are the prediction, the loss is ½ ‖u − C‖²."""

    outputs: Annotated[Size, Field(description="numbers that are predicted for an example")] = 1

    @property
    def outputs_count(self) -> int:
        return self.outputs


class State(LeastSquares, kind="state"):
    """The prediction is y(T) itself, its first k components where the targets have k columns; the
    loss is ½ ‖u − C‖². It has no weights."""

    @property
    def outputs_count(self) -> int | None:
        return None
