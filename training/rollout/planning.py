"""Episodes of planning policies: many worlds in step, their queries answered together."""

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
    """What became of one episode."""

    task: str
    seed: int
    won: bool = False
    steps: int = 0
    """ES: environment steps; all that there were when it was not won."""
    reward: float = 0.0
    dialogue: Dialogue = field(default_factory=Dialogue)

    @property
    def queries(self) -> int:
        """NQ, see `Dialogue.queries`."""
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
        policy: plans for all agents.
        worlds: as many as there are starts; each a `PlanningEnv`, too.
        starts: (task, seed) of each episode. The seed is that of the world's chance and of the
            planner's.
        driver: pumps the episodes; by default in lock-step.

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
