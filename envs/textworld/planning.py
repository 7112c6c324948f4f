"""Games written in PDDL (.tw-pddl), which Fast Downward plays for TextWorld."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from anchorgym.envs.errors import CorruptGameError, MissingExtraError, requires_extra
from anchorgym.envs.textworld.play import Play
from anchorgym.envs.textworld.stock import module
from anchorgym.envs.textworld.words import objection, readable

_NOT_POSSIBLE = "it is not an admissible action"


class PlanningPlay(Play):
    """A game in PDDL. It starts slowly, and goes back to a state by playing up to it.

    Raises:
        CorruptGameError: the file cannot be read as a game.
    """

    told_by: ClassVar[Literal["facts", "observation"]] = "facts"

    def __init__(self, file: Path) -> None:
        super().__init__()
        textworld = module("textworld")
        infos = textworld.EnvInfos(won=True, admissible_commands=True)
        try:
            with requires_extra("textworld", "a game in PDDL"):
                self._engine = textworld.start(str(file), infos)
        except MissingExtraError:
            raise
        except Exception as error:  # whatever its reader stumbles over
            raise CorruptGameError(f"{str(file)!r} cannot be read as a game: {error!r}") from error
        self._now: Any = None
        self.most = 1

    def admissible(self) -> tuple[str, ...]:
        """Return the sorted commands that are possible now."""
        return () if self.over else tuple(self._now["admissible_commands"])

    def plan(self) -> Sequence[str]:
        """Return the commands that the planner finds to win from here."""
        engine = self._engine
        return () if self.over else list(engine._pddl_state.replan(engine._entity_infos))

    def close(self) -> None:
        """Free the engine."""
        self._engine.close()

    def _begin(self) -> str:
        self._take(self._engine.reset())
        return readable(self._now.feedback)

    def _carry_out(self, command: str) -> tuple[str, str]:
        if command not in self.admissible():
            problem = objection(command) or _NOT_POSSIBLE
            return "Nothing happens.", problem
        self._take(self._engine.step(command)[0])
        return readable(self._now.feedback), ""

    def _take(self, state: Any) -> None:
        self._now = state
        self.won = bool(state["won"])
        self.score = int(self.won)

    def _tell(self) -> Iterable[str]:
        # What was made false is listed too, what never was true is not: the texts may tell the
        # two apart, and nothing else does.
        return sorted(str(fact) for fact in self._now["_facts"] if not fact.is_negation)
