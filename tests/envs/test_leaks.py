"""Worlds that are played again and again hold no more objects than at first."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from anchorgym.envs import make, make_parallel

EPISODES, TURNS = 12, 15
ALLOWED = 60  # objects; a single one that stays for each turn would be 180


def objects() -> int:
    """Count what the garbage collector knows of."""
    for _ in range(3):
        gc.collect()
    return len(gc.get_objects())


def grown(play: Callable[[int], object]) -> int:
    """Return how many objects more there are after the same episodes are played once more."""
    for _ in range(2):
        for episode in range(EPISODES):
            play(episode)
    before = objects()
    for episode in range(EPISODES):
        play(episode)
    return objects() - before


@pytest.mark.parametrize(
    ("env_id", "options"),
    [
        ("anchorgym/ALFWorld-v0", {}),
        ("anchorgym/WebShop-v0", {"n_products": 50}),
    ],
)
def test_episodes_of_one_agent_leave_nothing(env_id: str, options: dict[str, Any]) -> None:
    env = make(env_id, **options)
    tasks = env.tasks()

    def play(episode: int) -> None:
        rng = np.random.default_rng(episode)
        _, info = env.reset(seed=episode, options={"task": tasks[episode % 4]})
        kept = env.snapshot()
        for turn in range(TURNS):
            actions = info["admissible_actions"]
            _, _, terminated, truncated, info = env.step(actions[rng.integers(len(actions))])
            if terminated or truncated:
                break
            if turn == TURNS // 2:
                env.restore(kept)

    assert grown(play) < ALLOWED


@pytest.mark.parametrize(
    "env_id",
    ["anchorgym/Overcooked-v0", "anchorgym/RedTeam-v0", "anchorgym/RoCoSweep-v0"],
)
def test_episodes_of_several_agents_leave_nothing(env_id: str) -> None:
    env = make_parallel(env_id)

    def play(episode: int) -> None:
        rng = np.random.default_rng(episode)
        _, infos = env.reset(seed=episode)
        for _ in range(TURNS):
            if not env.agents:
                break
            offered = {agent: infos[agent]["admissible_actions"] for agent in env.agents}
            acts = {agent: str(rng.choice(words or ("pass",))) for agent, words in offered.items()}
            *_, infos = env.step(acts)

    assert grown(play) < ALLOWED
