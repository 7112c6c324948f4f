"""The update of a tabular policy: the learner's contract, without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anchorgym.agents.tabular import Table, TabularPolicy
from anchorgym.gigpo import Algorithm
from anchorgym.training.checkpoints import Tensors
from anchorgym.training.config import LearnerConfig
from anchorgym.training.rollouts import Episode
from anchorgym.training.rows import TokenRows, training_rows
from anchorgym.training.sequences import TokenSequence


class TableLearner:
    """Gradient steps on the rows that were met, each by the mean over its own turns.

    So a situation that is rare is learnt as fast as one that is common, and the learning rate means
    the same in a table of any size.

    Args:
        policy: what is trained, in place.
        algorithm: says what is minimised; a turn is a token.
        config: its learning rate and epochs are used.
        temperature: that the options were drawn at.
    """

    def __init__(
        self,
        policy: TabularPolicy,
        algorithm: Algorithm,
        config: LearnerConfig,
        *,
        temperature: float = 1.0,
    ) -> None:
        self.policy, self.algorithm, self.config = policy, algorithm, config
        self.temperature = temperature
        self.version = 0
        self._rate = config.learning_rate

    def set_learning_rate(self, rate: float) -> None:
        """Take further steps at this rate."""
        self._rate = rate

    def tensors(self) -> dict[str, Tensors]:
        """Return what has to be kept between two updates, beside the table's names."""
        return {"model": {"logits": self.policy.model.logits.data}}

    def resume(self, version: int, tensors: Mapping[str, Tensors]) -> None:
        """Go on from what `tensors` returned after so many updates."""
        self.version = version
        self.policy.model.logits.data = tensors["model"]["logits"].clone()

    @torch.no_grad()
    def entropies(self, episodes: Sequence[Episode]) -> NDArray[np.float64]:
        """Return the entropy that each option was drawn with, (n_turns,)."""
        turns = [turn for episode in episodes for turn in episode.turns]
        if not turns:
            return np.zeros(0)
        rows = torch.tensor([turn.context[0] for turn in turns])
        choices = [turn.context[1:] for turn in turns], [turn.response[0] for turn in turns]
        _, entropy = _scores(self.policy.model, rows, *choices, self.temperature)
        return np.asarray(entropy.double().numpy())

    def update(
        self,
        episodes: Sequence[Episode],
        advantages: NDArray[np.float64],
        seed: int,
        *,
        columns: Mapping[str, NDArray[np.float64]] | None = None,
        replayed: Sequence[TokenSequence] = (),
    ) -> dict[str, float]:
        """Take the steps of one iteration; see `Learner.update`. `seed` changes nothing."""
        unit = self.algorithm.minibatch_unit
        taught = [*training_rows(episodes, advantages, columns, unit), *replayed]
        records = [self._step(taught) for _ in range(self.config.epochs)] if taught else []
        self.version += 1
        self.policy.engine.load_weights(self.version)
        means = {
            key: float(np.mean([record[key] for record in records]))
            for key in (records[0] if records else ())
        }
        return {
            **means,
            "learning_rate": self._rate,
            "rows": len(taught),
            "steps": len(records),
        }

    def _step(self, taught: Sequence[TokenSequence]) -> dict[str, float]:
        table, n = self.policy.model, len(taught)
        rows = torch.tensor([row.tokens[0] for row in taught])
        choices = [row.tokens[1:-1] for row in taught], [row.tokens[-1] for row in taught]
        logprobs, entropy = _scores(table, rows, *choices, self.temperature)
        given = torch.tensor([advantage for row in taught for advantage in row.advantages])
        loss, statistics = self.algorithm.loss(TokenRows(taught), logprobs, entropy, None, given)
        (gradient,) = torch.autograd.grad(loss, table.logits)
        met = torch.bincount(rows, minlength=len(gradient)).clamp(min=1)
        with torch.no_grad():
            table.logits.sub_(self._rate * gradient * (n / met)[:, None])
        return {"loss": loss.item(), **statistics.floats()}


def _scores(
    table: Table,
    rows: Tensor,
    options: Sequence[Sequence[int]],
    chosen: Sequence[int],
    temperature: float,
) -> tuple[Tensor, Tensor]:
    """Return log-probability and entropy of what was chosen among what was open, (n_turns,)."""
    logits = table.logits[rows] / temperature
    closed = torch.ones_like(logits, dtype=torch.bool)
    for i, those in enumerate(options):
        closed[i, list(those)] = False
    logs = torch.log_softmax(logits.masked_fill(closed, float("-inf")), -1)
    entropy = -(logs.exp() * logs.masked_fill(closed, 0.0)).sum(-1)
    return logs.gather(1, torch.tensor(chosen)[:, None])[:, 0], entropy
