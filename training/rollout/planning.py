"""Episodes of planning policies: many worlds in step, their queries answered together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from anchorgym.agents.planning import Dialogue, PlanningPolicy, PlanningSession, Query
from anchorgym.envs import MultiAgentTextEnv, PlanningEnv
from anchorgym.envs.errors import ContractError


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
    policy: PlanningPolicy, worlds: Sequence[MultiAgentTextEnv], starts: Sequence[tuple[str, int]]
) -> list[PlannedEpisode]:
    """Play one episode in each world until it is won or out of turns.

    Args:
        policy: plans for all agents.
        worlds: as many as there are starts; each a `PlanningEnv`, too.
        starts: (task, seed) of each episode. The seed is that of the world's chance and of the
            planner's.

    Raises:
        ContractError: a world cannot be planned for.
    """
    episodes = [PlannedEpisode(task, seed) for task, seed in starts]
    sessions = []
    for world, episode in zip(worlds, episodes, strict=True):
        if not isinstance(world, PlanningEnv):
            raise ContractError(
                f"{type(world).__name__} cannot be planned for: see anchorgym.envs.PlanningEnv"
            )
        _, infos = world.reset(seed=episode.seed, options={"task": episode.task})
        episode.won = all(info["won"] for info in infos.values())
        sessions.append(policy.open(world, episode.seed))
        episode.dialogue = sessions[-1].room.dialogue
    live = [i for i, episode in enumerate(episodes) if not episode.won]
    while live:
        plans = _planned(policy, [sessions[i] for i in live])
        for i, plan in zip(live, plans, strict=True):
            _step(worlds[i], plan, sessions[i], episodes[i])
        live = [i for i in live if worlds[i].agents]
    return episodes


def _planned(policy: PlanningPolicy, sessions: Sequence[PlanningSession]) -> list[tuple[str, ...]]:
    """Plan a round in each session; queries that wait are answered in one batch."""
    planning = [session.plan() for session in sessions]
    plans: dict[int, tuple[str, ...]] = {}
    asked: dict[int, Query] = {}
    answers: dict[int, list[str]] = {}
    waiting = list(range(len(sessions)))
    while waiting:
        for i in waiting:
            try:
                asked[i] = planning[i].send(answers[i]) if i in answers else next(planning[i])
            except StopIteration as stop:
                plans[i] = stop.value
        waiting = [i for i in waiting if i not in plans]
        found = policy.planner.answer([sessions[i].request(asked[i]) for i in waiting])
        answers = dict(zip(waiting, found, strict=True))
    return [plans[i] for i in range(len(sessions))]


def _step(
    world: MultiAgentTextEnv,
    plan: tuple[str, ...],
    session: PlanningSession,
    episode: PlannedEpisode,
) -> None:
    """Carry the plan of a round out; the agents share the reward, so its mean is taken."""
    reason = session.room.world.problem(plan)
    actions = dict(zip(world.possible_agents, plan, strict=True))
    _, rewards, _, _, infos = world.step(actions)
    reward = sum(rewards.values()) / len(rewards)
    session.observe(reward, reason)
    episode.steps += 1
    episode.reward += reward
    episode.won = all(info["won"] for info in infos.values())
