"""The command line: `anchorgym train | evaluate | check | envs`."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from anchorgym.envs.errors import AnchorgymError

if TYPE_CHECKING:
    from anchorgym.training.config import TrainConfig
    from anchorgym.training.trainer import Run

_TRAIN_USAGE = """\
anchorgym train [@file.toml] [--out FOLDER] [--dry-run] [--quiet] [settings]

  --out FOLDER  of the run (default: runs/ENV-ALGORITHM-SEED)
  --dry-run     check everything that can be checked, print the settings, and stop
  --quiet       show no progress

Settings, later ones winning; in a TOML file each part before a dot is a table:
"""

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status."""
    sys.path.insert(0, os.getcwd())  # so that `my_module:me/World-v0` is found
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    known, rest = parser.parse_known_args(words)
    if rest and known.command != "train":
        parser.error(f"unrecognised: {' '.join(rest)}")
    try:
        status: int = known.run(known, rest)
        return status
    except (AnchorgymError, ValueError) as error:
        if not isinstance(error, AnchorgymError) and not _is_ours(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    except BrokenPipeError:  # whoever reads our output, such as head, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="anchorgym", description=__doc__, allow_abbrev=False)
    version = importlib.metadata.version("anchorgym")
    parser.add_argument("--version", action="version", version=f"anchorgym {version}")
    commands = parser.add_subparsers(dest="command", required=True)

    train = commands.add_parser(
        "train",
        help="train an agent",
        add_help=False,
        allow_abbrev=False,
        description="Train an agent. Settings come from @file.toml and --section.key value.",
    )
    train.add_argument("--help", "-h", action="store_true", help="list all settings")
    train.add_argument("--out", type=Path, help="folder of the run (default: runs/ENV-ALGORITHM)")
    train.add_argument("--dry-run", action="store_true", help="print the settings and stop")
    train.add_argument("--quiet", action="store_true", help="no progress")
    train.set_defaults(run=_train)

    evaluate = commands.add_parser("evaluate", help="measure a saved policy", allow_abbrev=False)
    evaluate.add_argument("policy", type=Path, help="folder, such as runs/NAME/policy")
    evaluate.add_argument("--env", help="environment (default: the one it was trained on)")
    evaluate.add_argument("--data", help="the environment's data folder, if it takes one")
    evaluate.add_argument("--split", help="default: valid_unseen, or else valid_seen")
    evaluate.add_argument("--tasks", type=int, help="so many tasks of the panel (default: all)")
    evaluate.add_argument("--temperature", type=float, default=0.0, help="0 is greedy")
    evaluate.add_argument("--seed", type=int, default=0)
    evaluate.add_argument("--json", action="store_true")
    evaluate.set_defaults(run=_evaluate)

    check = commands.add_parser("check", help="verify an environment's contract")
    check.add_argument("env", help="namespace/Name-vN or module:namespace/Name-vN")
    check.add_argument("--seed", type=int, default=0)
    check.add_argument("--json", action="store_true")
    check.set_defaults(run=_check)

    envs = commands.add_parser("envs", help="list the environments")
    envs.set_defaults(run=_envs)
    return parser


def _train(known: argparse.Namespace, rest: list[str]) -> int:
    from anchorgym.training.config import TrainConfig
    from anchorgym.training.overrides import describe, parse_settings

    if known.help:
        print(_TRAIN_USAGE)
        for flag, default, meaning in describe(TrainConfig):
            print(f"{flag}  {default}".rstrip())
            print(textwrap.indent(textwrap.fill(meaning, 92), "      "))
        print(f"\nAlgorithms, and their options (--algorithm.OPTION):\n{_algorithms()}")
        return EXIT_OK
    config = TrainConfig.parse(parse_settings(rest))
    if known.dry_run:
        from anchorgym.training.parts import assemble

        assemble(config)
        print(config.model_dump_json(indent=2))
        return EXIT_OK
    from anchorgym.training.trainer import train

    console = Console(quiet=known.quiet)
    out = known.out or _free_folder(config)
    console.print(f"run        {out}", highlight=False)
    try:
        run = train(config, out, console)
    except KeyboardInterrupt:
        if (out / "policy").exists():
            print(
                f"\ninterrupted: {out} holds the metrics, the curve and the policy as it was; "
                f"go on from it with --policy {out}/policy",
                file=sys.stderr,
            )
            return EXIT_INTERRUPTED
        raise
    console.print(_summary(run))
    console.print(
        f"saved      {run.folder}/policy, curve.png, metrics.jsonl, result.json", highlight=False
    )
    return EXIT_OK


def _algorithms() -> str:
    from dataclasses import fields

    from anchorgym.gigpo import algorithm_names, find_algorithm

    lines = []
    for name in algorithm_names():
        options = (f"{field.name}={field.default!r}" for field in fields(find_algorithm(name)))
        lines.append(textwrap.fill(f"{name}: {', '.join(options)}", 98, subsequent_indent="    "))
    return "\n".join(lines)


def _summary(run: Run) -> Table:
    split = run.before["greedy"].split
    table = Table(split, "before", "after", "gain (paired)", box=box.SIMPLE_HEAD, padding=(0, 1))
    for mode in run.before:
        before, after = run.before[mode].success, run.after[mode].success
        table.add_row(mode, str(before), str(after), _signed(run.gain(mode)))
    for column in table.columns:
        column.no_wrap = True
    parts = ", ".join(f"{phase} {s:.0f}" for phase, s in run.seconds.items() if s >= 0.5)
    table.caption = (
        "success in %, with 95 % intervals over tasks\n"
        f"{sum(run.seconds.values()):.0f} CPU seconds: {parts}"
    )
    table.caption_justify = "left"
    return table


def _signed(interval: object) -> str:
    text = str(interval)
    return text if text.startswith("-") else f"+{text}"


def _free_folder(config: TrainConfig) -> Path:
    """Return a folder under runs/ that no run has used."""
    env = config.env.id.rpartition("/")[2].rpartition("-v")[0].lower() or "run"
    stem = f"{env}-{config.algorithm.name}-s{config.seed}"
    names = [stem, *(f"{stem}-{n}" for n in range(2, 10_000))]
    return next(Path("runs") / name for name in names if not (Path("runs") / name).exists())


def _evaluate(known: argparse.Namespace, rest: list[str]) -> int:
    from anchorgym.agents.tiny import TinyPolicy
    from anchorgym.training.evaluation import evaluate
    from anchorgym.training.parts import held_out_splits
    from anchorgym.training.rollouts import Worlds

    policy = TinyPolicy.load(known.policy, seed=known.seed)
    env_id = known.env or policy.env_id
    if policy.env_id not in ("", env_id):
        print(f"warning: the policy knows the words of {policy.env_id} only", file=sys.stderr)
    worlds = Worlds(env_id, **({"data": known.data} if known.data else {}))
    env = worlds.first
    found = evaluate(
        policy,
        worlds,
        split=known.split or next(iter(held_out_splits(env)), env.split),
        tasks=known.tasks,
        temperature=known.temperature,
        max_response=policy.max_response,
        seed=known.seed,
    )
    if known.json:
        print(json.dumps({"env": env_id, **found.to_json()}))
        return EXIT_OK
    table = Table("task type", "won", "played", "success in %")
    table.title = f"{env_id}, {found.split}"
    for kind, (won, played) in found.by_type.items():
        if kind:
            table.add_row(kind, str(won), str(played), f"{100 * won / played:.1f}")
    table.add_row("all", str(sum(found.won)), str(len(found.won)), str(found.success))
    table.caption = f"{found.turns:.1f} turns an episode, {found.invalid:.1%} of turns invalid"
    Console().print(table)
    return EXIT_OK


def _check(known: argparse.Namespace, rest: list[str]) -> int:
    from anchorgym.envs import check_env

    report = check_env(known.env, seed=known.seed)
    print(json.dumps(report.to_json(), indent=1) if known.json else report.summary())
    return EXIT_OK if report.ok else EXIT_FAILED


def _envs(known: argparse.Namespace, rest: list[str]) -> int:
    import gymnasium as gym

    import anchorgym.envs  # noqa: F401  (registers ours)

    for name in sorted(name for name in gym.registry if name.startswith("anchorgym/")):
        print(name)
    return EXIT_OK


def _is_ours(error: Exception) -> bool:
    return type(error).__module__.startswith("anchorgym.")


if __name__ == "__main__":
    sys.exit(main())
