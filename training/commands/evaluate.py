"""`anchorgym evaluate`: evaluate a policy, or compare two."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from anchorgym.training.commands import EXIT_INTERRUPTED, EXIT_OK
from anchorgym.training.commands.command import (
    Command,
    Settings,
    UsageError,
    folder,
    option,
    seed_option,
    switch,
    word,
)

if TYPE_CHECKING:
    from anchorgym.agents.engines import EngineFactory
    from anchorgym.envs import TextEnv
    from anchorgym.training.commands.environment import EvaluationSettings
    from anchorgym.training.evaluation.measurement import Measurement, Plan
    from anchorgym.training.evaluation.players import Player
    from anchorgym.training.rollout.env_pool import EnvPool


def run(known: Namespace, given: Settings) -> int:
    """Play the panel and print the results."""
    from anchorgym.training.commands.environment import EvaluationSettings
    from anchorgym.training.evaluation.measurement import Measurement, Plan
    from anchorgym.training.evaluation.partial import remove_partial
    from anchorgym.training.evaluation.players import (
        SCRIPTED,
        load_player,
        played_examples,
        prompted,
    )
    from anchorgym.training.rollout.env_pool import EnvPool

    settings = EvaluationSettings.parse(given)
    env = settings.env
    # The environment is made with the evaluated split, as its data may lack others.
    arguments = {**({"split": known.panel} if known.panel else {}), **env.arguments}
    names = [known.policy, *([known.against] if known.against else [])]
    engine = None if all(name in SCRIPTED for name in names) else _engine(settings)
    prompt = settings.policy.prompt_changes()
    players = [load_player(name, seed=known.seed, engine=engine, prompt=prompt) for name in names]
    asked = sorted(settings.policy.model_fields_set)
    _require_prompted(players, asked)
    env_id = _env_id(env.id, players)
    worlds = EnvPool.of(env_id, **arguments)
    split = known.panel or _split(worlds.first)
    if "examples" in asked:
        n = settings.policy.examples
        shown = played_examples(env_id, arguments, split, n, known.seed)
        players = [prompted(player, examples=shown) for player in players]
        prompt["examples"] = n
    plan = Plan(
        env_id=env_id,
        arguments=arguments,
        split=split,
        tasks=known.tasks,
        modes=_modes(known.mode, players),
        temperature=known.temperature,
        top_p=known.top_p,
        samples=known.samples,
        seed=known.seed,
        prompt=prompt,
    )
    _warn_of_tasks(plan, worlds.first)
    measurement = Measurement(plan, tuple(names))
    status = _measure(measurement, players, worlds, known)
    _show(measurement, known)
    if known.out and measurement.complete:
        remove_partial(known.out)
    if status == EXIT_INTERRUPTED:
        print("interrupted: a mode that was not finished is left out", file=sys.stderr)
    return status


def _warn_of_tasks(plan: Plan, env: TextEnv) -> None:
    from anchorgym.training.evaluation.evaluate import training_split

    there = len(env.tasks(plan.split))
    if plan.tasks is not None and plan.tasks > there:
        _warn(f"{plan.split} holds {there} tasks, not {plan.tasks}: all of them are played")
    if plan.split == training_split(env):
        _warn(
            f"{plan.split} holds training tasks: these figures do not show how a policy that was "
            "trained on them does on others. Give the environment splits of held-out tasks, or "
            "name one with --panel"
        )


def _measure(
    measurement: Measurement, players: Sequence[Player], worlds: EnvPool[TextEnv], known: Namespace
) -> int:
    """Play; what was played until an error or an interrupt is kept in the folder of --out."""
    from anchorgym.training.config.run_folders import claim
    from anchorgym.training.evaluation.files import require_same
    from anchorgym.training.evaluation.measurement import measure
    from anchorgym.training.evaluation.partial import Partial
    from anchorgym.training.run.console import SafeConsole
    from anchorgym.training.run.display import Display

    partial = None
    if known.out:
        claim(known.out, "anchorgym evaluate")
        require_same(measurement, known.out)
        partial = Partial(known.out, measurement.plan.to_json(), measurement.names)
    display = Display(SafeConsole(stderr=True))
    keeps = partial is not None
    try:
        measure(measurement, players, worlds, display, keep_episodes=keeps, partial=partial)
    except KeyboardInterrupt:
        _say_kept(known)
        if not measurement.found:
            raise
        return EXIT_INTERRUPTED
    except Exception:
        if measurement.found:
            _show(measurement, known)
        _say_kept(known)
        raise
    return EXIT_OK


def _say_kept(known: Namespace) -> None:
    if known.out:
        print(
            f"what was played is kept in {known.out}: repeat the command to go on from there",
            file=sys.stderr,
        )


def _show(measurement: Measurement, known: Namespace) -> None:
    import json

    from anchorgym.training.evaluation.figures import table
    from anchorgym.training.evaluation.files import write_measurement
    from anchorgym.training.run.console import SafeConsole

    if known.out:
        write_measurement(measurement, known.out)
        print(f"written to {known.out}", file=sys.stderr)
    if known.json:
        print(json.dumps(measurement.to_json(), allow_nan=False))
        return
    console = SafeConsole()
    if not console.is_terminal:
        console.width = max(console.width, 110)
    if len(measurement.names) == 1:
        name = measurement.names[0]
        columns = [(name, each[0]) for each in measurement.found.values()]
        console.print(table(columns, width=console.width))
        return
    for mode, comparison in measurement.comparisons.items():
        columns = list(zip(measurement.names, measurement.found[mode], strict=True))
        console.print(table(columns, comparison, console.width))


def _engine(settings: EvaluationSettings) -> EngineFactory:
    from anchorgym.training.run.components import find_factory

    return find_factory(settings)


def _env_id(asked: str | None, players: Sequence[Player]) -> str:
    from anchorgym.training.config.section import ConfigError

    known = [player.env_id for player in players if player.env_id]
    env_id = asked or next(iter(known), None)
    if env_id is None:
        raise ConfigError(f"{players[0].name} plays everywhere: say where with --env ID")
    for other in sorted(set(known) - {env_id}):
        _warn(f"the policy knows the words of {other} only")
    return env_id


def _require_prompted(players: Sequence[Player], asked: Sequence[str]) -> None:
    """Check that settings of prompts change something."""
    if not asked:
        return
    unread = [player.name for player in players if not player.reads_prompts]
    flags = ", ".join(f"--policy.{name.replace('_', '-')}" for name in asked)
    if len(unread) == len(players):
        raise UsageError(f"{unread[0]} reads no prompts: leave out {flags}")
    for name in unread:
        _warn(f"{name} reads no prompts, so {flags} changes the other player alone")


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


COMMAND = Command(
    name="evaluate",
    summary="Measure how often a policy succeeds, or compare two on the same tasks.",
    about="""
        Plays the held-out tasks once with greedy decoding and several times with sampling, and
        prints success with 95 % intervals for all tasks, for each task type and for the worst
        type; the probability of winning at least one (pass@k) or all (pass^k) of k episodes;
        turns, invalid actions, and why episodes ended. With --against, both policies play the
        same tasks with the same seeds, and the difference is paired. With --out, an interrupted
        evaluation goes on where it was when the command is repeated.

        A player is the folder of a saved policy or of a chat model, expert, random, or
        module:Name for a loader of your own.""",
    examples=(
        "anchorgym evaluate runs/NAME/policy --samples 8 --out figures",
        "anchorgym evaluate runs/A/policy --against runs/B/policy",
        "anchorgym evaluate expert --env anchorgym/ALFWorld-v0 --panel valid_seen",
        "anchorgym evaluate MODEL --env anchorgym/ALFWorld-v0 --device cuda --dtype bfloat16",
        "anchorgym evaluate MODEL --env anchorgym/ALFWorld-v0 --policy.think false",
    ),
    arguments=(
        word("policy", "PLAYER", "Player to measure, such as runs/NAME/policy.", required=True),
        option("--against", "PLAYER", "Other player, to compare with on the same tasks."),
        option(
            "--panel",
            "SPLIT",
            "Split whose tasks are played; by default the first held-out one of test, "
            "valid_unseen, valid_seen, valid and dev. The environment is made with it, unless "
            "--env.split says otherwise.",
        ),
        option("--tasks", "N", "Greatest number of tasks of the panel; by default all.", type=int),
        option(
            "--mode",
            "MODE",
            "Ways of playing the tasks; by default both, and greedy alone if no player is a "
            "language policy.",
            choices=("greedy", "sampled", "both"),
        ),
        option(
            "--temperature", "T", "Temperature of sampled play.", type=float, default=1.0, least=0
        ),
        option(
            "--top-p",
            "P",
            "Share of the probability that sampled play draws from, beginning with the likeliest "
            "tokens.",
            type=float,
            default=1.0,
        ),
        option("--samples", "K", "Episodes of each task in sampled play.", type=int, default=4),
        seed_option("Seed of every random draw of the play."),
        folder("--out", "Folder for evaluation.json, its picture, and all episodes."),
        switch("--json", "Print all figures as JSON."),
    ),
    settings="anchorgym.training.commands.environment:EvaluationSettings",
    run=run,
)
