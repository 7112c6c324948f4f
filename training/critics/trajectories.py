"""What a planner does in a world, and the rows that a critic is fitted to."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from anchorgym.agents.planning import (
    Planner,
    PlanningPolicy,
    PlanningSession,
    SimulatedPlanner,
    Verified,
)
from anchorgym.envs import MultiAgentTextEnv, Plan, PlanningEnv
from anchorgym.envs.errors import ContractError
from anchorgym.envs.planning import FloatArray

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
    kept = []
    for n in range(config.trajectories):
        player = worse if n % config.perturbed == 0 else planner
        task = tasks[n % len(tasks)]
        world.reset(seed=rng.randrange(1 << 31), options={"task": task})
        _wander(world, rng.randrange(config.wandering + 1), rng)
        session = PlanningPolicy(player, loop).open(_planned(world), rng.randrange(1 << 31))
        turns: list[PlanTurn] = []
        while world.agents and len(turns) < config.turns:
            idle = config.idle > 0 and rng.random() < config.idle
            turns.append(_idle_turn(world) if idle else _turn(world, session))
        if turns:
            over = not world.agents and world.turn < world.max_turns
            won = all(world.won(name) for name in world.possible_agents)
            kept.append(PlanTrajectory(task, tuple(turns), won, cut=not (over or won)))
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


def _planned(world: MultiAgentTextEnv) -> PlanningEnv:
    if not isinstance(world, PlanningEnv):
        raise ContractError(
            f"{type(world).__name__} cannot be planned for: see anchorgym.envs.PlanningEnv"
        )
    return world


def _wander(world: MultiAgentTextEnv, steps: int, rng: random.Random) -> None:
    """Take random joint steps that can be carried out, and stop where the episode ends."""
    planned = _planned(world)
    for _ in range(steps):
        if not world.agents:
            return
        plan = tuple(rng.choice(world.admissible_actions(name)) for name in world.agents)
        if not planned.problem(plan):
            world.step(dict(zip(world.agents, plan, strict=True)))


def _idle_turn(world: MultiAgentTextEnv) -> PlanTurn:
    planned = _planned(world)
    state, names = planned.state_vector(), world.possible_agents
    sights, plan = tuple(planned.situation(name) for name in names), planned.waiting
    _, rewards, *_ = world.step(dict(zip(names, plan, strict=True)))
    return PlanTurn(state, sights, plan, (), sum(rewards.values()) / len(rewards))


def _turn(world: MultiAgentTextEnv, session: PlanningSession) -> PlanTurn:
    planned = _planned(world)
    state, names = planned.state_vector(), world.possible_agents
    sights = tuple(planned.situation(name) for name in names)
    actions = session.act()
    answers = session.room.now.answers
    plan = tuple(actions[name] for name in names)
    reason = planned.problem(plan)
    _, rewards, *_ = world.step(actions)
    reward = sum(rewards.values()) / len(rewards)
    session.observe(reward, reason)
    rejected = tuple(a.plan for a in answers if a.verdict == "infeasible" and a.plan != plan)
    return PlanTurn(state, sights, plan, rejected, reward)
