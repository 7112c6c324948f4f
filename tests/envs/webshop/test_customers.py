"""The scripted customers, and what the generated shop asks of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from webshop_worlds import Played, Player, offered, play, random_player

from anchorgym.envs import sub_panel
from anchorgym.envs.errors import NoExpertError
from anchorgym.envs.webshop import WebShopEnv, score_purchase
from anchorgym.envs.webshop.generator import asin_of
from anchorgym.envs.webshop.instructions import asked_value, understand

SOME = 150


def played(env: WebShopEnv, player: Player, n: int = SOME) -> list[Played]:
    return [play(env, task, player) for task in sub_panel(env.tasks(), n)]


def mean_score(games: list[Played]) -> float:
    return sum(game.score for game in games) / len(games)


def successes(games: list[Played]) -> float:
    return sum(game.won for game in games) / len(games)


@pytest.fixture(scope="module")
def shop() -> WebShopEnv:
    return WebShopEnv(split="test")


def test_the_honest_customer_does_well_and_never_errs(shop: WebShopEnv) -> None:
    games = played(shop, lambda env, info: env.expert_action())
    assert mean_score(games) >= 0.95
    assert all(game.bought and not game.invalid for game in games)


@pytest.mark.parametrize("turns", [6, 8, 11])
def test_the_honest_customer_buys_in_time_and_reads_two_pages_of_a_search(turns: int) -> None:
    """Also where what it will buy is pages back from where it looks."""
    shop = WebShopEnv(split="test", max_turns=turns)
    most = 0
    for task in sub_panel(shop.tasks(), 30):
        game = play(shop, task, lambda env, info: env.expert_action())
        assert game.bought, task
        assert game.turns <= turns
        most = max(most, *(pages for _, pages in shop.shopping.searches))
    assert most <= 2


def test_the_customer_who_knows_the_goal_always_wins(shop: WebShopEnv) -> None:
    games = played(shop, lambda env, info: env.expert_action("full"))
    assert successes(games) == 1


def test_the_papers_rule_scores_some_and_never_wins(shop: WebShopEnv) -> None:
    games = played(shop, lambda env, info: env.rule_action())
    assert 0.3 < mean_score(games) < 0.6
    assert successes(games) == 0
    assert {game.turns for game in games} == {3}


def test_random_play_hardly_ever_wins(shop: WebShopEnv) -> None:
    assert successes(played(shop, random_player(0))) <= 0.05


def test_the_first_product_found_is_seldom_right_even_with_its_options(shop: WebShopEnv) -> None:
    right = 0
    panel = sub_panel(shop.tasks("train"), 600)
    for task in panel:
        goal = shop.shop.goal(task)
        first = shop.shop.product(shop.shop.index.rank(goal.instruction)[0])
        wanted = offered(first, goal)
        options = {k: v for k, v in wanted.items() if v in first.options.get(k, ())}
        right += score_purchase(goal, first, options, first.pricing[0])[0] == 1
    assert right / len(panel) <= 0.4


def test_goals_need_their_price_limit(shop: WebShopEnv) -> None:
    """Some product of the kind that has all that is asked for costs too much."""
    needed = 0
    panel = sub_panel(shop.tasks(), 60)
    for task in panel:
        goal = shop.shop.goal(task)
        family = range(goal.row // 4 * 4, goal.row // 4 * 4 + 4)
        for row in family:
            product = shop.shop.product(row)
            reward, parts = score_purchase(
                goal, product, offered(product, goal), product.pricing[0]
            )
            if reward < 1 and parts["r_att"] == 1 and not parts["r_price"]:
                needed += 1
                break
    assert needed / len(panel) > 0.5


def test_what_the_goal_hides_changes_nothing_the_honest_customer_does(shop: WebShopEnv) -> None:
    from dataclasses import replace

    task = shop.tasks()[0]
    shop.reset(options={"task": task})
    at, done = shop.shopping, False
    while not done:
        before = shop.expert_action()
        goal = at.goal
        at.goal = replace(goal, asin="W0000", row=0, attributes=("x",), options=(), price_upper=0.0)
        assert shop.expert_action() == before
        at.goal = goal
        *_, done, cut, _ = shop.step(before)
        done = done or cut


def test_the_honest_customer_takes_over_from_anybody(shop: WebShopEnv) -> None:
    good = 0
    panel = sub_panel(shop.tasks(), 40)
    for n, task in enumerate(panel):
        stray = random_player(n)
        shop.reset(options={"task": task})
        done, info = False, shop.reset(options={"task": task})[1]
        while not done:
            lost = shop.turn < 3 and "click[buy now]" not in info["admissible_actions"]
            action = stray(shop, info) if lost else shop.expert_action()
            *_, ended, cut, info = shop.step(action)
            assert info["action_valid"], action
            done = ended or cut
        good += info["won"]
    assert good / len(panel) >= 0.8


def test_nobody_shops_on_after_the_purchase() -> None:
    env = WebShopEnv()
    play(env, f"{asin_of(0)}/0", lambda env, info: env.rule_action())
    with pytest.raises(NoExpertError, match="purchase is made"):
        env.expert_action()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("goals", "split", "score"), [("synthetic", "test", 0.8), ("human", "train", 0.8)]
)
def test_the_honest_customer_shops_in_the_real_catalogue(
    official: Path, goals: str, split: str, score: float
) -> None:
    env = WebShopEnv(data=official, goals=goals, split=split)  # type: ignore[arg-type]
    games = played(env, lambda env, info: env.expert_action())
    assert mean_score(games) >= score
    assert all(not game.invalid for game in games)
    assert successes(played(env, lambda env, info: env.expert_action("full"))) == 1


def test_instructions_are_understood_by_their_words() -> None:
    understood = understand(
        "i am looking for men's dress shirts that are slim fit, machine wash, with color: pink, "
        "and size: xl, and price lower than 35.00 dollars"
    )
    assert understood.limit == 35
    assert understood.words == (
        "men's",
        "dress",
        "shirts",
        "slim",
        "fit",
        "machine",
        "wash",
        "pink",
        "xl",
    )
    assert asked_value(understood, "color", ("red", "pink")) == "pink"
    assert asked_value(understood, "size", ("small", "large")) is None
    assert understand("hello, an orange pair please").limit == float("inf")
