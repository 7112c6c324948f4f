"""`anchorgym evaluate-league`: battle policies against each other, on seen and unseen teams."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from anchorgym.training.commands import EXIT_OK

HELP = "cross-play, ranking and generalisation of battle players"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "players",
        nargs="+",
        metavar="PLAYER",
        help="random, max-power, heuristic, search, oracle-search, the folder of a policy or of a "
        "run (FOLDER:greedy takes its likeliest choices), language:FOLDER of a chat model, or "
        "NAME=any of these",
    )
    parser.add_argument("--format", default="gen9vgc2025regi", help="of the battles")
    parser.add_argument("--teams", type=int, default=1, metavar="N", help="seen ones; 1")
    parser.add_argument("--pastes", metavar="FOLDER", help="of team pastes, instead of made teams")
    parser.add_argument("--games", type=int, default=64, metavar="N", help="of each pair; 64")
    parser.add_argument(
        "--refine", type=int, default=0, metavar="N", help="further games, where they tell most"
    )
    parser.add_argument("--split", choices=("seen", "unseen"), help="only one of both")
    parser.add_argument("--closed-sheets", action="store_true", help="hide the team sheets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/vgc-evaluation"),
        metavar="FOLDER",
        help="for all games, evaluation.json and .png; games in it are not played again",
    )
    parser.add_argument(
        "--record",
        type=int,
        default=0,
        metavar="N",
        help="keep the last N battles that are played in battles.jsonl, for anchorgym replay",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Play, rank and print."""
    from anchorgym.training.run.display import Display
    from anchorgym.training.worlds.vgc.config import BattleConfig
    from anchorgym.training.worlds.vgc.evaluating import SPLITS, evaluate_league
    from anchorgym.training.worlds.vgc.report import draw, tables

    config = BattleConfig(
        format=known.format,
        teams=known.teams,
        pastes=known.pastes,
        open_sheets=not known.closed_sheets,
    )
    results = evaluate_league(
        dict(_named(player) for player in known.players),
        config,
        known.out,
        games=known.games,
        splits=(known.split,) if known.split else tuple(SPLITS),
        refine=known.refine,
        seed=known.seed,
        record=known.record,
        display=Display(None if known.json else Console(stderr=True)),
    )
    draw(results, known.out / "evaluation.png")
    if known.json:
        print(json.dumps([result.to_json() for result in results]))
        return EXIT_OK
    console = Console(width=max(Console().width, 24 + 22 * len(results[0].names)))
    console.print(tables(results))
    console.print(f"saved {known.out}/evaluation.json, evaluation.png", highlight=False)
    return EXIT_OK


def _named(player: str) -> tuple[str, str]:
    """Return name and meaning of `NAME=PLAYER`, or of a player that is named after itself."""
    name, equals, where = player.partition("=")
    return (name, where) if equals else (Path(player).name or player, player)
