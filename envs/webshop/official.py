"""The official data: products, attributes and instructions from the files of the paper."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

from anchorgym.envs.errors import DataError, OptionError
from anchorgym.envs.webshop.goals import Goal, human_goals, synthetic_goals
from anchorgym.envs.webshop.products import LONGEST_ASIN, NO_RATING, Product, Review
from anchorgym.envs.webshop.shop import ListedShop
from anchorgym.envs.webshop.store import Catalogue, StoredProducts, data_key, kept

GoalKind = Literal["human", "synthetic"]
GOAL_KINDS: Final[tuple[GoalKind, ...]] = get_args(GoalKind)
PRODUCTS: Final = "items_shuffle"
ATTRIBUTES: Final = "items_ins_v2"
HUMAN: Final = "items_human_ins.json"
REVIEWS: Final = "reviews.json"
NOUNS: Final = "title_nouns.json"
_BLOCK: Final = 1 << 20

_REMEDY: Final = (
    f"Give a folder that holds {PRODUCTS}.json (or {PRODUCTS}_1000.json), {ATTRIBUTES}.json (or "
    f"{ATTRIBUTES}_1000.json) and {HUMAN}, which the setup script of princeton-nlp/WebShop "
    "downloads; without a folder, a generated catalogue is used."
)


class Files(NamedTuple):
    """The files of a folder; the last three may be missing."""

    products: Path
    attributes: Path
    human: Path
    reviews: Path
    nouns: Path


@lru_cache(maxsize=8)
def official_shop(
    folder: Path, goals: GoalKind | None, n_products: int | None, seed: int
) -> ListedShop:
    """Return the shop of a folder, shared by all environments of this process.

    Args:
        folder: holds the official files. It may hold `title_nouns.json` ({asin: [noun, …]}),
            without which the reward needs a tagger, and `reviews.json`.
        goals: "human" or "synthetic"; None takes those of people where there are any.
        n_products: the number of products, from the first; None takes all.
        seed: of prices that are given as ranges, and of price limits.

    Raises:
        DataError: a file is missing, or is not what it should be.
        OptionError: there are no such goals.
    """
    if goals not in (None, *GOAL_KINDS):
        raise OptionError(f"there are no {goals!r} goals: choose {' or '.join(GOAL_KINDS)}")
    files = find_files(folder, n_products)
    key = data_key("official", n_products, *(_digest(path) for path in files))
    catalogue = kept(key, lambda: read_catalogue(files, n_products))
    products = StoredProducts(catalogue.products)
    if goals is None:
        goals = "human" if any(entry["human"] for entry in catalogue.goals) else "synthetic"
    found = list(_goals(products, catalogue.goals, goals, seed))
    return ListedShop(products, catalogue.index, found, seed, key)


def find_files(folder: Path, n_products: int | None) -> Files:
    """Return the files of a folder.

    Where there are several lists of products, the one that is named by the number of products
    asked for is taken (`items_shuffle_1000.json`), else the complete one.

    Raises:
        DataError: there is no such folder, or it lacks a file.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {str(folder)!r}. {_REMEDY}")
    products = _find(folder, PRODUCTS, n_products)
    suffix = products.stem.removeprefix(PRODUCTS).removeprefix("_")
    attributes = _find(folder, ATTRIBUTES, int(suffix) if suffix.isdecimal() else None)
    return Files(products, attributes, folder / HUMAN, folder / REVIEWS, folder / NOUNS)


def read_catalogue(files: Files, n_products: int | None) -> Catalogue:
    """Read official files; as by the reference, odd and repeated identifiers are left out.

    Raises:
        DataError: a file is not what it should be.
    """
    raw = _read(files.products, list)[:n_products]
    attributes = _read(files.attributes, dict)
    human = _read(files.human, dict) if files.human.exists() else {}
    nouns = _read(files.nouns, dict) if files.nouns.exists() else {}
    reviews = {
        entry["asin"]: entry
        for entry in (_read(files.reviews, list) if files.reviews.exists() else ())
    }
    products: dict[str, Product] = {}
    for entry in raw:
        if not isinstance(entry, Mapping):
            raise DataError(f"{str(files.products)!r} lists {type(entry).__name__}, no products")
        asin = str(entry.get("asin", "nan"))
        if asin == "nan" or len(asin) > LONGEST_ASIN or asin in products:
            continue
        product = Product.from_official(entry, attributes.get(asin, {}))
        if asin in nouns:
            product = replace(product, nouns=tuple(nouns[asin]))
        products[asin] = _reviewed(product, reviews.get(asin))
    goals = [
        {
            "row": row,
            "instruction": attributes.get(asin, {}).get("instruction"),
            "attributes": attributes.get(asin, {}).get("instruction_attributes", []),
            "human": human.get(asin, []),
        }
        for row, asin in enumerate(products)
    ]
    asked = [goal for goal in goals if goal["instruction"] is not None or goal["human"]]
    return Catalogue.of(list(products.values()), asked)


def _goals(
    products: Sequence[Product], entries: Sequence[Any], goals: GoalKind, seed: int
) -> Iterator[Goal]:
    for entry in entries:
        row = entry["row"]
        if goals == "human":
            yield from human_goals(products[row], row, entry["human"], seed)
        elif entry["instruction"] is not None:
            text, attributes = entry["instruction"], entry["attributes"]
            yield from synthetic_goals(products[row], row, text, attributes, seed)


def _reviewed(product: Product, entry: Mapping[str, Any] | None) -> Product:
    if entry is None:
        return product
    reviews = tuple(
        Review(
            title=str(review.get("title", "")),
            score=str(review.get("score", review.get("stars", ""))),
            body=str(review.get("review", "")),
        )
        for review in entry.get("reviews", ())
    )
    return replace(product, reviews=reviews, rating=str(entry.get("average_rating", NO_RATING)))


def _find(folder: Path, name: str, number: int | None) -> Path:
    exact = folder / f"{name}_{number}.json"
    complete = folder / f"{name}.json"
    others = sorted(folder.glob(f"{name}_*.json"))
    for path in (exact, complete, *others):
        if path.is_file():
            return path
    raise DataError(f"{str(folder)!r} holds no {name}*.json. {_REMEDY}")


def _read(path: Path, kind: type) -> Any:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{str(path)!r} cannot be read: {error}. Download it again.") from error
    if not isinstance(found, kind):
        raise DataError(f"{str(path)!r} holds no JSON {kind.__name__}. {_REMEDY}")
    return found


def _digest(path: Path) -> str:
    """Return a hash of a file's content; empty where there is no file."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise DataError(f"{os.fspath(path)!r} cannot be read: {error.strerror}") from error
    return digest.hexdigest()
