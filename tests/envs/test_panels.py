"""Panels and their parts are the same everywhere."""

from __future__ import annotations

from collections import Counter

from anchorgym.envs import make, panel_hash, sub_panel

PINNED = "f95c3e8786662f7f5281d868e960947f69a83a552ae6c51f8b47ba5c8aa468a9"
PANEL = [f"{kind}/{n}" for kind in "abc" for n in range(200)]


def test_the_hash_pins_tasks_and_their_order() -> None:
    assert panel_hash(["x", "y"]) != panel_hash(["y", "x"])
    assert panel_hash(["xy"]) != panel_hash(["x", "y"])


def test_a_part_keeps_the_order_and_represents_every_kind() -> None:
    part = sub_panel(PANEL, 150)
    assert list(part) == [task for task in PANEL if task in part]
    assert len(part) == 150
    assert min(Counter(task[0] for task in part).values()) >= 35


def test_a_larger_part_holds_every_smaller_one() -> None:
    assert set(sub_panel(PANEL, 10)) < set(sub_panel(PANEL, 50))


def test_a_part_may_be_the_whole() -> None:
    assert sub_panel(PANEL, None) == sub_panel(PANEL, 1000) == tuple(PANEL)


def test_the_part_that_evaluations_play_is_pinned() -> None:
    panel = make("anchorgym/ALFWorld-v0").tasks("valid_unseen")
    assert panel_hash(sub_panel(panel, 200)) == PINNED
