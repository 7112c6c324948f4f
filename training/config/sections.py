"""What a training run is made of, validated before anything starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from anchorgym.envs.errors import AnchorgymError, did_you_mean
from anchorgym.gigpo.novelty import Novelty

CLONE_UPDATES = 380


class ConfigError(AnchorgymError, ValueError):
    """A setting that does not exist or cannot have that value; the message names it."""


class Section(BaseModel):
    """Base of all settings: none that are unknown, none that change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Validate plain values.

        Raises:
            ConfigError: naming each setting that is wrong, and how.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = [
                _explain(cls, item["loc"], item["msg"], item["input"]) for item in error.errors()
            ]
            raise ConfigError("wrong settings:\n  " + "\n  ".join(lines)) from error

    @classmethod
    def parse_json(cls, text: str) -> Self:
        """Validate what `model_dump_json` wrote.

        Raises:
            ConfigError: naming each setting that is wrong, and how.
        """
        try:
            values = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"settings that are not JSON: {error}") from error
        return cls.parse(values)


class EnvConfig(Section):
    """The environment. Keys beyond these are its own arguments, such as `data`."""

    model_config = ConfigDict(
        extra="allow", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    id: str = "anchorgym/ALFWorld-v0"
    """`namespace/Name-vN`, or `module:namespace/Name-vN`."""
    split: str = "train"
    """Tasks to train on."""
    max_turns: int | None = Field(None, ge=1)
    """An episode is cut after so many turns; by default what the environment is registered with."""

    @property
    def arguments(self) -> dict[str, Any]:
        """What the environment is made with, but for the split."""
        limit = {} if self.max_turns is None else {"max_turns": self.max_turns}
        return {**limit, **(self.model_extra or {})}


class PolicyConfig(Section):
    """The policy: `tiny`, built and cloned from nothing, or a folder that a run has saved."""

    name: str = "tiny"
    """`tiny`, or the folder of a saved policy."""
    hidden: int = Field(128, ge=8)
    """Width of the model."""
    layers: int = Field(3, ge=1)
    """Depth of the model."""
    heads: int = Field(4, ge=1)
    """Attention heads."""
    kv_heads: int | None = Field(None, ge=1)
    """Heads of keys and values, which divide `heads`; by default as many."""
    feed_forward: int = Field(384, ge=8)
    """Width of the feed-forward layers."""
    max_context: int = Field(1536, ge=64)
    """Longest transcript, in tokens."""
    max_response: int | None = Field(None, ge=1)
    """Longest response, in tokens; by default what the longest action that was met needs."""
    vocabulary_tasks: int = Field(600, ge=1)
    """Training tasks from whose texts the tokenizer is built."""
    form: Literal["transcript", "window"] = "transcript"
    """What is read before a response: a growing transcript, or the last turns anew."""
    history: int = Field(2, ge=0)
    """Past turns that a window shows."""
    shows_actions: Literal["none", "new", "all"] = "none"
    """Which admissible actions the prompt lists: none, all, or those that the first turn of the
    episode did not offer."""
    constrained: bool = False
    """Whether nothing but admissible actions can be written; the learner uses the same mask."""

    def prompt_changes(self) -> dict[str, Any]:
        """Return the prompt settings that were given, for a policy that was saved with others."""
        names = ("form", "history", "shows_actions", "constrained", "max_context", "max_response")
        return {name: getattr(self, name) for name in names if name in self.model_fields_set}

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden must be a multiple of 2 * heads = {2 * self.heads}")
        if self.kv_heads is not None and self.heads % self.kv_heads:
            raise ValueError(f"kv_heads must divide heads = {self.heads}")
        return self


class CloneConfig(Section):
    """Behaviour cloning of the environment's honest expert."""

    updates: int | None = Field(None, ge=0)
    """Optimizer steps; by default 380 for a new policy and none for a loaded one."""
    batch: int = Field(8, ge=1)
    """Episodes an update."""
    learning_rate: float = Field(2e-3, gt=0)
    """Of embeddings and norms (AdamW)."""
    matrix_learning_rate: float = Field(0.02, gt=0)
    """Of the matrices between them (Muon)."""
    weight_decay: float = Field(0.05, ge=0)
    """Of both."""
    observation_weight: float = Field(0.3, ge=0)
    """Weight of predicting what is read, beside what is done."""
    observation_share: float = Field(1.0, gt=0, le=1)
    """Share of what is read that is predicted, drawn anew each time: an output over many words is
    dear where pages are long."""
    max_tokens: int | None = Field(None, ge=32)
    """Longer demonstrations are left out: attention over them costs more than they teach. By
    default 448, or half more than the teacher's episodes have where that is more."""
    noise: float = Field(0.15, ge=0, le=0.5)
    """Chance of a wrong action in a demonstration; a third of the episodes have none, a third
    twice as many. Wrong actions stay in the transcript and are not imitated."""
    corrections: float = Field(0.4, ge=0, le=1)
    """Share of turns that the policy takes itself in corrected episodes, which are every third
    one that is imitated; 0 leaves them out."""
    corrections_from: float = Field(0.2, ge=0, le=1)
    """Share of the updates after which corrected episodes begin."""


class AlgorithmConfig(Section):
    """The group-policy algorithm. Keys beyond these are its options, such as `step_weight`."""

    model_config = ConfigDict(
        extra="allow", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    name: str = "gigpo"
    """One of those listed below."""
    anchor: str = Field("state", pattern=r"^(state|observation|history:[1-9]\d{0,3})$")
    """What turns are grouped by: the world's `state`, the `observation` (the text that was shown),
    or `history:k`, the last k texts."""
    exploration: Novelty = "none"
    """What seldom met states earn beside the reward: `episodic`, for those new in the episode;
    `global`, for those new in the run; or their `product`. States are what `anchor` says."""
    exploration_coef: float = Field(0.1, ge=0)
    """Weight of that bonus, which is at most 1 a turn."""
    kl_coef: float = Field(0.0, ge=0)
    """Weight of the divergence from the clone; above 0 costs a second forward pass."""

    @property
    def options(self) -> dict[str, Any]:
        """The algorithm's own options."""
        return {"kl_coef": self.kl_coef, **(self.model_extra or {})}


class RolloutConfig(Section):
    """How experience is gathered: each task of an iteration is played by a group."""

    iterations: int = Field(6, ge=0)
    """Rounds of playing and updating."""
    tasks: int = Field(16, ge=1)
    """Tasks an iteration."""
    group_size: int = Field(8, ge=2)
    """Episodes a task; they are compared with each other."""
    temperature: float = Field(1.0, gt=0)
    """Of sampling; higher explores more."""
    max_turns: int = Field(30, ge=1)
    """Training episodes are cut after so many turns, or after the environment's if that is less."""
    patience: int | None = Field(None, ge=1)
    """Training episodes are cut after so many invalid turns in a row: a policy that repeats what
    was refused seldom comes out of it, and its turns cost as much as others."""
    strategy: Literal["independent", "adaptive", "fork", "tree"] = "independent"
    """How a group is made. `independent`: every episode from the task's start. `adaptive`: so too,
    more often of tasks whose success is uncertain. `fork`: `roots` episodes from the start, then
    `siblings` from states that `fork_from` picks. `tree`: `branching` at cuts `segment_turns`
    apart. Algorithms that compare whole episodes alone learn nothing from forks."""
    roots: int = Field(4, ge=1)
    """Episodes of each task that begin at its start, under `fork`."""
    siblings: int = Field(2, ge=1)
    """Episodes that begin in a state that is picked, under `fork`."""
    fork_from: Literal["rarest", "uncertain"] = "rarest"
    """States that the fewest episodes of the group have reached, those of a single one first; or
    those whose value is least certain."""
    branching: tuple[int, ...] = Field((4, 2, 2), min_length=2)
    """Branches of a task's start and of the nodes at each cut, under `tree`."""
    segment_turns: int | None = Field(None, ge=1)
    """Turns between two cuts of a tree; by default they divide `max_turns` evenly."""
    fork_turns: int | None = Field(None, ge=0)
    """Turns that the forks of an iteration may take; by default those of the episodes that groups
    lack to `group_size`, so that all strategies cost the same."""
    hints: Literal["off", "masked", "corrected"] = "off"
    """Whether tasks of which every episode scored nothing are played again after some turns of the
    expert's, and whether these are only read or learnt from with a corrected ratio."""
    hint_episodes: int = Field(2, ge=1)
    """Hinted episodes of such a task; they come on top of its group."""
    hint_share: float = Field(0.5, gt=0, lt=1)
    """Share of the expert's solution that it plays itself."""
    redraws: int = Field(3, ge=0)
    """Rounds at most in which other tasks are drawn in place of groups that the algorithm drops,
    as `dapo` and `ngrpo` do; what they cost is in the metrics."""
    record_every: int = Field(5, ge=0)
    """Every so many iterations, and in the first and the last, episodes are recorded; 0: never."""
    record_groups: int = Field(4, ge=1)
    """Groups that are recorded of such an iteration."""

    @property
    def has_forks(self) -> bool:
        """Whether the strategy forks episodes."""
        return self.strategy in ("fork", "tree")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        first = self.roots if self.strategy == "fork" else self.branching[0]
        if self.has_forks and not 2 <= first <= self.group_size:
            name = "roots" if self.strategy == "fork" else "branching[0]"
            raise ValueError(f"{name} must be from 2 to group_size = {self.group_size}")
        if min(self.branching) < 1:
            raise ValueError("branching holds numbers of at least 1")
        return self


class LearnerConfig(Section):
    """The policy update."""

    learning_rate: float = Field(3e-4, gt=0)
    """Of AdamW, at its highest."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How it falls after the warm-up, reaching `final` in the last iteration."""
    warmup: int = Field(0, ge=0)
    """Iterations over which it rises before."""
    final: float = Field(0.1, ge=0, le=1)
    """Share of the highest rate that is left in the last iteration, unless it is constant."""
    minibatch: int = Field(16, ge=1)
    """Episodes an optimizer step."""
    epochs: int = Field(1, ge=1)
    """Passes over an iteration's episodes."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Longer gradients are shortened to this."""
    packing: bool = False
    """Whether short sequences share a row of `policy.max_context` tokens, unseen by each other."""


class EvaluationConfig(Section):
    """What is measured, on tasks that are never trained on where the environment has such."""

    split: str | None = None
    """Panel of the figures before and after; by default valid_unseen, or else valid_seen."""
    tasks: int = Field(500, ge=1)
    """Tasks of that panel (all, if it has fewer)."""
    modes: tuple[Literal["greedy", "sampled"], ...] = Field(("greedy",), min_length=1)
    """How that panel is played: with the likeliest tokens, with tokens sampled at temperature 1."""
    curve_split: str | None = None
    """Panel of the curve during training, by which the best policy is chosen; by default another
    held-out split than `split`, or else tasks that are held out of those trained on."""
    curve_tasks: int = Field(100, ge=1)
    """Tasks of the curve's panel; at most a quarter of those trained on is held out for it."""
    every: int = Field(6, ge=1)
    """Iterations between two points of the curve."""


class CheckpointConfig(Section):
    """What an interrupted run goes on from."""

    seconds: float = Field(30.0, ge=0)
    """Least time between two checkpoints; 0 saves after every pool of cloning and iteration."""
    keep: int = Field(2, ge=1)
    """Checkpoints that are kept; older ones are removed."""


class TrainConfig(Section):
    """A whole run: clone the expert, then improve by reinforcement, measure before and after.

    `env`, `policy` and `algorithm` may be given by their id or name alone.
    """

    env: EnvConfig = EnvConfig()
    policy: PolicyConfig = PolicyConfig()
    clone: CloneConfig = CloneConfig()
    algorithm: AlgorithmConfig = AlgorithmConfig()
    rollout: RolloutConfig = RolloutConfig()
    learner: LearnerConfig = LearnerConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    seed: int = Field(0, ge=0)
    """Of everything that is drawn."""
    threads: int = Field(1, ge=1)
    """Threads of the process. More than one costs more than it brings on shared cores."""

    @property
    def clone_updates(self) -> int:
        """Optimizer steps of cloning."""
        if self.clone.updates is not None:
            return self.clone.updates
        return CLONE_UPDATES if self.policy.name == "tiny" else 0

    @field_validator("env", mode="before")
    @classmethod
    def _env_by_id(cls, value: Any) -> Any:
        return {"id": value} if isinstance(value, str) else value

    @field_validator("policy", "algorithm", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"name": str(value)} if isinstance(value, str | Path) else value


def changed_fields(before: Section, after: Section) -> list[str]:
    """Return the settings that differ, each as `section.key was 1, is 2`."""
    old, new = _flat(before.model_dump(mode="json")), _flat(after.model_dump(mode="json"))
    return [
        f"{name} was {json.dumps(old.get(name))}, is {json.dumps(new.get(name))}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= (
            _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
    return flat


def _explain(model: type[Section], path: tuple[int | str, ...], message: str, given: Any) -> str:
    """Say what is wrong with a setting of `model`, and which name may have been meant."""
    section: Any = model
    for part in path[:-1]:
        field = getattr(section, "model_fields", {}).get(str(part))
        section = type(field.default) if field is not None else None
    known = list(getattr(section, "model_fields", {}))
    name = str(path[-1]) if path else ""
    hint = did_you_mean(name, known) if known and name not in known else ""
    return f"{'.'.join(map(str, path))}: {message} (got {given!r}).{hint}"
