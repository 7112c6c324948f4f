"""The environment contract: worlds that know which state they are in.

`AnchoredEnv` is what trainers rely on; `TextEnv` is its text-in, text-out case and does the
bookkeeping, so that a world only says how it starts, acts and looks. `check_env` verifies the
contract on anyone's environment.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypedDict, runtime_checkable

import gymnasium as gym
from gymnasium.utils import seeding

from anchorgym.envs.bookkeeping import (
    checksum,
    digest,
    generator,
    pack,
    requested_task,
    unpack,
    unreadable_text,
)
from anchorgym.envs.errors import (
    DataError,
    NoExpertError,
    OptionError,
    OutcomeError,
    ResetNeededError,
    SnapshotError,
    UnknownSplitError,
    UnknownTaskError,
    reason_of,
)
from anchorgym.envs.spaces import Unicode, as_admissible

ExpertKind = Literal["honest", "full"]
JSON = Any
"""What `json` reads and writes: None, bool, int, float, str, and lists and dicts of them."""


class Info(TypedDict):
    """What `reset`, `step` and `restore` tell beside the observation.

    Prompt templates see `goal`, `admissible_actions`, `action_valid` and `reason` only: the
    other keys would give the answer away. A world may add keys of its own.
    """

    task_id: str
    """The id that starts this task again: `reset(options={"task": task_id})`."""
    goal: str
    """What is to be done, in words."""
    anchor: bytes
    """Key of the world state, see `AnchoredEnv.anchor`."""
    admissible_actions: tuple[str, ...]
    """Actions that do something now. May be empty; may hold templates such as `search[<words>]`."""
    action_valid: bool
    """False when the last action did nothing but cost a turn."""
    reason: str
    """Why the last action was invalid; empty when it was valid."""
    won: bool
    """Whether the goal holds now."""
    progress: float
    """How far along the task is, in [0, 1]; 1 when it is won."""


class Outcome(NamedTuple):
    """What one action did to a world."""

    observation: str
    reward: float = 0.0
    terminated: bool = False
    reason: str = ""
    """Why the action was invalid; leave empty for a valid one."""


@runtime_checkable
class AnchoredEnv(Protocol):
    """An environment whose states can be named, kept and returned to."""

    def tasks(self, split: str | None = None) -> Sequence[str]:
        """Return the panel of task ids of a split (default: the split it was made with).

        An id is the same task on every machine. It fixes the whole start; the seed given to
        `reset` fixes later randomness only.
        """
        ...

    def anchor(self) -> bytes:
        """Return a key of the world state, without turn counter, randomness and logs.

        Within a task, equal anchors mean the same admissible actions and, the horizon aside,
        the same distribution of (reward, next anchor, won) for each action.
        """
        ...

    def snapshot(self) -> bytes:
        """Return the dynamic state as UTF-8 JSON."""
        ...

    def restore(self, data: bytes, seed: int | None = None) -> tuple[Any, Any]:
        """Return to a snapshot and say what is seen there: (observation, info).

        Without a seed the randomness goes on as it would have; a seed redraws it, so that
        siblings sampled from one state do not share their noise.

        Raises:
            SnapshotError: the bytes are no snapshot of this environment.
        """
        ...


class TextEnv(gym.Env[str, str], ABC):
    """A Gymnasium environment of text turns that keeps the `AnchoredEnv` contract.

    A world implements `tasks`, `start`, `act`, `admissible_actions`, `save` and `load`, and
    sets `goal` in `start`. Everything else (turn limit, invalid and poisoned input, infos,
    anchors, snapshots) is done here. An action is invalid when `act` gives a `reason`; it costs
    a turn and never raises.

    The task id fixes the whole start, whatever the seed: `start` draws nothing from `np_random`.
    Chance belongs in `act`, see `start`.

    Args:
        split: the panel that `reset` draws tasks from when it is given none.
        max_turns: the number of turns after which an episode is truncated.
        render_mode: None, or "ansi": `render` returns the last observation.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi"], "render_fps": 1}  # type: ignore[misc]
    splits: ClassVar[tuple[str, ...]] = ("train",)
    stochastic: ClassVar[bool] = True
    """False lets `snapshot` leave out a random generator that the world never uses."""
    max_action_length: ClassVar[int] = 4096
    max_observation_length: ClassVar[int] = 65536

    goal: str = ""

    def __init__(
        self, *, split: str = "train", max_turns: int = 50, render_mode: str | None = None
    ) -> None:
        if split not in self.splits:
            raise UnknownSplitError(split, self.splits)
        if max_turns < 1:
            raise OptionError(f"max_turns must be at least 1, got {max_turns}")
        self.split = split
        self.max_turns = max_turns
        self.render_mode = render_mode
        self.observation_space = Unicode(self.max_observation_length)
        self.action_space = Unicode(self.max_action_length)
        self._task: str | None = None
        self._turn = 0
        self._observation = ""
        self._admissible: tuple[str, ...] = ()

    # What a world says of itself ------------------------------------------------------------

    @abstractmethod
    def tasks(self, split: str | None = None) -> Sequence[str]:
        """Return the task ids of a split (default: `self.split`); see `AnchoredEnv.tasks`."""

    @abstractmethod
    def start(self, task: str) -> str:
        """Put the world at the start of `task`, set `self.goal`, return the first observation.

        The task id fixes the start, so draw nothing from `np_random` here. Chance belongs in
        `act`: draw a hidden secret at the first action that needs it, and keep it in `save`;
        or make the secret part of the task id.

        Raises:
            UnknownTaskError: before anything has changed.
        """

    @abstractmethod
    def act(self, action: str) -> Outcome:
        """Carry out one action. Randomness comes from `self.np_random` alone."""

    @abstractmethod
    def admissible_actions(self) -> tuple[str, ...]:
        """Return the actions that do something in the present state."""

    @abstractmethod
    def save(self) -> JSON:
        """Return everything that changed since `start`, as JSON values."""

    @abstractmethod
    def load(self, state: JSON) -> None:
        """Take a state that `save` returned, after `start` of the same task."""

    def won(self) -> bool:
        """Whether the goal holds now."""
        return False

    def progress(self) -> float:
        """How far along the task is, in [0, 1]."""
        return 1.0 if self.won() else 0.0

    def extra_info(self) -> Mapping[str, Any]:
        """Return info keys of the world's own."""
        return {}

    def refusal(self, reason: str) -> str:
        """Return the observation after an action that cannot be read at all."""
        return f"Invalid action: {reason}"

    def config(self) -> Mapping[str, JSON]:
        """Return what, beside class and turn limit, makes snapshots incompatible."""
        return {}

    def task_type(self, task: str) -> str:
        """Return the kind of a task, by which evaluations are broken down."""
        return ""

    def expert_action(self, kind: ExpertKind = "honest") -> str:
        """Return an expert's next action: knowing only what was seen, or everything.

        Raises:
            NoExpertError: the world has none.
        """
        raise NoExpertError(f"{type(self).__name__} has no {kind} expert")

    def anchor(self) -> bytes:
        """Return the key of the present state: 16 bytes, a hash of `save()` by default."""
        return digest(self.save())

    # The Gymnasium side ---------------------------------------------------------------------

    @property
    def task(self) -> str:
        """The id of the task that is being played."""
        if self._task is None:
            raise ResetNeededError("no episode is running: call reset() or restore() first")
        return self._task

    @property
    def turn(self) -> int:
        """How many turns were taken."""
        return self._turn

    def reset(  # type: ignore[override]  # Info is the typed form of Gymnasium's dict
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, Info]:
        """Start an episode: of `options["task"]`, or of a task that the seed draws.

        Raises:
            UnknownTaskError: there is no such task; the running episode is left as it is.
            OptionError: an option other than "task".
        """
        task = requested_task(options, ignored=frozenset())
        before = self._np_random, self._np_random_seed, self._turn
        super().reset(seed=seed)
        try:
            task = self._draw_task() if task is None else task
            self._turn = 0
            self._observation = self.start(task)
        except Exception:
            self._np_random, self._np_random_seed, self._turn = before
            raise
        self._task = task
        return self._observation, self._info("")

    def step(self, action: str) -> tuple[str, float, bool, bool, Info]:  # type: ignore[override]
        """Take one turn. An invalid action costs the turn; `info["reason"]` says why.

        Blanks around an action and its letter case do not matter, see `spaces.as_admissible`.
        Stepping on after the end is allowed: the world goes on from the state it is in.
        """
        if self._task is None:
            raise ResetNeededError("no episode is running: call reset() or restore() first")
        self._turn += 1
        problem = unreadable_text(action, self.max_action_length)
        if problem:
            observation, reward, terminated = self.refusal(problem), 0.0, self.won()
            reason = problem
        else:
            outcome = self.act(as_admissible(action, self._admissible))
            try:
                observation, reward, terminated, reason = outcome
            except (TypeError, ValueError) as error:
                raise OutcomeError(
                    f"{type(self).__name__}.act returned {outcome!r:.80} in turn {self._turn} of "
                    f"task {self._task!r}, not an Outcome: verify the environment with "
                    "`anchorgym check`"
                ) from error
        self._observation = observation
        truncated = self._turn >= self.max_turns and not terminated
        return observation, reward, terminated, truncated, self._info(reason)

    def render(self) -> str | None:
        """Return the last observation in render mode "ansi"."""
        return self._observation if self.render_mode == "ansi" else None

    # Snapshots ------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Return task, turn, state and randomness as UTF-8 JSON; see `AnchoredEnv.snapshot`."""
        rng = self.np_random.bit_generator.state if self.stochastic else None
        return pack(
            {
                "config": self._config_hash(),
                "task": self.task,
                "turn": self._turn,
                "observation": self._observation,
                "state": self.save(),
                "rng": rng,
            }
        )

    def restore(self, data: bytes, seed: int | None = None) -> tuple[str, Info]:
        """Return to a snapshot of this environment; see `AnchoredEnv.restore`.

        Raises:
            SnapshotError: foreign, stale or damaged bytes; the running episode stays as it is.
        """
        body = unpack(data, self._config_hash(), type(self).__name__)
        turn, self._turn = self._turn, 0
        try:
            self.start(body["task"])
            self._turn = body["turn"]
            self.load(body["state"])
        except UnknownTaskError as error:
            self._turn = turn
            raise SnapshotError(f"the snapshot is of a task that is not here: {error}") from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            self._task = None
            raise SnapshotError(
                f"the snapshot's state does not fit this world ({reason_of(error)}); call reset()"
            ) from error
        except Exception:
            self._turn = turn
            raise
        self._task, self._observation = body["task"], body["observation"]
        if seed is not None:
            self._np_random, self._np_random_seed = seeding.np_random(seed)
        elif body["rng"] is not None:
            self.np_random = generator(body["rng"])
        return self._observation, self._info("")

    # Details --------------------------------------------------------------------------------

    def _draw_task(self) -> str:
        panel = self.tasks(self.split)
        if not panel:
            raise DataError(f"split {self.split!r} of {type(self).__name__} holds no tasks")
        return panel[int(self.np_random.integers(len(panel)))]

    def _info(self, reason: str) -> Info:
        self._admissible = self.admissible_actions()
        info: Info = {
            "task_id": self._task or "",
            "goal": self.goal,
            "anchor": self.anchor(),
            "admissible_actions": self._admissible,
            "action_valid": not reason,
            "reason": reason,
            "won": self.won(),
            "progress": self.progress(),
        }
        extra = self.extra_info()
        if extra:
            info.update(extra)  # type: ignore[typeddict-item]  # a world's own keys
        return info

    def _config_hash(self) -> str:
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        return checksum([name, self.max_turns, dict(self.config())])
