"""The contract of learners: rows in, statistics out.

A learner owns the weights of a policy, their optimizer and, where a divergence is charged, the
reference model. It sees rows: never an episode or an environment, see `rows.py`. An update is made
of mini-batches, and each of those of `forward_backward`, once or for several parts, and a `step`:

    for _ in range(epochs):
        for batch in minibatches(rows):
            learner.forward_backward(batch)
            learner.step()

Gradients add up exactly. A mini-batch that is too large for one pass is given in parts, each with
the sizes of the whole; the step is that of the whole mini-batch, up to rounding:

    whole = learner.sizes(batch)
    learner.forward_backward(batch[:8], of=whole)
    learner.forward_backward(batch[8:], of=whole)
    learner.step()

Parts never cut what the algorithm calls its `minibatch_unit`. Some losses are no sum over parts,
and are refused with a `SplitError`: that of an algorithm that is not `divisible` (DRPO prices the
divergence of the whole mini-batch), and cloning that predicts a drawn share of what is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from anchorgym.agents.engines.contract import Engine
from anchorgym.envs.errors import AnchorgymError

if TYPE_CHECKING:
    import torch

    from anchorgym.training.learning.rows import TokenRow

Statistics = dict[str, float]
"""What was measured, by name."""
Sizes = Mapping[str, int]
"""How large a mini-batch is, by unit, such as its tokens: what a loss is divided by."""
RowsT = TypeVar("RowsT", contravariant=True)
"""Rows of one kind: a sequence of them, or columns of equal length."""


class LearnerError(AnchorgymError, ValueError):
    """A policy, an algorithm or settings that a learner cannot train with."""


class SplitError(LearnerError):
    """A mini-batch was given in parts, but its loss is no sum over them."""


class LearnerStateError(LearnerError):
    """A folder that holds no state of this learner, or one of another model."""


class DivergedError(AnchorgymError, FloatingPointError):
    """Training has left the range of numbers."""


class Learner(Protocol[RowsT]):
    """Changes weights from rows of one kind."""

    version: int
    """Version of the weights: one more with each update, and in cloning with each step."""

    @property
    def device(self) -> torch.device:
        """Where weights and rows are computed with."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """What products are computed in; weights and optimizer are float32."""
        ...

    def set_learning_rate(self, rate: float) -> None:
        """Take further steps at this rate."""
        ...

    def sizes(self, rows: RowsT) -> Sizes:
        """Return the sizes of a whole mini-batch, for `forward_backward` on its parts."""
        ...

    def forward_backward(self, rows: RowsT, of: Sizes | None = None) -> Statistics:
        """Add the gradient of the loss of some rows.

        Args:
            rows: a mini-batch, or a part of one.
            of: the sizes of the mini-batch that they are a part of; None: they are all of it.

        Returns:
            `loss`, the rows' share of it, and means over the rows of what the loss measures.

        Raises:
            SplitError: this loss cannot be computed in parts.
            DivergedError: the loss is not finite.
        """
        ...

    def step(self) -> Statistics:
        """Take an optimizer step by the gradients that were added up, and drop them."""
        ...

    def update(self, rows: RowsT, seed: int) -> Statistics:
        """Take the steps of one update.

        Args:
            rows: that have something to teach.
            seed: of the order of mini-batches.

        Returns:
            Means over the steps, `learning_rate`, `rows` and `steps`.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write all that is needed to go on after an update, as safetensors and JSON.

        Args:
            folder: a new one, or an empty one.
        """
        ...

    def load(self, folder: Path) -> None:
        """Go on from what `save` has written.

        Raises:
            LearnerStateError: the folder holds something else.
        """
        ...

    def publish(self, engine: Engine) -> None:
        """Give an engine the weights under their version."""
        ...


class PolicyLearner(Learner[Sequence["TokenRow"]], Protocol):
    """A learner of a policy that has sampled what it is trained on."""

    def entropies(self, rows: Sequence[TokenRow]) -> NDArray[np.float64]:
        """Return the entropy that each written token was drawn with, (n_tokens,) in nats.

        It is that of the rollout's own temperature, among the token's choices; one forward pass
        computes it. Tokens are in the order of the rows.
        """
        ...


def require_finite(statistics: Statistics, learner: object) -> Statistics:
    """Return what a learner has measured.

    Raises:
        DivergedError: one of its statistics is not finite.
    """
    wrong = [name for name, value in statistics.items() if not np.isfinite(value)]
    if wrong:
        raise DivergedError(
            f"{type(learner).__name__} reports {wrong[0]} = {statistics[wrong[0]]}: lower "
            "learner.learning_rate, or raise algorithm.kl_coef"
        )
    return statistics


def means(records: Sequence[Mapping[str, float]]) -> Statistics:
    """Return the mean of each statistic over some steps; empty without steps."""
    names = records[0] if records else ()
    return {name: float(np.mean([record[name] for record in records])) for name in names}
