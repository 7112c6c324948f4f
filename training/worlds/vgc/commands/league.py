"""`anchorgym vgc league`: rank battle players on seen and unseen teams."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from anchorgym.training.commands import EXIT_OK
from anchorgym.training.commands.command import (
    Command,
    Settings,
    folder,
    option,
    seed_option,
    switch,
    word,
)


def run(known: Namespace, given: Settings) -> int:
    """Play, rank and print."""
    import json
    import sys

    from anchorgym.envs.durable import whole_file
    from anchorgym.training.league import Rules
    from anchorgym.training.league.roster import distinct
    from anchorgym.training.run.components import find_factory
    from anchorgym.training.run.console import SafeConsole
    from anchorgym.training.run.display import Display
    from anchorgym.training.worlds.vgc.config import LeagueSettings
    from anchorgym.training.worlds.vgc.contenders import LANGUAGE
    from anchorgym.training.worlds.vgc.evaluating import SPLITS, evaluate_league
    from anchorgym.training.worlds.vgc.report import draw, tables

    settings = LeagueSettings.parse(given)
    engine = find_factory(settings) if any(LANGUAGE in player for player in known.players) else None
    players = distinct(_named(player) for player in known.players)
    if note := Rules(seed=known.seed).rounding(known.games):
        print(f"note: {note}", file=sys.stderr)
    try:
        results = evaluate_league(
            players,
            settings.battle,
            known.out,
            games=known.games,
            splits=(known.only,) if known.only else tuple(SPLITS),
            refine=known.refine,
            seed=known.seed,
            record=known.record,
            display=Display(None if known.json else SafeConsole(stderr=True)),
            engine=engine,
        )
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt("repeat the command to go on from there") from interrupt
    with whole_file(known.out / "evaluation.png") as picture:
        draw(results, picture)
    if known.json:
        print(json.dumps([result.to_json() for result in results]))
        return EXIT_OK
    console = SafeConsole(width=max(SafeConsole().width, 24 + 22 * len(results[0].names)))
    console.print(tables(results))
    console.print(f"saved      {known.out}/evaluation.json, evaluation.png")
    return EXIT_OK


def _named(player: str) -> tuple[str, str]:
    """Return (name, player) of `NAME=PLAYER`, or of a player that is its own name."""
    name, equals, where = player.partition("=")
    return (name, where) if equals else (Path(player).name or player, player)


COMMAND = Command(
    name="vgc league",
    summary="Rank battle players against each other, on teams seen in training and others.",
    about="""
        Plays all pairs and prints the share of wins with intervals, Elo and alpha-rank, on teams
        of the training and on unseen ones. The folder keeps all games: a later call reuses them,
        and can add players.

        A player is random, max-power, heuristic, search, oracle-search, the folder of a policy or
        of a run (FOLDER:greedy takes its likeliest choices), language:FOLDER of a chat model, or
        NAME=PLAYER to give any of these a name.""",
    examples=(
        "anchorgym vgc league random heuristic runs/clone --record 8 --out runs/league",
        "anchorgym replay --verify runs/league/battles.jsonl",
    ),
    arguments=(
        word("players", "PLAYER", "Players that meet each other.", many=True, required=True),
        option(
            "--games",
            "N",
            "Games of each pair, on each kind of teams, rounded up to a multiple of 16.",
            type=int,
            default=64,
            least=1,
        ),
        option(
            "--refine",
            "N",
            "Further games, between the pairs whose result is least certain.",
            type=int,
            default=0,
            least=0,
        ),
        option(
            "--only",
            "TEAMS",
            "Play with one kind of teams alone: those seen in training, or unseen ones.",
            choices=("seen", "unseen"),
        ),
        seed_option("Seed of teams and of all chance."),
        option(
            "--record",
            "N",
            "Keep the last N battles that are played in battles.jsonl, for anchorgym replay.",
            type=int,
            default=0,
            least=0,
        ),
        folder(
            "--out",
            "Folder for all games, evaluation.json and its picture.",
            default=Path("runs/vgc-league"),
        ),
        switch("--json", "Print all figures as JSON."),
    ),
    settings="anchorgym.training.worlds.vgc.config:LeagueSettings",
    run=run,
)
