"""`OneActiveEnv`: a PettingZoo AEC environment as a parallel one in which one agent is active."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pettingzoo import AECEnv, ParallelEnv

from anchorgym.envs.errors import ContractError, OptionError


class OneActiveEnv(ParallelEnv[str, Any, Any]):
    """All agents see each turn, and `infos[agent]["active"]` says whose it is.

    PettingZoo's own conversion is for games whose agents could as well move at once; this one is
    for those that take turns in any order. What inactive agents say is not heard, and they may say
    nothing.

    Args:
        env: the game; it is played through this view only.
        max_turns: the number of turns after which a game is cut; None lets it go on.

    Raises:
        OptionError: fewer than one turn.
    """

    def __init__(self, env: AECEnv[Any, Any, Any], max_turns: int | None = None) -> None:
        if max_turns is not None and max_turns < 1:
            raise OptionError(f"max_turns is at least 1, got {max_turns}")
        self.env = env
        self.metadata = env.metadata
        self.render_mode = getattr(env, "render_mode", None)
        self.possible_agents = list(env.possible_agents)
        self.agents: list[str] = []
        self.turn, self.max_turns = 0, max_turns

    def observation_space(self, agent: str) -> Any:
        """Return the space of what an agent sees."""
        return self.env.observation_space(agent)

    def action_space(self, agent: str) -> Any:
        """Return the space of what an agent may do."""
        return self.env.action_space(agent)

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start a game."""
        self.env.reset(seed=seed, options=options)
        self.turn = 0
        self._bury()
        return self._seen(), self._told(self.agents)

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, Any]]:
        """Take the turn of the agent that is active.

        Raises:
            ContractError: it has no action.
        """
        env, played, active = self.env, self.agents, self.env.agent_selection
        if actions.get(active) is None:
            raise ContractError(f"it is the turn of {active}, which was given no action")
        env.step(actions[active])
        self.turn += 1
        rewards = {agent: float(env.rewards.get(agent, 0.0)) for agent in played}
        ended = {agent: bool(env.terminations.get(agent, True)) for agent in played}
        cut = {agent: bool(env.truncations.get(agent, False)) for agent in played}
        infos = self._told(played)
        last = {a: env.observe(a) for a in played if a in env.agents and (ended[a] or cut[a])}
        self._bury()
        if self.turn == self.max_turns:
            cut |= {agent: not ended[agent] for agent in self.agents}
            last |= self._seen()
            self.agents = []
        return {**last, **self._seen()}, rewards, ended, cut, {**infos, **self._told(self.agents)}

    def render(self) -> Any:
        """Render the game."""
        return self.env.render()

    def close(self) -> None:
        """Close the game."""
        self.env.close()

    def _bury(self) -> None:
        """Let those who have ended leave, which AEC games do in turns of their own."""
        env = self.env
        while env.agents and self._has_ended(env.agent_selection):
            env.step(None)
        self.agents = [agent for agent in env.agents if not self._has_ended(agent)]

    def _has_ended(self, agent: str) -> bool:
        return bool(self.env.terminations[agent] or self.env.truncations[agent])

    def _seen(self) -> dict[str, Any]:
        return {agent: self.env.observe(agent) for agent in self.agents}

    def _told(self, agents: list[str]) -> dict[str, Any]:
        active = self.env.agent_selection
        return {a: {**self.env.infos.get(a, {}), "active": a == active} for a in agents}
