"""`anchorgym check`: verify an environment's contract, of one agent or several."""

from __future__ import annotations

from argparse import Namespace

from anchorgym.training.commands import EXIT_FAILED, EXIT_OK
from anchorgym.training.commands.command import Command, Settings, seed_option, switch


def run(known: Namespace, given: Settings) -> int:
    """Check, and print the report."""
    import json

    from anchorgym.envs import check_env, check_parallel_env
    from anchorgym.envs.registration import is_parallel
    from anchorgym.training.commands.environment import named_environment

    env_id, arguments = named_environment(given, "check")
    check = check_parallel_env if is_parallel(env_id) else check_env
    report = check(env_id, seed=known.seed, **arguments)
    print(json.dumps(report.to_json(), indent=1) if known.json else report.summary())
    return EXIT_OK if report.ok else EXIT_FAILED


COMMAND = Command(
    name="check",
    summary="Verify that an environment of one agent or several keeps its contract.",
    about="""
        Prints one line for each check and, under a check that failed, what was seen and how to
        mend it: equal seeds give equal episodes, a restored state has the future it would have
        had, equal anchors are the same state, strange input costs a turn and never raises.

        The exit status is 0 if all checks passed and 1 if one failed.""",
    examples=(
        "anchorgym check corridor:me/Corridor-v0",
        "anchorgym check anchorgym/TextWorld-v0 --env.games games",
    ),
    arguments=(
        seed_option("Seed of the episodes of the checks."),
        switch("--json", "Print the report as JSON."),
    ),
    settings="anchorgym.training.commands.environment:EnvironmentSettings",
    takes_environment=True,
    run=run,
)
