"""The components of a training job, which are made before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from anchorgym.agents.engines import (
    EngineFactory,
    EngineOptionError,
    UnknownEngineError,
    UnsupportedRequestError,
    engine_factory,
)
from anchorgym.agents.engines.placing import PlacedFactory, resolve_device
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.agents.policies.prompt_settings import PromptSettings
from anchorgym.agents.policies.tiny import build_tiny
from anchorgym.agents.prompts.template import TinyTemplate
from anchorgym.agents.prompts.tokenizer import build_tokenizer
from anchorgym.envs import TextEnv, sub_panel
from anchorgym.envs.errors import AnchorgymError, DataError, UnknownSplitError, did_you_mean
from anchorgym.envs.plugins import PluginError, require_methods
from anchorgym.envs.texts import is_well_formed
from anchorgym.gigpo import Algorithm
from anchorgym.gigpo.errors import OptionError, UnknownAlgorithmError, UnknownOptionError
from anchorgym.training.config.general import ModelConfig
from anchorgym.training.config.lora import LoraConfig
from anchorgym.training.config.section import ConfigError
from anchorgym.training.config.sections import (
    LEAST_CONTEXT,
    STRATEGIES,
    AlgorithmConfig,
    PolicyConfig,
    PromptConfig,
    TrainConfig,
)
from anchorgym.training.imitation.teachers import Teacher, find_teacher, sample_words
from anchorgym.training.imitation.worked_examples import worked_examples
from anchorgym.training.learning.algorithms import configured_algorithm
from anchorgym.training.learning.learners import find_learner
from anchorgym.training.learning.usual import usual_clone, usual_learner, usual_options
from anchorgym.training.rollout.drivers import Driver, LockStepDriver, make_driver
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.strategies import find_strategy
from anchorgym.training.run.display import Display
from anchorgym.training.run.policies import add_adapters, trainable_policy

_HELD_OUT = ("test", "valid_unseen", "valid_seen", "valid", "dev")
"""Names of held-out splits, the most informative first."""
_SPARE_TOKENS = 2
"""Tokens that a response may have beyond those of the longest known action."""


@dataclass(frozen=True, slots=True)
class Panels:
    """The tasks and splits for training, validation and test."""

    train: tuple[str, ...]
    """Training tasks, for vocabulary, demonstrations, corrections and reinforcement learning."""
    test: str
    """Split of the final evaluations."""
    validation: str
    """Split of the validation curve; if it is the training split, its tasks are not in `train`."""
    validation_tasks: int
    """Number of validation tasks, see `sub_panel`."""
    chooses: bool
    """Whether validation selects the best policy, as it shares no task with the test."""


@dataclass(frozen=True, slots=True)
class Components:
    """The components of a training job."""

    algorithm: Algorithm
    eval_envs: EnvPool[TextEnv]
    """Pool of environments for evaluations."""
    train_envs: EnvPool[TextEnv]
    """Pool of environments for training episodes, whose turn limit may be lower."""
    train_arguments: Mapping[str, Any]
    """Keyword arguments of the training environments."""
    panels: Panels
    teacher: Teacher
    expert: bool
    """Whether the teacher is an expert, not random play."""
    policy: ModelPolicy | None
    """The policy to train further; None for a new one."""
    engine: EngineFactory
    """Factory of the policy's engine."""
    driver: Driver = field(default_factory=LockStepDriver)
    """Driver of all episodes."""


def assemble(config: TrainConfig, policy: ModelPolicy | None = None) -> Components:
    """Make or load all components of a job except for a new policy.

    Args:
        config: configuration of the job.
        policy: policy to train further, in place of the one that `config` names.

    Raises:
        AnchorgymError: a component does not exist, does not take its settings, or has no tasks.
    """
    env = config.env
    algorithm = _algorithm(config, policy)
    arguments = {**env.arguments, "split": env.split}
    eval_envs = EnvPool.of(env.id, **arguments)
    limit = min(eval_envs.first.max_turns, config.rollout.max_turns)
    train_arguments = {**arguments, "max_turns": limit}
    train_envs = EnvPool.of(env.id, **train_arguments)
    if not eval_envs.first.tasks():
        raise DataError(f"split {env.split!r} of {env.id} holds no tasks")
    panels = _panels(eval_envs.first, config)
    teacher, expert = find_teacher(eval_envs.first, panels.train, config.clone.teacher)
    if config.rollout.hints != "off":
        _require_expert(eval_envs.first, panels.train, env.id)
    find_learner(config.learner.name)
    engine = find_factory(config)
    _require_capabilities(config, algorithm, engine)
    if policy is None and config.policy.name != "tiny":
        policy = _loaded_policy(config, engine)
        policy = _with_examples(policy, config, eval_envs.first, panels)
        algorithm = _algorithm(config, policy)
    return Components(
        algorithm,
        eval_envs,
        train_envs,
        train_arguments,
        panels,
        teacher,
        expert,
        policy,
        engine,
        make_driver(config.driver),
    )


def find_factory(models: ModelConfig) -> EngineFactory:
    """Return the engine factory that settings name, which places policies on their device.

    Raises:
        ConfigError: the engine does not exist, or does not take these options.
        DeviceError: this machine has no such device.
    """
    config = models.engine
    resolve_device(models.device)
    try:
        made = engine_factory(config.name, **config.options)
    except (UnknownEngineError, PluginError) as error:
        raise ConfigError(f"engine.name: {error}") from error
    except EngineOptionError as error:
        raise ConfigError(f"engine.{error.option}: {error}") from error
    named = f"engine.name: {config.name!r}"
    require_methods(made, ("make", "capabilities"), "an engine factory", named)
    return PlacedFactory(made, models.device, models.dtype)


def _require_capabilities(config: TrainConfig, algorithm: Algorithm, engine: EngineFactory) -> None:
    """Check that engine and algorithm support the settings, before anything is made."""
    able = engine.capabilities
    if config.policy.constrained and not able.constrained_decoding:
        raise UnsupportedRequestError(
            "constrained_decoding", "set policy.constrained to false, or take another engine.name"
        )
    if not able.trainable:
        raise UnsupportedRequestError(
            "trainable",
            "its weights are fixed: take another engine.name, or name a folder as engine.weights",
        )
    if config.learner.correction in ("token", "turn") and not algorithm.weighable:
        raise ConfigError(
            f"learner.correction: the loss of {config.algorithm.name} cannot be weighted token by "
            "token: choose auto, which only measures the difference, or off"
        )
    if type(algorithm).temperature is not Algorithm.temperature and not able.per_token_temperature:
        raise UnsupportedRequestError(
            "per_token_temperature",
            f"{config.algorithm.name} samples each token at a temperature of its own: choose "
            "another algorithm.name, or another engine.name",
        )


def _algorithm(config: TrainConfig, policy: ModelPolicy | None) -> Algorithm:
    options = usual_options(config.algorithm, policy)
    try:
        algorithm = configured_algorithm(config.algorithm.name, **options)
    except OptionError as error:
        hint = ""
        if isinstance(error, UnknownOptionError) and "Did you mean" not in str(error):
            hint = "." + did_you_mean(error.option, AlgorithmConfig.model_fields)
        raise ConfigError(f"algorithm.{error.option}: {error}{hint}") from error
    except UnknownAlgorithmError as error:
        raise ConfigError(f"algorithm.name: {error}") from error
    if config.rollout.strategy not in STRATEGIES:
        find_strategy(config.rollout.strategy)
    elif algorithm.needs_forks and not config.rollout.has_forks:
        raise ConfigError(
            f"rollout.strategy: {config.algorithm.name} with these options values states by forks: "
            "choose tree or fork"
        )
    return algorithm


def completed(config: TrainConfig, components: Components) -> TrainConfig:
    """Return the settings with all defaults filled in, those of algorithm and policy included."""
    kind = {
        "clone": usual_clone(config.clone, components.policy),
        "learner": usual_learner(config.learner, components.policy),
    }
    values = config.model_copy(update=kind).model_dump(mode="json")
    values["algorithm"] |= asdict(components.algorithm)
    loaded = components.policy
    if loaded is not None and config.policy.name != "tiny":
        values["policy"] |= _prompt_values(loaded)
    if loaded is not None and loaded.adapters is not None:
        known = LoraConfig.model_fields
        values["lora"] = {k: v for k, v in asdict(loaded.adapters).items() if k in known}
    values["env"]["max_turns"] = components.eval_envs.first.max_turns
    values["clone"]["updates"] = config.clone_updates
    if config.dtype == "auto":
        values["dtype"] = "float32" if loaded is None else _dtype_name(loaded.model.dtype)
    values["evaluation"] |= {
        "split": components.panels.test,
        "validation_split": components.panels.validation,
    }
    return TrainConfig.parse(values).as_given(config)


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _loaded_policy(config: TrainConfig, engine: EngineFactory) -> ModelPolicy:
    """Load a policy with its saved prompt settings, except for those that `config` sets."""
    policy = trainable_policy(config.policy.name, engine=engine, seed=config.seed, known=("tiny",))
    add_adapters(policy, config.lora, seed=config.seed)
    changes = config.policy.prompt_changes()
    return policy.with_prompt(**changes) if changes else policy


def _require_expert(env: TextEnv, tasks: Sequence[str], env_id: str) -> None:
    try:
        find_teacher(env, tasks, "expert")
    except ConfigError:
        raise ConfigError(f"rollout.hints: {env_id} has no honest expert to give any") from None


def _with_examples(
    policy: ModelPolicy, config: TrainConfig, env: TextEnv, panels: Panels
) -> ModelPolicy:
    """Return a policy with worked examples of training tasks, if the settings name their number."""
    n = config.policy.examples
    if "examples" not in config.policy.model_fields_set:
        return policy
    measured, kind = env.tasks(panels.test), config.clone.teacher
    shown = worked_examples(env, panels.train, measured, n, config.seed, kind)
    return policy.with_prompt(examples=shown)


def _prompt_values(policy: ModelPolicy) -> dict[str, Any]:
    """Return the prompt settings of a loaded policy, as those of a run."""
    prompt = policy.prompt_settings.model_dump(mode="json")
    values = {name: prompt[name] for name in PromptConfig.model_fields if name in prompt}
    return {
        **values,
        "max_context": max(policy.max_context, LEAST_CONTEXT),
        "examples": len(policy.prompt_settings.examples),
    }


def new_policy(config: TrainConfig, components: Components, display: Display) -> ModelPolicy:
    """Build an untrained policy with a tokenizer of the environment's words.

    Raises:
        ConfigError: the policy could not write an action of this environment.
    """
    p = config.policy
    env = components.eval_envs.first
    panel = components.panels.train
    tasks = min(p.vocabulary_tasks, 50 * len(panel))
    texts: list[str] = []
    actions: list[str] = []
    with display.phase("vocabulary", tasks) as phase:
        for read, written in sample_words(env, panel, components.teacher, tasks):
            texts += read
            actions += written
            phase.step()
    return tiny_policy(p, texts, actions, env_id=config.env.id, seed=config.seed)


def tiny_policy(
    config: PolicyConfig, texts: Sequence[str], actions: Sequence[str], *, env_id: str, seed: int
) -> ModelPolicy:
    """Build an untrained policy with a tokenizer of given words.

    Args:
        config: size and prompt settings of the policy.
        texts: texts that are read, repeated as in play.
        actions: possible actions.
        env_id: id of the environment.
        seed: seed of the weights.

    Raises:
        ConfigError: the policy could not write one of these actions.
    """
    tokenizer = build_tokenizer(texts, actions)
    needed = _longest_response(TinyTemplate(tokenizer), set(actions))
    if config.max_response is not None and config.max_response < needed:
        raise ConfigError(
            f"policy.max_response: an action of {env_id} needs {needed} tokens, "
            f"but {config.max_response} are allowed"
        )
    return build_tiny(
        tokenizer,
        hidden=config.hidden,
        layers=config.layers,
        heads=config.heads,
        kv_heads=config.kv_heads,
        feed_forward=config.feed_forward,
        max_context=config.max_context,
        prompt=PromptSettings(
            form=config.form,
            history=config.history,
            shows_actions=config.shows_actions,
            constrained=config.constrained,
            max_response=config.max_response or needed + _SPARE_TOKENS,
        ),
        env_id=env_id,
        seed=seed,
    )


def _longest_response(template: TinyTemplate, actions: Iterable[str]) -> int:
    """Return the tokens of the longest action; all actions must decode to the same text."""
    longest = 1
    for action in filter(_writable, actions):
        tokens = template.response(action)
        back = template.parse(tokens).action
        if back != action:
            raise ConfigError(
                f"the word-level tokenizer cannot write the action {action[:80]!r}: it would "
                f"become {back[:80]!r}. Use single spaces and no space at the ends"
            )
        longest = max(longest, len(tokens))
    return longest


def _writable(action: str) -> bool:
    """Whether UTF-8 can write an action; no policy is asked to write one with lone surrogates."""
    return is_well_formed(action)


def _panels(env: TextEnv, config: TrainConfig) -> Panels:
    """Choose the tasks and splits for training, validation and test.

    Splits that the settings name must exist; the defaults are the most informative ones.
    """
    e = config.evaluation
    for asked in (e.split, e.validation_split):
        if asked is not None and asked not in env.splits:
            raise UnknownSplitError(asked, env.splits)
        if asked is not None and not env.tasks(asked):
            raise DataError(f"split {asked!r} holds no tasks to evaluate on")
    there, train = held_out_splits(env), tuple(env.tasks())
    test = e.split or next(iter(there), env.split)
    others = sorted(split for split in there if split != test)
    validation = e.validation_split or next(iter(others), env.split)
    tasks = min(e.validation_tasks, len(env.tasks(validation)))
    if validation != env.split or test == env.split:
        return Panels(train, test, validation, tasks, chooses=validation != test)
    tasks = min(tasks, len(train) // 4)
    if tasks == 0:  # there are too few tasks to hold any out
        return Panels(train, test, validation, len(train), chooses=False)
    held_out = frozenset(sub_panel(train, tasks))
    rest = tuple(task for task in train if task not in held_out)
    return Panels(rest, test, validation, tasks, chooses=True)


def held_out_splits(env: TextEnv) -> list[str]:
    """Return the held-out splits of an environment, the most informative first."""
    return [split for split in _HELD_OUT if split != env.split and _has_tasks(env, split)]


def _has_tasks(env: TextEnv, split: str) -> bool:
    try:
        return split in env.splits and len(env.tasks(split)) > 0
    except AnchorgymError:  # the data has no such split
        return False
