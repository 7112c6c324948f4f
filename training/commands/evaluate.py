"""`anchorgym evaluate`: measure a policy, or two side by side."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from anchorgym.training.commands import EXIT_INTERRUPTED, EXIT_OK, environment_arguments

if TYPE_CHECKING:
    from anchorgym.envs import TextEnv
    from anchorgym.training.evaluation.measurement import Measurement
    from anchorgym.training.evaluation.players import Player

HELP = "measure a policy, or two side by side"
TAKES_ENV_ARGUMENTS = True

_EPILOG = "--env.KEY VALUE passes further arguments to the environment, such as --env.max-turns 30."


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "policy", help="folder of a saved policy, such as runs/NAME/policy, or expert, or random"
    )
    parser.add_argument("--against", metavar="OTHER", help="compare with it on the same tasks")
    parser.add_argument("--env", metavar="ID", help="default: the one it was trained on")
    parser.add_argument("--data", metavar="FOLDER", help="the environment's data, if it takes any")
    parser.add_argument("--split", help="default: valid_unseen, or else valid_seen")
    parser.add_argument("--tasks", type=int, metavar="N", help="of the panel (default: all)")
    parser.add_argument(
        "--mode",
        choices=("greedy", "sampled", "both"),
        help="default: both; greedy, which is once a task, if no player is a language policy",
    )
    parser.add_argument("--temperature", type=float, default=1.0, help="of sampled play; 1.0")
    parser.add_argument(
        "--samples", type=int, default=4, metavar="K", help="episodes of a task in sampled play; 4"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="for evaluation.json, .png and episodes.jsonl"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Play the panel and print the figures."""
    from anchorgym.training.evaluation.measurement import Measurement, Plan, measure
    from anchorgym.training.evaluation.players import load_player
    from anchorgym.training.rollout.env_pool import Worlds
    from anchorgym.training.run.display import Display

    # A split that is named is also what the environment is made with: its data may lack others.
    arguments = environment_arguments(known, rest)
    names = [known.policy, *([known.against] if known.against else [])]
    players = [load_player(name, seed=known.seed) for name in names]
    env_id = _env_id(known.env, players)
    worlds = Worlds(env_id, **arguments)
    plan = Plan(
        env_id=env_id,
        arguments=arguments,
        split=known.split or _split(worlds.first),
        tasks=known.tasks,
        modes=_modes(known.mode, players),
        temperature=known.temperature,
        samples=known.samples,
        seed=known.seed,
    )
    there = len(worlds.first.tasks(plan.split))
    if plan.tasks is not None and plan.tasks > there:
        _warn(f"{plan.split} holds {there} tasks, not {plan.tasks}: all of them are played")
    if known.out:
        known.out.mkdir(parents=True, exist_ok=True)
    measurement = Measurement(plan, tuple(names))
    display = Display(Console(stderr=True))
    try:
        measure(measurement, players, worlds, display, keep_episodes=bool(known.out))
    except KeyboardInterrupt:
        if not measurement.found:
            raise
    _show(measurement, known)
    if not measurement.complete:
        print("interrupted: a mode that was not finished is left out", file=sys.stderr)
        return EXIT_INTERRUPTED
    return EXIT_OK


def _show(measurement: Measurement, known: argparse.Namespace) -> None:
    from anchorgym.training.evaluation.report import table

    if known.out:
        measurement.write(known.out)
        print(f"written to {known.out}", file=sys.stderr)
    if known.json:
        print(json.dumps(measurement.to_json(), allow_nan=False))
        return
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 110)
    if len(measurement.names) == 1:
        name = measurement.names[0]
        columns = [(name, each[0]) for each in measurement.found.values()]
        console.print(table(columns, width=console.width), highlight=False)
        return
    for mode, comparison in measurement.comparisons.items():
        columns = list(zip(measurement.names, measurement.found[mode], strict=True))
        console.print(table(columns, comparison, console.width), highlight=False)


def _env_id(asked: str | None, players: Sequence[Player]) -> str:
    from anchorgym.training.config.sections import ConfigError

    known = [player.env_id for player in players if player.env_id]
    env_id = asked or next(iter(known), None)
    if env_id is None:
        raise ConfigError(f"{players[0].name} plays everywhere: say where with --env ID")
    for other in sorted(set(known) - {env_id}):
        _warn(f"the policy knows the words of {other} only")
    return env_id


def _split(env: TextEnv) -> str:
    from anchorgym.training.run.components import held_out_splits

    return next(iter(held_out_splits(env)), env.split)


def _modes(asked: str | None, players: Sequence[Player]) -> tuple[str, ...]:
    if asked is None:
        writes = any(player.make().engine is not None for player in players)
        asked = "both" if writes else "greedy"
    return ("greedy", "sampled") if asked == "both" else (asked,)


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)
