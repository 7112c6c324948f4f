"""Rollouts of planning policies, which answer the queries of many worlds in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from anchorgym.agents.planning import Dialogue, PlanningPolicy
from anchorgym.envs import MultiAgentTextEnv
from anchorgym.training.rollout.drivers.contract import Driver, SamplingRule
from anchorgym.training.rollout.drivers.lock_step import LockStepDriver
from anchorgym.training.rollout.episode_run import EpisodeRun
from anchorgym.training.rollout.types import Start
from anchorgym.training.rollout.worlds import TEAM, TeamWorld


@dataclass(slots=True)
class PlannedEpisode:
    """The result of one episode of a planning policy."""

    task: str
    seed: int
    won: bool = False
    steps: int = 0
    """ES: number of environment steps, whether the episode was won or not."""
    reward: float = 0.0
    dialogue: Dialogue = field(default_factory=Dialogue)

    @property
    def queries(self) -> int:
        """NQ: number of queries to the planner, see `Dialogue.queries`."""
        return self.dialogue.queries


def play_planned(
    policy: PlanningPolicy,
    worlds: Sequence[MultiAgentTextEnv],
    starts: Sequence[tuple[str, int]],
    *,
    driver: Driver | None = None,
) -> list[PlannedEpisode]:
    """Play one episode in each world until it is won or out of turns.

    Args:
        policy: policy that plans for all agents.
        worlds: (n_starts,) worlds, each of which is also a `PlanningEnv`.
        starts: (task, seed) of each episode. The seed determines the randomness of the world and of
            the planner.
        driver: driver of the episodes; by default lock-step.

    Raises:
        ContractError: a world cannot be planned for.
    """
    runs: list[EpisodeRun] = []

    def begun() -> Iterator[EpisodeRun]:
        for world, (task, seed) in zip(worlds, starts, strict=True):
            start = Start(task, 0, seed)
            runs.append(EpisodeRun(TeamWorld(world), {TEAM: policy}, start))
            yield runs[-1]

    driver = LockStepDriver() if driver is None else driver
    driver.play(begun(), SamplingRule())
    return [_summary(run) for run in runs]


def _summary(run: EpisodeRun) -> PlannedEpisode:
    episode, start = run.match.sides[TEAM], run.match.start
    return PlannedEpisode(
        start.task,
        start.seed,
        episode.won,
        len(episode.turns),
        episode.score,
        run.dialogues[TEAM],
    )
