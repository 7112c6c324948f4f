"""The three games as worlds of several agents that can be planned for."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from anchorgym.envs.answers import read_answer, write_answer
from anchorgym.envs.bookkeeping import digest
from anchorgym.envs.core import JSON, ExpertKind
from anchorgym.envs.errors import ResetNeededError, UnknownTaskError
from anchorgym.envs.multi import AgentOutcome, MultiAgentTextEnv
from anchorgym.envs.planning import FloatArray, Plan, Reading
from anchorgym.envs.roco.game import WAIT, Game
from anchorgym.envs.roco.sandwich import Sandwich
from anchorgym.envs.roco.search import shortest_plans
from anchorgym.envs.roco.sort import Sort
from anchorgym.envs.roco.sweep import Sweep


class RoCoEnv(MultiAgentTextEnv):
    """A game of RoCoBench: the robots say one action each, and move together.

    A task is a level. All robots see everything, and share the reward: the share of the task that
    a round gets done. A joint plan that has a problem is not carried out, and the next observation
    says why. An action is invalid that would have a problem while the others wait; where actions
    only contradict each other, none of them is. A robot that says nothing waits. The world is a
    `PlanningEnv`, too.

    Args:
        level: the only task; by default every level is one.
        split, max_turns, render_mode: as for `MultiAgentTextEnv`.

    Raises:
        UnknownTaskError: there is no such level.
    """

    stochastic: ClassVar[bool] = False
    game_type: ClassVar[type[Game[Any]]]

    def __init__(
        self,
        level: str | None = None,
        *,
        split: str = "train",
        max_turns: int = 15,
        render_mode: str | None = None,
    ) -> None:
        levels = self.game_type.levels
        if level is not None and level not in levels:
            raise UnknownTaskError(level, levels)
        super().__init__(
            self.game_type.agents, split=split, max_turns=max_turns, render_mode=render_mode
        )
        self._levels = tuple(levels) if level is None else (level,)
        self._game: Game[Any] | None = None
        self._state: Any = None
        self._way: dict[Any, Plan] = {}
        self._feedback = ""

    @property
    def game(self) -> Game[Any]:
        """The level that is being played."""
        if self._game is None:
            raise ResetNeededError("no episode is running: call reset() or restore() first")
        return self._game

    # A world of several agents --------------------------------------------------------------

    def tasks(self, split: str | None = None) -> Sequence[str]:
        """Return the levels."""
        return self._levels

    def task_type(self, task: str) -> str:
        """Return the name of the game."""
        return self.game_type.__name__.lower()

    def start(self, task: str) -> None:
        """Set the level up."""
        if task not in self._levels:
            raise UnknownTaskError(task, self._levels)
        self._game = _game(self.game_type, task)
        self._state, self._way, self._feedback = self._game.start(), {}, ""

    def act(self, actions: Mapping[str, str]) -> Mapping[str, AgentOutcome]:
        """Carry out the joint plan, if it has no problem."""
        plan = self._read([actions.get(name, WAIT) for name in self.possible_agents])
        reasons = [self._own_problem(i, action) for i, action in enumerate(plan)]
        self._feedback = self.game.problem(self._state, plan)
        self._state, reward = self.game.apply(self._state, plan)
        over = self.game.solved(self._state)
        return {
            name: AgentOutcome(reward, over, reason)
            for name, reason in zip(self.possible_agents, reasons, strict=True)
        }

    def look(self, agent: str) -> str:
        """Return where everything is, and why the last plan was not carried out."""
        seen = self.situation(agent)
        return f"{seen}\nThe plan was not carried out. {self._feedback}" if self._feedback else seen

    def anchor(self) -> bytes:
        """Return the key of who plays and where everything is, whatever was said of the plan."""
        return digest([self.agents, self.game.state_to_json(self._state)])

    def goal(self, agent: str) -> str:
        """Return goal, rules and action options."""
        return self.manual(agent)

    def admissible_actions(self, agent: str) -> tuple[str, ...]:
        """Return what the robot can do while the others wait."""
        return _options(self.game, self._state, self.possible_agents.index(agent))

    def information_set(self, agent: str) -> bytes:
        """Return the key of the joint state, for the robot: it sees everything."""
        return digest([agent, self.game.state_to_json(self._state)])

    def save(self) -> JSON:
        """Return the state of the game, and what was said of the last plan."""
        return {"game": self.game.state_to_json(self._state), "feedback": self._feedback}

    def load(self, state: JSON) -> None:
        """Take what `save` returned."""
        self._state = self.game.state_from_json(state["game"])
        self._feedback = str(state["feedback"])

    def won(self, agent: str) -> bool:
        """Whether the level is solved."""
        return self.game.solved(self._state)

    def progress(self, agent: str) -> float:
        """Return which share of the task is done."""
        return self.game.progress(self._state)

    def expert_action(self, agent: str, kind: ExpertKind = "honest") -> str:
        """Return a robot's part of a good plan ("honest"), or of a shortest way to the goal."""
        index = self.possible_agents.index(agent)
        if kind == "full":
            return self._shortest()[index]
        plan: Plan = ()
        for name in self.possible_agents[: index + 1]:
            plan = (*plan, self.suggest(name, plan))
        return plan[index]

    # A world that is planned for ------------------------------------------------------------

    @property
    def waiting(self) -> Plan:
        """Everybody waits."""
        return (WAIT,) * len(self.possible_agents)

    def manual(self, agent: str = "") -> str:
        """Return goal, rules and action options."""
        who = f"You are {agent}. " if agent else ""
        robots = ", ".join(self.possible_agents)
        return f"{who}The robots are {robots}. {self.game.goal()}\n{self.game.manual()}"

    def situation(self, agent: str = "") -> str:
        """Return where everything is: the robots see the same."""
        index = self.possible_agents.index(agent) if agent else 0
        return self.game.situation(self._state, index)

    def read_plan(self, text: str, agents: Sequence[str]) -> Reading:
        """Read an answer; actions that are no option of a robot make it unreadable."""
        reading = read_answer(text, agents)
        if reading.problem:
            return reading
        reading = Reading(self._read(reading.plan, agents))
        for name, action in zip(agents, reading.plan, strict=True):
            if not self.game.can_read(self.possible_agents.index(name), action):
                return Reading(
                    (), f"Parsing failed: {name}'s ACTION {action[:80]!r} is none of its options"
                )
        return reading

    def write_plan(self, plan: Plan, agents: Sequence[str] | None = None) -> str:
        """Write an answer."""
        return write_answer(self.possible_agents if agents is None else agents, plan)

    def problem(self, plan: Plan) -> str:
        """Say why a plan, or the first robots' part of one, cannot be carried out."""
        return self.game.problem(self._state, plan)

    def state_vector(self) -> FloatArray:
        """Return the state as numbers, (n_features,)."""
        return self.game.vector(self._state)

    def suggest(self, agent: str, before: Plan = ()) -> str:
        """Return an expert's action."""
        return self.game.suggest(self._state, self.possible_agents.index(agent), before)

    def slip(self, agent: str, rng: random.Random) -> str:
        """Return a typical mistake."""
        return self.game.slip(self._state, self.possible_agents.index(agent), rng)

    def _read(self, actions: Sequence[str], agents: Sequence[str] | None = None) -> Plan:
        """Return actions of robots (by default, of all) as the game spells them."""
        names = self.possible_agents if agents is None else agents
        numbers = map(self.possible_agents.index, names)
        return tuple(self.game.read(i, act) for i, act in zip(numbers, actions, strict=True))

    def _own_problem(self, agent: int, action: str) -> str:
        if action == WAIT:
            return ""
        return self.game.problem(self._state, self.game.alone(agent, action))

    def _shortest(self) -> Plan:
        """Return the next plan of a shortest way; ways that were found are kept."""
        if self.game.solved(self._state):
            return self.waiting
        if self._state not in self._way:
            here = self._state
            for plan in shortest_plans(self.game, here):
                self._way[here] = plan
                here = self.game.moved(here, plan)
        return self._way[self._state]


@lru_cache
def _game(game_type: type[Game[Any]], level: str) -> Game[Any]:
    """Return the same level each time, so that what is known of its states can be kept."""
    return game_type(level)


@lru_cache(maxsize=1 << 14)
def _options(game: Game[Any], state: Any, agent: int) -> tuple[str, ...]:
    """Return `game.options`, which is asked for more often than states are new."""
    return game.options(state, agent)


class RoCoSweepEnv(RoCoEnv):
    """Two robots sweep cubes of the right colours into a bin (RoCoBench, difficult)."""

    game_type = Sweep


class RoCoSandwichEnv(RoCoEnv):
    """Two robots stack a sandwich by recipe, from their own sides (RoCoBench, difficult)."""

    game_type = Sandwich


class RoCoSortEnv(RoCoEnv):
    """Three robots pass cubes along a row of panels (RoCoBench, difficult)."""

    game_type = Sort
