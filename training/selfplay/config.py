"""Settings of self-play between the roles of a world, validated before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from anchorgym.training.config.general import PolicyRunConfig
from anchorgym.training.config.lora import LoraConfig
from anchorgym.training.config.run_folders import read_settings
from anchorgym.training.config.section import Section
from anchorgym.training.config.sections import (
    CLONE_UPDATES,
    AlgorithmConfig,
    CloneConfig,
    EnvConfig,
    LearnerConfig,
    PolicyConfig,
)
from anchorgym.training.selfplay.schedules import ScheduleConfig

TABULAR = "tabular"
"""Name of the policy that is a table."""
TINY = "tiny"
"""Name of the language policy that is built from nothing."""


class RolePolicyConfig(PolicyConfig):
    """Policy that the role follows; settings other than its name are of language policies."""

    name: str = TABULAR
    """Policy of the role: `tabular` (a table of action logits); `tiny` (a small language model that
    writes free text in the words of the scripts that it clones); the folder of a saved policy;
    `module:Name` for a loader of your own; or `role:NAME` to share the policy of another role. A
    role that is not trained may follow `expert`, `random`, or `script:NAME,NAME`, of which one is
    drawn for each episode."""
    vocabulary_tasks: int = Field(384, ge=1)
    """Number of matches between scripts whose texts make up the vocabulary of a `tiny` policy."""

    @property
    def shared_with(self) -> str:
        """Role whose policy this is; empty where the role has one of its own."""
        kind, _, other = self.name.partition(":")
        return other if kind == "role" else ""


class WarmupConfig(Section):
    """Behaviour cloning of scripts before self-play begins."""

    scripts: tuple[str, ...] = ()
    """Scripts to clone, of which one is drawn for each match: those that the world knows by name,
    `expert`, or `random`. Without any there is no warm-up."""
    matches: int = Field(256, ge=1)
    """Number of matches whose actions a table counts."""
    updates: int = Field(CLONE_UPDATES, ge=1)
    """Number of optimizer steps by which a language policy is cloned."""
    batch: int = Field(8, ge=1)
    """Number of transcripts in each optimizer step."""
    learning_rate: float = Field(2e-3, gt=0)
    """Learning rate of AdamW, which updates embeddings and norms; 5e-5 for a pretrained model, and
    5e-4 for adapters of one (LoRA)."""
    matrix_learning_rate: float = Field(0.02, ge=0)
    """Learning rate of Muon, which updates the weight matrices; 0, as for a pretrained model,
    leaves them to AdamW."""
    observation_weight: float = Field(0.3, ge=0)
    """Weight of the loss on predicting observations, beside the loss on actions; 0 for a pretrained
    model."""
    max_tokens: int | None = Field(None, ge=32)
    """Longest transcript, in tokens; longer ones are left out. By default as long as the policy can
    read."""

    @property
    def cloning(self) -> CloneConfig:
        """Settings of cloning that a role shares with a policy of one agent."""
        return CloneConfig(**self.model_dump(exclude={"scripts", "matches"}, exclude_unset=True))


class RoleConfig(Section):
    """Role of agents that share a goal and a policy. NAME stands for the role's name."""

    agents: tuple[str, ...] = ()
    """Agents of the role, by name or by a pattern such as `attacker_*`; by default those that are
    named after the role."""
    policy: RolePolicyConfig = RolePolicyConfig()
    lora: LoraConfig = LoraConfig()
    warmup: WarmupConfig = WarmupConfig()
    algorithm: AlgorithmConfig = AlgorithmConfig(name="public_baseline")
    """Algorithm that turns the rewards of the role into advantages."""
    trainable: bool = True
    """Whether the role is trained; one that is not keeps its policy."""
    grouping: Literal["role", "agent"] = "role"
    """Returns that are compared with each other: those of all agents of the role, or those of each
    agent by itself."""
    learner: LearnerConfig = LearnerConfig()
    """Update of the policy. Unless it is set, the learning rate is 1 for a table, 2e-5 for a
    pretrained model, 1e-6 for one of a billion weights or more, and ten times these for adapters
    (LoRA)."""

    @model_validator(mode="after")
    def _words_come_from_somewhere(self) -> Self:
        if self.policy.name == TINY and not self.warmup.scripts:
            raise ValueError(
                "a tiny policy knows the words of the scripts that it clones: name some in "
                "warmup.scripts"
            )
        if self.lora.rank and self.policy.shared_with:
            raise ValueError(
                f"lora.rank: the policy is that of {self.policy.shared_with}: set adapters there"
            )
        self.lora.require_base(self.policy.name, new=(TABULAR, TINY))
        return self


class LeagueConfig(Section):
    """League of the roles' policies after each generation, and the games between them."""

    bounds: tuple[float, float] = (-1.0, 1.0)
    """Lowest and highest score that a role can have in a game."""
    zero_sum: bool = True
    """Whether the game is zero-sum: one side wins exactly what the other loses."""


class BestResponseConfig(Section):
    """Best responses: fresh opponents that are trained against the newest players, to measure how
    far these can be exploited."""

    iterations: int = Field(0, ge=0)
    """Number of iterations that a fresh opponent is trained for; 0 measures nothing."""
    every: int = Field(5, ge=1)
    """Number of generations between two such measurements; the last one is always measured."""


class CoevolveConfig(PolicyRunConfig):
    """Configuration of co-evolution: roles play each other, learn, and join a league."""

    env: EnvConfig
    """World of several agents: any PettingZoo environment."""
    roles: dict[str, RoleConfig] = Field(default_factory=dict)
    """Roles by name; by default agents are grouped by their names without the number."""
    schedule: ScheduleConfig = ScheduleConfig()
    league: LeagueConfig = LeagueConfig()
    generations: int = Field(10, ge=1)
    """Number of generations; after each one, every trained role joins the league."""
    iterations: int = Field(5, ge=1)
    """Number of iterations in each generation; each plays matches and updates the roles."""
    tasks: int = Field(16, ge=1)
    """Number of tasks that are played in each iteration."""
    group_size: int = Field(8, ge=2)
    """Number of matches of each task, which are compared with each other."""
    temperature: float = Field(1.0, gt=0)
    """Temperature at which actions are sampled."""
    payoff_games: int = Field(64, ge=0)
    """Number of league games in each generation, between the players whose payoff is least certain;
    0 plays none."""
    best_response: BestResponseConfig = BestResponseConfig()

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
    """Return the settings of the self-play run in a folder.

    Raises:
        ConfigError: the folder holds no run, or one with settings of another version.
    """
    return read_settings(CoevolveConfig, folder, "anchorgym selfplay")
