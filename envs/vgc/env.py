"""`anchorgym/VGC-v0`: Pokémon double battles between two players, on the real simulator."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Literal

import numpy as np
from gymnasium import Space, spaces
from numpy.typing import NDArray

from anchorgym.envs.core import JSON, ExpertKind
from anchorgym.envs.errors import NoExpertError, OptionError, did_you_mean
from anchorgym.envs.multi import AgentOutcome, MultiAgentEnv
from anchorgym.envs.spaces import Unicode
from anchorgym.envs.vgc import actions as choices
from anchorgym.envs.vgc.bridge import EVERYTHING, Bridge, Move, shared_bridge
from anchorgym.envs.vgc.installation import pinned_version
from anchorgym.envs.vgc.knowledge import knowledge
from anchorgym.envs.vgc.players.heuristic import Heuristic
from anchorgym.envs.vgc.records import (
    FORMATS,
    BattleRecord,
    BattlesLostError,
    Frame,
    SavedBattle,
    Seat,
    Seed,
)
from anchorgym.envs.vgc.situation import Situation, situation
from anchorgym.envs.vgc.teams import (
    SPLITS,
    GeneratedTeams,
    PastedTeams,
    TeamSource,
    pairings,
    seed_from,
    teams_of,
)
from anchorgym.envs.vgc.text import describe, happened

AGENTS: Final = ("p1", "p2")
OBSERVATIONS: Final = ("text", "tokens", "mask")
DEFAULT_CHOICE: Final = "default"
"""Has the simulator choose; it takes the first choice there is."""
TEAM_SIZE: Final = 4
"""Pokémon that a player brings into a battle."""

_MAX_TEXT: Final = 65536

Observation = dict[str, Any]


class VGCEnv(MultiAgentEnv[Observation, Any]):
    """Two players choose at once what their Pokémon do; one of them wins.

    A task names both teams, such as "t0 vs t3"; the seed fixes all chance. The winner is rewarded
    with 1, the loser with -1. A player who is not asked, because only the other has a Pokémon to
    replace, is not active. A player whose choice the simulator refuses for a reason that was
    hidden (a foe's ability traps its Pokémon) is asked again; that is no invalid action. An
    invalid action leaves the choice to the simulator.

    The observation of each player comes from the lines and the request that the simulator sends
    to that player, and from nothing else.

    Args:
        format: a double format of the simulator, such as those of `FORMATS`.
        teams: how many teams the training split has.
        pastes: a folder of team pastes to take the teams from; by default they are generated.
        open_sheets: whether the players see each other's team sheets.
        actions: "text" for choices such as `move 1 2, switch 3`, "ids" for two numbers below 107.
        observations: what to see, of "text", "tokens" and "mask".
        split: "train", or "unseen" for teams that no training split holds.
        max_turns: choices after which a battle is cut off.
        render_mode: None, or "ansi": `render` returns the battle as a spectator reads it.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "name": "anchorgym/VGC-v0",
        "render_modes": ["ansi"],
        "render_fps": 1,
    }
    splits: ClassVar[tuple[str, ...]] = SPLITS

    def __init__(
        self,
        *,
        format: str = "gen9vgc2025regi",
        teams: int = 16,
        pastes: str | os.PathLike[str] | None = None,
        open_sheets: bool = True,
        actions: Literal["text", "ids"] = "text",
        observations: Sequence[str] = OBSERVATIONS,
        split: str = "train",
        max_turns: int = 300,
        render_mode: str | None = None,
    ) -> None:
        if actions not in ("text", "ids"):
            raise OptionError(f'actions are "text" or "ids", not {actions!r}')
        strange = [name for name in observations if name not in OBSERVATIONS]
        if strange or not observations:
            raise OptionError(f"observations are of {OBSERVATIONS}, not {strange or 'nothing'}")
        self.bridge: Bridge = shared_bridge()
        self.format = format
        self.open_sheets = open_sheets
        self.text_actions = actions == "text"
        self.observations = tuple(observations)
        self.knowledge = knowledge(format)
        self.teams: TeamSource = (
            GeneratedTeams(format, teams) if pastes is None else PastedTeams(pastes, format, teams)
        )
        observed = spaces.Dict({name: self._space(name) for name in self.observations})
        acted: Space[Any] = spaces.MultiDiscrete([choices.N_CHOICES] * 2)
        super().__init__(
            dict.fromkeys(AGENTS, observed),
            {agent: Unicode(200) if self.text_actions else acted for agent in AGENTS},
            split=split,
            max_turns=max_turns,
            render_mode=render_mode,
        )
        self._battle: int | None = None
        self._frame: Frame | None = None

    # The world ------------------------------------------------------------------------------

    def tasks(self, split: str | None = None) -> Sequence[str]:
        """Return each pairing of a split's teams; any two teams that can be named are a task."""
        return pairings(self.teams, self.split if split is None else split)

    def start(self, task: str) -> None:
        """Start the battle of two teams, at its team preview."""
        record = BattleRecord(
            self.format, seed_from(task), teams_of(self.teams, task), self.open_sheets
        )
        numbers, frames = self.bridge.open([record], EVERYTHING)
        self._replace_battle(numbers[0], frames[0])

    def act(self, actions: Mapping[str, Any]) -> Mapping[str, AgentOutcome]:
        """Hand in what the players choose; chance is drawn anew at every choice."""
        asked = [agent for agent in AGENTS if self.active(agent)]
        reasons: dict[str, str] = {}
        chosen: dict[str, str] = {}
        for agent in asked:
            chosen[agent], reasons[agent] = self._choice(agent, actions.get(agent))
        self._play(chosen)
        refused = self._refused(asked)
        if refused:
            reasons |= refused
            self._play(dict.fromkeys(refused, DEFAULT_CHOICE))
        return {agent: self._outcome(agent, reasons.get(agent, "")) for agent in self.agents}

    def observe(self, agent: str) -> Observation:
        """Return what a player sees: of `text`, `tokens` and `mask`."""
        look = {"text": self._text, "tokens": self._tokens, "mask": self._mask}
        return {name: look[name](agent) for name in self.observations}

    def admissible_actions(self, agent: str) -> tuple[Any, ...]:
        """Return the joint choices there are; as text, more orders of a preview are admitted."""
        legal = self._seat(agent)["legal"]
        if legal is None:
            return ()
        pairs = choices.legal_pairs(legal)
        if self.text_actions:
            preview = self._is_preview
            return tuple(choices.pair_text(pair, preview) for pair in pairs)
        return tuple(np.array(pair, np.int64) for pair in pairs)

    def active(self, agent: str) -> bool:
        """Whether the simulator asks this player."""
        return self._seat(agent)["legal"] is not None

    def won(self, agent: str) -> bool:
        """Whether this player has won the battle."""
        return self._now["winner"] == AGENTS.index(agent)

    def progress(self, agent: str) -> float:
        """Return how much of the foe's side has fainted."""
        left = self._now["left"][1 - AGENTS.index(agent)]
        return 1.0 if self.won(agent) else max(0, TEAM_SIZE - left) / (TEAM_SIZE + 1)

    def goal(self, agent: str) -> str:
        """Return what both players are to do."""
        return "Win the double battle: have all of the foe's Pokémon faint before yours."

    def config(self) -> Mapping[str, JSON]:
        """Return what makes snapshots incompatible."""
        return {
            "format": self.format,
            "open_sheets": self.open_sheets,
            "simulator": pinned_version(),
        }

    def expert_action(self, agent: str, kind: ExpertKind = "honest") -> Any:
        """Return what the heuristic player chooses, which knows what the player knows.

        Raises:
            NoExpertError: an expert of full knowledge is asked for.
        """
        if kind != "honest":
            raise NoExpertError("VGC-v0 has an honest expert only")
        pair = Heuristic(self.knowledge).choose(self.situation(agent))
        if self.text_actions:
            return choices.pair_text(pair, self._is_preview)
        return np.array(pair, np.int64)

    def situation(self, agent: str) -> Situation:
        """Return what a player who is asked knows, for players that are programs."""
        return situation(self._seat(agent), AGENTS.index(agent), self.knowledge.tables)

    # States ---------------------------------------------------------------------------------

    def save(self) -> JSON:
        """Return the simulator's state of the battle, and the record that leads to it."""
        saved = self.bridge.save(self._number)
        return {"record": saved.record.to_json(), "state": saved.state}

    def load(self, state: JSON) -> None:
        """Go on from a state that `save` returned."""
        saved = SavedBattle(BattleRecord.from_json(state["record"]), state["state"])
        self._replace_battle(*self.bridge.load(saved, EVERYTHING))

    def anchor(self) -> bytes:
        """Return the key of the battle's state and of both players' knowledge."""
        return self.bridge.key(self._number)

    def information_set(self, agent: str) -> bytes:
        """Return the key of what a player knows: 16 bytes."""
        seat = self._seat(agent)
        key = f"{agent} {seat['key']} {seat['legal'] is None}"
        return hashlib.blake2b(key.encode(), digest_size=16).digest()

    def record(self) -> BattleRecord:
        """Return what the battle follows from: format, seeds, teams and choices so far."""
        return self.bridge.record(self._number)

    def render(self) -> str | None:
        """Return what happened since the last choice, in render mode "ansi"."""
        return happened(self._seat(AGENTS[0])["log"], 0) if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Forget the battle; the simulator's process serves the other environments on."""
        if self._battle is not None:
            self.bridge.discard([self._battle])
        self._battle = None

    # Details --------------------------------------------------------------------------------

    @property
    def _number(self) -> int:
        _ = self.task
        assert self._battle is not None
        return self._battle

    @property
    def _now(self) -> Frame:
        assert self._frame is not None
        return self._frame

    @property
    def _is_preview(self) -> bool:
        return self._now["turn"] == 0

    def _seat(self, agent: str) -> Seat:
        return self._now["seats"][AGENTS.index(agent)]

    def _replace_battle(self, number: int, frame: Frame) -> None:
        if self._battle is not None:
            self.bridge.discard([self._battle])
        self._battle, self._frame = number, frame

    def _choice(self, agent: str, action: Any) -> tuple[str, str]:
        """Return a player's choice as the simulator reads it, and why an action is none."""
        legal = self._seat(agent)["legal"]
        assert legal is not None
        if action is None:
            return DEFAULT_CHOICE, ""  # the base class has said why
        if self._is_preview and self.text_actions:
            request = self._seat(agent)["request"]
            size = len(request["side"]["pokemon"]) if request else 0
            places = choices.read_team(action, size)
            if places is None:
                return DEFAULT_CHOICE, f"{_quoted(action)} is no team preview such as `team 3412`"
            return "team " + "".join(map(str, places)), ""
        pair = choices.read_pair(action) if self.text_actions else (int(action[0]), int(action[1]))
        if pair is None:
            form = "`move 1 2, switch 3`"
            return DEFAULT_CHOICE, f"{_quoted(action)} is no choice such as {form}"
        for slot, choice in enumerate(pair):
            if choice not in legal[slot]:
                known = [choices.choice_text(other) for other in legal[slot]]
                said = choices.choice_text(choice)
                hint = "" if self._is_preview else did_you_mean(said, known)
                return DEFAULT_CHOICE, f"Pokémon {slot + 1} cannot `{said}` now.{hint}"
        if pair[1] not in choices.choices_after(legal, pair[0]):
            return DEFAULT_CHOICE, "the two choices do not go together"
        return choices.pair_text(pair, self._is_preview), ""

    def _play(self, chosen: Mapping[str, str]) -> None:
        move = Move(self._number, (chosen.get(AGENTS[0]), chosen.get(AGENTS[1])), self._draw_seed())
        try:
            (self._frame,) = self.bridge.choose([move], EVERYTHING)
        except BattlesLostError as error:  # once: a battle that brings it down again is reported
            if move.battle not in error.lost:
                raise
            self._battle, _ = self.bridge.resume(error.lost[move.battle])
            again = Move(self._battle, move.choices, move.seed)
            (self._frame,) = self.bridge.choose([again], EVERYTHING)

    def _draw_seed(self) -> Seed:
        one, two, three, four = self.np_random.integers(2**16, size=4).tolist()
        return one, two, three, four

    def _refused(self, asked: Sequence[str]) -> dict[str, str]:
        """Return whose choice the simulator called invalid, and why; that should not happen."""
        errors = {agent: self._seat(agent).get("error", "") for agent in asked}
        return {agent: error for agent, error in errors.items() if error.startswith("[Invalid")}

    def _outcome(self, agent: str, reason: str) -> AgentOutcome:
        if not self._now["ended"]:
            return AgentOutcome(reason=reason)
        winner = self._now["winner"]
        reward = 0.0 if winner is None else 1.0 if self.won(agent) else -1.0
        return AgentOutcome(reward, terminated=True, reason=reason)

    def _text(self, agent: str) -> str:
        seat = self._seat(agent)
        if seat["legal"] is None:
            return happened(seat["log"], AGENTS.index(agent))[:_MAX_TEXT]
        error = seat.get("error", "").partition("] ")[2]
        now = self.situation(agent)
        return describe(now, self.knowledge.tables, seat["log"], error)[:_MAX_TEXT]

    def _tokens(self, agent: str) -> NDArray[np.int16]:
        return tokens(self._seat(agent), self.knowledge.layout)

    def _mask(self, agent: str) -> NDArray[np.int8]:
        return choices.mask(self._seat(agent)["legal"])

    def _space(self, name: str) -> Space[Any]:
        if name == "text":
            return Unicode(_MAX_TEXT)
        if name == "mask":
            return spaces.Box(0, 1, (2, choices.N_CHOICES), np.int8)
        layout = self.knowledge.layout
        shape = (layout["rows"], layout["width"])
        limits = np.iinfo(np.int16)
        return spaces.Box(limits.min, limits.max, shape, np.int16)


def tokens(seat: Seat, layout: Mapping[str, Any]) -> NDArray[np.int16]:
    """Return a seat's view as numbers, (13, width); `Bridge.layout` says what they mean."""
    numbers = np.frombuffer(base64.b64decode(seat["tokens"]), "<i2")
    return numbers.reshape(layout["rows"], layout["width"]).astype(np.int16)


def _quoted(action: object) -> str:
    text = str(action)[:60]
    return f"`{text if text.isprintable() else ascii(text)}`"


__all__ = ["AGENTS", "FORMATS", "VGCEnv", "tokens"]
