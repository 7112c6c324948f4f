"""Behaviour cloning of a teacher on demonstrations, which include mistakes to recover from."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.training.config.sections import CloneConfig
from anchorgym.training.learning.cloning_learner import CloningLearner, demonstration_batches
from anchorgym.training.learning.demonstrations import Demonstration

_CORRECTED = 3
"""One in this many rows is from a corrected episode."""
_TURNS = 8
"""Assumed least number of turns of an episode, if each turn is a row."""
_LOOKAHEAD = 16
"""Number of batches in a pool, which are drawn together and sorted by length to save padding."""


@dataclass(frozen=True, slots=True)
class CloneStep:
    """Statistics of one update of cloning."""

    update: int
    action_loss: float
    observation_loss: float
    tokens: int


class Cloning:
    """The training of a clone, pool by pool.

    Between two pools, `learner.save` writes the whole state of the training. As a context manager,
    it closes the learner on exit, which folds the policy's embedding, see `CloningLearner`.

    Args:
        policy: policy to train, in place.
        demonstrations: function that returns the endless demonstrations of a pool, by its number.
        config: settings of the optimizer.
        updates: number of optimizer steps.
        seed: seed of the order of batches.
        corrections: function that returns corrected episodes, from (number of the pool, number of
            episodes); after the share `corrections_from` of the updates they are every third row.
        micro_tokens: most tokens of a pass, see `CloningLearner`.
        packing: whether rows share a line, see `CloningLearner`.
    """

    def __init__(
        self,
        policy: ModelPolicy,
        demonstrations: Callable[[int], Iterator[Demonstration]],
        config: CloneConfig,
        *,
        updates: int,
        seed: int,
        corrections: Callable[[int, int], list[Demonstration]] | None = None,
        micro_tokens: int | None = None,
        packing: bool | None = None,
    ) -> None:
        self.learner = CloningLearner(
            policy,
            config,
            updates=updates,
            seed=seed,
            micro_tokens=micro_tokens,
            packing=packing,
        )
        self._policy, self._config, self._updates, self._seed = policy, config, updates, seed
        self._demonstrations, self._corrections = demonstrations, corrections

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.learner.close()

    @property
    def done(self) -> int:
        """Number of updates so far."""
        return self.learner.version

    def pool(self) -> Iterator[CloneStep]:
        """Draw the next pool and train on it; yield once for each update."""
        number = self.done // _LOOKAHEAD
        rng = random.Random(f"{self._seed}/clone/{number}")
        batches = demonstration_batches(self._draw(number), self._config.batch, rng)
        for batch in batches[: self._updates - self.done]:
            measured = self.learner.forward_backward(batch)
            self.learner.step()
            n = sum(len(row.tokens) for row in batch)
            losses = measured["action_loss"], measured["observation_loss"]
            yield CloneStep(self.done, *losses, n)

    def _draw(self, number: int) -> list[Demonstration]:
        n = self._config.batch * _LOOKAHEAD
        own: list[Demonstration] = []
        if self._corrections and self.done >= self._config.corrections_from * self._updates:
            n_own = n // _CORRECTED
            rows_each = _TURNS if self._policy.form == "window" else 1
            self.learner.publish(self._policy.engine)
            own = self._corrections(number, max(1, n_own // rows_each))
            if len(own) > n_own:
                own = random.Random(f"{self._seed}/own/{number}").sample(own, n_own)
        return [*own, *itertools.islice(self._demonstrations(number), n - len(own))]
