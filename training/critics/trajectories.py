"""What a planner does in a world, and the rows that a critic is fitted to."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from anchorgym.agents.planning import (
    Planner,
    PlanningPolicy,
    PlanningSession,
    SimulatedPlanner,
    Verified,
)
from anchorgym.agents.planning.room import Planning
from anchorgym.envs import MultiAgentTextEnv, Plan, PlanningEnv
from anchorgym.envs.errors import ContractError
from anchorgym.envs.planning import FloatArray
from anchorgym.training.rollout.drivers import Driver, LockStepDriver, SamplingRule
from anchorgym.training.rollout.episode_run import EpisodeRun
from anchorgym.training.rollout.types import Start
from anchorgym.training.rollout.worlds import TEAM, Arrival, TeamWorld

Aim = Literal["reward", "success"]
"""What is to be had: the world's rewards; or 1 for a task that is done, so that values tell how
soon that is, and nothing else."""


@dataclass(frozen=True, slots=True)
class PlanTurn:
    """One joint step, with the plans that were refused before it because they were infeasible."""

    state: FloatArray
    """(n_features,), before the step."""
    sights: tuple[str, ...]
    """What each agent saw."""
    plan: Plan
    rejected: tuple[Plan, ...]
    reward: float


@dataclass(frozen=True, slots=True)
class PlanTrajectory:
    """The turns of one episode, from wherever it began to be kept."""

    task: str
    turns: tuple[PlanTurn, ...]
    won: bool = False
    """Whether the task was done in the last turn."""
    cut: bool = False
    """Whether the episode would have gone on."""

    def rewards(self, aim: Aim) -> list[float]:
        """Return what each turn paid, (n_turns,); see `Aim`."""
        if aim == "success":
            return [0.0] * (len(self.turns) - 1) + [float(self.won)]
        return [turn.reward for turn in self.turns]

    def returns(self, gamma: float, aim: Aim = "reward") -> list[float]:
        """Return each turn's discounted sum of rewards from there on, (n_turns,)."""
        found, ahead = [], 0.0
        for reward in reversed(self.rewards(aim)):
            ahead = reward + gamma * ahead
            found.append(ahead)
        return found[::-1]


@dataclass(frozen=True, slots=True)
class CollectConfig:
    """How data for a critic is made.

    Args:
        trajectories: how many episodes are played.
        turns: each is cut after so many, counted from where it is kept.
        wandering: an episode begins with up to so many random joint steps that are not kept.
        attempts: plans that are asked for in a round, see `Verified`.
        perturbed: every so many-th episode is played by the worse planner.
        idle: the chance that all wait in a round, whatever is planned: where the world goes on
            meanwhile, that is how the value of waiting is seen.
    """

    trajectories: int = 400
    turns: int = 20
    wandering: int = 9
    attempts: int = 3
    perturbed: int = 3
    idle: float = 0.0


def collect(
    world: MultiAgentTextEnv,
    tasks: Sequence[str],
    planner: Planner,
    worse: Planner | None = None,
    config: CollectConfig | None = None,
    *,
    seed: int = 0,
    driver: Driver | None = None,
) -> list[PlanTrajectory]:
    """Play episodes with physical verification and keep them.

    Args:
        world: whose turn limit is at least `wandering + turns`.
        tasks: are taken in turn.
        planner: the planner that the critic is to judge.
        worse: plays every `perturbed`-th episode, so that the critic sees bad plans too; by
            default a simulated planner that errs with chance 0.7.
        config: how much is played.
        seed: of all chance.
        driver: pumps the episodes, which are played one after the other; by default in lock-step.

    Raises:
        ContractError: the world's turn limit is too short.
    """
    config = config or CollectConfig()
    worse = worse or SimulatedPlanner(error=0.7)
    if world.max_turns < config.wandering + config.turns:
        raise ContractError(
            f"{type(world).__name__} stops after {world.max_turns} turns: make it with max_turns "
            f"of at least {config.wandering + config.turns} for a critic's data"
        )
    rng = random.Random(seed)
    loop = Verified(config.attempts)
    driver = LockStepDriver() if driver is None else driver
    kept = []
    for n in range(config.trajectories):
        player = worse if n % config.perturbed == 0 else planner
        policy = _IdlingPolicy(player, loop, config.idle, rng)
        team = _WanderedTeam(world, config, rng)
        start = Start(tasks[n % len(tasks)], 0, rng.randrange(1 << 31))
        driver.play([EpisodeRun(team, {TEAM: policy}, start)], SamplingRule())
        if team.rounds:
            kept.append(_trajectory(start.task, world, team.rounds, policy.rejected))
    return kept


class Row(NamedTuple):
    """One row of the regression: the value of the first agents' plan in a state."""

    state: FloatArray
    sights: tuple[str, ...]
    plan: Plan
    value: float


def rows_of(
    trajectory: PlanTrajectory,
    gamma: float,
    waiting: Plan | None,
    scale: float = 1.0,
    *,
    aim: Aim = "reward",
    values: Sequence[float] | None = None,
) -> Iterator[Row]:
    """Yield the rows of a trajectory.

    Every ordered prefix of the plan, from none to all agents, has the return of the turn. A
    rejected plan changes nothing, so its prefixes that hold an action have the return a turn
    later, gamma * V(s); where the world goes on meanwhile, rejected plans have no rows.

    Args:
        trajectory: of one episode.
        gamma: the discount.
        waiting: the plan in which all wait, if that keeps the state as it is: then its value,
            gamma * V(s), is a row too. None where the world goes on meanwhile: there the values
            of waiting are those of the turns in which all waited.
        scale: values are multiplied by it.
        aim: what is to be had.
        values: V of each turn's state, scaled, (n_turns,): then a plan's value is the reward of
            its turn and gamma times V of the next state, and the luck of later turns is left out.
            The last turn of an episode that was cut has none.
    """
    last = len(trajectory.turns) - 1
    rewards, returns = trajectory.rewards(aim), trajectory.returns(gamma, aim)
    for number, turn in enumerate(trajectory.turns):
        state_value = value = returns[number] * scale
        if values is not None:
            if number == last and trajectory.cut:
                return
            state_value = values[number]
            value = rewards[number] * scale + (gamma * values[number + 1] if number < last else 0.0)
        yield Row(turn.state, turn.sights, (), state_value)
        for agents in range(1, len(turn.plan) + 1):
            yield Row(turn.state, turn.sights, turn.plan[:agents], value)
        if waiting is None:
            continue
        for plan in turn.rejected:
            for agents in range(1, len(plan) + 1):
                yield Row(turn.state, turn.sights, plan[:agents], gamma * state_value)
        yield Row(turn.state, turn.sights, waiting, gamma * state_value)


class _Round(NamedTuple):
    """What a joint step did, with the state and the sights before it."""

    state: FloatArray
    sights: tuple[str, ...]
    plan: Plan
    reward: float


class _WanderedTeam(TeamWorld):
    """A team's world after some random joint steps; it is left after so many turns."""

    def __init__(self, env: MultiAgentTextEnv, config: CollectConfig, rng: random.Random) -> None:
        super().__init__(env)
        self._config, self._rng = config, rng
        self.rounds: list[_Round] = []

    @property
    def agents(self) -> Sequence[str]:
        """The team, until it has played enough."""
        return (TEAM,) if self.env.agents and len(self.rounds) < self._config.turns else ()

    def reset(self, start: Start) -> Sequence[str]:
        """Begin a task and wander, up to where the episode ends."""
        seats = super().reset(start)
        for _ in range(self._rng.randrange(self._config.wandering + 1)):
            if not self.env.agents:
                break
            plan = tuple(self._rng.choice(self.env.admissible_actions(a)) for a in self.env.agents)
            if not self.planned.problem(plan):
                self.env.step(dict(zip(self.env.agents, plan, strict=True)))
        return seats

    def step(self, actions: Mapping[str, Any]) -> dict[str, Arrival]:
        """Carry the plan out, and keep what it was for and did."""
        state = self.planned.state_vector()
        sights = tuple(self.planned.situation(name) for name in self.env.possible_agents)
        arrivals = super().step(actions)
        self.rounds.append(_Round(state, sights, actions[TEAM], arrivals[TEAM].reward))
        return arrivals


class _IdlingPolicy(PlanningPolicy):
    """A planner that has all wait in some rounds, whatever is planned.

    Attributes:
        rejected: (n_turns,) the plans that were refused in each round because they were infeasible.
    """

    def __init__(self, planner: Planner, loop: Verified, idle: float, rng: random.Random) -> None:
        super().__init__(planner, loop)
        self.idle, self.rng = idle, rng
        self.rejected: list[tuple[Plan, ...]] = []

    def open(self, world: PlanningEnv, seed: int = 0) -> PlanningSession:
        """Begin an episode with noise of its own."""
        return _IdlingSession(self, world, self.rng.randrange(1 << 31))


class _IdlingSession(PlanningSession):
    def __init__(self, policy: _IdlingPolicy, world: PlanningEnv, seed: int) -> None:
        super().__init__(policy, world, seed)
        self._idling, self._waits = policy, False

    def plan(self) -> Planning:
        policy = self._idling
        self._waits = policy.idle > 0 and policy.rng.random() < policy.idle
        if self._waits:
            policy.rejected.append(())
            return self.room.world.waiting
        plan = yield from super().plan()
        answers = self.room.now.answers
        refused = (a.plan for a in answers if a.verdict == "infeasible" and a.plan != plan)
        policy.rejected.append(tuple(refused))
        return plan

    def observe(self, reward: float, reason: str = "") -> None:
        if not self._waits:
            super().observe(reward, reason)


def _trajectory(
    task: str,
    world: MultiAgentTextEnv,
    rounds: Sequence[_Round],
    rejected: Sequence[tuple[Plan, ...]],
) -> PlanTrajectory:
    """Return what was kept of an episode that has just been left."""
    turns = tuple(
        PlanTurn(one.state, one.sights, one.plan, refused, one.reward)
        for one, refused in zip(rounds, rejected, strict=True)
    )
    over = not world.agents and world.turn < world.max_turns
    won = all(world.won(name) for name in world.possible_agents)
    return PlanTrajectory(task, turns, won, cut=not (over or won))
