"""`SeatEnv`: one seat of a world of several agents as a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from anchorgym.envs.bookkeeping import checksum, generator, pack, unpack
from anchorgym.envs.errors import OptionError, ResetNeededError, SnapshotError, did_you_mean
from anchorgym.envs.multi.contract import AgentInfo
from anchorgym.envs.multi.world import MultiAgentEnv

OtherSeats = Callable[[str, Any, Mapping[str, Any], np.random.Generator], Any]
"""Plays the other seats: (agent, observation, info, generator) to an action.

It keeps no memory between calls and draws from the generator only, else a restored state has
another future."""


class SeatEnv(gym.Env[Any, Any]):
    """One agent's view of a world of several, while a function plays the other seats.

    Turns in which the seat is not active pass by themselves; their rewards are added up. The
    episode is over for the seat when it leaves the world.

    `anchor()` is the key of the joint state, which is what the future depends on; `info["anchor"]`
    is the seat's information set, which is what a player may group by. A search that forks joint
    states sees what is hidden from the seat: call it an oracle.

    Args:
        env: the world; it is played through this view only.
        seat: the agent to play.
        others: plays the other seats, see `OtherSeats`.

    Raises:
        OptionError: the world has no such agent.
    """

    def __init__(self, env: MultiAgentEnv[Any, Any], seat: str, others: OtherSeats) -> None:
        if seat not in env.possible_agents:
            known = env.possible_agents
            raise OptionError(f"no agent {seat!r}.{did_you_mean(seat, known)} There are: {known}")
        self.env = env
        self.seat = seat
        self.others = others
        self.metadata = env.metadata
        self.render_mode = env.render_mode
        self.observation_space = env.observation_space(seat)
        self.action_space = env.action_space(seat)
        self._seen: tuple[dict[str, Any], dict[str, AgentInfo]] | None = None

    def tasks(self, split: str | None = None) -> Sequence[str]:
        """Return the task ids of a split; see `AnchoredEnv.tasks`."""
        return self.env.tasks(split)

    def anchor(self) -> bytes:
        """Return the key of the joint state."""
        return self.env.anchor()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode, and play until the seat is asked for the first time.

        Raises:
            OptionError: the task is one in which the seat does not play, or ends before it does.
        """
        super().reset(seed=seed)
        if seed is not None:
            self._np_random = _apart(seed)
        self._seen = self.env.reset(seed=seed, options=options)
        if self.seat not in self.env.agents:
            raise OptionError(f"{self.seat} has no part in task {self.env.task!r}")
        _, terminated, truncated = self._pass_turns()
        if terminated or truncated:
            raise OptionError(f"task {self.env.task!r} ends before {self.seat} is asked")
        return self._observed()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Act in the seat, and play until it is asked again or its episode is over."""
        reward, terminated, truncated = self._turn({self.seat: action})
        if not (terminated or truncated):
            more, terminated, truncated = self._pass_turns()
            reward += more
        observation, info = self._observed()
        return observation, reward, terminated, truncated, info

    def snapshot(self) -> bytes:
        """Return the joint state and the randomness of the other seats as UTF-8 JSON."""
        return pack(
            {
                "config": self._config_hash(),
                "joint": self.env.snapshot().decode(),
                "rng": self.np_random.bit_generator.state,
            }
        )

    def restore(self, data: bytes, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        """Return to a snapshot; a seed redraws the randomness of world and other seats.

        Raises:
            SnapshotError: foreign, stale or damaged bytes; the running episode stays as it is.
        """
        body = unpack(data, self._config_hash(), type(self).__name__)
        if not isinstance(body.get("joint"), str):
            raise SnapshotError("the snapshot holds no joint state")
        self._seen = self.env.restore(body["joint"].encode(), seed=seed)
        if seed is None:
            self.np_random = generator(body["rng"])
        else:
            self._np_random, self._np_random_seed = _apart(seed), seed
        return self._observed()

    def render(self) -> Any:
        """Render the world."""
        return self.env.render()

    def close(self) -> None:
        """Close the world."""
        self.env.close()

    # Details --------------------------------------------------------------------------------

    def _config_hash(self) -> str:
        return checksum(["seat", self.seat, self.env.config_hash()])

    def _observed(self) -> tuple[Any, dict[str, Any]]:
        if self._seen is None:
            raise ResetNeededError("no episode is running: call reset() or restore() first")
        observations, infos = self._seen
        if self.seat in observations:
            return observations[self.seat], dict(infos[self.seat])
        return self.env.observe(self.seat), dict(self.env.info(self.seat))  # it has left

    def _turn(self, actions: dict[str, Any]) -> tuple[float, bool, bool]:
        if self._seen is None:
            raise ResetNeededError("no episode is running: call reset() or restore() first")
        observations, infos = self._seen
        for agent in self.env.agents:
            if agent != self.seat and infos[agent]["active"]:
                given = observations[agent], dict(infos[agent]), self.np_random
                actions[agent] = self.others(agent, *given)
        *seen, infos = self.env.step(actions)
        self._seen = seen[0], infos
        rewards, terminated, truncated = seen[1:]
        mine = self.seat
        return float(rewards.get(mine, 0.0)), terminated.get(mine, True), truncated.get(mine, False)

    def _pass_turns(self) -> tuple[float, bool, bool]:
        """Play on while the seat is in the world and is not asked."""
        reward, terminated, truncated = 0.0, False, False
        while not (terminated or truncated) and not self.env.active(self.seat):
            more, terminated, truncated = self._turn({})
            reward += more
        return reward, terminated, truncated


def _apart(seed: int) -> np.random.Generator:
    """Return the generator of the other seats: not the stream that the world has of this seed."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 1])))
