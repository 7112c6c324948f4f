"""Selective sample buffer (SSB, arXiv 2504.16656): replay past groups that taught something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from anchorgym.gigpo.algorithm import Sample, State
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.options import Within


@dataclass(frozen=True, kw_only=True)
class SSB(EpisodeAlgorithm):
    """GRPO; rows whose advantage vanished are replaced from a buffer of earlier ones.

    Every row with an advantage is stored, with that advantage and the log-probabilities it was
    sampled with, so that its ratio stays right when the policy has moved on. As many rows as an
    iteration lost are drawn from those stored before it, without repetition, each with a chance
    proportional to its mean |A|; the fresh ones are never drawn in their own iteration. A row is
    what the trainer makes of it: a transcript with all its turns, or the window of one turn. The
    buffer is part of the algorithm's state, in checkpoints too. Known from secondary sources.

    Args:
        capacity: rows that are kept; the oldest leave first.
        max_age: iterations after which a row is too far from the policy to be used.
    """

    replays = True

    capacity: Annotated[int, Within(1)] = 256
    max_age: Annotated[int, Within(1)] = 4

    def initial_state(self) -> State:
        """An empty buffer."""
        return {"samples": []}

    def replay(
        self, fresh: Sequence[Sample], missing: int, state: State, seed: int
    ) -> Sequence[Sample]:
        """Draw for the rows that are missing, then store the fresh ones."""
        stored = [
            {**item, "age": item["age"] + 1}
            for item in state["samples"]
            if item["age"] < self.max_age
        ]
        weight = np.array([item["weight"] for item in stored])
        n = min(missing, int(np.count_nonzero(weight)))
        chosen: list[int] = []
        if n:
            share = weight / weight.max()
            random = np.random.default_rng(seed)
            chosen = random.choice(len(stored), n, replace=False, p=share / share.sum()).tolist()
        new = [{"age": 0, "weight": one.weight, "row": one.row} for one in fresh if one.weight > 0]
        state["samples"] = [*stored, *new][-self.capacity :]
        return [Sample(stored[i]["weight"], stored[i]["row"]) for i in sorted(chosen)]
