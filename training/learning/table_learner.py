"""The update of a tabular policy: the learner's contract, without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anchorgym.agents.engines.table import Table
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.gigpo import Algorithm
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.rows import TokenRows, training_rows
from anchorgym.training.learning.sequences import TokenSequence
from anchorgym.training.rollout.types import Episode
from anchorgym.training.run.checkpoints import Tensors, parameters_of


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
        self.version = policy.engine.version
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
        table = self.policy.model
        met = _Choices(table, [(*turn.context, *turn.response) for turn in turns])
        _, entropy = met.scores(table, self.temperature)
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
        records = self._steps(taught) if taught else []
        self.version += 1
        self.policy.engine.load_weights(parameters_of(self.policy.model), self.version)
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

    def _steps(self, taught: Sequence[TokenSequence]) -> list[dict[str, float]]:
        table, rows = self.policy.model, TokenRows(taught)
        met = _Choices(table, [row.tokens for row in taught])
        given = torch.tensor([advantage for row in taught for advantage in row.advantages])
        times = torch.bincount(met.rows, minlength=len(table.logits)).clamp(min=1)
        records = []
        for _ in range(self.config.epochs):
            logprobs, entropy = met.scores(table, self.temperature)
            loss, statistics = self.algorithm.loss(rows, logprobs, entropy, None, given)
            (gradient,) = torch.autograd.grad(loss, table.logits)
            with torch.no_grad():
                table.logits.sub_(self._rate * gradient * (len(taught) / times)[:, None])
            records.append({"loss": loss.item(), **statistics.floats()})
        return records


class _Choices:
    """What was chosen among what was open, turn by turn.

    Args:
        table: it was chosen from.
        turns: the row, the options that were open, and at last the one that was chosen.
    """

    def __init__(self, table: Table, turns: Sequence[Sequence[int]]) -> None:
        self.rows = torch.tensor([turn[0] for turn in turns])
        self._chosen = torch.tensor([turn[-1] for turn in turns])[:, None]
        counts = torch.tensor([len(turn) - 2 for turn in turns])
        where = torch.repeat_interleave(torch.arange(len(turns)), counts)
        options = torch.tensor([option for turn in turns for option in turn[1:-1]])
        self._closed = torch.ones(len(turns), table.logits.shape[1], dtype=torch.bool)
        self._closed[where, options] = False

    def scores(self, table: Table, temperature: float) -> tuple[Tensor, Tensor]:
        """Return log-probability and entropy of what was chosen, (n_turns,)."""
        logits = table.logits[self.rows] / temperature
        logs = torch.log_softmax(logits.masked_fill(self._closed, float("-inf")), -1)
        entropy = -(logs.exp() * logs.masked_fill(self._closed, 0.0)).sum(-1)
        return logs.gather(1, self._chosen)[:, 0], entropy
