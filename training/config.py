"""What a training run is made of, validated before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from anchorgym.envs.errors import AnchorgymError, did_you_mean

CLONE_UPDATES = 850


class ConfigError(AnchorgymError, ValueError):
    """A setting that does not exist or cannot have that value; the message names it."""


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class EnvConfig(_Section):
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


class PolicyConfig(_Section):
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

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden must be a multiple of 2 * heads = {2 * self.heads}")
        if self.kv_heads is not None and self.heads % self.kv_heads:
            raise ValueError(f"kv_heads must divide heads = {self.heads}")
        return self


class CloneConfig(_Section):
    """Behaviour cloning of the environment's honest expert."""

    updates: int | None = Field(None, ge=0)
    """Optimiser steps; by default 850 for a new policy and none for a loaded one."""
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
    max_tokens: int = Field(448, ge=32)
    """Longer demonstrations are left out: attention over them costs more than they teach."""
    noise: float = Field(0.15, ge=0, le=0.5)
    """Chance of a wrong action in a demonstration; a third of the episodes have none, a third
    twice as many. Wrong actions stay in the transcript and are not imitated."""
    corrections: float = Field(0.4, ge=0, le=1)
    """Share of turns that the policy takes itself in corrected episodes, which are every third
    one that is imitated; 0 leaves them out."""
    corrections_from: float = Field(0.2, ge=0, le=1)
    """Share of the updates after which corrected episodes begin."""


class AlgorithmConfig(_Section):
    """The group-policy algorithm. Keys beyond these are its options, such as `step_weight`."""

    model_config = ConfigDict(
        extra="allow", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    name: str = "gigpo"
    """One of those listed below."""
    anchor: Literal["state", "observation"] = "state"
    """What turns are grouped by: the world's state, or the text that was shown."""
    kl_coef: float = Field(0.0, ge=0)
    """Weight of the divergence from the clone; above 0 costs a second forward pass."""

    @property
    def options(self) -> dict[str, Any]:
        """The algorithm's own options."""
        return {"kl_coef": self.kl_coef, **(self.model_extra or {})}


class RolloutConfig(_Section):
    """How experience is gathered: each task of an iteration is played by a group."""

    iterations: int = Field(20, ge=0)
    """Rounds of playing and updating."""
    tasks: int = Field(16, ge=1)
    """Tasks an iteration."""
    group_size: int = Field(8, ge=2)
    """Episodes a task; they are compared with each other."""
    temperature: float = Field(1.0, gt=0)
    """Of sampling; higher explores more."""
    max_turns: int = Field(30, ge=1)
    """Training episodes are cut after so many turns, or after the environment's if that is less."""


class LearnerConfig(_Section):
    """The policy update."""

    learning_rate: float = Field(3e-4, gt=0)
    """Of AdamW."""
    minibatch: int = Field(16, ge=1)
    """Episodes an optimiser step."""
    epochs: int = Field(1, ge=1)
    """Passes over an iteration's episodes."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Longer gradients are shortened to this."""


class EvaluationConfig(_Section):
    """What is measured, on tasks that are never trained on where the environment has such."""

    split: str | None = None
    """Panel of the figures before and after; by default valid_unseen, or else valid_seen."""
    tasks: int = Field(200, ge=1)
    """Tasks of that panel (all, if it has fewer)."""
    curve_split: str | None = None
    """Panel of the curve during training; by default valid_seen."""
    curve_tasks: int = Field(100, ge=1)
    """Tasks of the curve's panel."""
    every: int = Field(10, ge=1)
    """Iterations between two points of the curve."""


class TrainConfig(_Section):
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
    seed: int = Field(0, ge=0)
    """Of everything that is drawn."""
    threads: int = Field(1, ge=1)
    """Threads of the process. More than one costs more than it brings on shared cores."""

    @property
    def clone_updates(self) -> int:
        """Optimiser steps of cloning."""
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

    @classmethod
    def parse(cls, values: dict[str, Any]) -> TrainConfig:
        """Validate plain values.

        Raises:
            ConfigError: naming each setting that is wrong, and how.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = [_explain(item["loc"], item["msg"], item["input"]) for item in error.errors()]
            raise ConfigError("wrong settings:\n  " + "\n  ".join(lines)) from error


def _explain(path: tuple[int | str, ...], message: str, given: Any) -> str:
    """Say what is wrong with a setting, and which name may have been meant."""
    section: Any = TrainConfig
    for part in path[:-1]:
        field = getattr(section, "model_fields", {}).get(str(part))
        section = type(field.default) if field is not None else None
    known = list(getattr(section, "model_fields", {}))
    name = str(path[-1]) if path else ""
    hint = did_you_mean(name, known) if known and name not in known else ""
    return f"{'.'.join(map(str, path))}: {message} (got {given!r}).{hint}"
