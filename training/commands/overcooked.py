"""`anchorgym overcooked`: train cooks, clone people, and see who gets on with whom."""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from anchorgym.training.commands import EXIT_OK

if TYPE_CHECKING:
    from anchorgym.training.worlds.overcooked import PPOConfig

HELP = "train cooks by self-play, clone people, and pair them all"

_COOKS = "random, greedy, planner, or the folder of a trained cook"
_FEW_GAMES = 20


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of each of the three."""
    what = parser.add_subparsers(dest="what", required=True)
    train = what.add_parser("train", help="train a cook by self-play PPO", allow_abbrev=False)
    train.add_argument(
        "--partner",
        type=Path,
        action="append",
        default=[],
        metavar="COOK",
        help="folder of a cook that joins some of the games; can be given again",
    )
    train.add_argument("--from", type=Path, dest="begin", metavar="COOK", help="go on from it")
    train.add_argument("--iterations", type=int, help="of playing and updating")
    train.add_argument("--seed", type=int, default=0)
    clone = what.add_parser("clone", help="clone a cook from recorded games", allow_abbrev=False)
    clone.add_argument("data", type=Path, help="JSON Lines of recorded games, plain or .xz")
    clone.add_argument(
        "--part",
        choices=("all", "even", "odd"),
        default="all",
        help="of the games: every second one is enough for a partner, and leaves "
        "the others for one to test with",
    )
    clone.add_argument("--seed", type=int, default=0)
    cross = what.add_parser("crossplay", help="play all pairs of cooks", allow_abbrev=False)
    cross.add_argument("cooks", nargs="+", metavar="COOK", help=f"{_COOKS}; NAME=FOLDER names it")
    cross.add_argument("--games", type=int, default=_FEW_GAMES, help="of each pair")
    cross.add_argument("--json", action="store_true", help="print everything as JSON")
    cross.add_argument("--out", type=Path, metavar="FOLDER", help="for crossplay.png and the games")
    for command in (train, clone):
        command.add_argument("--out", type=Path, metavar="FOLDER", required=True, help="of it")
    for command in (train, clone, cross):
        command.add_argument("--layout", default="cramped_room", help="default: cramped_room")


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Do one of the three."""
    return {"train": _train, "clone": _clone, "crossplay": _crossplay}[known.what](known)


def _train(known: argparse.Namespace) -> int:
    from anchorgym.envs.overcooked import Kitchen, load_layout
    from anchorgym.training.run.display import Display
    from anchorgym.training.worlds.overcooked import NeuralCook, SelfPlay, play_pair

    kitchen, console = Kitchen(load_layout(known.layout)), Console()
    config = _config(known)
    net = NeuralCook.load(known.begin, kitchen).net if known.begin else None
    partners = [NeuralCook.load(folder, kitchen) for folder in known.partner]
    trainer = SelfPlay(kitchen, config, seed=known.seed, net=net, partners=partners)
    seconds = 0.0
    with Display(console).phase("self-play", config.iterations) as shown:
        for progress in trainer.train():
            shown.step(f"score {progress.score:.0f}, entropy {progress.entropy:.2f}")
            seconds = progress.seconds
    cook = trainer.cook()
    cook.save(known.out)
    scores = play_pair(kitchen, (cook, cook), _FEW_GAMES, seed=known.seed)
    console.print(
        f"score      {scores.mean():.0f} with itself, in {_FEW_GAMES} games\n"
        f"saved      {known.out}, {seconds:.0f} CPU seconds",
        highlight=False,
    )
    return EXIT_OK


def _config(known: argparse.Namespace) -> PPOConfig:
    from anchorgym.training.worlds.overcooked import PPOConfig

    given = {f.name: getattr(known, f.name, None) for f in fields(PPOConfig)}
    return PPOConfig(**{name: value for name, value in given.items() if value is not None})


def _clone(known: argparse.Namespace) -> int:
    from anchorgym.envs.overcooked import Kitchen, load_layout
    from anchorgym.training.worlds.overcooked import clone, fit_of, read_games
    from anchorgym.training.worlds.overcooked.human import divided

    kitchen, console = Kitchen(load_layout(known.layout)), Console()
    parts = divided(read_games(known.data, kitchen), known.part)
    cook = clone(kitchen, parts.shown, parts.kept, seed=known.seed)
    cook.save(known.out)
    fit = fit_of(cook, parts.unseen)
    console.print(
        f"clone      of {len(parts.shown)} games, {len(parts.kept)} to stop by\n"
        f"unseen     {len(parts.unseen)} games, {fit.decisions} decisions: log-likelihood "
        f"{fit.logprob:.3f}, accuracy {fit.accuracy:.3f}\n"
        f"saved      {known.out}",
        highlight=False,
    )
    return EXIT_OK


def _crossplay(known: argparse.Namespace) -> int:
    from anchorgym.envs.overcooked import Kitchen, load_layout
    from anchorgym.training.worlds.overcooked import cooks_league, draw, find_cook, table
    from anchorgym.training.worlds.overcooked.crossplay import scores_of

    kitchen = Kitchen(load_layout(known.layout))
    named = [cook.rpartition("=")[::2] for cook in known.cooks]
    cooks = {name or Path(cook).name: find_cook(cook, kitchen) for name, cook in named}
    if known.out:
        known.out.mkdir(parents=True, exist_ok=True)
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
