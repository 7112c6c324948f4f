"""The official files: what is read from them, and what is said when they are not there."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from damaged_caches import check_every_damage
from hypothesis import given
from hypothesis import strategies as st

from anchorgym.envs import panel_hash
from anchorgym.envs.cache import cache_folder
from anchorgym.envs.errors import DataError, UnknownSplitError
from anchorgym.envs.webshop import Product, WebShopEnv, store
from anchorgym.envs.webshop.generator import generated_product
from anchorgym.envs.webshop.goals import (
    NO_LIMIT,
    SHUFFLE_SEED,
    limit_above,
    price_of,
    shuffled,
    split_goals,
)
from anchorgym.envs.webshop.official import _reviewed, official_shop, opened_shop
from anchorgym.envs.webshop.products import NO_RATING

from .conftest import Read, write

FIELDS = (
    "asin",
    "title",
    "description",
    "bullets",
    "options",
    "pricing",
    "price_tag",
    "attributes",
    "query",
    "category",
    "product_category",
)


def raw(asin: str = "B000000001", **more: object) -> dict[str, object]:
    return {
        "asin": asin,
        "name": "Red Shirt",
        "full_description": "A shirt.",
        "small_description": ["red", "cotton"],
        "customization_options": {"Color": [{"value": " Red/Blue "}], "Size": None},
        "category": "fashion",
        "product_category": "Clothing › Shirts",
        "query": " Shirts ",
        "pricing": "$1,012.50$1,020",
        **more,
    }


def folder_of(path: Path, products: list[object]) -> Path:
    write(path / "items_shuffle.json", products)
    entry = {"attributes": ["cotton"], "instruction": "Find me cotton shirts",
             "instruction_attributes": ["cotton"]}  # fmt: skip
    write(path / "items_ins_v2.json", {"B000000001": entry})
    write(path / "title_nouns.json", {"B000000001": ["shirt"]})
    return path


def test_products_are_read_as_the_reference_reads_them(official: Path, read: Read) -> None:
    shop = official_shop(official, "synthetic", None, 0)
    for row, listing in enumerate(read("products_1000")):
        expected, got = Product.from_listing(listing), shop.product(row)
        assert [getattr(got, name) for name in FIELDS] == [getattr(expected, n) for n in FIELDS]


def test_goals_are_split_as_in_the_original(official: Path) -> None:
    env = WebShopEnv(data=official, goals="synthetic")
    assert {split: len(env.tasks(split)) for split in env.splits} == {
        "test": 500,
        "dev": 1000,
        "train": 5410,
    }
    order = list(env.shop.goals)  # type: ignore[attr-defined]
    random_ = random.Random(SHUFFLE_SEED)
    random_.shuffle(order)
    assert [*env.tasks("test"), *env.tasks("dev"), *env.tasks("train")] == order
    assert panel_hash(env.tasks("test"))[:16] == TEST_PANEL


@given(st.integers(0, 60))
def test_the_order_is_what_python_shuffles(n: int) -> None:
    expected = list(range(n))
    random.Random(SHUFFLE_SEED).shuffle(expected)
    assert shuffled(range(n)) == expected


@given(st.integers(0, 5000))
def test_splits_are_disjoint_and_complete(n: int) -> None:
    parts = [split_goals(range(n), split) for split in ("test", "dev", "train")]
    assert [i for part in parts for i in part] == list(range(n))
    with pytest.raises(UnknownSplitError):
        split_goals(range(n), "valid")


@given(price=st.floats(0.01, 2000), seed=st.integers(0, 9))
def test_limits_are_the_originals_and_a_function_of_the_seed(price: float, seed: int) -> None:
    limit = limit_above(price, seed, "B0/1")
    assert limit == limit_above(price, seed, "B0/1")
    if price >= 980:
        assert limit == NO_LIMIT
    else:
        steps = [10.0 * i for i in range(1, 100) if 10.0 * i > price][:4]
        assert limit in steps[1:]


def test_prices_lie_in_their_range_and_depend_on_the_seed() -> None:
    product = Product.from_official(raw(), {})
    assert product.pricing == (1012.5, 1020.0)
    assert product.price_tag == "$1012.5 to $1020.0"
    assert product.options == {"color": ("red | blue",)}
    prices = {price_of(product, seed) for seed in range(10)}
    assert len(prices) == 10
    assert all(1012.5 <= price <= 1020 for price in prices)


def test_what_was_read_once_is_kept_for_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHORGYM_CACHE", str(tmp_path / "cache"))
    folder = folder_of(tmp_path, [raw()])
    opened_shop.cache_clear()
    official_shop(folder, None, None, 0)
    (kept,) = (cache_folder() / "webshop").iterdir()
    opened_shop.cache_clear()
    for name in ("products.jsonl", "index.json"):
        shutil.copy(kept / name, tmp_path / name)
    assert official_shop(folder, None, None, 0).product(0).title == "Red Shirt"
    write(folder / "items_shuffle.json", [raw(name="Blue Shirt")])
    opened_shop.cache_clear()
    assert official_shop(folder, None, None, 0).product(0).title == "Blue Shirt"
    assert len(list((cache_folder() / "webshop").iterdir())) == 2


def test_a_forbidden_cache_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("ANCHORGYM_CACHE", str(blocked))
    opened_shop.cache_clear()
    assert (
        official_shop(folder_of(tmp_path, [raw()]), None, None, 0).product(0).asin == "B000000001"
    )


def test_a_damaged_cache_gives_what_a_fresh_build_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHORGYM_CACHE", str(tmp_path / "cache"))
    folder = folder_of(tmp_path, [raw(), raw("B000000002", name="Blue Shoe")])

    def shop() -> tuple[object, ...]:
        opened_shop.cache_clear()
        shop = official_shop(folder, None, None, 0)
        products = [asdict(shop.product(row)) for row in range(shop.index.n_documents)]
        found = [shop.index.scores_of(query).tolist() for query in ("red shirt", "blue", "cotton")]
        return products, found, [asdict(goal) for goal in shop.goals.values()]

    fresh = shop()
    (kept,) = (tmp_path / "cache" / "webshop").iterdir()
    check_every_damage(kept, lambda: shop() == fresh)


def test_a_catalogue_that_other_code_made_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHORGYM_CACHE", str(tmp_path / "cache"))
    folder = folder_of(tmp_path, [raw()])
    opened_shop.cache_clear()
    official_shop(folder, None, None, 0)
    (kept,) = (tmp_path / "cache" / "webshop").iterdir()
    before = kept.stat().st_ino
    monkeypatch.setattr(store, "_makers", lambda: "other code")
    opened_shop.cache_clear()
    official_shop(folder, None, None, 0)
    assert kept.stat().st_ino != before


def test_a_file_that_changes_is_read_anew_by_this_process_too(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [raw()])
    assert official_shop(folder, None, None, 0).product(0).title == "Red Shirt"
    assert official_shop(folder, None, None, 0) is official_shop(folder, None, None, 0)
    folder_of(tmp_path, [raw(name="Tan Shirt")])
    assert official_shop(folder, None, None, 0).product(0).title == "Tan Shirt"


def test_odd_and_repeated_products_are_left_out(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [raw(), raw(), raw("nan"), raw("B0000000012")])
    shop = official_shop(folder, "synthetic", None, 0)
    assert list(shop.goals) == ["B000000001/0"]
    assert shop.index.n_documents == 1


@pytest.mark.parametrize(
    ("products", "message"),
    [
        ([{"asin": "B000000001"}], "B000000001: it lacks"),
        ([7], "lists int"),
        ({}, "no JSON list"),
        ([raw("B000000002")], "no goals"),
        ([raw(pricing="free")], "the price 'free'"),
        ([raw(customization_options="Color")], "customization_options"),
    ],
)
def test_files_that_are_not_what_they_should_be_are_named(
    tmp_path: Path, products: list[object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        official_shop(folder_of(tmp_path, products), None, None, 0)


def test_reviews_are_read_in_both_spellings() -> None:
    product = generated_product(0, 0)
    assert _reviewed(product, None) == product
    entry = {
        "average_rating": 4.3,
        "reviews": [
            {"title": "Good", "score": "5.0", "review": "It fits."},
            {"title": "Bad", "stars": 1, "review": "It does not."},
            {},
        ],
    }
    read = _reviewed(product, entry)
    assert [(one.title, one.score, one.body) for one in read.reviews] == [
        ("Good", "5.0", "It fits."),
        ("Bad", "1", "It does not."),
        ("", "", ""),
    ]
    assert read.rating == "4.3"
    assert _reviewed(product, {}).rating == NO_RATING
    assert _reviewed(product, {}).reviews == ()


def test_a_folder_that_lacks_files_says_what_is_needed(tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(DataError, match=r"items_shuffle\.json"):
            WebShopEnv(data=folder)
    (tmp_path / "items_shuffle.json").write_text("{")
    (tmp_path / "items_ins_v2.json").write_text(json.dumps({}))
    with pytest.raises(DataError, match="cannot be read"):
        WebShopEnv(data=tmp_path)


TEST_PANEL = "8a6388f6070719f1"
