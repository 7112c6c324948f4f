"""`TurnsEnv`: a world of several agents as a PettingZoo AEC environment, one agent at a time."""

from __future__ import annotations

from typing import Any

from pettingzoo.utils import AgentSelector
from pettingzoo.utils.conversions import parallel_to_aec_wrapper

from anchorgym.envs.bookkeeping import checksum, digest, pack, unpack
from anchorgym.envs.errors import ResetNeededError, SnapshotError, reason_of
from anchorgym.envs.multi.world import MultiAgentEnv


class TurnsEnv(parallel_to_aec_wrapper[str, Any, Any]):
    """PettingZoo's own AEC view of a `MultiAgentEnv`, with anchor, snapshot and restore.

    Actions are collected until every agent has chosen, then the joint turn is taken; nobody sees
    what those before it chose. A state half-way through has an anchor of its own.

    Args:
        env: the world; it is played through this view only.
    """

    env: MultiAgentEnv[Any, Any]

    def __init__(self, env: MultiAgentEnv[Any, Any]) -> None:
        super().__init__(env)
        self.agents: list[str] = []

    def observe(self, agent: str) -> Any:
        """Return what an agent saw after the last joint turn."""
        return self._observations[agent]

    def tasks(self, split: str | None = None) -> Any:
        """Return the task ids of a split; see `AnchoredEnv.tasks`."""
        return self.env.tasks(split)

    def anchor(self) -> bytes:
        """Return the key of the joint state and of the choices made since the last joint turn."""
        if not self._pending() and not self._leaving():
            return self.env.anchor()
        return digest([self.env.anchor().hex(), self._pending(), self._leaving()])

    def snapshot(self) -> bytes:
        """Return the joint state and where in the round of agents this is, as UTF-8 JSON."""
        if not hasattr(self, "_actions"):
            raise ResetNeededError("no episode is running: call reset() or restore() first")
        return pack(
            {
                "config": self._config_hash(),
                "joint": self.env.snapshot().decode(),
                "agents": self.agents,
                "next": self.agent_selection,
                "after": getattr(self, "_skip_agent_selection", None),
                "actions": self._pending(),
                "rewards": {agent: float(value) for agent, value in self.rewards.items()},
                "owed": {a: float(value) for a, value in self._cumulative_rewards.items()},
                "terminations": self.terminations,
                "truncations": self.truncations,
            }
        )

    def restore(self, data: bytes, seed: int | None = None) -> tuple[Any, dict[str, Any] | None]:
        """Return to a snapshot: observation and info of the agent whose turn it is.

        Both are None when the episode is over.

        Raises:
            SnapshotError: foreign, stale or damaged bytes; the running episode stays as it is.
        """
        body = unpack(data, self._config_hash(), type(self).__name__)
        self.env.restore(body["joint"].encode(), seed=seed)
        try:
            self._take(body)
        except (LookupError, TypeError, ValueError) as error:
            raise SnapshotError(
                f"the snapshot does not fit: {reason_of(error)}; call reset()"
            ) from error
        if not self.agents:
            return None, None
        return self.observe(self.agent_selection), self.infos[self.agent_selection]

    # Details --------------------------------------------------------------------------------

    def _config_hash(self) -> str:
        return checksum(["turns", self.env.config_hash()])

    def _pending(self) -> dict[str, Any]:
        """Return the choices since the last joint turn as JSON values."""
        chosen: dict[str, Any] = {}
        if not self.env.agents:
            return chosen
        for agent in self._agent_selector.agent_order:
            if agent == self._agent_selector.selected_agent:
                break
            chosen[agent] = self._jsonable(agent, self._actions.get(agent))
        return chosen

    def _jsonable(self, agent: str, action: Any) -> Any:
        space = self.env.action_space(agent)
        # What is outside its space is refused whatever it is.
        return space.to_jsonable([action]) if space.contains(action) else None

    def _leaving(self) -> list[str]:
        """Return the agents that have ended and were not stepped out yet."""
        return [a for a in self.agents if self.terminations[a] or self.truncations[a]]

    def _take(self, body: dict[str, Any]) -> None:
        env = self.env
        self.agents = list(body["agents"])
        self._live_agents = list(env.agents)
        self._observations = {agent: env.observe(agent) for agent in self.agents}
        self.infos = {agent: dict(env.info(agent)) for agent in self.agents}
        self.terminations, self.truncations = body["terminations"], body["truncations"]
        self.rewards, self._cumulative_rewards = body["rewards"], body["owed"]
        self._actions = dict.fromkeys(self.agents)
        for agent, kept in body["actions"].items():
            self._actions[agent] = kept and env.action_space(agent).from_jsonable(kept)[0]
        self.agent_selection, self._skip_agent_selection = body["next"], body["after"]
        if env.agents:
            self._agent_selector = AgentSelector(list(env.agents))
            for _ in range(len(body["actions"]) + 1):
                self._agent_selector.next()
