"""Small worlds of several agents for tests, written as a user would write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete
from numpy.typing import NDArray
from pettingzoo import AECEnv, ParallelEnv

from anchorgym.envs import AgentOutcome, MultiAgentEnv, MultiAgentTextEnv, register
from anchorgym.envs.errors import UnknownTaskError

SIDES = ("even_0", "odd_0")
Array = NDArray[np.int8]


@register("test/Pennies-v0")
class Pennies(MultiAgentEnv[Array, Any]):
    """Repeated matching pennies in arrays: (the last two coins, the score of both)."""

    stochastic = False

    def __init__(self, max_turns: int = 8, **kwargs: Any) -> None:
        seen, coins = Box(-99, 99, (4,), np.int8), Discrete(2)
        spaces = dict.fromkeys(SIDES, seen), dict.fromkeys(SIDES, coins)
        super().__init__(*spaces, max_turns=max_turns, **kwargs)

    def tasks(self, split: str | None = None) -> Sequence[str]:
        return ("rounds 2", "rounds 5")

    def start(self, task: str) -> None:
        if task not in self.tasks():
            raise UnknownTaskError(task, self.tasks())
        self.rounds, self.coins, self.score = int(task.split()[1]), [2, 2], 0
        self.played = 0

    def act(self, actions: Mapping[str, Any]) -> Mapping[str, AgentOutcome]:
        self.coins = [int(actions.get(side, 2)) for side in SIDES]
        self.played += 1
        gain = 0
        if 2 not in self.coins:
            gain = 1 if self.coins[0] == self.coins[1] else -1
        self.score += gain
        over = self.played == self.rounds
        return {
            "even_0": AgentOutcome(float(gain), over),
            "odd_0": AgentOutcome(-float(gain), over),
        }

    def observe(self, agent: str) -> Array:
        return np.array([*self.coins, self.score, -self.score], np.int8)

    def admissible_actions(self, agent: str) -> tuple[Any, ...]:
        return (0, 1)

    def goal(self, agent: str) -> str:
        return "Show the same side." if agent == "even_0" else "Show the other side."

    def save(self) -> Any:
        return [self.coins, self.score, self.played]

    def load(self, state: Any) -> None:
        self.coins, self.score, self.played = state


@register("test/Haggle-v0", max_turns=12)
class Haggle(MultiAgentTextEnv):
    """A buyer and a seller offer prices in turn; each knows their own limit only."""

    stochastic = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(("buyer_0", "seller_0"), **kwargs)

    def tasks(self, split: str | None = None) -> Sequence[str]:
        return ("worth 9 cost 3", "worth 6 cost 5", "worth 4 cost 7")

    def start(self, task: str) -> None:
        if task not in self.tasks():
            raise UnknownTaskError(task, self.tasks())
        _, worth, _, cost = task.split()
        self.limit = {"buyer_0": int(worth), "seller_0": int(cost)}
        self.turn_of, self.offer, self.closed = "buyer_0", 0, False

    def act(self, actions: Mapping[str, str]) -> Mapping[str, AgentOutcome]:
        speaker, said = self.turn_of, actions.get(self.turn_of, "")
        if said in self.admissible_actions(speaker):
            self.closed = said == "accept"
            self.offer = self.offer if self.closed else int(said.split()[1])
            reason = ""
        else:
            reason = "offer <price> or accept"
        self.turn_of = "seller_0" if speaker == "buyer_0" else "buyer_0"
        if self.closed:
            worth, cost = self.limit.values()
            gains = {"buyer_0": worth - self.offer, "seller_0": self.offer - cost}
            return {agent: AgentOutcome(float(gain), True) for agent, gain in gains.items()}
        return {speaker: AgentOutcome(reason=reason)}

    def look(self, agent: str) -> str:
        offer = f"The price on the table is {self.offer}." if self.offer else "No offer yet."
        return f"{offer} Your limit is {self.limit[agent]}."

    def goal(self, agent: str) -> str:
        return "Buy cheaply." if agent == "buyer_0" else "Sell dearly."

    def active(self, agent: str) -> bool:
        return agent == self.turn_of and not self.closed

    def admissible_actions(self, agent: str) -> tuple[str, ...]:
        offers = tuple(f"offer {price}" for price in range(1, 10))
        return (*offers, "accept") if self.offer else offers

    def won(self, agent: str) -> bool:
        return self.closed

    def save(self) -> Any:
        return [self.turn_of, self.offer, self.closed]

    def load(self, state: Any) -> None:
        self.turn_of, self.offer, self.closed = state


CHAIRS = ("player_0", "player_1", "player_2")


@register("test/Chairs-v0", max_turns=10)
class Chairs(MultiAgentEnv[Array, Any]):
    """Whoever runs may fall, by chance, and leaves; the last one in play has won."""

    def __init__(self, **kwargs: Any) -> None:
        space, moves = Box(0, 99, (4,), np.int8), Discrete(2)
        spaces = dict.fromkeys(CHAIRS, space), dict.fromkeys(CHAIRS, moves)
        super().__init__(*spaces, **kwargs)

    def tasks(self, split: str | None = None) -> Sequence[str]:
        return ("three", "two")

    def start(self, task: str) -> None:
        if task not in self.tasks():
            raise UnknownTaskError(task, self.tasks())
        self.agents = list(CHAIRS[: 3 if task == "three" else 2])
        self.ran = [0, 0, 0]
        self.fallen: list[str] = []

    def act(self, actions: Mapping[str, Any]) -> Mapping[str, AgentOutcome]:
        runners = [agent for agent in self.agents if actions.get(agent) == 1]
        fell = [agent for agent in runners if self.np_random.random() < 0.4]
        if len(fell) == len(self.agents):
            fell = fell[1:]
        for agent in runners:
            self.ran[CHAIRS.index(agent)] += 1
        self.fallen += fell
        left = [agent for agent in self.agents if agent not in fell]
        out = {agent: AgentOutcome(-1.0, True) for agent in fell}
        if len(left) == 1:
            out[left[0]] = AgentOutcome(1.0, True)
        return out

    def observe(self, agent: str) -> Array:
        return np.array([*self.ran, len(self.fallen)], np.int8)

    def admissible_actions(self, agent: str) -> tuple[Any, ...]:
        return (0, 1)

    def won(self, agent: str) -> bool:
        others = [one for one in CHAIRS[: 3 if self.task == "three" else 2] if one != agent]
        return all(one in self.fallen for one in others) and agent not in self.fallen

    def save(self) -> Any:
        return [self.ran, self.fallen]

    def load(self, state: Any) -> None:
        self.ran, self.fallen = state


@register("test/Cards-v0")
class Cards(MultiAgentTextEnv):
    """Both draw a hidden card with their first move, then bet; the higher card wins."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(("player_0", "player_1"), **kwargs)

    def tasks(self, split: str | None = None) -> Sequence[str]:
        return ("three cards", "five cards")

    def start(self, task: str) -> None:
        if task not in self.tasks():
            raise UnknownTaskError(task, self.tasks())
        self.n = 3 if task == "three cards" else 5
        self.cards: dict[str, int] = {}

    def act(self, actions: Mapping[str, str]) -> Mapping[str, AgentOutcome]:
        reasons = {
            agent: "" if actions.get(agent) in self.admissible_actions(agent) else "not now"
            for agent in self.agents
        }
        if not self.cards:
            dealt = self.np_random.permutation(self.n)[:2]
            self.cards = {a: int(card) for a, card in zip(self.agents, dealt, strict=True)}
            return {a: AgentOutcome(reason=reason) for a, reason in reasons.items()}
        bets = [agent for agent in self.agents if actions.get(agent) == "bet"]
        stake = len(bets) * (1 if self.cards["player_0"] > self.cards["player_1"] else -1)
        return {
            "player_0": AgentOutcome(float(stake), True, reasons["player_0"]),
            "player_1": AgentOutcome(float(-stake), True, reasons["player_1"]),
        }

    def look(self, agent: str) -> str:
        return f"Your card is {self.cards[agent]}." if self.cards else "Draw a card."

    def admissible_actions(self, agent: str) -> tuple[str, ...]:
        return ("bet", "pass") if self.cards else ("draw",)

    def save(self) -> Any:
        return self.cards

    def load(self, state: Any) -> None:
        self.cards = state


class StrangersGame(ParallelEnv[str, Any, Any]):
    """A sound PettingZoo environment that knows nothing of anchors: guess a coming number."""

    metadata = {"name": "strangers_game_v0", "render_modes": []}  # noqa: RUF012
    render_mode = None

    def __init__(self) -> None:
        self.possible_agents, self.agents = ["player_0", "player_1"], []
        self.spaces = {agent: Discrete(3) for agent in self.possible_agents}
        self.seen = {agent: Box(0, 9, (2,), np.int64) for agent in self.possible_agents}
        self.rng = np.random.default_rng()

    def observation_space(self, agent: str) -> Any:
        return self.seen[agent]

    def action_space(self, agent: str) -> Any:
        return self.spaces[agent]

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        self.agents, self.time, self.last = list(self.possible_agents), 0, 0
        return self._observed(), {agent: {} for agent in self.agents}

    def _observed(self) -> Any:
        return {agent: np.array([self.time, self.last]) for agent in self.agents}

    def step(self, actions: Any) -> Any:
        self.time, self.last = self.time + 1, int(self.rng.integers(3))
        played, over = self.agents, self.time == 5
        rewards = {agent: float(actions[agent] == self.last) for agent in played}
        seen, infos = self._observed(), {agent: {} for agent in played}
        self.agents = [] if over else played
        ends = dict.fromkeys(played, over)
        return seen, rewards, ends, dict.fromkeys(played, False), infos


@register("test/Nim-v0")
class Nim(AECEnv[str, Any, Any]):
    """A stranger's game of turns: take one to three of the sticks; who takes the last has won."""

    metadata = {"name": "nim_v0", "render_modes": []}  # noqa: RUF012
    render_mode = None

    def __init__(self, sticks: int = 7) -> None:
        super().__init__()
        self.possible_agents, self.agents, self.first = ["player_0", "player_1"], [], sticks
        self.seen = Dict(
            {
                "observation": Box(0, sticks, (1,), np.int8),
                "action_mask": Box(0, 1, (3,), np.int8),
            }
        )
        self.moves = Discrete(3, start=0)

    def observation_space(self, agent: str) -> Any:
        return self.seen

    def action_space(self, agent: str) -> Any:
        return self.moves

    def reset(self, seed: int | None = None, options: Any = None) -> None:
        self.agents, self.left = list(self.possible_agents), self.first
        self.agent_selection = "player_0"
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos: dict[str, Any] = {agent: {} for agent in self.agents}

    def observe(self, agent: str) -> Any:
        mine = agent == self.agent_selection
        mask = [int(mine and take <= self.left) for take in (1, 2, 3)]
        return {
            "observation": np.array([self.left], np.int8),
            "action_mask": np.array(mask, np.int8),
        }

    def step(self, action: Any) -> None:
        mover = self.agent_selection
        if self.terminations[mover]:
            self._was_dead_step(action)
            return
        other = next(agent for agent in self.agents if agent != mover)
        self._cumulative_rewards[mover] = 0.0
        self._clear_rewards()
        self.left -= min(self.left, int(action) + 1)
        if not self.left:
            self.rewards = {mover: 1.0, other: -1.0}
            self.terminations = dict.fromkeys(self.agents, True)
        self._accumulate_rewards()
        self.agent_selection = other
