"""Playing the shop in tests."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from anchorgym.envs.core import Info
from anchorgym.envs.webshop import Goal, Product, WebShopEnv
from anchorgym.envs.webshop.score import same_option

Player = Callable[[WebShopEnv, Info], str]


class Played(NamedTuple):
    """How an episode went."""

    score: float
    won: bool
    turns: int
    bought: bool
    invalid: int


def offered(product: Product, goal: Goal) -> dict[str, str]:
    """Return the options of a product that a goal asks for."""
    if goal.option_names is not None:
        return dict(zip(goal.option_names, goal.options, strict=True))
    chosen: dict[str, str] = {}
    for wanted in goal.options:
        for name, values in product.options.items():
            alike = [value for value in values if same_option(value, wanted)]
            if alike and name not in chosen:
                chosen[name] = alike[0]
                break
    return chosen


def play(env: WebShopEnv, task: str, player: Player) -> Played:
    """Play a task to its end."""
    _, info = env.reset(options={"task": task})
    score, over, ended, invalid = 0.0, False, False, 0
    while not over:
        _, reward, ended, cut, info = env.step(player(env, info))
        score, over = score + reward, ended or cut
        invalid += not info["action_valid"]
    return Played(score, info["won"], env.turn, ended, invalid)


def random_player(seed: int) -> Player:
    """Return a player of listed actions; it searches for words of the instruction."""
    rng = random.Random(seed)

    def act(env: WebShopEnv, info: Info) -> str:
        words = " ".join(rng.sample(info["goal"].split(), 3))
        return rng.choice(info["admissible_actions"]).replace("<keywords>", words)

    return act
