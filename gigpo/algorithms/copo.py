"""Consistency-aware policy optimization (COPO, arXiv 2508.04138): compare across groups too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np

from anchorgym.gigpo.algorithm import Need, Promise, State, TokenView
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm, Roots
from anchorgym.gigpo.normalization import standardise
from anchorgym.gigpo.options import Within

if TYPE_CHECKING:
    from torch import Tensor

    from anchorgym.gigpo.losses import LossStatistics


@dataclass(frozen=True, kw_only=True)
class COPO(EpisodeAlgorithm):
    """Blends a loss inside groups with one across them, by how consistent a group's outcomes are.

        A_local(i)  = (S_i - mean_j S_j) / (std + 1e-6), in the group
        A_global(q) = (R_q - mean R) / (std + 1e-6), R_q being the mean score of group q
        w           = sigmoid(k (H_q - b)), and 0 where A_local is 0
        loss        = w loss(A_local) + (1 - w) loss(A_global), token by token

    `H_q` is the entropy in bits of the group's outcomes: 0 where all agree, 1 for as many successes
    as failures. A group without spread thus still learns: from how its task went beside others. In
    a task of many turns a score is a trajectory's and holds in all its turns. `advantages` are
    `w A_local + (1 - w) A_global`.

    Args:
        steepness: k.
        midpoint: b.
    """

    weighable = False  # the loss takes both parts by themselves

    steepness: Annotated[float, Within(0, above=True)] = 5.0
    midpoint: Annotated[float, Within()] = 1.0

    @property
    def needs(self) -> frozenset[Need]:
        """Where turns begin and end, to give the loss two advantages a token."""
        return frozenset({"tokens"})

    @property
    def promises(self) -> frozenset[Promise]:
        """Groups are compared, so that within one nothing need add up to 0."""
        return frozenset({"per_trajectory", "roots_only"})

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """The two advantages of each turn's trajectory, blended, `(n_turns,)`; 0 for forks."""
        local, across = self.parts(batch)
        return local + across

    def parts(self, batch: TurnBatch) -> tuple[FloatArray, FloatArray]:
        """`w A_local` and `(1 - w) A_global` of each turn, `(n_turns,)` each."""
        roots = self.roots(batch)
        local = standardise(roots.score, roots.group)
        bits = outcome_bits(roots, self.outcomes(batch)[roots.index])
        # exp(-700) is tiny enough, and exp(700) not yet infinite.
        slope = np.clip(self.steepness * (bits[roots.group] - self.midpoint), -700, 700)
        weight = np.where(local != 0, 1 / (1 + np.exp(-slope)), 0.0)
        groups = np.flatnonzero(roots.size)
        across = np.zeros(batch.n_groups)
        across[groups] = standardise(roots.means()[groups], np.zeros(len(groups), np.int64))
        return (
            roots.per_turn(weight * local),
            roots.per_turn((1 - weight) * across[roots.group]),
        )

    def token_columns(
        self, batch: TurnBatch, advantages: FloatArray, state: State | None = None
    ) -> dict[str, FloatArray]:
        """Both parts at the tokens of their turns: clipping does not go through a sum."""
        spread = self.tokens_of(batch).spread
        local, across = self.parts(batch)
        return {"local": spread(local), "across": spread(across)}

    def loss(
        self,
        view: TokenView,
        logprobs: Tensor,
        entropy: Tensor | None,
        reference: Tensor | None,
        advantages: Tensor,
    ) -> tuple[Tensor, LossStatistics]:
        """The sum of both clipped objectives, which are linear in a weight of their advantage."""
        columns = view.columns
        local, statistics = self.clipped_loss(view, logprobs, entropy, reference, columns["local"])
        across, other = self.clipped_loss(view, logprobs, None, None, columns["across"])
        total = statistics.policy_loss + other.policy_loss
        return local + across, replace(statistics, policy_loss=total)


def outcome_bits(roots: Roots, outcome: FloatArray) -> FloatArray:
    """Entropy in bits of the distribution of outcomes in each group, `(n_groups,)`."""
    n_groups = roots.batch.n_groups
    order = np.lexsort((outcome, roots.group))
    group, value = roots.group[order], outcome[order]
    size = np.maximum(np.abs(value[1:]), np.abs(value[:-1]))
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(group) != 0) | (value[1:] - value[:-1] > 1e-9 * size)
    count = np.bincount(np.cumsum(new) - 1).astype(np.float64) if len(new) else np.zeros(0)
    share = count / roots.size[group[new]]
    return np.bincount(group[new], -share * np.log2(share), n_groups).astype(np.float64)
