"""Role-conditioned advantage estimation (RAE, of SPIRAL, arXiv 2506.24119): a baseline a role."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anchorgym.gigpo.algorithm import Promise, State
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.options import Share


@dataclass(frozen=True, kw_only=True)
class RAE(EpisodeAlgorithm):
    """`A(i) = S_i - b(role of i)`; then `b <- decay b + (1 - decay) mean S` over the role's batch.

    In a game of two roles one side may win more often whoever plays it; a running mean for each
    role takes that out, so that nobody is credited with the seat it was given. The baseline is read
    before the batch that it judges moves it, by the mean over the batch, which no order of rows
    changes. It begins at 0. Without roles there is one. All turns of a trajectory share its
    advantage; groups play no part. Forks get 0.

    Args:
        decay: of the running mean.
    """

    decay: Share = 0.95

    @property
    def promises(self) -> frozenset[Promise]:
        """None of a group: it is not compared within itself."""
        return frozenset()

    def initial_state(self) -> State:
        """No role was seen yet."""
        return {"baselines": {}}

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Score of each turn's trajectory above its role's baseline, `(n_turns,)`."""
        roots = self.roots(batch)
        roles = np.zeros(batch.n_trajectories, np.int64)
        if batch.role is not None:
            roles[batch.trajectory] = batch.role
        names = [str(role) for role in batch.role_ids] or [""]
        known = {} if state is None else state["baselines"]
        baseline = np.array([known.get(name, 0.0) for name in names])
        of_root = roles[roots.index]
        count = np.bincount(of_root, minlength=len(names))
        total = np.bincount(of_root, roots.score, len(names))
        for role in np.flatnonzero(count).tolist():
            mean = float(total[role] / count[role])
            known[names[role]] = self.decay * float(baseline[role]) + (1 - self.decay) * mean
        return roots.per_turn(roots.score - baseline[of_root])
