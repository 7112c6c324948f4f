"""Rankings of the states in which forks begin."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from statistics import fmean, pvariance
from typing import Protocol

from anchorgym.training.rollout.types import Episode, Origin

Keys = Callable[[Episode], Sequence[Hashable]]
"""Maps an episode to the group key of each turn, (n_turns,)."""
Group = Sequence[Episode]


class Choose(Protocol):
    """Ranks states that a group has reached after its task's start, the best first."""

    def __call__(self, groups: Sequence[Group], rng: random.Random) -> list[Origin]:
        """Return the origins of possible forks, one turn for each state."""
        ...


class Rarest:
    """Ranks the states first that the fewest episodes of a group have reached; ties are random.

    A state that a single episode has reached comes first: its turn has no other turn in the same
    state to be compared with, until a sibling is forked from it.

    Args:
        keys: function that identifies the state of each turn.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def __call__(self, groups: Sequence[Group], rng: random.Random) -> list[Origin]:
        """Return the first turn that a chance episode took in each."""
        reached = [
            (len(visits), rng.random(), rng.choice(visits))
            for group in groups
            for visits in visits_of(group, self._keys).values()
            if visits[0].turn > 0
        ]
        reached.sort(key=lambda item: item[:2])
        return [origin for _, _, origin in reached]


class Uncertain:
    """Ranks the states first whose value is least certain, given the episodes so far.

    The value V of a state is its mean return-to-go. Its prior is normal around the mean m of the
    group's scores and counts as one observation; with n visits of returns x and their mean,

        V has variance (v + sum (x - mean)^2 + n / (n + 1) (mean - m)^2) / (n + 1)^2

    where v is the variance of the group's scores. States of a group without any variance come last.
    Ties are in random order.

    Args:
        keys: function that identifies the state of each turn.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def __call__(self, groups: Sequence[Group], rng: random.Random) -> list[Origin]:
        """Return the first turn that a chance episode took in each."""
        ranked = [
            (variance, rng.random(), origin)
            for group in groups
            for variance, origin in self._variances(group, rng)
        ]
        ranked.sort(key=lambda item: (-item[0], item[1]))
        return [origin for _, _, origin in ranked]

    def _variances(self, group: Group, rng: random.Random) -> Iterator[tuple[float, Origin]]:
        scores = [episode.score for episode in group if episode.start.origin is None]
        prior, spread = (fmean(scores), pvariance(scores)) if scores else (0.0, 0.0)
        for visits in visits_of(group, self._keys).values():
            if visits[0].turn > 0:
                returns = [score_from(origin) for origin in visits]
                yield value_variance(returns, prior, spread), rng.choice(visits)


def value_variance(returns: Sequence[float], prior: float, spread: float) -> float:
    """Return the variance of a state's value; see `Uncertain`.

    Args:
        returns: returns-to-go from the state, one for each episode that visited it.
        prior: mean score of the group.
        spread: variance of the group's scores.
    """
    n, mean = len(returns), fmean(returns)
    within = sum((x - mean) ** 2 for x in returns)
    return (spread + within + n / (n + 1) * (mean - prior) ** 2) / (n + 1) ** 2


def score_from(origin: Origin) -> float:
    """Return the episode's return-to-go from the origin's turn on."""
    return sum(turn.reward for turn in origin.parent.turns[len(origin.lived) :])


def visits_of(group: Group, keys: Keys) -> dict[Hashable, list[Origin]]:
    """Return the first turn that each episode took in each state, by state.

    The turn that a fork begins with is a visit too.
    """
    visits: dict[Hashable, list[Origin]] = defaultdict(list)
    for episode in group:
        first: dict[Hashable, int] = {}
        for turn, key in enumerate(keys(episode), episode.first_turn):
            first.setdefault(key, turn)
        for key, turn in first.items():
            visits[key].append(Origin(episode, turn))
    return visits
