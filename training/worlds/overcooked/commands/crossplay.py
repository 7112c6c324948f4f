"""`anchorgym overcooked crossplay`: scores of all pairs of cooks."""

from __future__ import annotations

from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path

from anchorgym.training.commands import EXIT_OK
from anchorgym.training.commands.command import Command, Settings, folder, option, switch, word

_COMMAND = "anchorgym overcooked crossplay"


def run(known: Namespace, given: Settings) -> int:
    """Play all pairs, and print their scores."""
    import json
    import sys

    from anchorgym.envs.durable import whole_file
    from anchorgym.envs.overcooked import Kitchen, load_layout
    from anchorgym.training.config.run_folders import alone, claim, require_own
    from anchorgym.training.league.roster import Roster, distinct
    from anchorgym.training.worlds.overcooked import cooks_league, draw, find_cook, table
    from anchorgym.training.worlds.overcooked.crossplay import scores_of

    kitchen = Kitchen(load_layout(known.layout))
    named = [cook.rpartition("=")[::2] for cook in known.cooks]
    players = distinct((name or Path(cook).name or cook, cook) for name, cook in named)
    cooks = {name: find_cook(cook, kitchen) for name, cook in players.items()}
    with ExitStack() as stack:
        if known.out:
            require_own(known.out, _COMMAND)
            roster = Roster(known.out, players, {"layout": known.layout})
            cooks = {name: find_cook(cook, kitchen) for name, cook in roster.players.items()}
            claim(known.out, _COMMAND)
            stack.enter_context(alone(known.out))
            roster.write()
        league = cooks_league(kitchen, cooks, folder=known.out / "league" if known.out else None)
        if note := league.rules.rounding(known.games):
            print(f"note: {note}", file=sys.stderr)
        league.ensure(known.games)
        if known.out:
            with whole_file(known.out / "crossplay.png") as picture:
                draw(league, picture, f"{known.layout}, 400 ticks")
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
        option(
            "--games",
            "N",
            "Games of each pair of cooks, rounded up to a multiple of 10.",
            type=int,
            default=20,
            least=1,
        ),
        option("--layout", "NAME", "Kitchen to play in, by name.", default="cramped_room"),
        folder(
            "--out",
            "Folder for crossplay.png and all games: a later call reuses them, and can add cooks.",
        ),
        switch("--json", "Print all scores as JSON."),
    ),
    run=run,
)
