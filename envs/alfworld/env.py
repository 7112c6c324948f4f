"""ALFWorld as a Gymnasium environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, NoReturn, cast

from anchorgym.envs.alfworld.data import SPLITS, game_source
from anchorgym.envs.alfworld.engine import World
from anchorgym.envs.alfworld.expert import honest_action
from anchorgym.envs.alfworld.goal import TASK_TYPES
from anchorgym.envs.alfworld.solver import UnsolvableError, full_action
from anchorgym.envs.alfworld.text import DIALECTS, NOTHING_HAPPENS
from anchorgym.envs.core import JSON, ExpertKind, Outcome, TextEnv
from anchorgym.envs.errors import NoExpertError, OptionError, ResetNeededError, did_you_mean


class _NoGame:
    """Stands for the game before one is started, so that no turn needs to ask."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ResetNeededError("no episode is running: call reset() or restore() first")


_NO_GAME: Final = cast(World, _NoGame())


class ALFWorldEnv(TextEnv):
    """Household tasks in text: find things, clean, heat or cool them, and put them where asked.

    Observations, admissible commands, `won` and `terminated` are those of the stock engine. The
    reward is 1.0 for the step that makes the goal true. Nothing is random but the draw of a task.

    `info` adds `goal_condition_success_rate`: the share of the goal's conditions that hold, as
    in ALFRED, of the objects for which most do. `progress` also counts the steps on the way
    there, such as holding an object that is asked for; both are 1 exactly when the game is won.

    Both dialects play every game, whatever version its file is of. Task ids, states and anchors
    are the same in both; only what is said differs, and so do the admissible actions.

    Args:
        data: the folder that holds the official games' `json_2.1.1/`. By default ALFWORLD_DATA
            names it; games are generated where that is not set either.
        dialect: the words of the game: "2.1.2", or those up to "2.1.1" that published prompts
            are written in (`put X in/on Y`, "You arrive at loc 24.", no `help`); see `text.py`.
        split: train, valid_seen or valid_unseen (scenes that no training game takes place in).
        task_types: the official names of the task types that `tasks` lists; by default all six.
        max_turns: the number of turns after which an episode is truncated.
        render_mode: None, or "ansi".

    Raises:
        DataError: the data named is missing or broken.
        UnknownSplitError: there is no such split.
        OptionError: there is no such dialect, or no such task type.
    """

    splits: ClassVar[tuple[str, ...]] = SPLITS
    stochastic: ClassVar[bool] = False

    world: World
    """The game in play."""

    def __init__(
        self,
        *,
        data: str | os.PathLike[str] | None = None,
        dialect: str = "2.1.2",
        split: str = "train",
        task_types: str | Sequence[str] = (),
        max_turns: int = 50,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(split=split, max_turns=max_turns, render_mode=render_mode)
        if dialect not in DIALECTS:
            raise OptionError(f"there is no dialect {dialect!r}: choose {' or '.join(DIALECTS)}")
        self.dialect = dialect
        self._task_types = frozenset([task_types] if isinstance(task_types, str) else task_types)
        for name in sorted(self._task_types.difference(TASK_TYPES.values())):
            raise OptionError(
                f"there is no task type {name!r}.{did_you_mean(name, TASK_TYPES.values())} There "
                f"are {', '.join(TASK_TYPES.values())}"
            )
        self._source = game_source(data)
        self._of_types: dict[str, tuple[str, ...]] = {}
        self._source.tasks(split)  # data that is missing is reported here, not at the first reset
        self.world = _NO_GAME

    def tasks(self, split: str | None = None) -> Sequence[str]:
        """Return the task ids of a split; see `TextEnv.tasks`.

        Raises:
            UnknownSplitError: there is no such split.
            DataError: its data is missing or broken.
        """
        return self._listed(self.split if split is None else split)

    def _listed(self, split: str) -> Sequence[str]:
        tasks = self._source.tasks(split)
        if not self._task_types:
            return tasks
        if split not in self._of_types:
            self._of_types[split] = tuple(
                task for task in tasks if self._source.task_type(task) in self._task_types
            )
        return self._of_types[split]

    def task_type(self, task: str) -> str:
        """Return which of the six official task types a task is of."""
        return self._source.task_type(task)

    def start(self, task: str) -> str:
        """Start the game of a task id, of any split; see `TextEnv.start`.

        Raises:
            UnknownTaskError: there is no such task.
            CorruptGameError: its file cannot be read as a game.
        """
        game = self._source.game(task)
        self.goal = game.task
        self.world = World(game, DIALECTS[self.dialect])
        return self.world.reset()

    def act(self, action: str) -> Outcome:
        """Carry out a command."""
        world = self.world
        before = world.goal_progress.won
        observation = world.step(action)
        won = world.goal_progress.won
        return Outcome(observation, 1.0 if won and not before else 0.0, won, world.problem)

    def config(self) -> Mapping[str, JSON]:
        """Return the dialect: a snapshot holds the last observation, in its words."""
        return {"dialect": self.dialect}

    def refusal(self, reason: str) -> str:
        """Return the game's answer to unknown commands, for actions that cannot be read."""
        return NOTHING_HAPPENS

    def admissible_actions(self) -> tuple[str, ...]:
        """Return the commands that are possible now, sorted."""
        return self.world.admissible()

    def save(self) -> JSON:
        """Return the state of the game as JSON values."""
        return self.world.state()

    def load(self, state: JSON) -> None:
        """Take a state of this game."""
        self.world.load(state)

    def won(self) -> bool:
        """Whether the goal holds now."""
        return self.world.goal_progress.won

    def progress(self) -> float:
        """Return the share of the subgoals that hold; see `goal_progress.assess`."""
        return self.world.goal_progress.progress

    def anchor(self) -> bytes:
        """Return the key of the state, kept up to date by each change; see `World.anchor`."""
        return self.world.anchor()

    def extra_info(self) -> Mapping[str, Any]:
        """Return the goal-condition success rate."""
        goal_progress = self.world.goal_progress
        return {"goal_condition_success_rate": goal_progress.met / goal_progress.conditions}

    def expert_action(self, kind: ExpertKind = "honest") -> str:
        """Return the next command of the expert that knows what was seen, or everything.

        Raises:
            NoExpertError: nothing wins from this state, or there is no such expert.
        """
        try:
            if kind == "honest":
                return honest_action(self.world)
            if kind == "full":
                return full_action(self.world)
        except UnsolvableError as error:
            raise NoExpertError(str(error)) from error
        raise NoExpertError(f"there is no {kind!r} expert: choose 'honest' or 'full'")
