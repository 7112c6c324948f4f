"""The bridge to the battle simulator: one Node.js process that holds many battles.

A request carries any number of operations, so that stepping a batch of battles costs one exchange
of lines. The bridge keeps the record of every battle it holds. When the process crashes or hangs,
it reports the battles that are lost, and `resume` plays one again from its record.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any, Final

from anchorgym.envs.vgc.errors import BridgeError, TeamError
from anchorgym.envs.vgc.installation import SCRIPTS, node, simulator
from anchorgym.envs.vgc.process import LineProcess, ProcessLostError
from anchorgym.envs.vgc.records import (
    BattleRecord,
    BattlesLostError,
    Choices,
    Frame,
    SavedBattle,
    Seat,
    Seed,
    Step,
)

DEADLINE: Final = 60.0
"""Seconds a request may take: a thousand times what a batch of battles does."""
EVERYTHING: Final = ("log", "request", "view", "key", "tokens")
"""What a frame can hold of each seat."""

_USED_UP = "was started by another process: make a Bridge after the fork, not before"


@dataclass(frozen=True, slots=True)
class Move:
    """The choices of both players in one battle."""

    battle: int
    choices: Choices
    seed: Seed | None = None
    """Seed of chance from here on; None continues the same randomness."""


class Bridge:
    """Battles in a process of their own.

    Args:
        plain: run the simulator exactly as it came from npm, without what makes it faster here.
        deadline: seconds after which an unanswered request means that the process hangs.

    Raises:
        NodeMissingError, SimulatorMissingError: at the first request, before anything is set up.
    """

    def __init__(self, *, plain: bool = False, deadline: float = DEADLINE) -> None:
        self.plain = plain
        self.deadline = deadline
        self._process: LineProcess | None = None
        self._owner = os.getpid()
        self._serial = count(1)
        self._numbers = count(1)
        self._records: dict[int, BattleRecord] = {}
        self._lost: dict[int, BattleRecord] = {}

    # Battles --------------------------------------------------------------------------------

    def open(
        self, starts: Sequence[BattleRecord], wants: Sequence[str] = ()
    ) -> tuple[list[int], list[Frame]]:
        """Start battles, and play the steps that their records hold.

        Args:
            starts: what the battles follow from.
            wants: what the frames hold of each seat, of `EVERYTHING`.

        Returns:
            Their numbers, and how they stand.

        Raises:
            BridgeError: there is no such format.
        """
        numbers = [next(self._numbers) for _ in starts]
        frames: list[Frame] = self._ask(
            [_opening(number, start, wants) for number, start in zip(numbers, starts, strict=True)]
        )
        for place, (number, start) in enumerate(zip(numbers, starts, strict=True)):
            self._records[number] = start
            if start.steps:
                steps = [_choosing(Move(number, s.choices, s.seed), wants) for s in start.steps]
                frames[place] = self._ask(steps)[-1]
        return numbers, frames

    def choose(self, moves: Sequence[Move], wants: Sequence[str] = ()) -> list[Frame]:
        """Hand in choices, a battle each, and play on to the next question.

        A choice that the simulator does not take leaves its player asked; the seat's `error`
        says why.

        Raises:
            BattlesLostError: the process went down, now or earlier, with these battles.
            BridgeError: there is no such battle; none of them is touched then.
        """
        gone = {m.battle: self._lost.pop(m.battle) for m in moves if m.battle in self._lost}
        if gone:
            raise BattlesLostError("went down earlier", gone)
        for move in moves:
            self.record(move.battle)  # refuses those that are not there before any is touched
        frames: list[Frame] = self._ask([_choosing(move, wants) for move in moves])
        for move in moves:
            step = Step(move.choices, move.seed)
            self._records[move.battle] = self._records[move.battle].then(step)
        return frames

    def look(self, battle: int, wants: Sequence[str] = EVERYTHING) -> Frame:
        """Return how a battle stands."""
        frame: Frame = self._ask([{"op": "look", "battle": battle, "wants": list(wants)}])[0]
        return frame

    def record(self, battle: int) -> BattleRecord:
        """Return what a battle follows from, up to now.

        Raises:
            BridgeError: there is no such battle.
        """
        try:
            return self._records[battle]
        except KeyError:
            raise BridgeError(f"there is no battle {battle}") from None

    def resume(self, record: BattleRecord, wants: Sequence[str] = ()) -> tuple[int, Frame]:
        """Play a battle again from its record, to where it stood: its new number and frame."""
        (number,), (frame,) = self.open([record], wants)
        return number, frame

    def save(self, battle: int) -> SavedBattle:
        """Return a running battle, to go on from it later or elsewhere."""
        return SavedBattle(self.record(battle), self._ask([{"op": "save", "battle": battle}])[0])

    def load(self, saved: SavedBattle, wants: Sequence[str] = ()) -> tuple[int, Frame]:
        """Go on from a saved battle: its new number, and how it stands.

        Raises:
            BridgeError: it is no saved battle.
        """
        number = next(self._numbers)
        op = {"op": "load", "battle": number, "saved": saved.state, "wants": list(wants)}
        frame: Frame = self._ask([op])[0]
        self._records[number] = saved.record
        return number, frame

    def fork(self, battle: int, copies: int) -> list[int]:
        """Copy a running battle: all have the same future until a choice brings a seed."""
        numbers = [next(self._numbers) for _ in range(copies)]
        self._ask([{"op": "fork", "battle": battle, "into": numbers}])
        self._records.update(dict.fromkeys(numbers, self.record(battle)))
        return numbers

    def imagine(
        self, format: str, seat: Seat, number: int, seeds: Sequence[Seed], wants: Sequence[str] = ()
    ) -> tuple[list[int], list[Frame]]:
        """Make battles that a player could be in, from what it knows and nothing else.

        Args:
            format: of the battle.
            seat: with its `request` (for moves) and `view`.
            number: 0 or 1, whose seat it is.
            seeds: of what is hidden from that player, a battle each.
            wants: what the frames hold of each seat.

        Returns:
            Their numbers, and how they stand. They have no record.
        """
        numbers = [next(self._numbers) for _ in seeds]
        known = {"seat": number, "view": seat["view"], "request": seat["request"]}
        ops = [
            {"op": "imagine", "battle": i, "format": format, "seed": list(seed), **known}
            | {"wants": list(wants)}
            for i, seed in zip(numbers, seeds, strict=True)
        ]
        return numbers, self._ask(ops)

    def outcomes(
        self, battle: int, number: int, pairs: Sequence[Choices], seed: Seed
    ) -> list[float | None]:
        """Play a turn of a battle in several ways, each on a copy with the same chance.

        Args:
            battle: which; it stays as it is.
            number: 0 or 1, for whom.
            pairs: what both players choose.
            seed: of chance.

        Returns:
            How the battle stands for the player then, in [-1, 1], and beyond that if it has ended;
            None where the simulator does not take the choices.
        """
        op = {"op": "outcomes", "battle": battle, "seat": number, "seed": list(seed)}
        values: list[float | None] = self._ask([op | {"pairs": [list(pair) for pair in pairs]}])[0]
        return values

    def drop(self, imagined: Sequence[int]) -> None:
        """Forget battles that were imagined."""
        self._ask([{"op": "close", "battle": battle} for battle in imagined])

    def key(self, battle: int) -> bytes:
        """Return the key of a battle's state: 16 bytes, without turn counter, chance and logs."""
        return bytes.fromhex(self._ask([{"op": "key", "battle": battle}])[0])

    def log(self, battle: int, channel: int = 0) -> list[str]:
        """Return all lines of a battle; channel 0 is the spectators', 1 and 2 the players'.

        A loaded or forked battle has those since then.
        """
        lines: list[str] = self._ask([{"op": "log", "battle": battle, "channel": channel}])[0]
        return lines

    def story(self, battle: int) -> list[dict[str, Any]]:
        """Return a battle as spectators see it: its lines, and how both sides stand after each."""
        told: list[dict[str, Any]] = self._ask([{"op": "story", "battle": battle}])[0]
        return told

    def discard(self, battles: Sequence[int]) -> None:
        """Forget battles; those that are not there already are."""
        here = [battle for battle in battles if self._records.pop(battle, None) is not None]
        for battle in battles:
            self._lost.pop(battle, None)
        if here:
            self._ask([{"op": "close", "battle": battle} for battle in here])

    # Teams and tables -----------------------------------------------------------------------

    def make_team(self, format: str, seed: Seed) -> str:
        """Return the packed legal team of a seed.

        Raises:
            BridgeError: there is no such format.
        """
        return str(self._ask([{"op": "makeTeam", "format": format, "seed": list(seed)}])[0])

    def team_problems(self, format: str, team: str) -> list[str]:
        """Return what the format has against a packed team; nothing when it is legal."""
        problems: list[str] = self._ask([{"op": "checkTeam", "format": format, "team": team}])[0]
        return problems

    def read_paste(self, format: str, paste: str) -> str:
        """Return the packed team of a paste in the export format; nicknames are dropped.

        Raises:
            TeamError: it is no team, or the format does not allow it.
        """
        try:
            return str(self._ask([{"op": "readPaste", "format": format, "paste": paste}])[0])
        except BridgeError as error:
            raise TeamError(str(error)) from error

    def read_log(self, format: str, lines: Sequence[str]) -> list[dict[str, Any]]:
        """Return what both players of a battle decided in it, see js/logs.js.

        Args:
            format: whose tables are used.
            lines: of a log in the simulator's protocol, as spectators see it.
        """
        op = {"op": "readLog", "format": format, "lines": list(lines)}
        found: list[dict[str, Any]] = self._ask([op])[0]
        return found

    def tables(self, format: str) -> dict[str, Any]:
        """Return moves, species, items, abilities and the type chart of a format."""
        tables: dict[str, Any] = self._ask([{"op": "dex", "format": format}])[0]
        return tables

    def layout(self, format: str) -> dict[str, Any]:
        """Return what rows, columns and indices of the tokens mean."""
        layout: dict[str, Any] = self._ask([{"op": "layout", "format": format}])[0]
        return layout

    # The process ----------------------------------------------------------------------------

    @property
    def pid(self) -> int | None:
        """The process id of the simulator, None while it does not run."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """End the process, with the battles that it holds."""
        if self._process is not None:
            self._process.kill()
        self._process = None
        self._records.clear()
        self._lost.clear()

    def _ask(self, ops: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return the results of operations.

        Raises:
            BridgeError: one was refused; the others were carried out.
            BattlesLostError: the process is gone, and all battles with it.
        """
        if os.getpid() != self._owner:
            raise BridgeError(f"this bridge {_USED_UP}")
        if not ops:
            return []
        if self._process is None:
            self._process = LineProcess(self._command())
        serial = next(self._serial)
        line = json.dumps({"serial": serial, "ops": ops}, separators=(",", ":")).encode()
        try:
            answer = json.loads(self._process.ask(line, self.deadline))
        except ProcessLostError as error:
            self._mourn()
            raise BattlesLostError(str(error), self._lost) from error
        except BaseException:
            self._mourn()
            raise
        if answer["serial"] != serial:
            self.close()
            raise BridgeError("the simulator answered another request")
        results = answer["results"]
        for result in results:
            if "error" in result:
                raise BridgeError(result["error"])
        return [result["ok"] for result in results]

    def _mourn(self) -> None:
        """Note the battles that went down with the process."""
        self._process = None
        self._lost.update(self._records)
        self._records.clear()

    def _command(self) -> list[str]:
        script = str(SCRIPTS / "main.js")
        command = [node(), script, str(simulator()), str(os.getpid())]
        return [*command, "--plain"] if self.plain else command


@lru_cache(maxsize=1)
def _bridge_of(pid: int) -> Bridge:
    return Bridge()


def shared_bridge() -> Bridge:
    """Return the bridge that the environments of this process share."""
    return _bridge_of(os.getpid())


def _opening(number: int, start: BattleRecord, wants: Sequence[str]) -> dict[str, Any]:
    return {
        "op": "open",
        "battle": number,
        "format": start.format,
        "seed": list(start.seed),
        "teams": list(start.teams),
        "openSheets": start.open_sheets,
        "wants": list(wants),
    }


def _choosing(move: Move, wants: Sequence[str]) -> dict[str, Any]:
    op = {"op": "choose", "battle": move.battle, "choices": list(move.choices)}
    op |= {"wants": list(wants)}
    return op | {"seed": list(move.seed)} if move.seed else op
