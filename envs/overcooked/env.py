"""Overcooked as an environment of two agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Literal

import numpy as np
from gymnasium import Space
from gymnasium.spaces import Box, Dict, Discrete
from numpy.typing import NDArray

from anchorgym.envs.bookkeeping import digest
from anchorgym.envs.core import JSON, ExpertKind
from anchorgym.envs.errors import OptionError
from anchorgym.envs.multi import AgentOutcome, MultiAgentEnv
from anchorgym.envs.overcooked.acting import Acting, LowLevel, MidLevel
from anchorgym.envs.overcooked.cooks import Cook, make_cook
from anchorgym.envs.overcooked.encodings import N_FEATURES, Features, Lossless
from anchorgym.envs.overcooked.kitchen import NO_EFFECT, Kitchen, State
from anchorgym.envs.overcooked.layouts import Layout, load_layout
from anchorgym.envs.overcooked.planner import Planner
from anchorgym.envs.overcooked.render import picture
from anchorgym.envs.overcooked.starts import SPLITS, start_of, task_ids
from anchorgym.envs.overcooked.text import Reports
from anchorgym.envs.spaces import Unicode

COOKS: Final = ("cook_0", "cook_1")
Seen = Literal["text", "lossless", "vector"]
Level = Literal["low", "mid"]
_LONGEST_ACTION: Final = 64
_LONGEST_REPORT: Final = 8192


class OvercookedEnv(MultiAgentEnv[Any, Any]):
    """Two cooks deliver as many soups as they can in 400 ticks (Carroll et al., 2019).

    One turn is one tick. Both cooks earn what either delivers. The engine is equal to
    `overcooked` 0.2.1; rules belong to the instance.

    A low-level action is one of north, south, east, west, stay, interact. A mid-level action,
    such as `put_pot(0)`, takes as many ticks as it needs; meanwhile its cook is not active and
    need not be asked, and when it comes to nothing, the info of that tick says why. So turns
    count ticks, and a decision is made in those turns in which a cook is active.

    With text, an action is its name; with arrays, its number in `action_names`. `info` adds
    `shaped_reward` (the reference's, for this cook), `event` (what this cook's interaction did,
    such as "potting_onion"), `score` of the team, `tick`, and with arrays `action_mask`.

    Args:
        layout: name of a kitchen, a drawn grid (text with line breaks), or a `Layout`.
        observation: "text", {"text": a report in words}; "lossless", the reference's grid
            `(width, height, 26)`; "vector", 96 numbers, see `Features`.
        actions: "low" or "mid".
        rules: rules to change, such as {"cooking": "manual", "time": 10}; see `Rules`.
        drawn: begin a report in words with a drawing of the kitchen, which suits people.
        target: the number of rewarded deliveries after which an episode is won, and over;
            None: it cannot be won.
        split: "standard" is the kitchen's own start; "train", "valid" and "test" are drawn ones.
        max_turns: the horizon in ticks.
        render_mode: None, "ansi" (the reports) or "rgb_array".

    Raises:
        LayoutError: no such kitchen, or rules that make no sense.
        OptionError: an argument that is none of these.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "name": "overcooked_v0",
        "render_modes": ["ansi", "rgb_array"],
        "render_fps": 5,
        "is_parallelizable": True,
    }
    splits: ClassVar[tuple[str, ...]] = SPLITS
    stochastic: ClassVar[bool] = False

    def __init__(
        self,
        layout: str | Layout = "cramped_room",
        *,
        observation: Seen = "text",
        actions: Level = "low",
        rules: Mapping[str, Any] | None = None,
        drawn: bool = False,
        target: int | None = None,
        split: str = "standard",
        max_turns: int = 400,
        render_mode: str | None = None,
    ) -> None:
        if observation not in ("text", "lossless", "vector"):
            raise OptionError(f"observation is text, lossless or vector, not {observation!r}")
        if actions not in ("low", "mid"):
            raise OptionError(f"actions are low or mid, not {actions!r}")
        if target is not None and target < 1:
            raise OptionError(f"a target is at least one delivery, not {target}")
        self.kitchen = Kitchen(load_layout(layout).with_rules(**(rules or {})))
        self.acting: Acting = LowLevel(self.kitchen) if actions == "low" else MidLevel(self.kitchen)
        self.observation, self.target, self.drawn = observation, target, drawn
        self.reports = Reports(self.kitchen)
        self._lossless, self._features = Lossless(self.kitchen), Features(self.kitchen)
        self._planner: Planner | None = None
        self._scripts: dict[str, Cook] = {}
        spaces = dict.fromkeys(COOKS, self._space()), dict.fromkeys(COOKS, self._action_space())
        super().__init__(*spaces, split=split, max_turns=max_turns, render_mode=render_mode)
        self.game = self.kitchen.start()
        """The state of the game; PettingZoo has another use for the name `state`."""
        self.score = self.delivered = 0
        self._effects = (NO_EFFECT, NO_EFFECT)

    @property
    def action_names(self) -> tuple[str, ...]:
        """Actions by number."""
        return self.acting.names

    # What a world says of itself ------------------------------------------------------------

    def tasks(self, split: str | None = None) -> Sequence[str]:
        """Return the task ids of a split: the kitchen's own start, or drawn ones."""
        return task_ids(self.kitchen, self.split if split is None else split)

    def start(self, task: str) -> None:
        """Put both cooks where the task has them.

        Raises:
            UnknownTaskError: the kitchen has no such task.
        """
        self.game = self.kitchen.start(start_of(self.kitchen, task))
        self.score = self.delivered = 0
        self._effects = (NO_EFFECT, NO_EFFECT)
        self.acting.clear()

    def act(self, actions: Mapping[str, Any]) -> Mapping[str, AgentOutcome]:
        """Play one tick; a cook that gave no valid action stays where it is."""
        chosen = [self._named(actions[cook]) if cook in actions else None for cook in COOKS]
        first, second, reasons = self.acting.choose(self.game, chosen)
        before = self.game
        self.game, *effects = self.kitchen.step(before, first, second)
        self._effects = effects[0], effects[1]
        reasons = self.acting.after(before, self.game, (first, second), self._effects, reasons)
        reward = sum(effect.reward for effect in effects)
        self.score += reward
        self.delivered += sum(effect.reward > 0 for effect in effects)
        return {
            cook: AgentOutcome(float(reward), self.won(cook), reason)
            for cook, reason in zip(COOKS, reasons, strict=True)
        }

    def observe(self, agent: str) -> Any:
        """Return a report in words, the lossless grid, or the features, as was asked for."""
        seat = COOKS.index(agent)
        if self.observation == "lossless":
            return self._lossless.of_state(self.game, self.max_turns - self.turn)[seat]
        if self.observation == "vector":
            return self._features.of_state(self.game)[seat]
        return {"text": self._report(seat)}

    def admissible_actions(self, agent: str) -> tuple[Any, ...]:
        """Return the actions that get this cook somewhere, by name or by number."""
        names = self.acting.names
        numbers = np.flatnonzero(self._mask(agent)).tolist()
        return tuple(names[n] if self.observation == "text" else n for n in numbers)

    def active(self, agent: str) -> bool:
        """Whether the cook is free to choose: it is not carrying out a mid-level action."""
        return not self.acting.busy(COOKS.index(agent))

    def goal(self, agent: str) -> str:
        """Say what the team is to do."""
        orders = "; ".join(self.reports.orders())
        aim = "as many soups as you can" if self.target is None else f"{self.target} soups"
        return f"Cook and deliver {aim}, together with your partner. Orders: {orders}."

    def won(self, agent: str) -> bool:
        """Whether the target is reached."""
        return self.target is not None and self.delivered >= self.target

    def progress(self, agent: str) -> float:
        """Return deliveries by target; 0 where there is none."""
        return 0.0 if self.target is None else min(1.0, self.delivered / self.target)

    def extra_info(self, agent: str) -> Mapping[str, Any]:
        """Return mask, shaped reward and event of this cook, and score and tick of the game."""
        effect = self._effects[COOKS.index(agent)]
        told = {
            "shaped_reward": effect.shaped,
            "event": effect.event,
            "score": self.score,
            "tick": self.turn,
        }
        # PettingZoo's tests draw actions by the mask, which a space of texts cannot.
        return told if self.observation == "text" else {**told, "action_mask": self._mask(agent)}

    def save(self) -> JSON:
        """Return the state of the game, what the cooks are at, and the score."""
        return {
            "state": [list(field) for field in self.game],
            "pursuits": self.acting.save(),
            "score": self.score,
            "delivered": self.delivered,
        }

    def load(self, state: JSON) -> None:
        """Take a state of this kitchen."""
        stances, held, counters, pots = (tuple(map(int, field)) for field in state["state"])
        sizes = len(stances), len(held), len(counters), len(pots)
        if sizes != (2, 2, len(self.kitchen.counters), len(self.kitchen.pots)):
            raise ValueError("the state is of another kitchen")
        self.game = State((stances[0], stances[1]), (held[0], held[1]), counters, pots)
        self.acting.load(state["pursuits"])
        self.score, self.delivered = int(state["score"]), int(state["delivered"])

    def anchor(self) -> bytes:
        """Return the key of kitchen, rules, state and what the cooks are at.

        Neither score nor clock change what happens; deliveries do where there is a target.
        """
        return digest([self.agents, self._key(), self.acting.save()])

    def information_set(self, agent: str) -> bytes:
        """Return the key of what a cook knows: all but what its partner is at.

        Features leave out too much for that, so they are keyed as they are.
        """
        if self.observation == "vector":
            return super().information_set(agent)
        return digest([agent, self._key(), self.acting.save()[COOKS.index(agent)]])

    def config(self) -> Mapping[str, JSON]:
        """Return kitchen, rules, observation, actions and target."""
        layout = self.kitchen.layout
        return {
            "rows": list(layout.rows),
            "rules": layout.rules.data(),
            "observation": self.observation,
            "actions": list(self.acting.names),
            "target": self.target,
        }

    def task_type(self, task: str) -> str:
        """Return the kitchen's name."""
        return self.kitchen.layout.name

    def expert_action(self, agent: str, kind: ExpertKind = "honest") -> Any:
        """Return the planner's next low-level action, for either kind: nothing is hidden.

        Raises:
            NoExpertError: actions are mid-level.
        """
        if isinstance(self.acting, MidLevel):
            return super().expert_action(agent, kind)
        if self._planner is None:
            self._planner = Planner(self.kitchen)
        number = self._planner.action(self.game, COOKS.index(agent))
        return self.acting.names[number] if self.observation == "text" else number

    def scripted_action(self, agent: str, player: str) -> Any:
        """Return the next low-level action of a cook by name; its chance is the episode's.

        Args:
            agent: whose turn it is.
            player: see `cooks.KINDS`.

        Raises:
            OptionError: there is no such cook, or actions are mid-level.
        """
        if isinstance(self.acting, MidLevel):
            raise OptionError("scripted cooks have low-level actions: choose actions='low'")
        if player not in self._scripts:
            self._scripts[player] = make_cook(player, self.kitchen)
        seat = COOKS.index(agent)
        number = self._scripts[player](self.game, seat, self.np_random)
        return self.acting.names[number] if self.observation == "text" else number

    def render(self) -> Any:
        """Return the reports, or a picture `(height, width, 3)` of bytes."""
        if self.render_mode == "ansi":
            return "\n\n".join(map(self._report, (0, 1)))
        if self.render_mode == "rgb_array":
            return np.asarray(picture(self.kitchen, self.game, self.score, self._left()))
        return None

    # Details --------------------------------------------------------------------------------

    def _mask(self, agent: str) -> NDArray[np.int8]:
        """Return 1 for each action, by number, that is admissible."""
        seat = COOKS.index(agent)
        refused = [self.acting.refusal(self.game, seat, name) for name in self.acting.names]
        return np.array([not reason for reason in refused], np.int8)

    def _report(self, seat: int) -> str:
        report = self.reports.tell(
            self.game, seat, tick=self.turn, horizon=self.max_turns, score=self.score
        )
        return f"{self.reports.drawing(self.game, seat)}\n{report}" if self.drawn else report

    def _left(self) -> int:
        return self.max_turns - self.turn

    def _key(self) -> list[Any]:
        return [self.kitchen.key(self.game).hex(), self.delivered if self.target else 0]

    def _named(self, action: Any) -> str:
        return action if isinstance(action, str) else self.acting.names[int(action)]

    def _space(self) -> Space[Any]:
        if self.observation == "lossless":
            most = max(self.kitchen.rules.cook_time(mix) for mix in self.kitchen.rules.wanted)
            return Box(0, max(most, 100), self._lossless.shape, np.int16)
        if self.observation == "vector":
            return Box(-1000, 1000, (N_FEATURES,), np.float32)
        return Dict({"text": Unicode(_LONGEST_REPORT)})

    def _action_space(self) -> Space[Any]:
        names = self.acting.names
        return Unicode(_LONGEST_ACTION) if self.observation == "text" else Discrete(len(names))
