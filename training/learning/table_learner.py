"""The learner of a tabular policy, which implements the contract without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anchorgym.agents.engines.contract import Engine
from anchorgym.agents.engines.table import Table
from anchorgym.agents.policies.tabular import TableError, TabularPolicy
from anchorgym.gigpo import Algorithm, Totals
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.contract import (
    LearnerError,
    Sizes,
    SplitError,
    Statistics,
    means,
)
from anchorgym.training.learning.gradient_learner import read_version, write_version
from anchorgym.training.learning.minibatches import FlatTokens, totals_of
from anchorgym.training.learning.rows import TokenRow
from anchorgym.training.learning.tensors import parameters_of, unreadable


class TableLearner:
    """Trains a table by gradient steps, in each situation with the mean over its own turns.

    Rare situations therefore learn as fast as common ones, and the learning rate has the same
    effect in a table of any size. An update has one mini-batch.

    Args:
        policy: policy to train, in place.
        algorithm: algorithm that defines the loss; each turn has one token.
        config: settings, of which the learning rate and the epochs are used.
        temperature: sampling temperature of the options.

    Raises:
        LearnerError: a table does not support the algorithm or the settings.
    """

    def __init__(
        self,
        policy: TabularPolicy,
        algorithm: Algorithm,
        config: LearnerConfig,
        *,
        temperature: float = 1.0,
    ) -> None:
        _require_possible(algorithm, config)
        self.policy, self.algorithm, self.config = policy, algorithm, config
        self.temperature = temperature
        self.version = policy.engine.version
        self._rate = config.learning_rate
        self._gradient: Tensor | None = None
        self._met: list[Tensor] = []

    @property
    def device(self) -> torch.device:
        """The device of the table: the CPU."""
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """The data type of the logits: float32."""
        return torch.float32

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate of further steps."""
        self._rate = rate

    @torch.no_grad()
    def entropies(self, rows: Sequence[TokenRow]) -> NDArray[np.float64]:
        """Return the entropy of each chosen option's distribution, (n_rows,) in nats."""
        if not rows:
            return np.zeros(0)
        _, entropy = _Choices(self.policy.model, rows).scores(self.policy.model, self.temperature)
        return np.asarray(entropy.double().numpy())

    def sizes(self, rows: Sequence[TokenRow]) -> Sizes:
        """Return the numbers of tokens, rows, turns, trajectories and groups of a mini-batch."""
        return asdict(totals_of(rows))

    def forward_backward(self, rows: Sequence[TokenRow], of: Sizes | None = None) -> Statistics:
        """Accumulate the gradient of the algorithm's loss; see `Learner.forward_backward`."""
        if of is not None and not self.algorithm.divisible:
            raise SplitError(
                f"the loss of {type(self.algorithm).__name__} is no sum over parts of a "
                "mini-batch: give it whole"
            )
        table = self.policy.model
        view = FlatTokens(rows, totals=None if of is None else Totals(**of))
        met = _Choices(table, rows)
        logprobs, entropy = met.scores(table, self.temperature)
        loss, measured = self.algorithm.loss(view, logprobs, entropy, None, view.advantages)
        (gradient,) = torch.autograd.grad(loss, table.logits)
        self._gradient = gradient if self._gradient is None else self._gradient + gradient
        self._met.append(met.rows)
        return {"loss": loss.item(), **measured.floats()}

    @torch.no_grad()
    def step(self) -> Statistics:
        """Take a step, in each situation with the mean over its turns; return its norm."""
        if self._gradient is None:
            return {"grad_norm": 0.0}
        logits, met = self.policy.model.logits, torch.cat(self._met)
        times = torch.bincount(met, minlength=len(logits)).clamp(min=1)
        change = self._gradient * (len(met) / times)[:, None]
        logits.sub_(self._rate * change)
        self._gradient, self._met = None, []
        return {"grad_norm": change.norm().item()}

    def update(self, rows: Sequence[TokenRow], seed: int) -> Statistics:
        """Take the steps of one update; see `Learner.update`. `seed` is not used."""
        epochs = self.config.epochs if rows else 0
        records = [{**self.forward_backward(rows), **self.step()} for _ in range(epochs)]
        self.version += 1
        counts = {"learning_rate": self._rate, "rows": len(rows), "steps": len(records)}
        return {**means(records), **counts}

    def save(self, folder: Path) -> None:
        """Write the table, with the names of its rows and options, and the version."""
        self.policy.save(folder)
        write_version(folder, type(self).__name__, self.version)

    def load(self, folder: Path) -> None:
        """Restore a saved state; see `Learner.load`."""
        version = read_version(folder, type(self).__name__)
        try:
            self.policy.load(folder)
        except TableError as error:
            raise unreadable(folder, error) from error
        self.version = version

    def publish(self, engine: Engine) -> None:
        """Load the table into an engine, which shares it in place."""
        engine.load_weights(parameters_of(self.policy.model), self.version)


def add_counts(policy: TabularPolicy, choices: Sequence[tuple[int, Sequence[int]]]) -> None:
    """Raise the logit of each option by log(1 + the number of times it was chosen).

    Args:
        policy: policy whose table is changed in place.
        choices: pairs of (row of the table, options whose action was taken there); the options of
            a pair share its count.
    """
    logits = policy.model.logits.data
    counts = torch.zeros_like(logits)
    for row, options in choices:
        counts[row, list(options)] += 1 / max(1, len(options))
    logits += counts.log1p()


def _require_possible(algorithm: Algorithm, config: LearnerConfig) -> None:
    name = type(algorithm).__name__
    if algorithm.kl_coef:
        raise LearnerError("a table has no reference to stay near: set algorithm.kl_coef to 0")
    if type(algorithm).temperature is not Algorithm.temperature:
        raise LearnerError(
            f"{name} wants a temperature for each token, but a table draws one option a turn, at "
            "the temperature of the rollout: choose another algorithm, or a language policy"
        )


class _Choices:
    """The chosen and the open options of training rows.

    Args:
        table: table of the options.
        rows: rows of one turn each: the table's row, the open options, and last the chosen one.
    """

    def __init__(self, table: Table, rows: Sequence[TokenRow]) -> None:
        turns = [row.tokens for row in rows]
        self.rows = torch.tensor([turn[0] for turn in turns])
        self._chosen = torch.tensor([turn[-1] for turn in turns])[:, None]
        counts = torch.tensor([len(turn) - 2 for turn in turns])
        where = torch.repeat_interleave(torch.arange(len(turns)), counts)
        options = torch.tensor([option for turn in turns for option in turn[1:-1]])
        self._closed = torch.ones(len(turns), table.logits.shape[1], dtype=torch.bool)
        self._closed[where, options] = False

    def scores(self, table: Table, temperature: float) -> tuple[Tensor, Tensor]:
        """Return logprob and entropy of the chosen options, (n_turns,)."""
        logits = table.logits[self.rows] / temperature
        logs = torch.log_softmax(logits.masked_fill(self._closed, float("-inf")), -1)
        entropy = -(logs.exp() * logs.masked_fill(self._closed, 0.0)).sum(-1)
        return logs.gather(1, self._chosen)[:, 0], entropy
