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
from anchorgym.training.learner import Tokens
from anchorgym.training.rollouts import Episode, Turn


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

    def update(
        self, episodes: Sequence[Episode], advantages: NDArray[np.float64], seed: int
    ) -> dict[str, float]:
        """Take the steps of one iteration; see `Learner.update`. `seed` changes nothing."""
        turns = [turn for episode in episodes for turn in episode.turns]
        taught = [(t, a) for t, a in zip(turns, advantages.tolist(), strict=True) if a]
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

    def _step(self, taught: Sequence[tuple[Turn, float]]) -> dict[str, float]:
        table = self.policy.model
        rows = torch.tensor([turn.context[0] for turn, _ in taught])
        logprobs, entropy = _scores(table, [turn for turn, _ in taught], rows, self.temperature)
        n = len(taught)
        view = Tokens(
            old_logprobs=torch.tensor([turn.logprobs[0] for turn, _ in taught]),
            mask=torch.ones(n, dtype=torch.bool),
            sequence=torch.arange(n),
        )
        given = torch.tensor([advantage for _, advantage in taught])
        loss, statistics = self.algorithm.loss(view, logprobs, entropy, None, given)
        (gradient,) = torch.autograd.grad(loss, table.logits)
        met = torch.bincount(rows, minlength=len(gradient)).clamp(min=1)
        with torch.no_grad():
            table.logits.sub_(self._rate * gradient * (n / met)[:, None])
        return {"loss": loss.item(), **statistics.floats()}


def _scores(
    table: Table, turns: Sequence[Turn], rows: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Return log-probability and entropy of what each turn chose among what was open."""
    logits = table.logits[rows] / temperature
    closed = torch.ones_like(logits, dtype=torch.bool)
    for i, turn in enumerate(turns):
        closed[i, list(turn.context[1:])] = False
    logs = torch.log_softmax(logits.masked_fill(closed, float("-inf")), -1)
    chosen = torch.tensor([turn.response[0] for turn in turns])
    entropy = -(logs.exp() * logs.masked_fill(closed, 0.0)).sum(-1)
    return logs.gather(1, chosen[:, None])[:, 0], entropy
