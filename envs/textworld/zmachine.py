"""Story files for the Z-machine: those that TextWorld compiled, and any others."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from anchorgym.envs.textworld.play import Play
from anchorgym.envs.textworld.stock import Machine, logic, module
from anchorgym.envs.textworld.words import NOT_UNDERSTOOD, ending, objection, readable

STATES_KEPT: Final = 256
"""States of a compiled game whose actions are remembered, of those entered last."""
_NOTHING_CHANGED: Final = "it is not an admissible action, and nothing changed"
_WON: Final = "*** The End ***"
_LOST: Final = "*** You lost! ***"
_NO_SENSE: Final = "the game did not understand it"


class StoryPlay(Play):
    """A story file without the .json that would say what its game is about.

    States are told apart by what looking around and taking stock say, which is less than there
    is: what another room holds, or what somebody remembers, is not in it.

    Raises:
        CorruptGameError: the file is damaged; also later, where the game meets the damage.
    """

    told_by: ClassVar[Literal["facts", "observation"]] = "observation"

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._machine = Machine(file)
        self._counts = bool(self._machine.is_fully_supported)
        self._told: tuple[str, ...] | None = None

    def admissible(self) -> tuple[str, ...]:
        """Return nothing: it is not known what is possible."""
        return ()

    def plan(self) -> Sequence[str]:
        """Return nothing: no way to win is known."""
        return ()

    def close(self) -> None:
        """Free the interpreter."""
        self._machine.close()

    def _begin(self) -> str:
        first = readable(self._machine.reset())
        if self._counts:
            self.most = max(0, int(self._machine.get_max_score()))
        self._told = None
        return first

    def _carry_out(self, command: str) -> tuple[str, str]:
        problem = objection(command)
        if problem:
            return f"{problem.capitalize()}.", problem
        before = self._machine.get_state()
        answer = readable(self._machine.step(command))
        if NOT_UNDERSTOOD.search(answer):
            self._machine.set_state(before)
            return answer, _NO_SENSE
        self._told = None
        self.won, self.lost = ending(answer)
        if self._counts:
            self.score = int(self._machine.get_score())
            self.won = self.won or bool(self._machine.victory())
            self.lost = not self.won and (self.lost or bool(self._machine.game_over()))
        return answer, ""

    def _tell(self) -> Iterable[str]:
        if self._told is None:
            here = self._machine.get_state()
            self._told = tuple(self._asides(("look", "inventory")))
            self._machine.set_state(here)
        return self._told

    def _asides(self, commands: Iterable[str]) -> Iterator[str]:
        for command in commands:
            yield "" if self.over else readable(self._machine.step(command))

    def _save(self) -> Any:
        return self._machine.get_state(), self._told, self.score, self.won, self.lost

    def _load(self, saved: Any) -> None:
        state, self._told, self.score, self.won, self.lost = saved
        self._machine.set_state(state)


@dataclass(frozen=True, eq=False)
class _Facts:
    """What is true at some time in a game that TextWorld compiled, and what follows from it."""

    name: bytes
    """A hash of the facts."""
    state: Any
    """A `textworld.logic.State`, which is never changed."""
    actions: tuple[Any, ...]
    """The actions that are possible."""
    commands: tuple[str, ...]
    """The commands for them, sorted."""
    meets: frozenset[int]
    """The quests that these facts complete."""
    after: dict[str, tuple[Any, bytes] | None] = field(default_factory=dict)
    """The action that each report of the interpreter stands for, and the facts after it."""


class CompiledPlay(Play):
    """A game that TextWorld compiled, with the .json that was written with it.

    The interpreter plays and speaks; the .json tells which facts each action changes, as in the
    stock engine's own `TWInform7`.

    Raises:
        CorruptGameError: one of the files is damaged.
    """

    told_by: ClassVar[Literal["facts", "observation"]] = "facts"

    def __init__(self, file: Path, logic_file: Path) -> None:
        super().__init__()
        self._game = logic(logic_file)
        self._i7 = module("textworld.envs.wrappers.tw_inform7")
        self._names = self._i7.Inform7Game(self._game)
        self._machine = Machine(file)
        self._known: OrderedDict[bytes, _Facts] = OrderedDict()
        self._facts = self._told(self._game.world.state)
        self._met = self._facts.meets
        self._past: tuple[Any, ...] = ()
        self.goal = " ".join(self._game.objective.split())
        self.most = int(self._game.max_score)
        self._progress: tuple[Any, tuple[Any, ...]] | None = None

    def admissible(self) -> tuple[str, ...]:
        """Return the sorted commands that are possible now."""
        return () if self.over else self._facts.commands

    def plan(self) -> Sequence[str]:
        """Return the game's own way to win from here; see `GameProgression.winning_policy`."""
        past = self._past
        progress, seen = self._progress or (None, ())
        if progress is None or past[: len(seen)] != seen:
            progress = module("textworld.generator.game").GameProgression(self._game)
            seen = ()
        for action in past[len(seen) :]:
            progress.update(action)
        self._progress = progress, past
        policy = None if self.over else progress.winning_policy
        return list(self._names.gen_commands_from_actions(policy or ()))

    def close(self) -> None:
        """Free the interpreter."""
        self._machine.close()

    def _begin(self) -> str:
        first = self._machine.reset()
        self._machine.step("tw-trace-actions")
        self._machine.step("tw-extra-infos score")
        return readable(first)

    def _carry_out(self, command: str) -> tuple[str, str]:
        listed = command in self._facts.commands
        problem = "" if listed else objection(command)
        if problem:
            return f"{problem.capitalize()}.", problem
        before = None if listed else self._machine.get_state()
        text = self._machine.step(command)
        extra, text = self._i7._detect_extra_infos(text)
        events, text = self._i7._detect_i7_events_debug_tags(text)
        facts, met, actions = self._follow(events)
        if before is not None and facts is self._facts:
            self._machine.set_state(before)
            return readable(text), _NOTHING_CHANGED
        self._facts, self._met, self._past = facts, met, (*self._past, *actions)
        self.score = _number(extra["score"], self.score)
        self.won, self.lost = _WON in text, _LOST in text
        return readable(text), ""

    def _follow(self, events: Iterable[str]) -> tuple[_Facts, frozenset[int], list[Any]]:
        """Return the facts, the quests completed so far, and the actions of some reports."""
        facts, met, actions = self._facts, self._met, []
        for event in events:
            if event not in facts.after:
                facts.after[event] = self._understood(event, facts)
            happened = facts.after[event]
            if happened is None:
                continue
            action, name = happened
            actions.append(action)
            if name != facts.name:
                facts = self._known.get(name) or self._told(_applied(facts.state, action))
                self._known.move_to_end(name)
                met |= facts.meets
        return facts, met, actions

    def _understood(self, event: str, facts: _Facts) -> tuple[Any, bytes] | None:
        action = self._names.detect_action(event, facts.actions)
        if action is None:
            return None
        if not (action.added or action.removed):
            return action, facts.name
        return action, self._told(_applied(facts.state, action)).name

    def _told(self, state: Any) -> _Facts:
        """Return all about a state, from memory if it was there lately."""
        digest = hashlib.blake2b("\n".join(sorted(map(str, state.facts))).encode(), digest_size=16)
        name = digest.digest()
        if name not in self._known:
            kb = self._game.kb
            rules, constants = kb.rules.values(), kb.types.constants_mapping
            actions = tuple(state.all_applicable_actions(rules, constants))
            commands = tuple(sorted(set(self._names.gen_commands_from_actions(actions))))
            meets = (i for i, quest in enumerate(self._game.quests) if _is_met(quest, state))
            self._known[name] = _Facts(name, state, actions, commands, frozenset(meets))
            if len(self._known) > STATES_KEPT:
                self._known.popitem(last=False)
        return self._known[name]

    def _tell(self) -> Iterable[str]:
        yield f"{self._facts.name.hex()} {sorted(self._met)}"

    def _save(self) -> Any:
        now = self._facts, self._met, self._past, self.score, self.won, self.lost
        return self._machine.get_state(), now

    def _load(self, saved: Any) -> None:
        state, now = saved
        self._facts, self._met, self._past, self.score, self.won, self.lost = now
        self._machine.set_state(state)


def _applied(state: Any, action: Any) -> Any:
    """Return the state after an action."""
    later = state.copy()
    later.apply(action)
    return later


def _is_met(quest: Any, facts: Any) -> bool:
    return any(event.is_triggering(facts) for event in quest.win_events)


def _number(text: str | None, otherwise: int) -> int:
    """Return the points that the interpreter reports."""
    first = (text or "").strip().partition("\n")[0]
    return int(first) if first.lstrip("-").isdigit() else otherwise
