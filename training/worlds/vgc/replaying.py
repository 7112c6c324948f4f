"""Recorded battles on the command line: shown, written as pages, or executed again."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from anchorgym.envs.errors import DataError
from anchorgym.envs.vgc.bridge import shared_bridge
from anchorgym.envs.vgc.replays import (
    KeptBattle,
    differences,
    file_differences,
    holds_battles,
    is_sealed,
    read_battles,
)
from anchorgym.envs.vgc.text import happened
from anchorgym.training.commands import EXIT_OK
from anchorgym.training.commands.verdict import conclude
from anchorgym.training.worlds.vgc.pages import write_battle_page


class BattleFiles:
    """The format of recorded battles, see `training.worlds.registry.RecordFormat`."""

    def recognises(self, path: Path) -> bool:
        """Whether a file contains recorded battles."""
        return holds_battles(path)

    def replay(
        self, files: Sequence[Path], *, verify: bool, pages: Path | None, only: int | None
    ) -> int:
        """Verify battles, write their pages, or print a single one."""
        if verify:
            return _verify(files, only)
        if pages is not None:
            for path in files:
                for number, battle in _battles(path, only):
                    page = pages / f"{path.stem}-{number}.html"
                    write_battle_page(shared_bridge(), battle, page)
                    print(page)
            return EXIT_OK
        for number, battle in _battles(files[0], only or 1):
            _show(number, battle)
        return EXIT_OK


def _verify(files: Sequence[Path], only: int | None) -> int:
    began, battles, wrong, changed, unreadable = time.monotonic(), 0, 0, 0, 0
    names = "the players' names, and choices that change nothing, were not verified"
    for path in files:
        try:
            for number, battle in _battles(path, only):
                battles += 1
                found = differences(shared_bridge(), battle)
                wrong += bool(found)
                for difference in found:
                    print(f"{path}, battle {number}: {difference}")
            if only is not None or not is_sealed(path):
                why = "holds no digest" if only is None else "a single battle"
                print(f"{path}: {why}: {names}")
            if only is None:
                found = file_differences(path)
                changed += bool(found)
                for difference in found:
                    print(f"{path}: {difference}")
        except DataError as error:
            print(f"error: {error}", file=sys.stderr)
            unreadable += 1
    executed = f"{battles} battles executed in {time.monotonic() - began:.1f} s"
    found = [f"{wrong} not as recorded"] if wrong else []
    found += [f"{changed} files not as written"] if changed else []
    return conclude(executed, battles, "; ".join(found), unreadable)


def _battles(path: Path, only: int | None) -> Iterator[tuple[int, KeptBattle]]:
    number = 0
    for number, battle in enumerate(read_battles(path), 1):
        if only is None or number == only:
            yield number, battle
    if only is not None and only > number:
        raise DataError(f"{path} holds no battle {only}: there are {number}")


def _show(number: int, battle: KeptBattle) -> None:
    bridge = shared_bridge()
    handle, _ = bridge.resume(battle.record)
    print(f"battle {number}: {battle.players[0]} against {battle.players[1]}\n")
    print(happened(bridge.log(handle), None))
    bridge.discard([handle])
