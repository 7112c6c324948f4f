"""The reward: the reference's, case by case, and without its defect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webshop_worlds import offered

from anchorgym.envs.errors import MissingExtraError, OptionError
from anchorgym.envs.webshop import score_purchase
from anchorgym.envs.webshop.generator import FAMILY, GOALS, generated_goal, generated_product
from anchorgym.envs.webshop.official import GoalKind, official_shop

from .conftest import Read


def test_it_equals_the_reference_in_every_case(read: Read) -> None:
    products = {product["asin"]: product for product in read("products_1000")}
    nouns, cases = read("title_nouns"), read("reward_cases")["cases"]
    assert len(cases) == 1200
    for case in cases:
        goal = {**case["goal"], "title_nouns": nouns[case["goal"]["asin"]]}
        product = {**products[case["asin"]], "title_nouns": nouns[case["asin"]]}
        got = score_purchase(goal, product, case["options"], case["price"], mode="faithful")
        assert got == (case["reward"], case["info"])


@pytest.mark.parametrize(("goals", "number", "short"), [("synthetic", 6910, 458), ("human", 13, 0)])
def test_buying_exactly_the_goal_scores_1_but_for_the_defect(
    official: Path, goals: GoalKind, number: int, short: int
) -> None:
    shop = official_shop(official, goals, None, 0)
    assert len(shop.goals) == number
    below = 0
    for goal in shop.goals.values():
        product, price = shop.product(goal.row), shop.price(goal.row)
        options = offered(product, goal)
        assert score_purchase(goal, product, options, price)[0] == 1, goal
        below += score_purchase(goal, product, options, price, mode="faithful")[0] < 1
    assert below == short


@given(row=st.integers(0, 10**6), seed=st.integers(0, 5), number=st.integers(0, 7))
@settings(max_examples=200)
def test_every_generated_goal_can_be_met(row: int, seed: int, number: int) -> None:
    number %= GOALS[row % FAMILY]
    goal, product = generated_goal(seed, row, number), generated_product(seed, row)
    options = offered(product, goal)
    reward, parts = score_purchase(goal, product, options, product.pricing[0])
    assert reward == 1
    assert parts["r_type"] == 1
    assert score_purchase(goal, product, options, goal.price_upper + 0.01)[0] < 1
    for name in options:
        fewer = {other: value for other, value in options.items() if other != name}
        assert score_purchase(goal, product, fewer, product.pricing[0])[0] < 1


@given(
    row=st.integers(0, 999),
    bought=st.integers(0, 999),
    price=st.floats(0, 200),
    mode=st.sampled_from(["fixed", "faithful"]),
)
@settings(max_examples=200)
def test_a_reward_is_its_parts(row: int, bought: int, price: float, mode: str) -> None:
    goal, product = generated_goal(0, row, 0), generated_product(0, bought)
    options = {name: values[0] for name, values in product.options.items()}
    reward, parts = score_purchase(goal, product, options, price, mode=mode)  # type: ignore[arg-type]
    total = (
        parts["w_att"] * parts["r_att"]
        + parts["w_option"] * parts["r_option"]
        + parts["w_price"] * parts["r_price"]
    )
    assert 0 <= reward <= 1
    assert reward == pytest.approx(parts["r_type"] * total)


def test_words_that_no_comparison_can_see_are_still_equal() -> None:
    goal, product = generated_goal(0, 0, 0), generated_product(0, 0)
    goal = replace(goal, options=("★",), option_names=("grade",), asin="")
    product = replace(product, options={"grade": ("★", "☆")})
    assert score_purchase(goal, product, {"grade": "★"}, 1.0)[0] == 1
    assert score_purchase(goal, product, {"grade": "☆"}, 1.0)[0] < 1


@pytest.mark.parametrize("mode", ["fixed", "faithful"])
def test_a_price_at_its_limit_is_low_enough(mode: str) -> None:
    goal, product = generated_goal(0, 0, 0), generated_product(0, 0)
    options = offered(product, goal)
    limit = goal.price_upper
    for price, cheap in ((limit, True), (limit + 0.01, False), (limit - 0.01, True)):
        reward, parts = score_purchase(goal, product, options, price, mode=mode)  # type: ignore[arg-type]
        assert parts["r_price"] is cheap
        assert reward == (1.0 if cheap else pytest.approx(1 - parts["w_price"]))


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(OptionError, match="fixed or faithful"):
        score_purchase(generated_goal(0, 0, 0), generated_product(0, 0), {}, 1.0, mode="strict")  # type: ignore[arg-type]


def test_titles_without_nouns_need_a_tagger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "spacy", None)
    goal = replace(generated_goal(0, 0, 0), nouns=None, name="a title nobody has tagged yet")
    with pytest.raises(MissingExtraError, match=r"anchorgym\[nouns\]"):
        score_purchase(goal, generated_product(0, 0), {}, 1.0)
