"""Products whose options share values with each other or with buttons."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webshop_worlds import play

from anchorgym.envs.webshop import WebShopEnv
from anchorgym.envs.webshop.pages import BUTTONS, clickable, option_texts
from anchorgym.envs.webshop.score import MODES, Mode

from .conftest import write

ASIN = "B000000001"
STRAPS = {"Color": ["black", "white"], "Strap Color": ["black", "white"]}
PRODUCTS: dict[str, dict[str, list[str]]] = {
    "shared": STRAPS,
    "shared, the longer name first": {"Strap Color": ["white", "black"], "Color": ["black"]},
    "three names in each other": {
        "color": ["red", "tan"], "trim color": ["red", "tan"], "inner trim color": ["red", "tan"],
    },
    "like buttons": {
        "label": ["Buy Now", "plain"],
        "text": ["Description", "Features", "Reviews", "Attributes", "none"],
        "way": ["< Prev", "Back to Search", "Next >", "Search"],
    },
    "like a value with its name": {
        "color": ["black", "tan"], "strap": ["black", "color: black"], "x": ["color: black (2)"],
    },
    "apart by letter case and blanks": {"color": ["Sky  Blue", "sky blue"], "size": ["SKY BLUE"]},
    "empty": {"color": ["", "red"], "size": ["", " "]},
    "long": {"color": ["x" * 5000, "x" * 5000 + "y", "z"], "n" * 5000: ["z"]},
    "said twice": {"color": ["red", "red", "tan"]},
}  # fmt: skip


def shop(folder: Path, options: dict[str, list[str]], **more: Any) -> WebShopEnv:
    product = {
        "asin": ASIN,
        "name": "Canvas Bag",
        "full_description": "A bag.",
        "small_description": ["canvas"],
        "customization_options": {
            name: [{"value": value} for value in values] for name, values in options.items()
        },
        "category": "fashion",
        "product_category": "Clothing › Bags",
        "query": "bags",
        "pricing": "$12",
    }
    write(folder / "items_shuffle.json", [product])
    asked = {"attributes": ["canvas"], "instruction": "Find me canvas bags",
             "instruction_attributes": ["canvas"]}  # fmt: skip
    write(folder / "items_ins_v2.json", {ASIN: asked})
    write(folder / "title_nouns.json", {ASIN: ["bag"]})
    return WebShopEnv(data=folder, goals="synthetic", split="train", **more)


def on_the_page(env: WebShopEnv) -> WebShopEnv:
    """Open the product."""
    env.reset(options={"task": env.shop.tasks("train")[0]})
    env.step("search[canvas bag]")
    env.step(f"click[{ASIN}]")
    return env


def all_tasks(env: WebShopEnv) -> list[str]:
    return [task for split in env.splits for task in env.tasks(split)]


@pytest.mark.parametrize("score", MODES)
@pytest.mark.parametrize("options", PRODUCTS.values(), ids=PRODUCTS)
def test_both_experts_buy_every_combination(
    tmp_path: Path, options: dict[str, list[str]], score: Mode
) -> None:
    env = shop(tmp_path, options, score=score)
    tasks = all_tasks(env)
    assert len(tasks) == len(list(itertools.product(*options.values())))
    for kind in ("honest", "full"):
        for task in tasks:
            played = play(env, task, lambda env, info, kind=kind: env.expert_action(kind))
            wanted = env.shopping.goal
            assert played.bought, env.shopping.goal.instruction
            assert not played.invalid
            if kind == "full":
                assert env.shopping.options == dict(zip(wanted.option_names or (), wanted.options,
                                                        strict=True))  # fmt: skip
            if score == "fixed" and max(map(len, wanted.options)) < 1000:
                assert played.won, (kind, env.shopping.options, wanted.options)


@pytest.mark.parametrize("observation", ["text", "text_rich", "html"])
@pytest.mark.parametrize("options", PRODUCTS.values(), ids=PRODUCTS)
def test_every_value_and_every_button_can_be_clicked(
    tmp_path: Path, options: dict[str, list[str]], observation: str
) -> None:
    env = on_the_page(shop(tmp_path, options, observation=observation))
    listed = env.shop.product(0).options
    for name, values in listed.items():
        for value in values:
            action = env.shopping.page.choices[name, value]
            assert action in env.admissible_actions()
            *_, info = env.step(action)
            assert info["action_valid"]
            assert env.shopping.options[name] == value
    chosen = dict(env.shopping.options)
    for page in ("description", "features", "reviews", "attributes"):
        env.step(f"click[{page}]")
        assert env.shopping.sub_page.lower() == page
        env.step("click[< prev]")
    assert env.shopping.options == chosen
    *_, terminated, _, _ = env.step("click[buy now]")
    assert terminated


def test_a_page_says_whose_a_shared_value_is(tmp_path: Path) -> None:
    env = on_the_page(shop(tmp_path, {**STRAPS, "size": ["small"]}))
    page = env.shown().split(" [SEP] ")
    first = page.index("color")
    assert page[first : first + 8] == [
        "color", "color: black", "color: white",
        "strap color", "strap color: black", "strap color: white",
        "size", "small",
    ]  # fmt: skip
    env.step("click[strap color: white]")
    env.step("click[color: black]")
    assert env.shopping.options == {"strap color": "white", "color": "black"}
    *_, info = env.step("click[black]")
    assert (info["action_valid"], env.shopping.options["color"]) == (False, "black")
    assert "click[color: black] or click[strap color: black]" in info["reason"]


def test_html_names_them_too(tmp_path: Path) -> None:
    env = on_the_page(shop(tmp_path, STRAPS, observation="html"))
    for action in ("click[color: black]", "click[strap color: black]"):
        assert f'value="{action}"' in env.shown()


def test_the_state_is_restored_with_its_choices(tmp_path: Path) -> None:
    env = on_the_page(shop(tmp_path, PRODUCTS["like buttons"]))
    env.step("click[label: buy now]")
    env.step("click[way: < prev]")
    other = WebShopEnv(data=tmp_path, goals="synthetic", split="train")
    observation, info = other.restore(env.snapshot())
    assert (observation, info["anchor"]) == (env.shown(), env.anchor())
    assert json.loads(json.dumps(other.shopping.options)) == {"label": "buy now", "way": "< prev"}


VALUES = st.text("ab :()2", max_size=6) | st.sampled_from([*BUTTONS, "a: b", "b: a (2)", ""])


@given(
    options=st.dictionaries(st.text("ab :", max_size=4), st.lists(VALUES, max_size=4), max_size=4)
)
def test_no_two_choices_and_no_button_have_one_name(options: dict[str, list[str]]) -> None:
    texts = option_texts(options, BUTTONS)
    named = [clickable(text) for text in texts.values()]
    assert len(set(named)) == len(named)
    assert not set(named) & {"", *map(clickable, BUTTONS)}
    assert set(texts) == {(name, value) for name, values in options.items() for value in values}


@given(options=st.dictionaries(st.text(max_size=4), st.sets(st.text(max_size=4)), max_size=3))
def test_what_is_clear_stays_as_it_is(options: dict[str, set[str]]) -> None:
    listed = {name: sorted(values) for name, values in options.items()}
    values = [clickable(value) for found in listed.values() for value in found]
    clear = {v for v in values if values.count(v) == 1 and v}
    for (_, value), text in option_texts(listed, ()).items():
        assert (text == value) or clickable(value) not in clear
