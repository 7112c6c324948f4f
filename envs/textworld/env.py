"""TextWorld games as a Gymnasium environment."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from anchorgym.envs.core import JSON, ExpertKind, Outcome, TextEnv
from anchorgym.envs.errors import CorruptGameError, NoExpertError, ResetNeededError
from anchorgym.envs.textworld.files import SPLITS, GameFiles, Games, logic_file
from anchorgym.envs.textworld.planning import PlanningPlay
from anchorgym.envs.textworld.play import Play
from anchorgym.envs.textworld.stock import module
from anchorgym.envs.textworld.words import LONGEST_COMMAND
from anchorgym.envs.textworld.zmachine import CompiledPlay, StoryPlay

_NO_GOAL: Final = "Play the game and win it."


class TextWorldEnv(TextEnv):
    """Any game that the stock engine of TextWorld 1.7 plays.

    What holds depends on what the engine can tell of a game. `info["told_by"]` says which case
    this is:

    - "facts": a .z8 that TextWorld compiled, with its .json beside it, or a .tw-pddl. The whole
      contract holds. Admissible actions are the engine's. Another command is valid if it changes
      a fact (`n` for `go north`); if not, it costs the turn and is undone, whatever it told.
    - "observation": a story file (.z3, .z5, .z8, …) on its own. There are no admissible actions
      and no expert, and nothing counts but how the game ends (the score too, if jericho knows
      the game). A command is invalid when the game says that it did not understand. Anchors are
      of what `look` and `inventory` say here: states that look alike share one though their
      futures may differ, which `check_env` may find and report.

    The reward is the gain in `progress`: 1 for a won game, else score by maximum score. So a win
    makes 1.0 in all; a lost game keeps what it had gained. The observation is what the game
    said, without logo, prompt, and the status line that counts turns. Nothing is random but the
    draw of a task: games play with one fixed seed of the interpreter, so seeds for `restore`
    redraw nothing. Snapshots hold the commands since the start, which are played again where the
    state is not kept in memory (.tw-pddl: always, and slowly; for ALFWorld's games use
    `anchorgym/ALFWorld-v0`). Glulx games (.ulx) and a .json alone cannot be played.

    `info` adds `score`, `max_score` (0 if unknown), `lost` and `told_by`.

    Args:
        games: a folder, a game file, or a list of game files; see `GameFiles`.
        split: train, valid or test: subfolders of the folder. Without them all games are train.
        max_turns: the number of turns after which an episode is truncated.
        render_mode: None, or "ansi".

    Raises:
        MissingExtraError: the stock engine is not installed.
        OptionError: no games were named.
        DataError: there are none where they should be.
        UnknownSplitError: there is no such split.
    """

    splits: ClassVar[tuple[str, ...]] = SPLITS
    stochastic: ClassVar[bool] = False
    max_action_length: ClassVar[int] = LONGEST_COMMAND

    def __init__(
        self,
        *,
        games: Games | None = None,
        split: str = "train",
        max_turns: int = 100,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(split=split, max_turns=max_turns, render_mode=render_mode)
        self._files = GameFiles(games)
        module("textworld")
        self._files.tasks(split)  # games that are missing are reported here
        self._play: Play | None = None
        self._playing = ""

    def tasks(self, split: str | None = None) -> Sequence[str]:
        """Return the task ids of a split; see `GameFiles.tasks`."""
        return self._files.tasks(self.split if split is None else split)

    def start(self, task: str) -> str:
        """Start the game of a task id, of any split; see `TextEnv.start`.

        Raises:
            UnknownTaskError: there is no such task.
            CorruptGameError: its file cannot be played.
        """
        file = self._files.find(task)
        if self._play is not None and self._playing == task:
            first = self._play.start()
        else:
            play = opened(file)
            try:
                first = play.start()
            except BaseException:
                play.close()
                raise
            self.close()
            self._play, self._playing = play, task
        self.goal = self.play.goal or _NO_GOAL
        return first

    @property
    def play(self) -> Play:
        """The game in play."""
        if self._play is None:
            raise ResetNeededError("no episode is running: call reset() or restore() first")
        return self._play

    def act(self, action: str) -> Outcome:
        """Carry out a command; case and surplus spaces do not matter.

        Raises:
            CorruptGameError: the game's file is damaged, and the game cannot go on.
        """
        before = self.progress()
        try:
            answer, problem = self.play.step(" ".join(action.lower().split()))
        except CorruptGameError:
            self.close()  # nothing can be played with an interpreter that has halted
            raise
        return Outcome(answer, self.progress() - before, self.play.over, problem)

    def admissible_actions(self) -> tuple[str, ...]:
        """Return the commands that are possible now, sorted; none where that is not known."""
        return self.play.admissible()

    def save(self) -> JSON:
        """Return the commands carried out since the start."""
        self.play.keep()
        return {"commands": list(self.play.done)}

    def load(self, state: JSON) -> None:
        """Take a state of this game."""
        commands = state["commands"]
        if not all(isinstance(command, str) for command in commands):
            raise ValueError("a command is a string")
        self.play.go_to(commands)

    def won(self) -> bool:
        """Whether the game was won."""
        return self.play.won

    def progress(self) -> float:
        """Return 1 for a won game, else the share of the points that there are."""
        play = self.play
        if play.won:
            return 1.0
        return min(1.0, max(0.0, play.score / play.most)) if play.most > 0 else 0.0

    def anchor(self) -> bytes:
        """Return the key of the state: of its facts, or of what is seen; see the class."""
        return self.play.key()

    def extra_info(self) -> Mapping[str, Any]:
        """Return score, maximum score, whether the game was lost, and what anchors are of."""
        play = self.play
        return {
            "score": play.score,
            "max_score": play.most,
            "lost": play.lost,
            "told_by": play.told_by,
        }

    def expert_action(self, kind: ExpertKind = "honest") -> str:
        """Return the next command of the game's own way to win, for "full".

        Raises:
            NoExpertError: no way to win from here is known, or "honest" was asked for.
        """
        if kind != "full":
            raise NoExpertError("no expert plays TextWorld honestly: choose 'full'")
        commands = self.play.plan()
        if not commands or commands[0] not in self.play.admissible():
            raise NoExpertError("the game knows no way to win from here")
        return commands[0]

    def close(self) -> None:
        """Free the engine; a reset starts another."""
        if self._play is not None:
            self._play.close()
        self._play, self._playing = None, ""

    def __deepcopy__(self, memo: dict[int, Any]) -> TextWorldEnv:
        """Return a copy with an engine of its own, in the same state."""
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        for name, value in vars(self).items():
            setattr(twin, name, None if name == "_play" else copy.deepcopy(value, memo))
        twin._playing = ""
        if self._play is not None:
            twin.start(self._playing)
            twin.load(self.save())
        return twin


def opened(file: Path) -> Play:
    """Return a game to be started.

    Raises:
        CorruptGameError: the file cannot be played.
        MissingExtraError: the stock engine is not installed.
    """
    if file.suffix == ".tw-pddl":
        return PlanningPlay(file)
    companion = logic_file(file)
    return StoryPlay(file) if companion is None else CompiledPlay(file, companion)
