"""Stepping Overcooked at random: one game, many at once, and the reference beside them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from anchorgym.envs.overcooked import CLASSIC, Kitchen, load_layout
from anchorgym.envs.overcooked.batch import KitchenBatch

ROUNDS = 5
STEPS = 20_000
BATCH_TICKS = 200
SIZES = {64: "", 256: "", 1024: ">= 5 M", 4096: ""}


def rows() -> list[tuple[str, str, str]]:
    """Return (what, measured, bar): the slowest of the five classic kitchens, best of rounds."""
    kitchens = [Kitchen(load_layout(name)) for name in CLASSIC]
    slowest = min(_best(_one_by_one(kitchen)) for kitchen in kitchens)
    table = [("Overcooked, one game: steps/CPU s", _millions(slowest), ">= 0.5 M")]
    for n_games, bar in SIZES.items():
        slowest = min(_best(_at_once(kitchen, n_games)) for kitchen in kitchens)
        table.append((f"Overcooked, {n_games} games at once", _millions(slowest), bar))
    if find_spec("overcooked"):
        table.append(("overcooked 0.2.1, one game", _millions(_best(_reference())), "(reference)"))
    return table


def _best(way: Callable[[], int]) -> float:
    """Steps a CPU second, the best of all rounds."""
    best = 0.0
    for _ in range(ROUNDS):
        start = time.process_time()
        steps = way()
        best = max(best, steps / (time.process_time() - start))
    return best


def _one_by_one(kitchen: Kitchen) -> Callable[[], int]:
    draw = random.Random(0)
    actions = [(draw.randrange(6), draw.randrange(6)) for _ in range(STEPS)]

    def play() -> int:
        state, step = kitchen.start(), kitchen.step
        for first, second in actions:
            state, _, _ = step(state, first, second)
        return STEPS

    return play


def _at_once(kitchen: Kitchen, n_games: int) -> Callable[[], int]:
    actions = np.random.default_rng(0).integers(0, 6, (BATCH_TICKS, n_games, 2), dtype=np.int8)
    batch = KitchenBatch(kitchen, n_games)

    def play() -> int:
        for joint in actions:
            step = batch.step(joint)
            if step.done[0]:
                batch.reset()
        return BATCH_TICKS * n_games

    return play


def _reference() -> Callable[[], int]:
    from overcooked.mdp import Action, OvercookedGridworld

    world = OvercookedGridworld.from_layout_name("cramped_room")
    draw = random.Random(0)
    actions = [draw.choices(Action.ALL_ACTIONS, k=2) for _ in range(1000)]

    def play() -> int:
        state = world.get_standard_start_state()
        for joint in actions:
            state, _ = world.get_state_transition(state, joint)
        return len(actions)

    return play


def _millions(steps: float) -> str:
    return f"{steps / 1e6:.2f} M"


if __name__ == "__main__":
    for row in rows():
        print("{:<40} {:>10}  {}".format(*row))
