"""Rollout strategies, which decide how the groups of an iteration are rolled out.

    independent   all episodes from their task's start, as many a task as the algorithm says
    adaptive      the same, with more episodes of tasks of uncertain success (XRPO's rule)
    fork          some episodes from the start, then siblings from states that they reached
    tree          some episodes from the start, which branch at fixed turns (SPO's tree)
    module:Name   a strategy of your own, see `Factory`

A fork begins in a restored state with fresh randomness and its parent's memory. Its start was
selected, not sampled: its turns are compared with other turns in the same state, but never enter
the statistics of episodes. By default, forks replace some episodes of a group and may take as many
turns as these would have taken, so that all strategies cost the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

import numpy as np

from anchorgym.envs.plugins import PluginError, load_object, require_methods, wrong_result
from anchorgym.gigpo import Algorithm, State
from anchorgym.gigpo.algorithms.xrpo import XRPO
from anchorgym.gigpo.arrays import IntArray
from anchorgym.training.config.section import ConfigError
from anchorgym.training.config.sections import STRATEGIES, TrainConfig
from anchorgym.training.learning.columns import anchor_keys
from anchorgym.training.rollout.strategies.budget import Budget
from anchorgym.training.rollout.strategies.choosing import Rarest, Uncertain
from anchorgym.training.rollout.strategies.fork import Fork
from anchorgym.training.rollout.strategies.hints import Hints
from anchorgym.training.rollout.strategies.independent import Independent
from anchorgym.training.rollout.strategies.strategy import Play, Strategy
from anchorgym.training.rollout.strategies.tree import Tree
from anchorgym.training.rollout.types import Episode

__all__ = ["Factory", "Play", "Strategy", "find_strategy", "make_strategy"]


class Factory(Protocol):
    """A class or function that makes a strategy, named by `rollout.strategy = "module:Name"`.

    class EverythingTwice:
        forks = False

        def __init__(self, *, config, algorithm, state, limit):
            ...

        def play(self, tasks, first, rng, play):
            starts = [Start(task, first + n, rng.getrandbits(31)) for n, task in ...]
            ...  # play(starts) returns their episodes

    """

    def __call__(
        self, *, config: TrainConfig, algorithm: Algorithm, state: State, limit: int
    ) -> Strategy:
        """Return the strategy of a job; the arguments are those of `make_strategy`."""
        ...


def find_strategy(name: str) -> Factory:
    """Return the factory that `module:Name` names.

    Raises:
        ConfigError: the name cannot be imported, or the object cannot be called.
    """
    try:
        found = load_object(name, "a rollout strategy")
    except PluginError as error:
        raise ConfigError(f"rollout.strategy: {error}") from error
    if not callable(found):
        raise ConfigError(f"rollout.strategy: {name!r} is {found!r:.80}, which makes no strategy")
    factory: Factory = found
    return factory


def make_strategy(
    config: TrainConfig,
    algorithm: Algorithm,
    state: State,
    *,
    limit: int,
    solve: Callable[[Sequence[str]], Sequence[int]],
) -> Strategy:
    """Return the strategy that a configuration names.

    Args:
        config: configuration of the training job.
        algorithm: algorithm, which may decide how often tasks are played.
        state: state of the algorithm.
        limit: turns after which the environment cuts a training episode.
        solve: function that returns an expert's number of turns for each task.

    Raises:
        ConfigError: the user's own strategy cannot be loaded, or the strategy has no forks but the
            algorithm needs them.
    """
    rollout = config.rollout
    strategy = _bare(config, algorithm, state, limit)
    if rollout.hints == "off":
        return strategy
    return Hints(strategy, episodes=rollout.hint_episodes, share=rollout.hint_share, solve=solve)


def _bare(config: TrainConfig, algorithm: Algorithm, state: State, limit: int) -> Strategy:
    rollout = config.rollout
    if rollout.strategy not in STRATEGIES:
        factory = find_strategy(rollout.strategy)
        try:
            inspect.signature(factory).bind(
                config=config, algorithm=algorithm, state=state, limit=limit
            )
        except TypeError as error:
            raise ConfigError(
                f"rollout.strategy: {rollout.strategy!r} cannot be made as NAME(config=..., "
                f"algorithm=..., state=..., limit=...): {error}"
            ) from error
        strategy = factory(config=config, algorithm=algorithm, state=state, limit=limit)
        named = f"rollout.strategy: {rollout.strategy!r}"
        require_methods(strategy, ("play", "forks"), "a strategy", named)
        if algorithm.needs_forks and not strategy.forks:
            raise ConfigError(
                f"rollout.strategy: {config.algorithm.name} with these options values states by "
                f"forks, and {rollout.strategy} has none: choose tree or fork"
            )
        return strategy
    budget = Budget(rollout.group_size, limit, rollout.fork_turns)

    def allocate(tasks: Sequence[str], left: int, played: Sequence[Sequence[float]]) -> IntArray:
        shares: Any = algorithm.allocate(tasks, left, state, played)
        if not isinstance(shares, np.ndarray) or shares.shape != (len(tasks),):
            wanted = f"an array of {len(tasks)} numbers of episodes"
            raise wrong_result(algorithm, "allocate()", wanted, shares)
        return shares

    def adaptive(tasks: Sequence[str], left: int, played: Sequence[Sequence[float]]) -> IntArray:
        rule = XRPO(base=max(2, rollout.group_size // 2))
        return rule.allocate(tasks, left, {}, played)

    def keys(episode: Episode) -> Sequence[Hashable]:
        return anchor_keys(episode, config.algorithm.anchor)

    if rollout.strategy == "adaptive":
        return Independent(adaptive, rollout.group_size)
    if rollout.strategy == "fork":
        choose = Rarest(keys) if rollout.fork_from == "rarest" else Uncertain(keys)
        roots = Independent(allocate, rollout.roots)
        return Fork(roots, choose, siblings=rollout.siblings, budget=budget)
    if rollout.strategy == "tree":
        first, *branching = rollout.branching
        segment = rollout.segment_turns or max(1, limit // len(rollout.branching))
        roots = Independent(allocate, first)
        return Tree(roots, branching=branching, segment=segment, budget=budget)
    return Independent(allocate, rollout.group_size)
