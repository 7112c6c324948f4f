"""The engine against the reference, `overcooked` 0.2.1, over random play."""

from __future__ import annotations

import random

import pytest
from reference_kitchen import as_ours, reference_actions, reference_world

from anchorgym.envs.errors import LayoutError
from anchorgym.envs.overcooked import CLASSIC, Kitchen, layout_names, load_layout
from anchorgym.envs.overcooked.kitchen import INTERACT, NO_EFFECT, STAY, State
from anchorgym.envs.overcooked.walking import Walks

STEPS = 500
FAR = {"corridor", "scenario3", "small_corridor", "you_shall_not_pass"}
"""Kitchens whose cooks walk a long way between two things that matter."""
MANUAL_ONLY = {n for n in layout_names() if load_layout(n).rules.cooking == "manual"}
CASES = [(name, "manual") for name in layout_names()]
CASES += [(name, "auto") for name in layout_names() if name not in MANUAL_ONLY]


def test_there_are_the_classics_and_more_than_twenty_others() -> None:
    assert set(CLASSIC) < set(layout_names())
    assert len(layout_names()) >= 25


@pytest.mark.parametrize(("name", "cooking"), CASES)
def test_random_play_equals_the_reference(name: str, cooking: str) -> None:
    layout = load_layout(name).with_rules(cooking=cooking)
    kitchen = Kitchen(layout)
    world = reference_world(layout.reference, old_dynamics=cooking == "auto")
    actions = reference_actions()
    theirs, ours = world.get_standard_start_state(), kitchen.start()
    assert as_ours(kitchen, theirs) == ours
    cooks = Wanderer(kitchen, 0), Wanderer(kitchen, 1)
    events = set()
    for tick in range(1200 if name in FAR else STEPS):
        joint = cooks[0].act(ours), cooks[1].act(ours)
        theirs, info = world.get_state_transition(theirs, [actions[a] for a in joint])
        ours, *effects = kitchen.step(ours, *joint)
        assert ours == as_ours(kitchen, theirs), f"states differ at tick {tick}"
        assert [e.reward for e in effects] == info["sparse_reward_by_agent"]
        assert [e.shaped for e in effects] == info["shaped_reward_by_agent"]
        events |= {effect.event for effect in effects}
    assert "dish_pickup" in events, "the walk saw too little"
    assert name != "cramped_room" or "soup_delivery" in events


@pytest.mark.parametrize("name", sorted(MANUAL_ONLY))
def test_orders_of_fewer_ingredients_do_not_start_by_themselves(name: str) -> None:
    with pytest.raises(LayoutError, match="choose cooking='manual'"):
        load_layout(name).with_rules(cooking="auto")
    with pytest.raises(AssertionError, match="Only accept orders with 3 items"):
        reference_world(load_layout(name).reference, old_dynamics=True)


def test_rules_belong_to_the_instance() -> None:
    """Unlike the reference's, where the last kitchen made sets every kitchen's recipes."""
    slow = Kitchen(load_layout("cramped_room"))
    fast = Kitchen(load_layout("cramped_room").with_rules(time=2, value=7, cooking="manual"))
    assert (slow.rules.cook_time(3), fast.rules.cook_time(3)) == (20, 2)
    assert (slow.rules.worth(3), fast.rules.worth(3)) == (20, 7)
    assert slow.key(slow.start()) != fast.key(fast.start())


class Wanderer:
    """Plays at random, but often walks to a random place and interacts there.

    Actions drawn one by one hardly ever cook a soup in a large kitchen; this reaches every rule.
    """

    def __init__(self, kitchen: Kitchen, seat: int) -> None:
        self.random = random.Random(f"{kitchen.layout.name} {seat}")
        self.kitchen, self.seat, self.walks = kitchen, seat, Walks(kitchen)
        self.aim: int | None = None

    def act(self, state: State) -> int:
        if self.random.random() < 0.2:
            return self.random.randrange(6)
        stance = state.stances[self.seat]
        if self.aim is None:
            places = [c for c, kind in enumerate(self.kitchen.kinds) if kind > 1]
            places += self.random.choices(self.kitchen.counters, k=2)
            self.aim = self.random.choice(places)
        if self.kitchen.front[stance] == self.aim:
            self.aim = None
            useful = self.kitchen.effect(state, self.seat) is not NO_EFFECT
            return INTERACT if useful or self.random.random() < 0.5 else STAY
        step = self.walks.step_towards(stance, self.aim)
        if step is None:
            self.aim = None
        return self.random.randrange(6) if step is None else step
