"""Records of battles: format, seed, teams and choices; and the frames that the simulator tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NotRequired, TypedDict

from anchorgym.envs.errors import AnchorgymError
from anchorgym.envs.vgc.errors import BridgeError

Seed = tuple[int, int, int, int]
"""Seed of the simulator's random generator: four 16-bit integers."""
Choices = tuple[str | None, str | None]
"""What both players choose; None for one who is not asked."""

FORMATS: Final = (
    "gen9vgc2023regc",
    "gen9vgc2023regd",
    "gen9vgc2024regg",
    "gen9vgc2025regi",
    "gen9championsvgc2026regma",
    "gen9championsvgc2026regmb",
)
"""The formats that are tested. The simulator knows more double formats, by its own names."""


@dataclass(frozen=True, slots=True)
class Step:
    """One choice of both players, and the seed of chance from there on."""

    choices: Choices
    seed: Seed | None = None
    """None: chance goes on as it would have."""


@dataclass(frozen=True, slots=True)
class BattleRecord:
    """Everything a battle follows from: played again, it is the same to the letter."""

    format: str
    seed: Seed
    teams: tuple[str, str]
    """Packed, in the simulator's own form."""
    open_sheets: bool = True
    steps: tuple[Step, ...] = field(default=())

    def then(self, step: Step) -> BattleRecord:
        """Return the record of the battle one step further on."""
        return replace(self, steps=(*self.steps, step))

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return {
            "format": self.format,
            "seed": list(self.seed),
            "teams": list(self.teams),
            "open_sheets": self.open_sheets,
            "steps": [
                [*step.choices, list(step.seed) if step.seed else None] for step in self.steps
            ],
        }

    @classmethod
    def from_json(cls, data: Any) -> BattleRecord:
        """Return the record that `to_json` wrote.

        Raises:
            BridgeError: it is none.
        """
        try:
            steps = tuple(
                Step((_choice(one), _choice(two)), None if seed is None else seed_of(seed))
                for one, two, seed in data["steps"]
            )
            format, (first, second), open_sheets = (
                data["format"],
                data["teams"],
                data["open_sheets"],
            )
            if not all(isinstance(text, str) for text in (format, first, second)):
                raise ValueError("format and teams are strings")
            if not isinstance(open_sheets, bool):
                raise ValueError(f"open_sheets is true or false, not {open_sheets!r}")
            return cls(format, seed_of(data["seed"]), (first, second), open_sheets, steps)
        except (KeyError, TypeError, ValueError) as error:
            raise BridgeError(f"this is no record of a battle: {error!r}") from error


@dataclass(frozen=True, slots=True)
class SavedBattle:
    """A running battle that can be continued: its record, and the simulator's state."""

    record: BattleRecord
    state: str
    """JSON of the simulator, some 30 kB. It holds what is hidden from the players."""


class Seat(TypedDict):
    """One player's part of a frame; all but `legal` only where it was asked for."""

    legal: list[list[int]] | None
    """Ids that each of the two Pokémon may choose; None for a player who is not asked."""
    log: NotRequired[list[str]]
    """Lines of the player's channel since the last choice."""
    request: NotRequired[dict[str, Any] | None]
    """What the simulator asks, and the own team; None at the end."""
    view: NotRequired[dict[str, Any]]
    """What the player knows, see js/view.js."""
    tokens: NotRequired[str]
    """The view as numbers: base64 of 16-bit integers, see `tokens`."""
    key: NotRequired[str]
    """Key of what the player knows, without the turn counter: 32 hexadecimal digits."""
    error: NotRequired[str]
    """Why the simulator did not take the player's choice."""


class Frame(TypedDict):
    """A battle between two choices."""

    turn: int
    ended: bool
    winner: int | None
    """0 or 1; None while it runs and for a draw."""
    left: list[int]
    """How many Pokémon each player has left."""
    seats: list[Seat]


def seed_of(numbers: Any) -> Seed:
    """Return four integers as a seed.

    Raises:
        ValueError: they are not four, or not of 16 bits.
    """
    one, two, three, four = numbers = [*numbers]
    if not all(type(number) is int and 0 <= number < 2**16 for number in numbers):
        raise ValueError(f"a seed is four integers of 16 bits, not {numbers}")
    return one, two, three, four


def _choice(text: Any) -> str | None:
    """Return a choice as it was recorded.

    Raises:
        ValueError: it is neither a string nor None.
    """
    if text is not None and not isinstance(text, str):
        raise ValueError(f"a choice is a string or null, not {text!r}")
    return text


class BattlesLostError(AnchorgymError, RuntimeError):
    """The simulator's process crashed or hung, and took its battles along.

    The next request starts a new process. `lost` holds what was played in each battle, by its
    number: `Bridge.resume` plays it again.
    """

    def __init__(self, problem: str, lost: Mapping[int, BattleRecord]) -> None:
        self.lost = dict(lost)
        super().__init__(
            f"the simulator's process {problem}; battles lost: {len(self.lost)}. "
            "Bridge.resume(record) plays each of error.lost again in a new process."
        )
