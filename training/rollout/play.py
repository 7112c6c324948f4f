"""Rollouts of one policy on many tasks, and matches of several policies.

Both are the same loop: an `EpisodeRun` for each start, and a driver that advances them all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from anchorgym.agents.engines.contract import Sampling
from anchorgym.agents.engines.temperature import AdaptiveTemperature
from anchorgym.agents.policies.base import Policy
from anchorgym.envs import TextEnv
from anchorgym.training.rollout.drivers.contract import Driver, SamplingRule
from anchorgym.training.rollout.drivers.lock_step import LockStepDriver
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.episode_run import EpisodeRun
from anchorgym.training.rollout.errors import DriverError
from anchorgym.training.rollout.fork_store import ForkStore
from anchorgym.training.rollout.sides import Seats
from anchorgym.training.rollout.timers import Timers
from anchorgym.training.rollout.types import Episode, Match, Start
from anchorgym.training.rollout.worlds import AGENT, SoloWorld, as_world

_USUAL = SamplingRule()


def rollout(
    policy: Policy,
    envs: EnvPool[TextEnv],
    starts: Sequence[Start],
    sampling: Sampling,
    timers: Timers | None = None,
    *,
    patience: int | None = None,
    store: ForkStore | None = None,
    driver: Driver | None = None,
    finished: Callable[[Episode], None] | None = None,
) -> list[Episode]:
    """Play one episode from each start in a single-agent environment.

    Args:
        policy: policy that plays.
        envs: pool of environments.
        starts: (n_starts,) starts of the episodes.
        sampling: sampling settings of responses.
        timers: timers that record the seconds of each phase.
        patience: number of invalid turns in a row after which an episode is cut as stuck.
        store: store of sessions and states for forks, which these episodes are added to. Starts
            that have an origin need it.
        driver: driver of the episodes; by default lock-step.
        finished: function that is called with each episode when it has ended.

    Returns:
        (n_starts,) episodes, in the order of the starts.

    Raises:
        ContractError: an environment was not restored to a state, or gave no finite reward.
        DriverError: the driver left an episode unfinished.
        ForkError: a start has an origin, and there is no store.
    """
    runs: list[EpisodeRun] = []

    def begun() -> Iterator[EpisodeRun]:
        for env, start in zip(envs.take(len(starts)), starts, strict=True):
            runs.append(
                EpisodeRun(
                    SoloWorld(env),
                    {AGENT: policy},
                    start,
                    number=len(runs),
                    patience=patience,
                    store=store,
                )
            )
            yield runs[-1]

    driver = LockStepDriver() if driver is None else driver

    def ended(run: EpisodeRun) -> None:
        if finished is not None:
            finished(run.match.sides[AGENT])

    driver.play(begun(), SamplingRule.like(sampling), timers, finished and ended)
    _require_whole(runs, len(starts), driver)
    return [run.match.sides[AGENT] for run in runs]


def play_matches(
    seats: Sequence[Seats],
    envs: EnvPool[Any],
    starts: Sequence[Start],
    *,
    sampling: SamplingRule = _USUAL,
    timers: Timers | None = None,
    guests: Sequence[Collection[str]] | None = None,
    adaptive: Mapping[str, AdaptiveTemperature] | None = None,
    driver: Driver | None = None,
) -> list[Match]:
    """Play one match from each start.

    Args:
        seats: (n_matches,) policies of each match, by agent.
        envs: pool of environments, single-agent or PettingZoo's parallel ones.
        starts: (n_matches,) starts of the matches.
        sampling: sampling settings of responses; by default the policy sets the longest response.
        timers: timers that record the seconds of each phase.
        guests: (n_matches,) agents that are not played by the current policies.
        adaptive: rule of each token's temperature, for agents with a rule of their own; guests
            follow `sampling`.
        driver: driver of the matches; by default lock-step.

    Returns:
        (n_matches,) matches, in the order of the starts.

    Raises:
        SeatError: an agent has no policy.
        ContractError: an environment gave a reward that is not finite.
        DriverError: the driver left a match unfinished.
    """
    runs: list[EpisodeRun] = []
    away = [()] * len(starts) if guests is None else guests

    def begun() -> Iterator[EpisodeRun]:
        for env, seat, start, absent in zip(
            envs.take(len(starts)), seats, starts, away, strict=True
        ):
            runs.append(
                EpisodeRun(
                    as_world(env),
                    seat,
                    start,
                    number=len(runs),
                    guests=absent,
                    adaptive=adaptive or {},
                )
            )
            yield runs[-1]

    driver = LockStepDriver() if driver is None else driver
    driver.play(begun(), sampling, timers)
    _require_whole(runs, len(starts), driver)
    return [run.match for run in runs]


def _require_whole(runs: Sequence[EpisodeRun], wanted: int, driver: Driver) -> None:
    """Refuse episodes that a driver has left unfinished: nothing may be learnt from them."""
    whole = sum(run.done for run in runs)
    if whole < wanted:
        raise DriverError(
            f"the driver {type(driver).__name__} has played {whole} of {wanted} episodes to their "
            "end: its `play` has to take every run from the iterable, and go on until `run.done`"
        )
