"""`JointEnv`: all seats of a world as one Gymnasium environment, for a single controller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Dict, Discrete, MultiDiscrete
from numpy.typing import NDArray

from anchorgym.envs.errors import OptionError
from anchorgym.envs.multi.world import MultiAgentEnv


class JointEnv(gym.Env[dict[str, Any], NDArray[np.int_]]):
    """A world of several agents whose joint action one controller chooses.

    The action is a number for each of `possible_agents`, in their order; the observation, and
    each key of `info` but `anchor`, is a dictionary by agent. The reward is the mean of theirs,
    which in a team is what each of them gets. The episode ends when no agent is left.

    Args:
        env: the world; it is played through this view only.

    Raises:
        OptionError: actions of the world are no numbers that count from 0.
    """

    def __init__(self, env: MultiAgentEnv[Any, Any]) -> None:
        spaces = [env.action_space(agent) for agent in env.possible_agents]
        sizes = [int(space.n) for space in spaces if isinstance(space, Discrete)]
        if len(sizes) < len(spaces) or any(getattr(space, "start", 0) for space in spaces):
            raise OptionError("a joint view needs a world with actions in Discrete(n) spaces")
        self.env = env
        self.metadata = env.metadata
        self.render_mode = env.render_mode
        self.action_space = MultiDiscrete(sizes)
        self.observation_space = Dict({a: env.observation_space(a) for a in env.possible_agents})

    def tasks(self, split: str | None = None) -> Sequence[str]:
        """Return the task ids of a split; see `AnchoredEnv.tasks`."""
        return self.env.tasks(split)

    def anchor(self) -> bytes:
        """Return the key of the joint state."""
        return self.env.anchor()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode; errors as in `MultiAgentEnv.reset`."""
        super().reset(seed=seed)
        observations, infos = self.env.reset(seed=seed, options=options)
        return self._complete(observations), self._info(infos)

    def step(
        self, action: NDArray[np.int_]
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Take one joint turn."""
        numbers = zip(self.env.possible_agents, np.asarray(action).tolist(), strict=True)
        seen, rewards, terminated, truncated, infos = self.env.step(dict(numbers))
        over = not self.env.agents
        reward = float(np.mean(list(rewards.values()))) if rewards else 0.0
        ended = over and all(terminated.values())
        cut = over and not ended and any(truncated.values())
        return self._complete(seen), reward, ended, cut, self._info(infos)

    def snapshot(self) -> bytes:
        """Return the joint state as UTF-8 JSON."""
        return self.env.snapshot()

    def restore(
        self, data: bytes, seed: int | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return to a snapshot; errors as in `MultiAgentEnv.restore`."""
        observations, infos = self.env.restore(data, seed=seed)
        return self._complete(observations), self._info(infos)

    def render(self) -> Any:
        """Render the world."""
        return self.env.render()

    def close(self) -> None:
        """Close the world."""
        self.env.close()

    def _complete(self, observations: dict[str, Any]) -> dict[str, Any]:
        """Return observations of all agents, those that have left included."""
        agents = self.env.possible_agents
        return {a: observations[a] if a in observations else self.env.observe(a) for a in agents}

    def _info(self, infos: Any) -> dict[str, Any]:
        keys = {key for info in infos.values() for key in info}
        by_key = {key: {a: info[key] for a, info in infos.items() if key in info} for key in keys}
        return {**by_key, "anchor": self.env.anchor()}
