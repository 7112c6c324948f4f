"""Trajectories of planners, and the regression rows to which a critic is fitted."""

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
"""Quantity that values predict: the world's rewards, or success, which is 1 at the end of a won
task, so that values depend only on the time to success."""


@dataclass(frozen=True, slots=True)
class PlanTurn:
    """One joint step, with the plans that were refused before it because they were infeasible."""

    state: FloatArray
    """(n_features,) state before the step."""
    sights: tuple[str, ...]
    """Observation of each agent."""
    plan: Plan
    rejected: tuple[Plan, ...]
    reward: float


@dataclass(frozen=True, slots=True)
class PlanTrajectory:
    """The recorded turns of one episode, which may not include its first turns."""

    task: str
    turns: tuple[PlanTurn, ...]
    won: bool = False
    """Whether the last turn completed the task."""
    cut: bool = False
    """Whether the episode was cut before its end."""

    def rewards(self, aim: Aim) -> list[float]:
        """Return the reward of each turn, (n_turns,); see `Aim`."""
        if aim == "success":
            return [0.0] * (len(self.turns) - 1) + [float(self.won)]
        return [turn.reward for turn in self.turns]

    def returns(self, gamma: float, aim: Aim = "reward") -> list[float]:
        """Return the discounted return-to-go of each turn, (n_turns,)."""
        found, ahead = [], 0.0
        for reward in reversed(self.rewards(aim)):
            ahead = reward + gamma * ahead
            found.append(ahead)
        return found[::-1]


@dataclass(frozen=True, slots=True)
class CollectConfig:
    """The settings of data collection for a critic.

    Args:
        trajectories: number of episodes to play.
        turns: number of recorded turns after which an episode is cut.
        wandering: most random joint steps at the start of an episode, which are not recorded.
        attempts: most plans that a round asks for, see `Verified`.
        perturbed: number of episodes of which one is played by the worse planner.
        idle: probability that all agents wait in a round in place of the plan, which shows the
            value of waiting in worlds that change meanwhile.
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
    """Play episodes with physical verification and return their trajectories.

    Args:
        world: world with a turn limit of at least `wandering + turns`.
        tasks: ids of tasks, which are played in turn.
        planner: planner that the critic is to judge.
        worse: planner of every `perturbed`-th episode, so that the critic sees bad plans too; by
            default a simulated planner with mistakes of probability 0.7.
        config: settings of the collection.
        seed: seed of all random draws.
        driver: driver of the episodes, which are played one after the other; by default lock-step.

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
    """One row of the regression: the value of a plan or its prefix in a state."""

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

    Every prefix of the plan, from no agent to all agents, has the return-to-go of the turn. A
    rejected plan does not change the state, so its non-empty prefixes have the return-to-go of a
    turn later, gamma * V(s); in worlds that change meanwhile, rejected plans have no rows.

    Args:
        trajectory: trajectory of one episode.
        gamma: discount.
        waiting: plan in which all wait, if waiting keeps the state: then its value, gamma * V(s),
            is a row too. None for worlds that change meanwhile, in which the value of waiting
            comes from the turns in which all waited.
        scale: factor of all values.
        aim: quantity that values predict.
        values: (n_turns,) scaled V of each turn's state, for bootstrapped values: the reward of the
            turn plus gamma times V of the next state. The last turn of a cut episode then has no
            rows.
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
    """The outcome of a joint step, with the state and the observations before it."""

    state: FloatArray
    sights: tuple[str, ...]
    plan: Plan
    reward: float


class _WanderedTeam(TeamWorld):
    """A team's world that begins with random joint steps and is cut after a number of turns."""

    def __init__(self, env: MultiAgentTextEnv, config: CollectConfig, rng: random.Random) -> None:
        super().__init__(env)
        self._config, self._rng = config, rng
        self.rounds: list[_Round] = []

    @property
    def agents(self) -> Sequence[str]:
        """The team's seat, until the episode is cut."""
        return (TEAM,) if self.env.agents and len(self.rounds) < self._config.turns else ()

    def reset(self, start: Start) -> Sequence[str]:
        """Begin a task and take random joint steps, at most until the episode ends."""
        seats = super().reset(start)
        for _ in range(self._rng.randrange(self._config.wandering + 1)):
            if not self.env.agents:
                break
            plan = tuple(self._rng.choice(self.env.admissible_actions(a)) for a in self.env.agents)
            if not self.planned.problem(plan):
                self.env.step(dict(zip(self.env.agents, plan, strict=True)))
        return seats

    def step(self, actions: Mapping[str, Any]) -> dict[str, Arrival]:
        """Carry out the plan, and record the step."""
        state = self.planned.state_vector()
        sights = tuple(self.planned.situation(name) for name in self.env.possible_agents)
        arrivals = super().step(actions)
        self.rounds.append(_Round(state, sights, actions[TEAM], arrivals[TEAM].reward))
        return arrivals


class _IdlingPolicy(PlanningPolicy):
    """A planning policy in which all agents wait in some random rounds.

    Attributes:
        rejected: (n_turns,) infeasible plans that were refused in each round.
    """

    def __init__(self, planner: Planner, loop: Verified, idle: float, rng: random.Random) -> None:
        super().__init__(planner, loop)
        self.idle, self.rng = idle, rng
        self.rejected: list[tuple[Plan, ...]] = []

    def open(self, world: PlanningEnv, seed: int = 0) -> PlanningSession:
        """Begin an episode with its own random generator."""
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
    """Return the recorded trajectory of an episode that has just ended."""
    turns = tuple(
        PlanTurn(one.state, one.sights, one.plan, refused, one.reward)
        for one, refused in zip(rounds, rejected, strict=True)
    )
    over = not world.agents and world.turn < world.max_turns
    won = all(world.won(name) for name in world.possible_agents)
    return PlanTrajectory(task, turns, won, cut=not (over or won))
