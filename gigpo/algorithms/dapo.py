"""Decoupled clip and dynamic sampling (DAPO, arXiv 2503.14476): redraw groups without spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from anchorgym.gigpo.algorithm import Need, State
from anchorgym.gigpo.arrays import BoolArray, FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.options import NonNegative, Share, Within


@dataclass(frozen=True, kw_only=True)
class DAPO(EpisodeAlgorithm):
    """GRPO's advantage; the ratio may rise further than it may fall; no KL.

    Groups whose trajectories all end the same way teach nothing: `keep` drops them, and the trainer
    draws other tasks in their place, for `rollout.redraws` rounds at most. The loss is the mean
    over tokens. A response is a turn's: one of n tokens is charged

        0                         up to max_length - cache
        (max_length - cache - n) / cache   from there
        -1                        from max_length on

    with `cache = overlong_share * max_length`; the charge enters the trajectory's score, and does
    not count in what is dropped.

    Args:
        max_length: of a response, in tokens; None charges nothing.
        overlong_share: share of it over which the charge rises (4096 of 20480 in the paper).
    """

    clip_high: NonNegative = 0.28
    dual_clip: Annotated[float, Within(1, above=True)] | None = None
    entropy_coef: NonNegative = 0.0
    kl_coef: NonNegative = 0.0
    max_length: Annotated[float, Within(0, above=True)] | None = 512.0
    overlong_share: Annotated[Share, Within(0, 1, above=True)] = 0.2

    @property
    def needs(self) -> frozenset[Need]:
        """The lengths of responses, if they are charged for."""
        return frozenset() if self.max_length is None else frozenset({"tokens"})

    def keep(self, batch: TurnBatch, state: State) -> BoolArray:
        """The groups with different outcomes, `(n_groups,)`."""
        return self.mixed_groups(batch)

    def penalties(self, batch: TurnBatch) -> FloatArray:
        """Penalties of invalid actions and of overlong responses, `(n_turns,)`."""
        penalty = super().penalties(batch)
        if self.max_length is None:
            return penalty
        cache = self.overlong_share * self.max_length
        over = self.tokens_of(batch).lengths - (self.max_length - cache)
        charge: FloatArray = np.clip(over / cache, 0.0, 1.0)
        return penalty + charge
