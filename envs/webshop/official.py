"""The official data: products, attributes and instructions from the files of the paper."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

from anchorgym.envs.errors import DataError, OptionError
from anchorgym.envs.texts import parse_json
from anchorgym.envs.webshop.fields import (
    FieldError,
    entry_of,
    list_of,
    mapping_of,
    needed,
    needed_text,
    text_of,
    texts_of,
)
from anchorgym.envs.webshop.goals import Goal, human_goals, synthetic_goals
from anchorgym.envs.webshop.pages import BUTTONS, clickable
from anchorgym.envs.webshop.products import LONGEST_ASIN, NO_RATING, Product, Review
from anchorgym.envs.webshop.shop import ListedShop
from anchorgym.envs.webshop.store import Catalogue, StoredProducts, data_key, kept_catalogue

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
    return opened_shop(files, tuple(map(_times, files)), goals, n_products, seed)


@lru_cache(maxsize=8)
def opened_shop(
    files: Files, times: object, goals: GoalKind | None, n_products: int | None, seed: int
) -> ListedShop:
    """Return the shop of files; see `official_shop`.

    Args:
        files: hold the data.
        times: of their last changes. Changed files are read anew.
        goals: and `n_products`, `seed`: as above.
    """
    key = _key(files, n_products)

    def make() -> Catalogue:
        made = read_catalogue(files, n_products)
        if _key(files, n_products) != key:
            raise DataError(
                f"the files in {str(files.products.parent)!r} changed while they were read: try "
                "again when they are complete"
            )
        return made

    catalogue = kept_catalogue(key, make)
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

    An identifier is odd, too, if a click on it could not be told from one on another or a button.

    Raises:
        DataError: a file is not what it should be.
    """
    raw = _read(files.products, list)[:n_products]
    attributes = _read(files.attributes, dict)
    human = _read(files.human, dict) if files.human.exists() else {}
    nouns = _read(files.nouns, dict) if files.nouns.exists() else {}
    reviews = _reviews(files.reviews)
    taken = {clickable(button) for button in BUTTONS} | {""}
    products: list[Product] = []
    goals = []
    for entry in raw:
        if not isinstance(entry, Mapping):
            raise DataError(f"{str(files.products)!r} lists {type(entry).__name__}, no products")
        asin = _identifier(entry.get("asin"))
        if asin == "nan" or len(asin) > LONGEST_ASIN or clickable(asin) in taken:
            continue
        taken.add(clickable(asin))
        with entry_of(files.attributes, asin):
            listed, goal = _asked(attributes.get(asin))
        with entry_of(files.human, asin):
            told = _told(human.get(asin))
        if goal["instruction"] is not None or told:
            goals.append({"row": len(products), **goal, "human": told})
        with entry_of(files.products, asin):
            product = Product.from_official(entry, listed)
        if asin in nouns:
            with entry_of(files.nouns, asin):
                product = replace(product, nouns=texts_of(nouns[asin], "the list of nouns"))
        with entry_of(files.reviews, asin):
            products.append(_reviewed(product, reviews.get(asin)))
    return Catalogue.of(products, goals)


def _identifier(value: Any) -> str:
    """Return a product's identifier; "nan" where it has none, as the reference calls it."""
    try:
        return text_of(value, "'asin'")
    except FieldError:
        return "nan"


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


def _asked(entry: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the attribute file says of a product, and the goal that it gives."""
    if entry is None:
        return {}, {"instruction": None, "attributes": []}
    fields = mapping_of(entry, "the entry")
    instruction = fields.get("instruction")
    goal = {
        "instruction": None if instruction is None else text_of(instruction, "'instruction'"),
        "attributes": texts_of(
            fields.get("instruction_attributes", []), "'instruction_attributes'"
        ),
    }
    if "attributes" not in fields:
        return {}, goal
    return {"attributes": texts_of(fields["attributes"], "'attributes'")}, goal


def _told(entries: Any) -> list[dict[str, Any]]:
    """Return the instructions of people for a product."""
    if entries is None:
        return []
    return [
        {
            "instruction": needed_text(fields, "instruction"),
            "instruction_attributes": texts_of(
                needed(fields, "instruction_attributes"), "'instruction_attributes'"
            ),
            "instruction_options": _wanted(needed(fields, "instruction_options")),
        }
        for entry in list_of(entries, "the entry")
        for fields in (mapping_of(entry, "an instruction"),)
    ]


def _wanted(options: Any) -> dict[str, str] | tuple[str, ...]:
    where = "'instruction_options'"
    if isinstance(options, Mapping):
        return {text_of(name, where): text_of(options[name], where) for name in options}
    return texts_of(options, where)


def _reviews(path: Path) -> dict[str, Any]:
    """Return the entries of the reviews by their products."""
    if not path.exists():
        return {}
    found = {}
    for entry in _read(path, list):
        with entry_of(path, "of a review"):
            found[needed_text(mapping_of(entry, "the entry"), "asin")] = entry
    return found


def _reviewed(product: Product, entry: Mapping[str, Any] | None) -> Product:
    if entry is None:
        return product
    reviews = tuple(
        Review(
            title=_said(review, "title"),
            score=_said(review, "score", "stars"),
            body=_said(review, "review"),
        )
        for given in list_of(entry.get("reviews") or (), "'reviews'")
        for review in (mapping_of(given, "a review"),)
    )
    return replace(product, reviews=reviews, rating=_said(entry, "average_rating") or NO_RATING)


def _said(entry: Mapping[str, Any], *names: str) -> str:
    """Return the text of the first field that is there; empty where none is."""
    value = next((entry[name] for name in names if name in entry), None)
    return "" if value is None else text_of(value, repr(names[0]))


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
        found = parse_json(path.read_bytes(), float)
    except (OSError, ValueError) as error:
        raise DataError(f"{str(path)!r} cannot be read: {error}. Download it again.") from error
    if not isinstance(found, kind):
        raise DataError(f"{str(path)!r} holds no JSON {kind.__name__}. {_REMEDY}")
    return found


def _key(files: Files, n_products: int | None) -> str:
    return data_key("official", n_products, *(_digest(path) for path in files))


def _times(path: Path) -> tuple[int, ...]:
    """Return the size and the times of a file's last changes; nothing where there is none."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


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
