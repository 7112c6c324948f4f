"""REINFORCE++ (arXiv 2501.03262): returns-to-go, normalized over the whole batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from anchorgym.gigpo.algorithm import Need, Promise, State
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.normalization import weighted_standardise
from anchorgym.gigpo.options import Share
from anchorgym.gigpo.returns import returns_to_go


@dataclass(frozen=True, kw_only=True)
class ReinforcePP(EpisodeAlgorithm):
    """`A(t) = (R_t - b_i - mean) / (std + 1e-6)`, mean and deviation over the tokens of the batch.

    `R_t` is the return-to-go of turn t, which all tokens of its response share; rewards come when
    a turn is over, so discounting runs over turns. `b_i` is 0, or the mean score of trajectory i's
    group in the baseline variant. Where the paper takes the KL divergence out of the reward of each
    token, here it is a term of the loss.

    Tasks are compared with each other: a lone trajectory is judged too, and nothing adds up to zero
    inside a group. Forks get 0, and enter no statistic.

    Args:
        gamma: discount of the return-to-go.
        variant: `plain`, or `baseline`, which subtracts the group's mean first.
        weigh: whether mean and deviation count every `token`, or every `turn` once.
    """

    gamma: Share = 1.0
    variant: Literal["plain", "baseline"] = "plain"
    weigh: Literal["token", "turn"] = "token"

    @property
    def needs(self) -> frozenset[Need]:
        """The lengths of responses, if they weigh."""
        return frozenset({"tokens"}) if self.weigh == "token" else frozenset()

    @property
    def promises(self) -> frozenset[Promise]:
        """None of a group."""
        return frozenset({"roots_only"})

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Whitened return-to-go of each turn, `(n_turns,)`."""
        value = returns_to_go(batch, self.gamma, self.rewards(batch) - self.penalties(batch))
        if self.variant == "baseline":
            value = value - self.roots(batch).means()[batch.group]
        weight = (~batch.fork).astype(np.float64)
        if self.weigh == "token":
            weight *= self.tokens_of(batch).lengths
        return weighted_standardise(value, np.zeros(len(batch), np.int64), weight)
