"""REINFORCE++ with one baseline for all agents of a role (AdvEvo-MARL)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anchorgym.gigpo.algorithm import Promise, State
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.normalization import standardise


@dataclass(frozen=True, kw_only=True)
class PublicBaseline(EpisodeAlgorithm):
    """`A(i) = S_i - b_G`, `b_G` the mean of `S` over the trajectories of a group, then whitened.

    A trajectory is one agent in one rollout, so that `b_G` is a mean over agents *and* rollouts:
    over the agents of a single episode it would leave a lone agent, or a team that shares its
    reward, with nothing to learn from. Which agents make a group is the trainer's choice: it gives
    them one group id. All turns of a trajectory share its advantage; forks and a lone trajectory
    get 0. Source: AdvEvo-MARL (arXiv 2510.01586), from its abstract and secondary descriptions;
    whitening is that of REINFORCE++ (arXiv 2501.03262).

    Args:
        leave_one_out: `b_G` leaves out the trajectory's own return, and so is independent of it:
            A is multiplied by n / (n - 1) in a group of n.
        whiten: divide by the deviation of A over the turns of the batch, their mean subtracted.
    """

    leave_one_out: bool = False
    whiten: bool = True

    @property
    def promises(self) -> frozenset[Promise]:
        """All of them until the turns of the batch are whitened together, then none of a group."""
        return frozenset({"roots_only"}) if self.whiten else super().promises

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Advantage of each turn, `(n_turns,)`."""
        roots = self.roots(batch)
        value = standardise(roots.score, roots.group, norm="mean")
        if self.leave_one_out:
            size = roots.size[roots.group]
            value = value * (size / np.maximum(size - 1, 1))
        result = roots.per_turn(value)
        if not self.whiten:
            return result
        judged = np.flatnonzero(~batch.fork)
        white = np.zeros(len(batch))
        white[judged] = standardise(result[judged], np.zeros(len(judged), np.int64))
        return white
