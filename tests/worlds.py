"""Small worlds for tests, written as a user would write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anchorgym.envs.core import ExpertKind, Outcome, TextEnv
from anchorgym.envs.errors import UnknownTaskError
from anchorgym.envs.registration import register

KEYS = {"key west": 0, "key east": 4, "key here": 2}


@register("test/KeyDoor-v0", max_turns=20)
class KeyDoor(TextEnv):
    """A corridor of five places: find the key, then open the door in the middle."""

    goal, stochastic = "Open the door.", False

    def tasks(self, split: str | None = None) -> Sequence[str]:
        return tuple(KEYS)

    def start(self, task: str) -> str:
        if task not in KEYS:
            raise UnknownTaskError(task, KEYS)
        self.key, self.at, self.has_key, self.open = KEYS[task], 2, False, False
        return "You stand at a locked door."

    def admissible_actions(self) -> tuple[str, ...]:
        take = ["take key"] if self.at == self.key and not self.has_key else []
        return ("west", "east", *take, *(["open door"] if self.at == 2 and self.has_key else []))

    def act(self, action: str) -> Outcome:
        if action not in self.admissible_actions():
            return Outcome("Nothing happens.", terminated=self.open, reason="not possible here")
        self.at = min(max(self.at + {"west": -1, "east": 1}.get(action, 0), 0), 4)
        self.has_key, self.open = self.has_key or action == "take key", action == "open door"
        return Outcome(f"You are at place {self.at}.", float(self.open), self.open)

    def save(self) -> Any:
        return [self.at, self.has_key, self.open]

    def load(self, state: Any) -> None:
        self.at, self.has_key, self.open = state

    def won(self) -> bool:
        return self.open


@register("test/GuidedKeyDoor-v0", max_turns=20)
class GuidedKeyDoor(KeyDoor):
    """The same with an expert, who knows where the key is."""

    def expert_action(self, kind: ExpertKind = "honest") -> str:
        if kind == "honest":
            return super().expert_action(kind)
        target = 2 if self.has_key else self.key
        if self.at != target:
            return "west" if self.at > target else "east"
        return "open door" if self.has_key else "take key"


@register("test/WindyCorridor-v0")
class WindyCorridor(TextEnv):
    """Walk to the end of a corridor in which wind blows one back at random."""

    def tasks(self, split: str | None = None) -> Sequence[str]:
        return ("length 3", "length 6")

    def start(self, task: str) -> str:
        if task not in self.tasks():
            raise UnknownTaskError(task, self.tasks())
        self.length, self.at = int(task.split()[1]), 0
        self.goal = f"Walk {self.length} steps."
        return "It is windy."

    def admissible_actions(self) -> tuple[str, ...]:
        return ("walk", "wait")

    def act(self, action: str) -> Outcome:
        if action not in self.admissible_actions():
            return Outcome("The wind howls.", reason="only walking and waiting make sense")
        if self.np_random.random() < 0.3:
            self.at = max(self.at - 1, 0)
        elif action == "walk":
            self.at = min(self.at + 1, self.length)
        return Outcome(f"You are at {self.at}.", float(self.won()), self.won())

    def save(self) -> Any:
        return self.at

    def load(self, state: Any) -> None:
        self.at = state

    def won(self) -> bool:
        return self.at == self.length

    def progress(self) -> float:
        return self.at / self.length


@register("test/Shelf-v0")
class Shelf(TextEnv):
    """Look things up on a shelf: a world whose one listed action is a template."""

    stochastic = False

    def tasks(self, split: str | None = None) -> Sequence[str]:
        return ("find lamp", "find atlas")

    def start(self, task: str) -> str:
        if task not in self.tasks():
            raise UnknownTaskError(task, self.tasks())
        self.goal, self.seen = task, ""
        return "A long shelf."

    def admissible_actions(self) -> tuple[str, ...]:
        return ("search[<words>]",)

    def act(self, action: str) -> Outcome:
        if not (action.startswith("search[") and action.endswith("]")):
            return Outcome("The shelf is silent.", reason="write search[<words>]")
        self.seen = action[7:-1]
        return Outcome(f"You find: {self.seen}", float(self.won()), self.won())

    def save(self) -> Any:
        return self.seen

    def load(self, state: Any) -> None:
        self.seen = state

    def won(self) -> bool:
        return self.seen == self.goal.removeprefix("find ")


@register("test/Guess-v0")
class Guess(TextEnv):
    """Guess a number: free text, no action is listed."""

    stochastic = False

    def tasks(self, split: str | None = None) -> Sequence[str]:
        return tuple(f"number {n}" for n in range(1, 100))

    def start(self, task: str) -> str:
        if task not in self.tasks():
            raise UnknownTaskError(task, self.tasks())
        self.number, self.guess = int(task.split()[1]), 0
        self.goal = "Guess the number from 1 to 99."
        return self.goal

    def admissible_actions(self) -> tuple[str, ...]:
        return ()

    def act(self, action: str) -> Outcome:
        if not (action.isascii() and action.isdigit() and len(action) < 3):
            return Outcome("A number, please.", terminated=self.won(), reason="not a number")
        self.guess = int(action)
        hint = "too low" if self.guess < self.number else "too high"
        return Outcome("Yes!" if self.won() else hint, float(self.won()), self.won())

    def save(self) -> Any:
        return self.guess

    def load(self, state: Any) -> None:
        self.guess = state

    def won(self) -> bool:
        return self.guess == self.number


@register("test/CandidKeyDoor-v0", max_turns=20)
class CandidKeyDoor(KeyDoor):
    """The same with the key's place in the goal, so that even an honest expert knows it."""

    def start(self, task: str) -> str:
        observation = super().start(task)
        self.goal = f"Take the {task} and open the door."
        return observation

    def expert_action(self, kind: ExpertKind = "honest") -> str:
        target = 2 if self.has_key else self.key
        if self.at != target:
            return "west" if self.at > target else "east"
        return "open door" if self.has_key else "take key"


@register("test/Rooms-v0", max_turns=20)
class Rooms(TextEnv):
    """Seven rooms in a row: from the middle, walk to the one that the goal names."""

    def tasks(self, split: str | None = None) -> Sequence[str]:
        return tuple(f"room {n}" for n in (0, 1, 2, 4, 5, 6))

    def start(self, task: str) -> str:
        if task not in self.tasks():
            raise UnknownTaskError(task, self.tasks())
        self.target, self.at, self.goal = int(task[-1]), 3, f"Go to {task}."
        return "You are in room 3."

    def admissible_actions(self) -> tuple[str, ...]:
        return ("west", "east")

    def act(self, action: str) -> Outcome:
        if action not in self.admissible_actions():
            return Outcome("You can go west or east.", 0.0, self.won(), reason="no such way")
        self.at = max(0, min(6, self.at + (1 if action == "east" else -1)))
        return Outcome(f"You are in room {self.at}.", float(self.won()), self.won())

    def won(self) -> bool:
        return self.at == self.target

    def save(self) -> Any:
        return self.at

    def load(self, state: Any) -> None:
        self.at = state


ERRANDS = tuple(f"key {key} door {door}" for key in range(6) for door in range(6) if key != door)


@register("test/Errands-v0", max_turns=20)
class Errands(TextEnv):
    """A corridor of six places: take the key at one, open the door at another.

    Some tasks are held out; the expert is honest, since the goal says where things are.
    """

    splits, stochastic = ("train", "valid_seen", "valid_unseen"), False

    def tasks(self, split: str | None = None) -> Sequence[str]:
        parts = {"valid_seen": ERRANDS[::10], "valid_unseen": ERRANDS[5::10]}
        held_out = {task for part in parts.values() for task in part}
        parts["train"] = tuple(task for task in ERRANDS if task not in held_out)
        return parts[self.split if split is None else split]

    def start(self, task: str) -> str:
        if task not in ERRANDS:
            raise UnknownTaskError(task, ERRANDS)
        _, key, _, door = task.split()
        self.key, self.door, self.at = int(key), int(door), 3
        self.has_key, self.open = False, False
        self.goal = f"Take the key at place {key} and open the door at place {door}."
        return "You are at place 3."

    def admissible_actions(self) -> tuple[str, ...]:
        take = ("take key",) if self.at == self.key and not self.has_key else ()
        return ("west", "east", *take, *(("open door",) if self._can_open() else ()))

    def act(self, action: str) -> Outcome:
        if action not in self.admissible_actions():
            return Outcome("Nothing happens.", terminated=self.open, reason="not possible here")
        self.open = self.open or (action == "open door" and self._can_open())
        self.has_key = self.has_key or action == "take key"
        self.at = min(max(self.at + {"west": -1, "east": 1}.get(action, 0), 0), 5)
        return Outcome(f"You are at place {self.at}.", float(self.open), self.open)

    def save(self) -> Any:
        return [self.at, self.has_key, self.open]

    def load(self, state: Any) -> None:
        self.at, self.has_key, self.open = state

    def won(self) -> bool:
        return self.open

    def expert_action(self, kind: ExpertKind = "honest") -> str:
        target = self.door if self.has_key else self.key
        if self.at != target:
            return "west" if self.at > target else "east"
        return "open door" if self.has_key else "take key"

    def _can_open(self) -> bool:
        return self.has_key and self.at == self.door


@register("test/SeenErrands-v0", max_turns=20)
class SeenErrands(Errands):
    """The same with one held-out split only."""

    splits = ("train", "valid_seen")
