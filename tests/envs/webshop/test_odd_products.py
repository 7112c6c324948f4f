"""Official files with fields of other kinds: read all the same, or named with their product."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anchorgym.envs.errors import DataError, MissingExtraError, NoExpertError
from anchorgym.envs.webshop import WebShopEnv

from .conftest import write

ASIN = "B000000001"
FILES: dict[str, Any] = {
    "items_shuffle.json": [
        {
            "asin": ASIN,
            "name": "Red Shirt",
            "full_description": "A shirt.",
            "small_description": ["red", "cotton"],
            "customization_options": {"Color": [{"value": "Red"}], "Size": None},
            "category": "fashion",
            "product_category": "Clothing › Shirts",
            "query": "shirts",
            "pricing": "$10.00",
        }
    ],
    "items_ins_v2.json": {
        ASIN: {
            "attributes": ["cotton"],
            "instruction": "Find me cotton shirts",
            "instruction_attributes": ["cotton"],
        }
    },
    "items_human_ins.json": {
        ASIN: [
            {
                "instruction": "a red shirt please.",
                "instruction_attributes": ["cotton"],
                "instruction_options": ["red"],
            }
        ]
    },
    "title_nouns.json": {ASIN: ["shirt"]},
    "reviews.json": [
        {
            "asin": ASIN,
            "average_rating": 4.5,
            "reviews": [{"title": "Good", "score": 5, "review": "It is."}],
        }
    ],
}
ODD = (None, True, 7, -1.5, 10**400, "", "\ud800", "a\x00b", [], [None], [[7]], [7], {}, {"a": 7})
MISSING = object()
Place = tuple[str | int, ...]


def places(value: Any, here: Place = ()) -> Iterator[Place]:
    """Yield where the values inside a value are, and its own place."""
    yield here
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*here, key))


def changed(value: Any, place: Place, new: Any) -> Any:
    """Return a copy of a value with another one, or none, at a place inside."""
    copy = json.loads(json.dumps(value))
    at = copy
    for key in place[:-1]:
        at = at[key]
    if not place:
        return new
    if new is MISSING:
        del at[place[-1]]
    else:
        at[place[-1]] = new
    return copy


def shop_around(folder: Path, goals: str) -> None:
    """Open every page of a shop in every form, and buy what is asked for."""
    for observation in ("text_rich", "html", "url"):
        env = WebShopEnv(data=folder, goals=goals, observation=observation)  # type: ignore[arg-type]
        task = next(task for split in env.splits for task in env.tasks(split))
        env.reset(options={"task": task})
        env.step("search[shirt]")
        if len(env.admissible_actions()) > 1:
            env.step(env.admissible_actions()[1])
        for action in env.admissible_actions()[2:]:
            env.step(action)
            if env.shopping.sub_page:
                env.step("click[< prev]")
        env.restore(env.snapshot())
    env.reset(options={"task": task})
    while not env.shopping.done:
        try:
            *_, info = env.step(env.expert_action("full"))
        except NoExpertError:  # nothing in the product that could be searched for
            return
        assert info["action_valid"]
    assert env.won()


@pytest.mark.parametrize(
    ("file", "place"),
    [(file, place) for file in FILES for place in places(FILES[file])],
    ids=lambda value: "/".join(map(str, value)) if isinstance(value, tuple) else value,
)
def test_a_field_of_another_kind_is_read_or_named(tmp_path: Path, file: str, place: Place) -> None:
    for name, content in FILES.items():
        write(tmp_path / name, content)
    for new in (*ODD, *([MISSING] if place else [])):
        write(tmp_path / file, changed(FILES[file], place, new))
        for goals in ("human", "synthetic") if "_ins" in file else ("human",):
            try:
                shop_around(tmp_path, goals)
            except MissingExtraError:  # the tagger, where a file no longer names the nouns
                assert file == "title_nouns.json"
            except DataError as error:
                text = str(error)
                assert file in text or "no goals" in text, (new, text)
                inside = len(place) > (1 if file != "reviews.json" else 2)
                assert not inside or ASIN in text or "review" in text or "no goals" in text, text


def test_a_product_whose_name_is_a_number_is_sold(tmp_path: Path) -> None:
    for name, content in FILES.items():
        write(tmp_path / name, content)
    place = (0, "name")
    write(tmp_path / "items_shuffle.json", changed(FILES["items_shuffle.json"], place, 1984))
    env = WebShopEnv(data=tmp_path, goals="human")
    assert env.shop.product(0).title == "1984"
    assert env.shop.index.rank("1984") == (0,)


@pytest.mark.parametrize(
    ("place", "new", "message"),
    [
        ((0, "name"), None, "'name' should be a text, not None"),
        ((0, "name"), ["Shirt"], "'name' should be a text"),
        ((0, "full_description"), MISSING, "lacks 'full_description'"),
        ((0, "customization_options", "Color", 0, "value"), None, "'value' should be a text"),
        ((0, "customization_options", "Color", 0), "Red", "'customization_options' should be"),
        ((0, "pricing"), "$1.2.3", "the price '$1.2.3'"),
        ((0, "pricing"), [float("nan")], "the price"),
        ((0, "pricing"), [-3], "the price"),
        ((0, "pricing"), "$" + "9" * 400, "the price"),
    ],
)
def test_the_error_names_file_product_and_field(
    tmp_path: Path, place: Place, new: Any, message: str
) -> None:
    for name, content in FILES.items():
        write(tmp_path / name, content)
    write(tmp_path / "items_shuffle.json", changed(FILES["items_shuffle.json"], place, new))
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        WebShopEnv(data=tmp_path)
    assert "items_shuffle.json" in str(caught.value)
    assert ASIN in str(caught.value)


def test_products_that_cannot_be_told_apart_are_left_out(tmp_path: Path) -> None:
    """Of identifiers that a click says alike, the first counts; those of buttons do not."""
    for name, content in FILES.items():
        write(tmp_path / name, content)
    product = FILES["items_shuffle.json"][0]
    odd = ["b000000001", " B000000001", "< Prev", "next >", "", "  ", None, True, ["B2"], "B2", 3]
    write(tmp_path / "items_shuffle.json", [product, *({**product, "asin": a} for a in odd)])
    env = WebShopEnv(data=tmp_path, goals="human")
    assert env.shop.index.n_documents == 3
    assert [env.shop.product(row).asin for row in range(3)] == [ASIN, "B2", "3"]


def test_an_identifier_of_any_characters_has_an_address(tmp_path: Path) -> None:
    for name, content in FILES.items():
        write(tmp_path / name, content)
    for path in tmp_path.iterdir():
        path.write_text(path.read_text().replace(ASIN, "a?/#\u00e9"), encoding="utf-8")
    shop_around(tmp_path, "human")
    env = WebShopEnv(data=tmp_path, goals="human", observation="url", split="train")
    env.reset(seed=0)
    env.step("search[shirt]")
    observation, *_ = env.step("click[a?/#\u00e9]")
    assert observation.startswith("/item_page/a%3F%2F%23%C3%A9/shirt/1/")
