"""Worlds with one planted fault each, and the name of the check that has to find it."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from worlds import KEYS, GuidedKeyDoor, KeyDoor, WindyCorridor

from anchorgym.envs import TextEnv
from anchorgym.envs.core import Outcome
from anchorgym.envs.errors import SnapshotError, UnknownTaskError

FAULTS: list[tuple[str, Callable[[], TextEnv]]] = []


def fault(check: str) -> Callable[[type[TextEnv]], type[TextEnv]]:
    """Plant the decorated world: exactly the named check has to find it."""

    def plant(world: type[TextEnv]) -> type[TextEnv]:
        FAULTS.append((check, world))
        return world

    return plant


# Tasks, starts and ends -------------------------------------------------------------------------


@fault("make")
class CannotBeMade(KeyDoor):
    def __init__(self) -> None:
        raise RuntimeError("no data")


@fault("panel")
class NoTasks(KeyDoor):
    def tasks(self, split: str | None = None) -> Sequence[str]:
        return ()


@fault("panel")
class OneTaskTwice(KeyDoor):
    def tasks(self, split: str | None = None) -> Sequence[str]:
        return (*KEYS, "key west")


@fault("panel")
class TasksDiffer(KeyDoor):
    made: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        TasksDiffer.made += 1
        self.panel = tuple(KEYS)[:: 1 if TasksDiffer.made % 2 else -1]

    def tasks(self, split: str | None = None) -> Sequence[str]:
        return self.panel


@fault("before_reset")
class StepsBeforeReset(KeyDoor):
    def step(self, action: str) -> Any:
        if self._task is None:
            return "", 0.0, False, False, {}
        return super().step(action)


@fault("reset")
class IgnoresTask(KeyDoor):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        chosen = options and {**options, "task": "key west"} if "task" in (options or {}) else {}
        known = not options or options.get("task") in KEYS
        return super().reset(seed=seed, options=chosen if known else options)


@fault("reset")
class AlwaysDrawsTheSame(KeyDoor):
    def _draw_task(self) -> str:
        return "key east"


@fault("reset_options")
class KeyErrorForUnknownTask(KeyDoor):
    def start(self, task: str) -> str:
        KEYS[task]
        return super().start(task)


@fault("reset_options")
class TakesAnyTask(KeyDoor):
    def start(self, task: str) -> str:
        return super().start(task if task in KEYS else "key west")


@fault("reset_options")
class LosesEpisodeToUnknownTask(KeyDoor):
    def start(self, task: str) -> str:
        self.at = 0
        return super().start(task)


@fault("leftovers")
class KeepsTheKey(KeyDoor):
    def start(self, task: str) -> str:
        has_key = getattr(self, "has_key", False)
        text = super().start(task)
        self.has_key = has_key
        return text


@fault("task_start")
class SeedMovesTheKey(KeyDoor):
    stochastic = True

    def start(self, task: str) -> str:
        text = super().start(task)
        self.at = int(self.np_random.integers(5))
        return text


@fault("truncation")
class NeverTruncates(KeyDoor):
    def step(self, action: str) -> Any:
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, terminated, False, info


@fault("truncation")
class TruncatesLate(KeyDoor):
    def step(self, action: str) -> Any:
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, terminated, self.turn > self.max_turns, info


# What a turn gives ------------------------------------------------------------------------------


@fault("plays")
class RaisesOnListedAction(KeyDoor):
    def act(self, action: str) -> Outcome:
        if action == "take key":
            raise ZeroDivisionError("the key was never forged")
        return super().act(action)


@fault("info")
class TooMuchProgress(KeyDoor):
    def progress(self) -> float:
        return 2.0


@fault("info")
class WonWithoutProgress(KeyDoor):
    def progress(self) -> float:
        return 0.5


@fault("info")
class WonIsANumber(KeyDoor):
    def won(self) -> Any:
        return int(bool(self.open))


@fault("info")
class EmptyAnchor(KeyDoor):
    def anchor(self) -> bytes:
        return b""


@fault("info")
class InfoWithoutGoal(KeyDoor):
    def _info(self, reason: str) -> Any:
        info: dict[str, Any] = {**super()._info(reason)}
        del info["goal"]
        return info


@fault("info")
class InvalidWithoutReason(KeyDoor):
    def _info(self, reason: str) -> Any:
        return {**super()._info(reason), "reason": ""}


@fault("steps")
class RewardIsNaN(KeyDoor):
    def act(self, action: str) -> Outcome:
        return super().act(action)._replace(reward=float("nan"))


@fault("steps")
class TerminatedIsANumber(KeyDoor):
    def act(self, action: str) -> Any:
        outcome: Any = super().act(action)
        return outcome._replace(terminated=int(outcome.terminated))


@fault("spaces")
class ObservesASurrogate(KeyDoor):
    def act(self, action: str) -> Outcome:
        return super().act(action)._replace(observation="a \ud800 door")


@fault("spaces")
class ObservesTooMuch(KeyDoor):
    max_observation_length = 60

    def start(self, task: str) -> str:
        return super().start(task) * 3


@fault("spaces")
class ListsTooLongAction(KeyDoor):
    max_action_length = 6


@fault("success")
class WinsAreWorthNothing(GuidedKeyDoor):
    def act(self, action: str) -> Outcome:
        return super().act(action)._replace(reward=0.0)


@fault("success")
class AnsweredIsWon(TextEnv):
    """A quiz whose `won` says that there was an answer, not that it was right."""

    right: ClassVar[dict[str, str]] = {"capital of France": "Paris", "capital of Italy": "Rome"}

    def tasks(self, split: str | None = None) -> Sequence[str]:
        return tuple(self.right)

    def start(self, task: str) -> str:
        if task not in self.right:
            raise UnknownTaskError(task, self.right)
        self.question, self.answered = task, False
        self.goal = f"Name the {task}."
        return "You may answer once."

    def admissible_actions(self) -> tuple[str, ...]:
        return ("Paris", "Rome", "Vienna")

    def act(self, action: str) -> Outcome:
        if action not in self.admissible_actions():
            return Outcome("That is no city.", reason="name a city", terminated=self.answered)
        self.answered = True
        return Outcome("Thank you.", float(action == self.right[self.question]), True)

    def won(self) -> bool:
        return self.answered

    def save(self) -> Any:
        return self.answered

    def load(self, state: Any) -> None:
        self.answered = state


@fault("success")
class LossesAreWorthAsMuch(WindyCorridor):
    """Pays for the walk, not for the arrival."""

    def __init__(self, max_turns: int = 4, **kwargs: Any) -> None:
        super().__init__(max_turns=max_turns, **kwargs)
        self.paid = False

    def start(self, task: str) -> str:
        seen = super().start(task)
        self.paid = False
        return seen

    def act(self, action: str) -> Outcome:
        outcome = super().act(action)
        first, self.paid = not self.paid and not outcome.reason, self.paid or not outcome.reason
        return outcome._replace(reward=float(first))

    def save(self) -> Any:
        return [super().save(), self.paid]

    def load(self, state: Any) -> None:
        super().load(state[0])
        self.paid = state[1]


# Refusals ---------------------------------------------------------------------------------------


@fault("invalid_actions")
class RaisesOnEmptyAction(KeyDoor):
    def act(self, action: str) -> Outcome:
        return super().act(" ".join([action.split()[0], *action.split()[1:]]))


@fault("invalid_actions")
class RaisesOnFormatFields(KeyDoor):
    def act(self, action: str) -> Outcome:
        outcome = super().act(action)
        return outcome._replace(observation=action.format() + outcome.observation)


@fault("invalid_actions")
class TakesEverything(KeyDoor):
    def act(self, action: str) -> Outcome:
        return super().act(action)._replace(reason="")


@fault("invalid_actions")
class EmptyActionIsFree(KeyDoor):
    def step(self, action: str) -> Any:
        if action == "":
            return self._observation, 0.0, False, False, self._info("say something")
        return super().step(action)


@fault("invalid_actions")
class EchoesControlCharacters(KeyDoor):
    def act(self, action: str) -> Outcome:
        outcome = super().act(action)
        return outcome._replace(reason=outcome.reason and f"cannot do {action[:50]}")


@fault("invalid_actions")
class EndlessReason(KeyDoor):
    def act(self, action: str) -> Outcome:
        outcome = super().act(action)
        return outcome._replace(reason=outcome.reason and f"cannot do {action!r}")


@fault("admissible_actions")
class ListsTheImpossible(KeyDoor):
    def act(self, action: str) -> Outcome:
        if action == "open door":
            return Outcome("It is stuck.", reason="the door is stuck")
        return super().act(action)


# Randomness -------------------------------------------------------------------------------------


@fault("determinism")
class OwnRandomness(KeyDoor):
    def act(self, action: str) -> Outcome:
        mood = np.random.default_rng().integers(1000)
        return super().act(action)._replace(observation=f"Mood: {mood}")


@fault("determinism")
class CountsAcrossInstances(KeyDoor):
    acts: ClassVar[int] = 0

    def act(self, action: str) -> Outcome:
        CountsAcrossInstances.acts += 1
        return super().act(action)._replace(observation=f"Act {CountsAcrossInstances.acts}")


@fault("global_random")
class GlobalPythonRandom(KeyDoor):
    def act(self, action: str) -> Outcome:
        return super().act(action)._replace(observation=f"Mood: {random.random()}")


@fault("global_random")
class GlobalNumpyRandom(KeyDoor):
    def act(self, action: str) -> Outcome:
        return super().act(action)._replace(observation=f"Mood: {np.random.rand()}")


@fault("global_random")
class SeedsTheGlobalGenerator(KeyDoor):
    def start(self, task: str) -> str:
        random.seed(task)
        return super().start(task)


@fault("reseed")
class IgnoresTheNewSeed(WindyCorridor):
    def restore(self, data: bytes, seed: int | None = None) -> Any:
        return super().restore(data)


@fault("reseed")
class KeepsItsDrawnFuture(KeyDoor):
    """Gusts of wind that are all drawn when the episode starts."""

    stochastic = True

    def start(self, task: str) -> str:
        text = super().start(task)
        self.gusts = self.np_random.integers(2, size=60).tolist()
        return text

    def act(self, action: str) -> Outcome:
        wind = " A gust!" if self.gusts[self.turn % 60] else ""
        outcome = super().act(action)
        return outcome._replace(observation=outcome.observation + wind)

    def save(self) -> Any:
        return [self.at, self.has_key, self.open, self.gusts]

    def load(self, state: Any) -> None:
        *rest, self.gusts = state
        super().load(rest)

    def anchor(self) -> bytes:
        return bytes([self.at, self.has_key, self.open])


# Snapshots --------------------------------------------------------------------------------------


@fault("snapshot")
class PickledSnapshot(KeyDoor):
    def snapshot(self) -> bytes:
        return pickle.dumps(super().snapshot())

    def restore(self, data: bytes, seed: int | None = None) -> Any:
        return super().restore(pickle.loads(data), seed)


@fault("queries")
class SnapshotTakesTime(KeyDoor):
    def snapshot(self) -> bytes:
        data = super().snapshot()
        self._turn += 1
        return data


@fault("queries")
class ListingDrawsRandomness(WindyCorridor):
    def admissible_actions(self) -> tuple[str, ...]:
        self.np_random.random()
        return super().admissible_actions()


@fault("restore")
class ForgetsTheKey(KeyDoor):
    def save(self) -> Any:
        return [self.at, 0, self.open]


@fault("restore")
class ForgetsATimer(KeyDoor):
    """Hidden state that shows in what is seen only."""

    def start(self, task: str) -> str:
        text, self.moves = super().start(task), 0
        return text

    def act(self, action: str) -> Outcome:
        self.moves += 1
        return super().act(action)._replace(observation=f"Move {self.moves}.")


@fault("restore")
class ForgetsTheTurn(KeyDoor):
    def restore(self, data: bytes, seed: int | None = None) -> Any:
        seen = super().restore(data, seed)
        self._turn = 0
        return seen


@fault("restore")
class ForgetsItsRandomness(WindyCorridor):
    stochastic = False


@fault("restore")
class RestoreRaises(KeyDoor):
    def load(self, state: Any) -> None:
        raise KeyError("at")


@fault("foreign_snapshots")
class KeyErrorForForeignSnapshot(KeyDoor):
    def restore(self, data: bytes, seed: int | None = None) -> Any:
        try:
            return super().restore(data, seed)
        except SnapshotError:
            raise KeyError("state") from None


@fault("foreign_snapshots")
class TakesForeignSnapshots(KeyDoor):
    def restore(self, data: bytes, seed: int | None = None) -> Any:
        try:
            return super().restore(data, seed)
        except SnapshotError:
            return self._observation, self._info("")


@fault("foreign_snapshots")
class TakesSnapshotsOfOtherClasses(KeyDoor):
    def _config_hash(self) -> str:
        return "any"


@fault("foreign_snapshots")
class LosesEpisodeToForeignSnapshot(KeyDoor):
    def restore(self, data: bytes, seed: int | None = None) -> Any:
        self._turn = 0
        return super().restore(data, seed)


# Anchors and experts ----------------------------------------------------------------------------


@fault("anchor_scope")
class AnchorHoldsTheTurn(KeyDoor):
    def anchor(self) -> bytes:
        return super().anchor() + bytes([self.turn])


@fault("anchor_scope")
class AnchorHoldsTheGenerator(WindyCorridor):
    def anchor(self) -> bytes:
        return super().anchor() + repr(self.np_random.bit_generator.state).encode()


@fault("anchor_scope")
class InvalidActionsCount(KeyDoor):
    def start(self, task: str) -> str:
        text, self.tries = super().start(task), 0
        return text

    def act(self, action: str) -> Outcome:
        self.tries += 1
        return super().act(action)

    def save(self) -> Any:
        return [self.at, self.has_key, self.open, self.tries]

    def load(self, state: Any) -> None:
        *rest, self.tries = state
        super().load(rest)


@fault("anchors")
class AnchorWithoutTheKey(KeyDoor):
    def anchor(self) -> bytes:
        return bytes([self.at, self.open])


@fault("anchors")
class AnchorWithoutTheHiddenKey(KeyDoor):
    """The same actions are listed with and without the key: what they do differs."""

    def admissible_actions(self) -> tuple[str, ...]:
        return ("west", "east", "take key", "open door")

    def act(self, action: str) -> Outcome:
        opens = action == "open door" and self.at == 2 and self.has_key
        takes = action == "take key" and self.at == self.key
        outcome = super().act(action)
        self.open, self.has_key = opens, takes or (self.has_key and action != "take key")
        return outcome._replace(reward=float(opens), terminated=opens)

    def anchor(self) -> bytes:
        return bytes([self.at, self.open])


@fault("anchors")
class RewardOnceOnly(KeyDoor):
    """A reward that depends on what neither anchor nor list of actions tells."""

    def start(self, task: str) -> str:
        text, self.visited = super().start(task), [2]
        return text

    def act(self, action: str) -> Outcome:
        outcome = super().act(action)
        new = self.at not in self.visited
        self.visited = sorted({*self.visited, self.at})
        return outcome._replace(reward=outcome.reward + 0.1 * new)

    def save(self) -> Any:
        return [self.at, self.has_key, self.open, self.visited]

    def load(self, state: Any) -> None:
        *rest, self.visited = state
        super().load(rest)

    def anchor(self) -> bytes:
        return bytes([self.at, self.has_key, self.open])


@fault("expert")
class ExpertIsWrong(GuidedKeyDoor):
    def expert_action(self, kind: Any = "honest") -> str:
        return "fly"


@fault("expert")
class ExpertActs(GuidedKeyDoor):
    def expert_action(self, kind: Any = "honest") -> str:
        self.act(super().expert_action(kind))
        return "west"


@fault("expert")
class ExpertRaises(GuidedKeyDoor):
    def expert_action(self, kind: Any = "honest") -> str:
        raise KeyError("plan")


@fault("gymnasium")
class NeverSeeds(KeyDoor):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        chosen = options or {"task": list(KEYS)[(seed or 0) % len(KEYS)]}
        return super().reset(seed=None, options=chosen)


@fault("gymnasium")
class ReusesItsInfo(KeyDoor):
    def extra_info(self) -> dict[str, Any]:
        self.seen: dict[str, int] = getattr(self, "seen", {})
        return {"seen": self.seen}
