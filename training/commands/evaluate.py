"""`anchorgym evaluate`: measure a saved policy."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from anchorgym.training.commands import EXIT_OK

HELP = "measure a saved policy"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("policy", type=Path, help="folder, such as runs/NAME/policy")
    parser.add_argument("--env", help="environment (default: the one it was trained on)")
    parser.add_argument("--data", help="the environment's data folder, if it takes one")
    parser.add_argument("--split", help="default: valid_unseen, or else valid_seen")
    parser.add_argument("--tasks", type=int, help="so many tasks of the panel (default: all)")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 is greedy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Play the panel and print the figures."""
    from anchorgym.agents.model_policy import load_policy
    from anchorgym.training.evaluation import evaluate
    from anchorgym.training.parts import held_out_splits
    from anchorgym.training.rollouts import Worlds

    policy = load_policy(known.policy, seed=known.seed)
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
