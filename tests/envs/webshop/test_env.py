"""The shop as an environment: pages, buttons, turns, states."""

from __future__ import annotations

import re

import pytest

from anchorgym.envs import check_env, panel_hash
from anchorgym.envs.errors import OptionError, SnapshotError, UnknownTaskError
from anchorgym.envs.webshop import WebShopEnv
from anchorgym.envs.webshop.generator import asin_of, generated_product

TASK = f"{asin_of(0)}/0"
WORDS = f"men's dress shirts {' '.join(generated_product(0, 0).attributes)}"
"""What finds that task's product on the first page."""


def shop(**kwargs: object) -> WebShopEnv:
    env = WebShopEnv(**kwargs)  # type: ignore[arg-type]
    env.reset(options={"task": TASK})
    return env


def go(env: WebShopEnv, *actions: str) -> str:
    """Take actions that must be valid; return what is seen last."""
    observation = ""
    for action in actions:
        observation, *_, info = env.step(action)
        assert info["action_valid"], (action, info["reason"])
    return observation


@pytest.mark.parametrize("observation", ["text", "text_rich", "html", "url"])
def test_it_keeps_the_contract(observation: str) -> None:
    report = check_env("anchorgym/WebShop-v0", observation=observation, episodes=6)
    assert report.ok, str(report)


def test_the_panels_are_the_same_everywhere() -> None:
    env = WebShopEnv()
    sizes = {split: len(env.tasks(split)) for split in env.splits}
    assert sizes == {"test": 500, "dev": 1000, "train": 4000}
    assert len({task for split in env.splits for task in env.tasks(split)}) == sum(sizes.values())
    assert {split: panel_hash(env.tasks(split))[:16] for split in env.splits} == PANELS


def test_pages_follow_each_other_as_in_the_original() -> None:
    env = shop()
    first = env.reset(options={"task": TASK})[0]
    assert first == f"WebShop [SEP] Instruction: [SEP] {env.goal} [SEP] Search"
    results = go(env, f"search[{WORDS}]").split(" [SEP] ")
    assert results[:5] == [
        "Instruction:",
        env.goal,
        "Back to Search",
        "Page 1 (Total results: 50)",
        "Next >",
    ]
    assert len(results) == 5 + 3 * 10
    second = go(env, "click[next >]").split(" [SEP] ")
    assert second[3:6] == ["Page 2 (Total results: 50)", "< Prev", "Next >"]
    assert not set(second[6::3]) & set(results[5::3])
    last = go(env, *["click[Next >]"] * 3).split(" [SEP] ")
    assert last[3:5] == ["Page 5 (Total results: 50)", "< Prev"]
    assert "Next >" not in last
    asin = last[5]
    item = go(env, f"click[{asin}]")
    assert f"{last[6]} [SEP] Price: {last[7]} [SEP] Rating:" in item
    assert item.endswith("Description [SEP] Features [SEP] Reviews [SEP] Attributes [SEP] Buy Now")
    for page in ("description", "features", "reviews", "attributes"):
        behind = go(env, f"click[{page}]")
        assert behind.startswith(f"Instruction: [SEP] {env.goal} [SEP] Back to Search [SEP] < Prev")
        assert go(env, "click[< prev]") == item
    assert go(env, "click[< prev]").split(" [SEP] ") == last
    assert go(env, "click[back to search]") == first


def test_options_are_chosen_one_a_kind_and_forgotten_with_the_product() -> None:
    env = shop()
    go(env, f"search[{WORDS}]", f"click[{asin_of(0)}]", "click[red]", "click[navy]", "click[xl]")
    assert env.shopping.options == {"color": "navy", "size": "xl"}
    go(env, "click[features]", "click[< prev]")
    assert env.shopping.options == {"color": "navy", "size": "xl"}
    go(env, "click[< prev]", f"click[{asin_of(0)}]")
    assert env.shopping.options == {}


def test_the_purchase_ends_the_episode_with_its_score() -> None:
    env = shop()
    goal = env.shopping.goal
    go(env, f"search[{WORDS}]", f"click[{goal.asin}]")
    before = env.progress()
    go(env, *(f"click[{value}]" for value in goal.options))
    assert 0 < before < env.progress() == 0.5
    observation, reward, terminated, truncated, info = env.step("click[Buy Now]")
    assert (reward, terminated, truncated, info["won"], info["score"]) == (1, True, False, True, 1)
    assert observation.endswith("Your score (min 0.0, max 1.0): 1")
    assert info["admissible_actions"] == ()
    observation, reward, *_, info = env.step("click[back to search]")
    assert (reward, info["action_valid"], info["won"]) == (0, False, True)


@pytest.mark.parametrize(
    ("reward", "options", "expected"),
    [("score", True, 1.0), ("score", False, 2 / 3), ("won", True, 1.0), ("won", False, 0.0)],
)
def test_a_purchase_pays_its_score_or_only_whether_it_is_exact(
    reward: str, options: bool, expected: float
) -> None:
    env = shop(reward=reward)
    goal = env.shopping.goal
    go(env, f"search[{WORDS}]", f"click[{goal.asin}]")
    if options:
        go(env, *(f"click[{value}]" for value in goal.options))
    _, paid, *_, info = env.step("click[buy now]")
    assert paid == pytest.approx(expected)
    assert info["score"] == pytest.approx(1.0 if options else 2 / 3)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("click[search]", "nothing to click"),
        ("click[buy now]", "nothing to click"),
        ("search[]", "keywords"),
        ("search[ ]", "keywords"),
        ("buy it", "an action is"),
        ("think[hard]", "an action is"),
        ("click[]", "nothing to click"),
    ],
)
def test_what_cannot_be_done_costs_a_turn_and_says_why(action: str, reason: str) -> None:
    env = shop()
    before, state = env.anchor(), env.save()
    observation, reward, *_, info = env.step(action)
    assert (env.turn, reward, info["action_valid"]) == (1, 0, False)
    assert reason in info["reason"]
    assert (env.anchor(), env.save()) == (before, state)
    assert observation == env.shown()


def test_the_search_is_offered_where_the_bar_is_and_works_everywhere() -> None:
    env = shop()
    assert env.admissible_actions() == ("search[<keywords>]",)
    go(env, f"search[{WORDS}]", f"click[{asin_of(0)}]")
    assert not any(action.startswith("search") for action in env.admissible_actions())
    assert "Page 1 (" in go(env, "SEARCH[Running  Shoes]")
    assert env.shopping.keywords == "running shoes"


def test_a_search_without_results_says_so_and_leads_back() -> None:
    env = shop()
    assert "Page 1 (Total results: 0)" in go(env, "search[zzzz]")
    assert env.admissible_actions() == ("click[back to search]",)


def test_equal_pages_have_equal_anchors_however_they_were_reached() -> None:
    env, other = shop(), shop()
    go(env, "search[running shoes]")
    go(other, "search[sandals]", "click[back to search]", "search[shoes running]")
    assert env.anchor() == other.anchor()
    asin = env.shopping.listed()[0].asin
    go(env, f"click[{asin}]", "click[red]", "click[7]")
    go(other, f"click[{asin}]", "click[7]", "click[red]")
    assert env.anchor() == other.anchor()
    go(other, "click[8]")
    assert env.anchor() != other.anchor()


def test_what_was_chosen_counts_and_not_in_which_order() -> None:
    ends = []
    for values in (("red", "xl"), ("xl", "red"), ("navy", "red", "xl")):
        env = shop()
        go(env, f"search[{WORDS}]", f"click[{asin_of(0)}]")
        go(env, *(f"click[{value}]" for value in values))
        before = env.anchor()
        _, reward, *_, info = env.step("click[buy now]")
        ends.append((before, info["anchor"], reward))
    assert len(set(ends)) == 1


def test_scores_are_told_to_four_digits() -> None:
    env = shop()
    go(env, f"search[{WORDS}]", f"click[{asin_of(0)}]")
    observation, reward, *_ = env.step("click[buy now]")
    assert reward == 2 / 3
    assert observation.endswith("Your score (min 0.0, max 1.0): 0.6667")


def test_nothing_is_left_to_chance() -> None:
    snapshots = set()
    for seed in (0, 1):
        env = WebShopEnv()
        env.reset(seed=seed, options={"task": TASK})
        go(env, f"search[{WORDS}]", f"click[{asin_of(0)}]")
        snapshots.add(env.snapshot())
    assert len(snapshots) == 1


def test_every_page_can_be_restored_in_another_instance() -> None:
    env, other = shop(), WebShopEnv()
    for action in (f"search[{WORDS}]", "click[next >]", f"click[{'{}'}]", "click[features]"):
        listed = env.shopping.listed()
        go(env, action.format(listed[2].asin if listed else ""))
        observation, info = other.restore(env.snapshot())
        assert (observation, info["anchor"]) == (env.shown(), env.anchor())
        assert info["admissible_actions"] == env.admissible_actions()
        assert other.expert_action() == env.expert_action()


def test_rich_text_marks_what_can_be_clicked_and_what_was() -> None:
    env = shop(observation="text_rich")
    go(env, f"search[{WORDS}]")
    page = go(env, f"click[{asin_of(0)}]", "click[red]")
    assert page.startswith("You have clicked red.\nInstruction:\n")
    assert "  [clicked button] red [clicked button_]\n  [button] green [button_]" in page
    assert "[button] Buy Now [button_]" in page
    back = go(env, "click[< prev]")
    assert f"[clicked button] {asin_of(0)} [clicked button_]" in back


def test_html_holds_a_button_for_every_action_and_escapes_words() -> None:
    env = shop(observation="html")
    assert 'id="search_input"' in env.shown()
    page = go(env, "search[<script>alert(1)</script> shirts]")
    assert "<script>" not in page
    go(env, f"search[{WORDS}]")
    for action in ("", f"click[{asin_of(0)}]", "click[reviews]"):
        page = go(env, action) if action else env.shown()
        shown = re.findall(r'name="action" value="([^"]*)"', page)
        assert {text.replace("&lt;", "<").replace("&gt;", ">") for text in shown} == set(
            env.admissible_actions()
        )


def test_addresses_say_where_one_is() -> None:
    env = shop(observation="url")
    assert env.shown() == "/index"
    assert go(env, "search[red & blue/shirts]") == "/search_results/red+%26+blue%2Fshirts/1"
    asin = env.shopping.listed()[0].asin
    item = go(env, f"click[{asin}]")
    assert item == f"/item_page/{asin}/red+%26+blue%2Fshirts/1/%7B%7D"


def test_the_page_of_attributes_can_be_left_out() -> None:
    env = shop(show_attributes=False)
    page = go(env, f"search[{WORDS}]", f"click[{asin_of(0)}]")
    assert page.endswith("Reviews [SEP] Buy Now")


@pytest.mark.parametrize(
    "wrong",
    [
        {"observation": "image"},
        {"score": "strict"},
        {"reward": "10"},
        {"n_products": 0},
        {"n_products": 3},
        {"goals": "human"},
    ],
)
def test_arguments_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        shop(**wrong)


@pytest.mark.parametrize("task", ["", "W0059", "W0059/9", "W0059/00", "W9999/0", "B0/0", "W-1/0"])
def test_tasks_that_are_not_there_are_refused(task: str) -> None:
    with pytest.raises(UnknownTaskError, match="W0059/0"):
        WebShopEnv().reset(options={"task": task})


def test_a_shop_of_other_products_takes_no_snapshots_of_this_one() -> None:
    with pytest.raises(SnapshotError):
        shop(catalogue_seed=1).restore(shop().snapshot())


PANELS = {
    "train": "dcd433f06c168c0d",
    "dev": "4ab106c5e661476b",
    "test": "08677823548f4b35",
}
