"""The engine for many games, equal to the one for one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchorgym.envs.errors import OptionError
from anchorgym.envs.overcooked import Kitchen, layout_names, load_layout
from anchorgym.envs.overcooked.batch import KitchenBatch
from anchorgym.envs.overcooked.items import ALL_MIXES, DISH, SOUP, pot_mix, started
from anchorgym.envs.overcooked.kitchen import State

N_GAMES = 12
STEPS = 25


@st.composite
def kitchens(draw: st.DrawFn) -> Kitchen:
    layout = load_layout(draw(st.sampled_from(layout_names())))
    return Kitchen(layout.with_rules(cooking="manual") if draw(st.booleans()) else layout)


def any_state(kitchen: Kitchen, rng: np.random.Generator) -> State:
    """A state with full hands, counters and pots, as random play would hardly find one."""
    cells = rng.choice(kitchen.floor, size=2, replace=False)
    stances = 4 * cells + rng.integers(0, 4, 2)
    items = [0, 0, 1, 2, 3, *(SOUP + mix for mix in ALL_MIXES)]
    pots = [0, *ALL_MIXES, *(started(m, kitchen.rules.cook_time(m) - k) for m in ALL_MIXES
                             for k in (0, 1))]  # fmt: skip
    held = rng.choice(items, 2).tolist()
    counters = rng.choice(items, len(kitchen.counters)).tolist()
    return State(
        (int(stances[0]), int(stances[1])),
        (held[0], held[1]),
        tuple(counters),
        tuple(rng.choice(pots, len(kitchen.pots)).tolist()),
    )


@given(kitchens(), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=50)
def test_every_game_goes_as_it_would_alone(kitchen: Kitchen, seed: int, tidy: bool) -> None:
    """Tidy kitchens begin with empty counters, so that dishes are counted from none on."""
    rng = np.random.default_rng(seed)
    games = [any_state(kitchen, rng) for _ in range(N_GAMES)]
    if tidy:
        games = [
            game._replace(
                counters=(0,) * len(game.counters),
                held=tuple(rng.choice([0, 0, DISH], 2).tolist()),
            )
            for game in games
        ]
    batch = KitchenBatch(kitchen, N_GAMES, horizon=STEPS)
    batch.load(games)
    for tick in range(STEPS):
        # Half of all actions interact, most of them with what was in front already.
        actions = np.where(rng.random((N_GAMES, 2)) < 0.5, 5, rng.integers(0, 6, (N_GAMES, 2)))
        step = batch.step(actions)
        for game, state in enumerate(games):
            games[game], *effects = kitchen.step(state, *actions[game].tolist())
            assert batch.state(game) == games[game]
            assert step.rewards[game] == sum(effect.reward for effect in effects)
            assert step.shaped[game].tolist() == [effect.shaped for effect in effects]
            assert [batch.effects[e] for e in step.effects[game]] == effects
        assert step.done.all() == (tick == STEPS - 1)


def test_games_are_reset_one_by_one() -> None:
    kitchen = Kitchen(load_layout("cramped_room"))
    batch = KitchenBatch(kitchen, 3, horizon=5)
    for _ in range(2):
        batch.step(np.full((3, 2), 3))
    batch.reset(np.array([False, True, False]))
    assert batch.state(1) == kitchen.start() != batch.state(0)
    assert batch.ticks.tolist() == [2, 0, 2]


def test_a_state_survives_the_way_through_a_batch() -> None:
    kitchen = Kitchen(load_layout("tutorial_1"))
    batch = KitchenBatch(kitchen, 1)
    assert batch.state(0) == kitchen.start()
    assert [pot_mix(pot) for pot in kitchen.start().pots].count(2) == 1


def test_actions_of_another_shape_are_refused() -> None:
    batch = KitchenBatch(Kitchen(load_layout("cramped_room")), 3)
    with pytest.raises(OptionError, match="shape"):
        batch.step(np.zeros((2, 3), np.int_))
