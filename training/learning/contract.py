"""The contract of learners: rows in, statistics out.

A learner owns the weights of a policy, their optimizer and, for a KL penalty, the reference model.
It sees rows (`rows.py`), never episodes or environments. An update consists of mini-batches; each
takes one or more calls of `forward_backward`, then a `step`:

    for _ in range(epochs):
        for batch in minibatches(rows):
            learner.forward_backward(batch)
            learner.step()

Gradients accumulate. A mini-batch that is too large for one pass is given in parts, each with the
sizes of the whole; the step equals that of the whole mini-batch, up to rounding:

    whole = learner.sizes(batch)
    learner.forward_backward(batch[:8], of=whole)
    learner.forward_backward(batch[8:], of=whole)
    learner.step()

Parts must not split the algorithm's `minibatch_unit`. Some losses are not a sum over parts, and
parts are then refused with a `SplitError`: the loss of an algorithm that is not `divisible` (DRPO
penalizes the divergence of the whole mini-batch), and cloning that predicts only a random share of
the read tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from anchorgym.agents.engines.contract import Engine
from anchorgym.envs.errors import AnchorgymError
from anchorgym.envs.plugins import wrong_result

if TYPE_CHECKING:
    import torch

    from anchorgym.training.learning.rows import TokenRow

Statistics = dict[str, float]
"""Measured values by name."""
Sizes = Mapping[str, int]
"""Sizes of a mini-batch by unit, such as tokens, by which a loss is divided."""
RowsT = TypeVar("RowsT", contravariant=True)
"""Rows of one kind: a sequence of them, or columns of equal length."""


class LearnerError(AnchorgymError, ValueError):
    """A policy, an algorithm or settings that a learner cannot train with."""


class SplitError(LearnerError):
    """A mini-batch was given in parts, but its loss is not a sum over parts."""


class LearnerStateError(LearnerError):
    """A folder without a state of this learner, or with the state of another model."""


class DivergedError(AnchorgymError, FloatingPointError):
    """A loss that is no longer finite."""


class Learner(Protocol[RowsT]):
    """Updates the weights of a policy from rows of one kind."""

    version: int
    """Version of the weights, which each update increases by one (in cloning, each step)."""

    @property
    def device(self) -> torch.device:
        """The device of weights and rows."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """The data type of the policy's weights; the optimizer is float32."""
        ...

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate of further steps."""
        ...

    def sizes(self, rows: RowsT) -> Sizes:
        """Return the sizes of a whole mini-batch, for `forward_backward` on its parts."""
        ...

    def forward_backward(self, rows: RowsT, of: Sizes | None = None) -> Statistics:
        """Accumulate the gradient of the loss of some rows.

        Args:
            rows: rows of a mini-batch, or of a part of one.
            of: sizes of the mini-batch that the rows are a part of; None for a whole mini-batch.

        Returns:
            `loss`, the rows' share of the loss, and means over the rows of the loss's statistics.

        Raises:
            SplitError: this loss cannot be computed in parts.
            DivergedError: the loss is not finite.
        """
        ...

    def step(self) -> Statistics:
        """Take an optimizer step with the accumulated gradient, and clear it."""
        ...

    def update(self, rows: RowsT, seed: int) -> Statistics:
        """Take the optimizer steps of one update.

        Args:
            rows: training rows.
            seed: seed of the order of mini-batches.

        Returns:
            Means over the steps, `learning_rate`, `rows` and `steps`.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the learner's state between updates, as safetensors and JSON.

        Args:
            folder: new or empty folder.
        """
        ...

    def load(self, folder: Path) -> None:
        """Restore a state that `save` has written.

        Raises:
            LearnerStateError: the folder holds no such state.
        """
        ...

    def publish(self, engine: Engine) -> None:
        """Load the weights into an engine, with their version."""
        ...


class PolicyLearner(Learner[Sequence["TokenRow"]], Protocol):
    """A learner that trains a policy on its own samples."""

    def entropies(self, rows: Sequence[TokenRow]) -> NDArray[np.float64]:
        """Return the entropy of each written token's distribution, (n_tokens,) in nats.

        The distribution is at the rollout's temperature and over the token's allowed choices. It
        takes one forward pass. Tokens are in the order of the rows.
        """
        ...


def require_finite(statistics: Statistics, learner: object) -> Statistics:
    """Return what a learner has measured.

    Raises:
        DivergedError: one of its statistics is not finite.
        PluginResultError: a learner of the user's own gave something else than statistics.
    """
    if not isinstance(statistics, Mapping):
        raise wrong_result(learner, "update()", "numbers by name", statistics)
    wrong = [name for name, value in statistics.items() if not np.isfinite(value)]
    if wrong:
        raise DivergedError(
            f"{type(learner).__name__} reports {wrong[0]} = {statistics[wrong[0]]}: lower "
            "learner.learning_rate, or raise algorithm.kl_coef"
        )
    return statistics


def means(records: Sequence[Mapping[str, float]]) -> Statistics:
    """Return the mean of each statistic over steps; empty without steps."""
    names = records[0] if records else ()
    return {name: float(np.mean([record[name] for record in records])) for name in names}
