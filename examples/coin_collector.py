"""Make coin collector games of TextWorld, in folders of training, validation and test games.

    python examples/coin_collector.py games/coin

A game is a chain of rooms with a coin at its end, and its introduction tells the way. Yuan et al.
(2018), "Counting to Explore and Generalize in Text-based Games" (arXiv 1806.11525), made such games
for players who are told nothing. Chains of three, four, five and six rooms take turns. All games
differ in their names and words; short ones may share their way. Play them with
`--env anchorgym/TextWorld-v0 --env.games games/coin`, which needs the packages in
`requirements-textworld.txt`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

GAMES = {"train": 64, "valid": 24, "test": 48}
ROOMS = (3, 4, 5, 6)


def write(game: int, path: Path) -> None:
    """Write a game as `path`, and its logic beside it."""
    from textworld import GameOptions
    from textworld.challenges import CHALLENGES
    from textworld.generator import compile_game

    options = GameOptions()
    options.seeds, options.path = game, str(path)
    _, make, _ = CHALLENGES["tw-coin_collector"]
    compile_game(make({"level": ROOMS[game % len(ROOMS)]}, options), options)


def main(out: Path) -> None:
    """Write the games to a new folder, which is there when it is whole."""
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    game = 0
    for split, count in GAMES.items():
        for number in range(count):
            write(game, part / split / f"{number:02}.z8")
            game += 1
        print(f"{split}: {count} games", flush=True)
    part.rename(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
