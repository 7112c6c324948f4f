"""Segment policy optimization (SPO, arXiv 2505.23564): credit segments by change in value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from anchorgym.gigpo.algorithm import Need, Promise, State
from anchorgym.gigpo.arrays import BoolArray, FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.normalization import SPREAD_TOLERANCE
from anchorgym.gigpo.options import Share, Within
from anchorgym.gigpo.returns import returns_to_go
from anchorgym.gigpo.segments import (
    anchor_values,
    first_turns,
    sampled_values,
    segment_advantages,
    tree_values,
)


@dataclass(frozen=True, kw_only=True)
class SPO(EpisodeAlgorithm):
    """`A(segment) = rewards in it + V(end) - V(start)`, shared by the turns of the segment.

    Values are means of undiscounted returns; there is no critic. Where the paper cuts a response
    after so many tokens, here a cut is a turn, and sampling anew from it is a fork: the environment
    is restored there.

    `chain` cuts a trajectory where its state's value is known. With `values="forks"` that is where
    forks began, and the value is the mean return of those forks, which are not trained on (the
    paper has 4 to 9 a cut). With `values="anchors"` it is where `samples` trajectories of the group
    came by, and the value is the mean of their returns from there on, forks or not: states that are
    met again were sampled anew by themselves. A task's start is worth the mean score of the
    trajectories that began there, whichever is chosen.

    `tree` values each branching point by the mean over its branches, from the leaves up, and
    credits every branch, forks too, with its value above the node that it left (the paper branches
    6-6-6).

    Args:
        mode: `chain` or `tree`; the latter needs forks.
        values: what `chain` values states by, `anchors` or `forks`.
        samples: trajectories that must have met a state, under `anchors`. (Under `forks`, a value
            is made of as many as began there: `siblings` in the fork strategy.)
        probability_mask: tokens that were likelier than this when they were sampled learn nothing:
            the paper credits a segment to the few where it could have turned out otherwise, those
            below 0.9. None credits all.
    """

    mode: Literal["chain", "tree"] = "chain"
    values: Literal["anchors", "forks"] = "anchors"
    samples: Annotated[int, Within(2)] = 4
    probability_mask: Share | None = None

    @property
    def needs(self) -> frozenset[Need]:
        """Log-probabilities, if tokens are masked by them."""
        return frozenset() if self.probability_mask is None else frozenset({"tokens"})

    @property
    def needs_forks(self) -> bool:
        """All but a chain of anchors do."""
        return self.mode == "tree" or self.values == "forks"

    @property
    def promises(self) -> frozenset[Promise]:
        """All in a chain of anchors, but that forks value states."""
        return frozenset() if self.needs_forks else super().promises - {"roots_only"}

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Advantage of each turn's segment, `(n_turns,)`.

        Raises:
            MissingForksError: values are to come from forks, and the batch does not name them.
        """
        togo = returns_to_go(batch, 1.0, self.rewards(batch) - self.penalties(batch))
        if not len(batch):
            return togo
        tree = self.mode == "tree"
        cut, value = tree_values(batch, togo) if tree else self._chain_values(batch, togo)
        result = segment_advantages(batch, togo, cut, value)
        result[np.abs(result) <= SPREAD_TOLERANCE * _magnitudes(batch, togo)] = 0.0
        only_values = not tree and self.values == "forks"
        return np.where(batch.fork, 0.0, result) if only_values else result

    def token_columns(
        self, batch: TurnBatch, advantages: FloatArray, state: State | None = None
    ) -> dict[str, FloatArray]:
        """Advantages without the tokens that hardly had an alternative."""
        if self.probability_mask is None:
            return {}
        tokens = self.tokens_of(batch)
        open_ = np.exp(tokens.logprobs) < self.probability_mask
        return {"advantages": np.where(open_, tokens.spread(advantages), 0.0)}

    def _chain_values(self, batch: TurnBatch, togo: FloatArray) -> tuple[BoolArray, FloatArray]:
        if self.values == "forks":
            cut, value = sampled_values(batch, togo)
        else:
            value, count = anchor_values(batch, togo)
            cut = count >= self.samples
        begins = first_turns(batch)
        roots = begins[~batch.fork[begins]]
        cut[begins] = True
        value[roots] = self.roots(batch).means()[batch.group[roots]]
        return cut, value


def _magnitudes(batch: TurnBatch, togo: FloatArray) -> FloatArray:
    """Largest magnitude of a return in each turn's group, `(n_turns,)`."""
    largest = np.zeros(batch.n_groups)
    np.maximum.at(largest, batch.group, np.abs(togo))
    return largest[batch.group]
