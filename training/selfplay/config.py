"""What a run of several roles is made of, validated before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from anchorgym.training.config.run_folders import read_settings
from anchorgym.training.config.sections import (
    CLONE_UPDATES,
    AlgorithmConfig,
    CloneConfig,
    EnvConfig,
    LearnerConfig,
    PolicyConfig,
    Section,
)
from anchorgym.training.selfplay.schedules import ScheduleConfig

TABULAR = "tabular"
"""Name of the policy that is a table."""
TINY = "tiny"
"""Name of the language policy that is built from nothing."""


class RolePolicyConfig(PolicyConfig):
    """What a role follows; the settings beside its name are of language policies."""

    name: str = TABULAR
    """`tabular`; `tiny`, which writes free text in the words of the scripts that it clones; a saved
    policy's folder; `role:NAME` to share another role's; and where nothing is to be trained,
    `expert`, `random` or `script:NAME,NAME`, one of them drawn anew for each episode."""
    vocabulary_tasks: int = Field(384, ge=1)
    """Matches of scripts from whose texts the tokenizer of `tiny` is built."""

    @property
    def shared_with(self) -> str:
        """The role whose policy this is; empty where it is one of its own."""
        kind, _, other = self.name.partition(":")
        return other if kind == "role" else ""


class WarmupConfig(Section):
    """Behaviour cloning of scripts, before a role meets what the others become."""

    scripts: tuple[str, ...] = ()
    """Strategies, one drawn anew for each match: those that the world knows by name, `expert`, or
    `random`. None: no warm-up."""
    matches: int = Field(256, ge=1)
    """That a table counts."""
    updates: int = Field(CLONE_UPDATES, ge=1)
    """Optimizer steps of a language policy."""
    batch: int = Field(8, ge=1)
    """Transcripts a step."""
    learning_rate: float = Field(2e-3, gt=0)
    """Of embeddings and norms (AdamW)."""
    matrix_learning_rate: float = Field(0.02, gt=0)
    """Of the matrices between them (Muon)."""
    observation_weight: float = Field(0.3, ge=0)
    """Weight of predicting what is read, beside what is said."""
    max_tokens: int | None = Field(None, ge=32)
    """Longer transcripts are left out; by default what the policy can read."""

    @property
    def cloning(self) -> CloneConfig:
        """The settings of the optimizer."""
        return CloneConfig(**self.model_dump(exclude={"scripts", "matches"}))


class RoleConfig(Section):
    """Agents that want the same: what they follow, and what trains it."""

    agents: tuple[str, ...] = ()
    """Their names, or patterns such as `attacker_*`; by default those named after the role."""
    policy: RolePolicyConfig = RolePolicyConfig()
    warmup: WarmupConfig = WarmupConfig()
    algorithm: AlgorithmConfig = AlgorithmConfig(name="public_baseline")
    """How its turns are judged."""
    trainable: bool = True
    """Whether it is trained at all."""
    grouping: Literal["role", "agent"] = "role"
    """Whose returns are compared: those of the role, or of each agent by itself."""
    learner: LearnerConfig = LearnerConfig()
    """The update; a table's learning rate is 1 unless it is set."""

    @field_validator("algorithm", "policy", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"name": str(value)} if isinstance(value, str | Path) else value

    @model_validator(mode="after")
    def _words_come_from_somewhere(self) -> Self:
        if self.policy.name == TINY and not self.warmup.scripts:
            raise ValueError(
                "a tiny policy knows the words of the scripts that it clones: name some in "
                "warmup.scripts"
            )
        return self


class LeagueConfig(Section):
    """What the league takes a game to be worth."""

    bounds: tuple[float, float] = (-1.0, 1.0)
    """The lowest and highest score that a role can have in a game."""
    zero_sum: bool = True
    """Whether what one side wins the other loses."""


class BestResponseConfig(Section):
    """How a fresh opponent is trained against what a role has become, to see what it exploits."""

    iterations: int = Field(0, ge=0)
    """Of its training, each like one of the run; 0 measures nothing."""
    every: int = Field(5, ge=1)
    """Generations between two such measurements; the last is always measured."""


class CoevolveConfig(Section):
    """A whole run: roles play each other, learn, and keep a league of what they have been."""

    env: EnvConfig
    """The world: any PettingZoo environment."""
    roles: dict[str, RoleConfig] = Field(default_factory=dict)
    """By name; by default agents are grouped by what comes before their number."""
    schedule: ScheduleConfig = ScheduleConfig()
    league: LeagueConfig = LeagueConfig()
    generations: int = Field(10, ge=1)
    """After each, every trained role joins the league."""
    iterations: int = Field(5, ge=1)
    """Rounds of playing and updating in a generation."""
    tasks: int = Field(16, ge=1)
    """Tasks an iteration."""
    group_size: int = Field(8, ge=2)
    """Matches a task; they are compared with each other."""
    temperature: float = Field(1.0, gt=0)
    """Of sampling."""
    payoff_games: int = Field(64, ge=0)
    """Games of the league a generation; they go where the payoff table is least sure."""
    best_response: BestResponseConfig = BestResponseConfig()
    seed: int = Field(0, ge=0)
    """Of everything that is drawn."""

    @field_validator("env", mode="before")
    @classmethod
    def _env_by_id(cls, value: Any) -> Any:
        return {"id": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _shared_policies_exist(self) -> Self:
        for name, role in self.roles.items():
            other = role.policy.shared_with
            if other and other not in self.roles:
                raise ValueError(
                    f"roles.{name}.policy names the role {other!r}, which is not there"
                )
            if other and self.roles[other].policy.shared_with:
                raise ValueError(
                    f"roles.{name}.policy shares what {other!r} shares itself: name it"
                )
        return self


def read_coevolve_config(folder: Path) -> CoevolveConfig:
    """Return the settings of the run of self-play that a folder holds.

    Raises:
        ConfigError: it holds none, or one of another version's settings.
    """
    return read_settings(CoevolveConfig, folder, "anchorgym selfplay")
