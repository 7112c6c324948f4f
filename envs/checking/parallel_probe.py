"""Playing an environment of several agents for its checks."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pettingzoo import ParallelEnv

from anchorgym.envs.checking.moments import JointMoment, Moment, Script
from anchorgym.envs.checking.probe import BaseProbe, admissible, begin, fill, take
from anchorgym.envs.multi.contract import AnchoredParallelEnv

_LONGEST_SCRIPT = 50
_NEEDED = ("tasks", "anchor", "snapshot", "restore")


class JointProbe(BaseProbe[ParallelEnv[str, Any, Any]]):
    """Plays environments of several agents, see `BaseProbe`; actions are joint actions."""

    idle: Any = {}  # noqa: RUF012  (never changed)

    @property
    def unanchored(self) -> str:  # type: ignore[override]  # a property here
        """Why checks of anchors and snapshots are skipped; empty where they are not."""
        if isinstance(self.env, AnchoredParallelEnv):
            return ""
        lacking = [f"{name}()" for name in _NEEDED if not hasattr(self.env, name)]
        return f"the environment has no {', '.join(lacking)}"

    def answers(self, env: Any) -> tuple[Any, ...]:
        """Return the answers to every question that may be asked of a state."""
        told: list[Any] = []
        with suppress(AttributeError):  # of environments that derive from no class of ours
            told = [(env.observe(agent), env.info(agent)) for agent in env.agents]
        return env.anchor(), env.snapshot(), repr(told)

    def explored(self, env: Any, start: Script, rng: random.Random, *, guided: bool) -> Script:
        """Play an episode at random and return its script."""
        script, moment = start, begin(env, start)
        for i, agent in enumerate(env.possible_agents):
            env.action_space(agent).seed(start.seed + i)
        while env.agents and len(script.actions) < _LONGEST_SCRIPT:
            action = pick_joint(env, moment, rng)
            if not self.unanchored and rng.random() < 0.1:
                action.pop(rng.choice(env.agents), None)  # somebody says nothing
            moment = take(env, action, script)
            script = script.then(action)
        return script


def pick_joint(env: Any, moment: Moment, rng: random.Random) -> dict[str, Any]:
    """Choose an action for each agent in play that is asked."""
    assert isinstance(moment, JointMoment)
    views = {agent: moment.of(agent) for agent in env.agents}
    return {
        agent: pick_for(env.action_space(agent), view, rng)
        for agent, view in views.items()
        if view.info.get("active") is not False
    }


def pick_for(space: Any, view: Moment, rng: random.Random) -> Any:
    """Choose one agent's action: a listed one, one that its mask allows, or any in its space."""
    listed = view.info.get("admissible_actions")
    if isinstance(listed, tuple | list) and len(listed):
        action = rng.choice(listed)
        return fill(action, rng) if isinstance(action, str) else action
    seen = view.observation if isinstance(view.observation, Mapping) else {}
    mask = seen.get("action_mask", view.info.get("action_mask"))
    return space.sample(mask) if mask is not None else space.sample()


def listed_for(view: Moment) -> list[Any]:
    """Return the actions that an agent is told of, whatever their kind."""
    listed = view.info.get("admissible_actions")
    if isinstance(listed, tuple | list) and any(not isinstance(one, str) for one in listed):
        return list(listed)
    return list(admissible(view))
