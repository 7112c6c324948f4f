"""`anchorgym check`: verify an environment's contract, of one agent or several."""

from __future__ import annotations

import argparse
import json

from anchorgym.training.commands import EXIT_FAILED, EXIT_OK, environment_arguments

HELP = "verify an environment's contract"
TAKES_ENV_ARGUMENTS = True


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that are not the environment's own."""
    parser.epilog = "--env.KEY VALUE gives the environment an argument of its own."
    parser.add_argument("env", help="namespace/Name-vN or module:namespace/Name-vN")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Check, and print the report."""
    from anchorgym.envs import check_env, check_parallel_env
    from anchorgym.envs.registration import is_parallel

    check = check_parallel_env if is_parallel(known.env) else check_env
    report = check(known.env, seed=known.seed, **environment_arguments(known, rest))
    print(json.dumps(report.to_json(), indent=1) if known.json else report.summary())
    return EXIT_OK if report.ok else EXIT_FAILED
