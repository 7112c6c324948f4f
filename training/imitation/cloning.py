"""Behaviour cloning of a teacher, with mistakes to recover from."""

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
from anchorgym.training.learning.devices import DtypeName

_CORRECTED = 3
"""One row in so many is a corrected episode."""
_TURNS = 8
"""What an episode is taken to have at least, where each turn is a row."""
_LOOKAHEAD = 16
"""Batches of a pool: they are drawn together and sorted by length, so that little is padded."""


@dataclass(frozen=True, slots=True)
class CloneStep:
    """What one update saw."""

    update: int
    action_loss: float
    observation_loss: float
    tokens: int


class Cloning:
    """The training of a clone, pool by pool.

    Between two pools, `learner.save` writes all that is needed to go on as if nothing had happened.
    It is a context manager: the learner is there inside the block, see `CloningLearner`.

    Args:
        policy: is trained in place.
        demonstrations: of a pool, named by its number; without end.
        config: of the optimizer.
        updates: number of optimizer steps.
        seed: of the order of batches.
        corrections: gives so many corrected episodes of the policy for a pool; from
            `corrections_from` on they are every third row.
        device: where the policy is trained, see `resolve_device`.
        dtype: of products.
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
        device: str = "auto",
        dtype: DtypeName = "float32",
    ) -> None:
        self.learner = CloningLearner(
            policy, config, updates=updates, seed=seed, device=device, dtype=dtype
        )
        self._policy, self._config, self._updates, self._seed = policy, config, updates, seed
        self._demonstrations, self._corrections = demonstrations, corrections

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.learner.close()

    @property
    def done(self) -> int:
        """Updates that were taken."""
        return self.learner.version

    def pool(self) -> Iterator[CloneStep]:
        """Draw the next pool and train on it, one yield an update."""
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
            wanted = n // _CORRECTED
            rows_each = _TURNS if self._policy.form == "window" else 1
            own = self._corrections(number, max(1, wanted // rows_each))
            if len(own) > wanted:
                own = random.Random(f"{self._seed}/own/{number}").sample(own, wanted)
        return [*own, *itertools.islice(self._demonstrations(number), n - len(own))]
