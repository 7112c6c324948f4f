"""Assembly of a run of co-evolution: settings of roles, their agents and initial policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from anchorgym.agents.engines.temperature import AdaptiveTemperature
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.selfplay.config import TABULAR, CoevolveConfig, RoleConfig
from anchorgym.training.selfplay.roles import RoleError, Roles, agents_of, roles_of

TABLE_RATE = 1.0
"""Default learning rate of a table."""


def role_settings(
    config: CoevolveConfig, agents: Sequence[str]
) -> dict[str, tuple[RoleConfig, tuple[str, ...]]]:
    """Return the settings and the agents of each role.

    Raises:
        RoleError: an agent has no role, or two roles.
    """
    if not config.roles:
        return {name: (RoleConfig(), members) for name, members in roles_of(agents).items()}
    found = {
        name: (settings, agents_of(settings.agents or _named_after(name, agents), agents))
        for name, settings in config.roles.items()
    }
    taken = [agent for _, members in found.values() for agent in members]
    twice = sorted({agent for agent in taken if taken.count(agent) > 1})
    missing = [agent for agent in agents if agent not in taken]
    if twice or missing:
        problem = f"{twice} play two roles" if twice else f"{missing} play no role"
        raise RoleError(f"{problem}: roles.NAME.agents says who plays what")
    return found


def _named_after(role: str, agents: Sequence[str]) -> tuple[str, ...]:
    """Return the default agents of a role: those that are named after it."""
    return roles_of(agents).get(role, (role,))


def learner_settings(settings: RoleConfig) -> LearnerConfig:
    """Return the settings of a role's learner."""
    unset = "learning_rate" not in settings.learner.model_fields_set
    if settings.policy.name == TABULAR and unset:
        return settings.learner.model_copy(update={"learning_rate": TABLE_RATE})
    return settings.learner


def empty_table(world: Any) -> TabularPolicy:
    """Return an empty table, whose rows and options the world may define."""
    rows = {
        name: getattr(type(world), method)
        for name, method in (("options", "table_options"), ("situation", "table_situation"))
        if hasattr(type(world), method)
    }
    return TabularPolicy(**rows)


def world_arguments(config: CoevolveConfig) -> dict[str, Any]:
    """Return the world's arguments; a split only if it is set, as not all worlds take one."""
    asked = "split" in config.env.model_fields_set
    return {**config.env.arguments, **({"split": config.env.split} if asked else {})}


def league_sides(roles: Roles, trained: Sequence[str]) -> tuple[str, ...]:
    """Return the sides of the league: two roles, or one role with several seats."""
    first = trained[0]
    if len(trained) > 1:
        return first, trained[1]
    others = [name for name in roles.roles if name != first]
    return (first,) if len(roles.roles[first].agents) > 1 or not others else (first, others[0])


def temperatures(roles: Roles) -> dict[str, AdaptiveTemperature]:
    """Return the temperature rule of each agent whose algorithm sets one per token."""
    rules: dict[str, AdaptiveTemperature] = {}
    for role in roles.roles.values():
        rule = None if role.algorithm is None else role.algorithm.temperature(role.state)
        if rule is not None:
            rules |= dict.fromkeys(role.agents, AdaptiveTemperature(**asdict(rule)))
    return rules
