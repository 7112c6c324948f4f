"""`anchorgym/Overcooked-v0`: the contract, both levels of action, observations and views."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check
from reference_kitchen import WHY, as_ours, reference_actions, reference_world

from anchorgym.envs import JointEnv, TurnsEnv, check_parallel_env, make_parallel
from anchorgym.envs.errors import LayoutError, OptionError, SnapshotError, UnknownTaskError
from anchorgym.envs.overcooked import CLASSIC, Kitchen, draw_layout, load_layout
from anchorgym.envs.overcooked.encodings import Features, Lossless
from anchorgym.envs.overcooked.env import COOKS, OvercookedEnv
from anchorgym.envs.overcooked.items import ONION, SOUP, mix_of, started
from anchorgym.envs.overcooked.seat import beside

ID = "anchorgym/Overcooked-v0"
SMALL = """
    XPX
    O1X
    D2S
    XXX
"""
CONFIGURATIONS: list[dict[str, Any]] = [
    {"observation": "lossless"},
    {"observation": "text", "actions": "mid", "layout": "forced_coordination", "split": "test"},
    {"observation": "vector", "actions": "mid", "target": 1, "rules": {"time": 2}},
    {"observation": "text", "split": "train", "layout": "tutorial_2"},
]


@pytest.mark.parametrize("options", CONFIGURATIONS)
def test_the_contract_holds(options: dict[str, Any]) -> None:
    report = check_parallel_env(ID, episodes=1, max_turns=12, **options)
    assert report.ok, report.summary()


@pytest.mark.slow
@pytest.mark.parametrize("options", CONFIGURATIONS)
def test_the_contract_holds_over_long_games(options: dict[str, Any]) -> None:
    report = check_parallel_env(ID, episodes=4, max_turns=80, **options)
    assert report.ok, report.summary()


def test_a_game_ends_when_the_references_does() -> None:
    module = pytest.importorskip("overcooked.mdp", reason=WHY)
    theirs = module.OvercookedEnv.from_mdp(
        reference_world("cramped_room", old_dynamics=True), horizon=30, info_level=0
    )
    ours = OvercookedEnv(observation="lossless", max_turns=30)
    ours.reset()
    rng = np.random.default_rng(0)
    for _ in range(30):
        joint = rng.integers(0, 6, 2).tolist()
        state, reward, done, _ = theirs.step([reference_actions()[a] for a in joint])
        _, rewards, terminated, truncated, _ = ours.step(dict(zip(COOKS, joint, strict=True)))
        assert as_ours(ours.kitchen, state) == ours.game
        assert set(rewards.values()) == {reward}
        assert set(truncated.values()) == {done}
        assert not any(terminated.values())
    assert done


@pytest.mark.parametrize("name", ["cramped_room", "asymmetric_advantages_tomato", "tutorial_1"])
def test_the_lossless_grid_equals_the_references(name: str) -> None:
    layout = load_layout(name)
    kitchen = Kitchen(layout)
    world = reference_world(layout.reference, old_dynamics=layout.rules.cooking == "auto")
    encoding = Lossless(kitchen)
    theirs, rng = world.get_standard_start_state(), np.random.default_rng(3)
    for tick in range(150):
        ours = encoding.of_state(as_ours(kitchen, theirs), 150 - tick)
        assert np.array_equal(ours, np.array(world.lossless_state_encoding(theirs, horizon=150)))
        weights = [0.14, 0.14, 0.14, 0.14, 0.04, 0.4]
        joint = [reference_actions()[a] for a in rng.choice(6, 2, p=weights)]
        theirs, _ = world.get_state_transition(theirs, joint)


def test_features_tell_ways_and_pots() -> None:
    env = OvercookedEnv(observation="vector")
    seen, _ = env.reset()
    features = seen["cook_0"]
    assert features.shape == (96,)
    assert features[:8].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]  # faces north, holds nothing
    assert features[8:10].tolist() == [-1, -1]  # the onions are up and to the left
    assert features[22:24].tolist() == [1, 1]  # the one pot is there, and empty
    assert features[92:].tolist() == [2, -1, 1, 2]  # where the other is, and where this one is


def test_features_are_those_of_their_layout() -> None:
    """Worked out by hand in the cramped room, whose cooks stand at (1, 2) and (3, 1)."""
    kitchen = Kitchen(load_layout("cramped_room"))
    soup = next(cell for cell in kitchen.counters if kitchen.position(cell) == (4, 2))
    counters = [SOUP + mix_of("oo") if cell == soup else 0 for cell in kitchen.counters]
    start = kitchen.start()._replace(counters=tuple(counters))
    pots = {
        mix_of("oo"): [1, 0, 0, 0, 0, 2, 0, 0],
        mix_of("ooo"): [1, 0, 1, 0, 0, 3, 0, 0],
        started(mix_of("ooo"), 5): [1, 0, 1, 1, 0, 3, 0, 15],
        started(mix_of("ooo"), 20): [1, 0, 1, 0, 1, 3, 0, 0],
    }
    for pot, said in pots.items():
        state = start._replace(held=(ONION, SOUP + mix_of("o")), pots=(pot,))
        first, second = Features(kitchen).of_state(state).astype(int).tolist()
        assert first[:8] == [1, 0, 0, 0, 1, 0, 0, 0]  # faces north, holds an onion
        assert first[8:14] == [0, 0, 0, 0, 0, 1]  # onion in hand, no tomatoes, dishes to the south
        assert first[14:18] == [3, 0, 2, 0]  # the soup of two onions
        assert first[18:20] == [2, 1]  # the hatch
        assert first[20:22] == [0, -2]  # the free counter that a step to the north faces
        assert first[22:30] == said
        assert first[30:32] == [1, -2]
        assert first[32:42] == [0] * 10  # there is no second pot
        assert first[42:46] == [0, 1, 0, 1]  # walls to the south and to the west
        assert first[46:92] == second[:46]
        assert second[46:92] == first[:46]
        assert first[92:] == [2, -1, 1, 2]
        assert second[92:] == [-2, 1, 3, 1]
        assert second[4:8] == [0, 1, 0, 0]  # a soup
        assert second[14:18] == [0, 0, 1, 0]  # it is in the hands


def test_a_report_tells_what_a_cook_needs() -> None:
    env = OvercookedEnv("forced_coordination")
    seen, infos = env.reset()
    text = seen["cook_0"]["text"]
    assert "You are at (3, 1), facing north to pot 0, and hold nothing." in text
    assert "You cannot reach: onions, dishes." in text
    assert "Pot 1 is empty." in text
    assert "Free counters in reach of both cooks:" in text
    assert "20 points" in infos["cook_0"]["goal"]


def test_refused_actions_say_why() -> None:
    env = OvercookedEnv(SMALL)
    env.reset()
    _, _, _, _, infos = env.step({"cook_0": "interact", "cook_1": "jump"})
    assert infos["cook_0"]["reason"].startswith("the pot")
    assert infos["cook_1"]["reason"].startswith("unknown action 'jump'")
    assert "north" not in infos["cook_0"]["admissible_actions"]
    assert not infos["cook_0"]["action_valid"]


def test_a_soup_is_made_of_mid_level_actions() -> None:
    """The cooks are asked only when they are free; ticks and decisions are counted apart."""
    rules = {"orders": ["o"], "cooking": "manual", "time": 3}
    env = OvercookedEnv("cramped_room", actions="mid", rules=rules, target=1)
    _, infos = env.reset()
    plan = {"cook_0": ["pick_onion", "put_pot(0)", "start(0)", "step_aside", "wait(9)", "wait(9)"],
            "cook_1": ["pick_dish", "wait(5)", "plate(0)", "deliver", "wait(1)"]}  # fmt: skip
    decisions, won = 0, False
    while env.agents:
        free = [cook for cook in env.agents if infos[cook]["active"]]
        decisions += len(free)
        _, rewards, terminated, _, infos = env.step({cook: plan[cook].pop(0) for cook in free})
        assert not [info["reason"] for info in infos.values() if info["reason"]]
        won = all(terminated.values())
    assert won
    assert set(rewards.values()) == {20.0}
    assert decisions < 12 < 2 * env.turn


def test_a_mid_level_action_that_came_to_nothing_says_why() -> None:
    env = OvercookedEnv("cramped_room", actions="mid")
    env.reset()
    pick = {"cook_0": "pick_dish", "cook_1": "wait(20)"}
    _, _, _, _, infos = env.step(pick)
    while not infos["cook_0"]["active"]:
        _, _, _, _, infos = env.step({})
    _, _, _, _, infos = env.step({"cook_0": "plate(0)"})
    assert infos["cook_0"]["reason"] == "no soup cooks in the pot; it holds nothing"


def test_state_returns_from_a_snapshot_in_the_middle_of_an_action() -> None:
    env, other = (OvercookedEnv("cramped_room", actions="mid") for _ in range(2))
    env.reset()
    env.step({"cook_0": "pick_dish", "cook_1": "pick_onion"})
    data = env.snapshot()
    other.restore(data)
    assert other.anchor() == env.anchor()
    for _ in range(5):
        env.step({})
        other.step({})
        assert other.anchor() == env.anchor()
    with pytest.raises(SnapshotError):
        OvercookedEnv("coordination_ring", actions="mid").restore(data)


def test_tasks_are_the_same_on_every_machine() -> None:
    env = OvercookedEnv("coordination_ring")
    env.reset(options={"task": "coordination_ring/test/7"})
    assert env.anchor().hex() == "bc8c5895ce11ae8ec86c6ecf75db9b6e"
    assert len(set(env.tasks("train"))) == 256
    with pytest.raises(UnknownTaskError, match="coordination_ring/train/0"):
        env.reset(options={"task": "coordination_ring/test/64"})


def test_a_drawn_start_keeps_each_cook_on_its_side() -> None:
    env = OvercookedEnv("forced_coordination", split="train")
    for task in env.tasks():
        env.reset(options={"task": task})
        columns = [env.kitchen.position(stance >> 2)[0] for stance in env.game.stances]
        assert columns == [3, 1]


def test_one_hand_moves_both_cooks() -> None:
    env = JointEnv(OvercookedEnv(observation="lossless", max_turns=20))
    gymnasium_check(env, skip_render_check=True)
    assert env.action_space.nvec.tolist() == [6, 6]
    env.reset(seed=0)
    data = env.snapshot()
    _, reward, _, _, info = env.step(np.array([5, 3]))
    assert (reward, info["anchor"]) == (0.0, env.anchor())
    env.restore(data)
    assert env.anchor() != info["anchor"]
    with pytest.raises(OptionError, match="Discrete"):
        JointEnv(OvercookedEnv())


def test_a_seat_beside_a_planner() -> None:
    env = beside("planner", seat=1, observation="lossless", max_turns=200)
    gymnasium_check(env, skip_render_check=True)
    env.reset(seed=1)
    total = 0.0
    for _ in range(200):
        _, reward, _, truncated, _ = env.step(4)
        total += reward
    assert truncated
    assert total >= 20, "the planner cooks alone beside a cook that stands still"
    with pytest.raises(OptionError, match="Did you mean 'planner'"):
        beside("planer")


def test_turn_by_turn() -> None:
    env = TurnsEnv(make_parallel(ID, max_turns=3))
    env.reset(seed=0)
    order = []
    for agent in env.agent_iter():
        _, _, terminated, truncated, _ = env.last()
        order.append(agent)
        env.step(None if terminated or truncated else "stay")
    assert order[:4] == ["cook_0", "cook_1"] * 2


def test_drawn_kitchens_and_their_faults() -> None:
    assert OvercookedEnv(SMALL).kitchen.width == 3
    for grid, fault in (
        ("XPX\nO1\nDSX", "one length"),
        ("XPX\nO1X\nDSX", "cooks 1 and 2"),
        ("X XX\nO12X\nDPSX", "closed"),
        ("XXXX\nO12X\nDXSX", "lacks"),
        ("XPXX\nO12Q\nDXSX", "holds"),
    ):
        with pytest.raises(LayoutError, match=fault):
            draw_layout(grid)
    with pytest.raises(LayoutError, match="Did you mean 'cramped_room'"):
        OvercookedEnv("crampedroom")
    assert load_layout("random3").name == CLASSIC[4]


def test_a_drawing_shows_the_kitchen_from_the_readers_side() -> None:
    env = OvercookedEnv(drawn=True)
    seen, _ = env.reset()
    first, second = (seen[cook]["text"].splitlines()[:4] for cook in env.agents)
    assert first == ["XXPXX", "O  2O", "X1  X", "XDXSX"]
    assert [line.translate(str.maketrans("12", "21")) for line in second] == first
    for action in ("north", "west", "interact", "north", "interact"):
        seen, *_ = env.step({"cook_0": action, "cook_1": "stay"})
    assert seen["cook_1"]["text"].startswith("XoPXX\nO2 1O\n")


def test_scripts_play_by_name_and_only_low_level() -> None:
    env = OvercookedEnv(max_turns=120)
    env.reset(seed=0)
    while env.agents:
        env.step({cook: env.scripted_action(cook, "greedy") for cook in env.agents})
    assert env.score >= 20
    env.reset(seed=0)
    with pytest.raises(OptionError, match="Did you mean 'greedy'"):
        env.scripted_action("cook_0", "gredy")
    mid = OvercookedEnv(actions="mid")
    mid.reset()
    with pytest.raises(OptionError, match="low"):
        mid.scripted_action("cook_0", "greedy")
