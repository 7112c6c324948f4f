"""Role-conditioned advantage estimation (RAE, arXiv 2506.24119): a running baseline per role."""

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
    """`A(i) = S_i - b(role of i)`, with a running mean `b` of what each role scores.

        b <- d b + (1 - d) mean S,    d = decay^n, over the n trajectories of the role in the batch

    `decay` is a trajectory's, as where scores come one by one; the batch moves the baseline by its
    mean all at once, which no order of rows changes. The baseline is read before the batch that it
    judges moves it. It begins at 0.

    In a game of two roles one side may win more often whoever plays it; a running mean for each
    role takes that out, so that nobody is credited with the seat it was given. Without roles there
    is one. All turns of a trajectory share its advantage; groups play no part. Forks get 0.

    Args:
        decay: of the running mean, for each trajectory.
    """

    decay: Share = 0.95

    @property
    def promises(self) -> frozenset[Promise]:
        """None of a group: it is not compared within itself."""
        return frozenset({"roots_only"})

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
            left = float(self.decay ** int(count[role]))
            known[names[role]] = left * float(baseline[role]) + (1 - left) * mean
        return roots.per_turn(roots.score - baseline[of_root])
