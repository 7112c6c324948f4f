"""`anchorgym overcooked crossplay`: scores of all pairs of cooks."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from anchorgym.training.commands import EXIT_OK
from anchorgym.training.commands.command import Command, Settings, folder, option, switch, word


def run(known: Namespace, given: Settings) -> int:
    """Play all pairs, and print their scores."""
    import json

    from anchorgym.envs.overcooked import Kitchen, load_layout
    from anchorgym.training.config.run_folders import claim
    from anchorgym.training.worlds.overcooked import cooks_league, draw, find_cook, table
    from anchorgym.training.worlds.overcooked.crossplay import scores_of

    kitchen = Kitchen(load_layout(known.layout))
    named = [cook.rpartition("=")[::2] for cook in known.cooks]
    cooks = {name or Path(cook).name: find_cook(cook, kitchen) for name, cook in named}
    if known.out:
        claim(known.out, "anchorgym overcooked crossplay")
    league = cooks_league(kitchen, cooks, folder=known.out / "league" if known.out else None)
    league.ensure(known.games)
    if known.out:
        draw(league, known.out / "crossplay.png", f"{known.layout}, 400 ticks")
    if known.json:
        pairs = [
            {"first": a, "second": b, "mean": s.mean, "low": s.low, "high": s.high}
            for (a, b), s in scores_of(league).items()
        ]
        print(json.dumps(pairs))
    else:
        print(table(league))
    return EXIT_OK


COMMAND = Command(
    name="overcooked crossplay",
    summary="Play all pairs of cooks, to see which cooperate well.",
    about="""
        Plays every pair in both seats and prints a table of mean scores with 95 % intervals.

        A cook is random, greedy, planner, the folder of a trained cook or its run, or NAME=COOK
        to give any of these a name.""",
    examples=("anchorgym overcooked crossplay greedy planner me=runs/cook --out runs/pairs",),
    arguments=(
        word("cooks", "COOK", "Cooks that are paired with each other.", many=True, required=True),
        option("--games", "N", "Games of each pair of cooks.", type=int, default=20, least=1),
        option("--layout", "NAME", "Kitchen to play in, by name.", default="cramped_room"),
        folder("--out", "Folder for crossplay.png and all games."),
        switch("--json", "Print all scores as JSON."),
    ),
    run=run,
)
