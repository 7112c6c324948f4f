"""The environment settings of commands that do not train: `--env ID` and `--env.KEY VALUE`.

Commands that train take the same settings, with defaults.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from anchorgym.training.commands.command import Settings, UsageError
from anchorgym.training.config.general import ModelConfig
from anchorgym.training.config.section import Section
from anchorgym.training.config.sections import PromptConfig


class EnvironmentSection(Section):
    """Environment, by its id. Further keys are arguments of its own, such as `env.data`, which
    `anchorgym envs ID` lists."""

    model_config = ConfigDict(
        extra="allow", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    id: str | None = None
    """Environment's id: namespace/Name-vN, or module:namespace/Name-vN for one that a module of
    yours registers."""
    split: str | None = None
    """Split of its tasks that the environment is made with; by default its own."""
    max_turns: int | None = Field(None, ge=1)
    """Turns after which an episode is cut; by default the environment's own limit."""

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the environment."""
        given = {"split": self.split, "max_turns": self.max_turns}
        limits = {name: value for name, value in given.items() if value is not None}
        return {**limits, **(self.model_extra or {})}


class EnvironmentSettings(Section):
    """Settings of a command that plays in an environment."""

    env: EnvironmentSection = EnvironmentSection()


class EvaluationSettings(EnvironmentSettings, ModelConfig):
    """Settings of an evaluation: the environment, and how language policies run."""

    policy: PromptConfig = PromptConfig()


class PlaySettings(EnvironmentSettings, ModelConfig):
    """Settings of play: the environment, and how language policies run."""


def environment(given: Settings) -> EnvironmentSection:
    """Return the environment section of the settings.

    Raises:
        ConfigError: there are other settings, or wrong values.
    """
    return EnvironmentSettings.parse(given).env


def named_environment(given: Settings, command: str) -> tuple[str, dict[str, Any]]:
    """Return the id of the environment and its arguments.

    Raises:
        UsageError: no environment is named.
        ConfigError: there are other settings, or wrong values.
    """
    return require_named(environment(given), command)


def require_named(env: EnvironmentSection, command: str) -> tuple[str, dict[str, Any]]:
    """Return the id of an environment section and its arguments.

    Raises:
        UsageError: no environment is named.
    """
    if env.id is None:
        raise UsageError(
            f"name an environment: `anchorgym {command} ENV`. `anchorgym envs` lists them"
        )
    return env.id, env.arguments
