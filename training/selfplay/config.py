"""What a run of several roles is made of, validated before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from anchorgym.training.config import (
    AlgorithmConfig,
    EnvConfig,
    LearnerConfig,
    Section,
)
from anchorgym.training.folders import read_settings
from anchorgym.training.selfplay.schedules import ScheduleConfig

TABULAR = "tabular"
"""Name of the policy that is a table."""


class RoleConfig(Section):
    """Agents that want the same: what they follow, and what trains it."""

    agents: tuple[str, ...] = ()
    """Their names, or patterns such as `attacker_*`; by default those named after the role."""
    policy: str = TABULAR
    """`tabular`, a folder of a saved policy, `random` for a role that is not trained, or
    `role:NAME` to share the policy of another role."""
    algorithm: AlgorithmConfig = AlgorithmConfig(name="public_baseline")
    """How its turns are judged."""
    trainable: bool = True
    """Whether it is trained at all."""
    grouping: Literal["role", "agent"] = "role"
    """Whose returns are compared: those of the role, or of each agent by itself."""
    learner: LearnerConfig = LearnerConfig()
    """The update; a table's learning rate is 1 unless it is set."""

    @field_validator("algorithm", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


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
            kind, _, other = role.policy.partition(":")
            if kind == "role" and other not in self.roles:
                raise ValueError(
                    f"roles.{name}.policy names the role {other!r}, which is not there"
                )
            if kind == "role" and self.roles[other].policy.startswith("role:"):
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
