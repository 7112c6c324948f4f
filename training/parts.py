"""The parts of a training job, put together before anything is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from anchorgym.agents.model_policy import ModelPolicy, PromptSettings, load_policy
from anchorgym.agents.template import TinyTemplate
from anchorgym.agents.tiny import build_tiny
from anchorgym.agents.tokenizer import build_tokenizer
from anchorgym.envs import TextEnv
from anchorgym.envs.errors import AnchorgymError, DataError, UnknownSplitError
from anchorgym.gigpo import Algorithm, make_algorithm
from anchorgym.training.config import ConfigError, TrainConfig
from anchorgym.training.reporting import Display
from anchorgym.training.rollouts import Worlds
from anchorgym.training.teachers import Teacher, find_teacher, sample_words

_SPARE_TOKENS = 2
"""Beyond the longest response that an action was seen to need."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a job is made of."""

    algorithm: Algorithm
    worlds: Worlds
    """Where evaluations are played."""
    gym: Worlds
    """Where training episodes are played; they may be cut earlier."""
    exam: str
    """Split of the figures before and after."""
    curve: str
    """Split of the curve."""
    teacher: Teacher
    expert: bool
    """Whether the teacher is an expert."""
    policy: ModelPolicy | None
    """The policy to go on from; None for a new one."""


def assemble(config: TrainConfig) -> Parts:
    """Make or load every part of a job but a new policy.

    Raises:
        AnchorgymError: a part does not exist, does not take its settings, or has no tasks.
    """
    env = config.env
    algorithm = make_algorithm(config.algorithm.name, **config.algorithm.options)
    worlds = Worlds(env.id, split=env.split, **env.arguments)
    limit = min(worlds.first.max_turns, config.rollout.max_turns)
    gym = Worlds(env.id, split=env.split, **{**env.arguments, "max_turns": limit})
    if not worlds.first.tasks():
        raise DataError(f"split {env.split!r} of {env.id} holds no tasks")
    exam, curve = _panels(worlds.first, config)
    teacher, expert = find_teacher(worlds.first)
    new = config.policy.name == "tiny"
    policy = None if new else _loaded_policy(config)
    return Parts(algorithm, worlds, gym, exam, curve, teacher, expert, policy)


def _loaded_policy(config: TrainConfig) -> ModelPolicy:
    """Load a policy; it is prompted as it was saved, but for what is set otherwise."""
    policy = load_policy(config.policy.name, seed=config.seed)
    changes = config.policy.prompt_changes()
    return policy.with_prompt(**changes) if changes else policy


def new_policy(config: TrainConfig, parts: Parts, display: Display) -> ModelPolicy:
    """Build an untrained policy with a tokenizer made of the environment's words.

    Raises:
        ConfigError: the policy could not write an action of this environment.
    """
    p = config.policy
    env = parts.worlds.first
    tasks = min(p.vocabulary_tasks, 50 * len(env.tasks()))
    texts: list[str] = []
    actions: list[str] = []
    with display.phase("vocabulary", tasks) as phase:
        for read, written in sample_words(env, parts.teacher, tasks):
            texts += read
            actions += written
            phase.step()
    tokenizer = build_tokenizer(texts, actions)
    needed = _longest_response(TinyTemplate(tokenizer), set(actions))
    if p.max_response is not None and p.max_response < needed:
        raise ConfigError(
            f"policy.max_response: an action of {config.env.id} needs {needed} tokens, "
            f"but {p.max_response} are allowed"
        )
    return build_tiny(
        tokenizer,
        hidden=p.hidden,
        layers=p.layers,
        heads=p.heads,
        kv_heads=p.kv_heads,
        feed_forward=p.feed_forward,
        max_context=p.max_context,
        prompt=PromptSettings(
            form=p.form,
            history=p.history,
            shows_actions=p.shows_actions,
            constrained=p.constrained,
            max_response=p.max_response or needed + _SPARE_TOKENS,
        ),
        env_id=config.env.id,
        seed=config.seed,
    )


def _longest_response(template: TinyTemplate, actions: Iterable[str]) -> int:
    """Return how many tokens the longest action needs; all must come back as written."""
    longest = 1
    for action in actions:
        tokens = template.response(action)
        back = template.parse(tokens).action
        if back != action:
            raise ConfigError(
                f"the word-level tokenizer cannot write the action {action[:80]!r}: it would "
                f"become {back[:80]!r}. Use single spaces and no space at the ends"
            )
        longest = max(longest, len(tokens))
    return longest


def _panels(env: TextEnv, config: TrainConfig) -> tuple[str, str]:
    """Return the splits of the final figures and of the curve.

    Those that are asked for must exist; by default they are the most telling ones that do.
    """
    e = config.evaluation
    for asked in (e.split, e.curve_split):
        if asked is not None and asked not in env.splits:
            raise UnknownSplitError(asked, env.splits)
        if asked is not None and not env.tasks(asked):
            raise DataError(f"split {asked!r} holds no tasks to evaluate on")
    there = [*held_out_splits(env), config.env.split]
    curve = "valid_seen" if "valid_seen" in there else there[0]
    return e.split or there[0], e.curve_split or curve


def held_out_splits(env: TextEnv) -> list[str]:
    """Return the splits of an environment that are not trained on, the most telling first."""
    return [split for split in ("valid_unseen", "valid_seen") if _has_tasks(env, split)]


def _has_tasks(env: TextEnv, split: str) -> bool:
    try:
        return split in env.splits and len(env.tasks(split)) > 0
    except AnchorgymError:  # a split that the data does not hold
        return False
