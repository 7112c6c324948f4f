"""A catalogue from a seed, made so that shopping needs more than a search.

Products come in families of four competing listings that a search finds together:

- the *fair* one has everything the family is about, at a usual price;
- the *dear* one has it too and says so at length, so a search ranks it first, but it costs more;
- the *near miss* is cheaper and lacks one of the properties;
- the *scarce* one has every property, but only some of the options.

Titles tell one property of several; the rest is on the pages behind. A goal asks for properties,
options and a price, so it takes a search, comparing prices, opening products, and choosing options.
Any product and goal can be made without the others: catalogues of any size begin alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

from anchorgym.assets import read_json
from anchorgym.envs.draws import Draws
from anchorgym.envs.webshop.draws import draws
from anchorgym.envs.webshop.goals import Goal, limit_in_words
from anchorgym.envs.webshop.products import CATEGORY_MARK, Product, Review

VERSION: Final = 1
"""Counts up when a catalogue comes out differently from the same seed."""
FAIR, DEAR, NEAR_MISS, SCARCE = range(4)
FAMILY: Final = 4
GOALS: Final = (8, 2, 6, 6)
"""How many goals are written for each member of a family."""
_PROPERTIES: Final = 4
_BLOCK: Final = 1000
_STRIDE: Final = 387
"""Coprime to `_BLOCK`: members of a family get numbers that are far apart."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of product, and what it can be like."""

    category: str
    query: str
    noun: str
    path: tuple[str, ...]
    price: tuple[int, int]
    attributes: tuple[str, ...]
    options: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Family:
    """Properties that four competing listings share."""

    kind: Kind
    properties: tuple[str, ...]
    substitute: str
    """What the near miss has in place of the last property."""
    prices: tuple[float, float, float, float]
    """Prices of its members."""
    scarce: dict[str, tuple[str, ...]]
    """The options of the scarce one."""


@lru_cache(maxsize=1)
def kinds() -> tuple[Kind, ...]:
    """Return all kinds of products."""
    return tuple(
        Kind(
            category=entry["category"],
            query=entry["query"],
            noun=entry["noun"],
            path=tuple(entry["path"]),
            price=tuple(entry["price"]),
            attributes=tuple(entry["attributes"]),
            options={name: tuple(values) for name, values in entry["options"].items()},
        )
        for entry in read_json("webshop_lexicon.json")["kinds"]
    )


@lru_cache(maxsize=1)
def _names() -> tuple[tuple[str, ...], tuple[str, ...]]:
    lexicon = read_json("webshop_lexicon.json")
    return tuple(lexicon["brands"]), tuple(lexicon["series"])


def asin_of(row: int) -> str:
    """Return the identifier of the product in a row of the catalogue."""
    block, place = divmod(row, _BLOCK)
    return f"W{block * _BLOCK + (place * _STRIDE + 59) % _BLOCK:04d}"


def row_of(asin: str) -> int | None:
    """Return the row of an identifier; None if no catalogue has it."""
    digits = asin[1:]
    if not (asin[:1] == "W" and digits.isascii() and digits.isdigit() and len(digits) <= 9):
        return None
    block, scrambled = divmod(int(digits), _BLOCK)
    row = block * _BLOCK + (scrambled - 59) * pow(_STRIDE, -1, _BLOCK) % _BLOCK
    return row if asin_of(row) == asin else None


def generated_product(seed: int, row: int) -> Product:
    """Return the product in a row of a catalogue."""
    family, member = _family(seed, row // FAMILY), row % FAMILY
    kind = family.kind
    drawn = draws("product", seed, str(row))
    brands, series = _names()
    brand, line = drawn.choice(brands), drawn.choice(series)
    last = family.substitute if member == NEAR_MISS else family.properties[-1]
    properties = _mixed((*family.properties[:-1], last), drawn)
    told = properties[0]
    rating = f"{3 + drawn.below(20) / 10:.1f}"
    price = family.prices[member]
    return Product(
        asin=asin_of(row),
        title=f"{brand} {line} {told.title()} {kind.noun.title()}",
        description=_description(kind, brand, properties, wordy=member == DEAR),
        bullets=(f"{line} {kind.noun} by {brand}", *(f"{told}" for told in properties)),
        attributes=tuple(properties),
        options=family.scarce if member == SCARCE else kind.options,
        pricing=(price,),
        price_tag=f"${price}",
        query=kind.query,
        category=kind.category,
        product_category=f" {CATEGORY_MARK} ".join(kind.path),
        rating=rating,
        reviews=_reviews(drawn, kind, properties),
        nouns=(brand.lower(), line.lower(), kind.noun),
    )


def generated_goal(seed: int, row: int, number: int) -> Goal:
    """Return a goal that is written for the product in a row.

    The product meets it. The price limit is above its price and, where the family has a dearer
    listing, below that one's.
    """
    product = generated_product(seed, row)
    family, member = _family(seed, row // FAMILY), row % FAMILY
    drawn = draws("goal", seed, f"{product.asin}/{number}")
    telling = family.substitute if member == NEAR_MISS else family.properties[-1]
    others = _mixed(family.properties[:-1], drawn)[: 1 + drawn.below(2)]
    asked = _mixed((telling, *others), drawn)
    options = {name: drawn.choice(values) for name, values in product.options.items()}
    price = family.prices[member]
    limit = _limit(price, math.inf if member == DEAR else family.prices[DEAR], drawn)
    text = f"{_request(drawn, family.kind, asked, options)}{limit_in_words(limit)}"
    return Goal.of(product, row, number, text, asked, options, limit)


@lru_cache(maxsize=4096)
def _family(seed: int, number: int) -> Family:
    """Return a family; the kinds take turns, so that each has its share of a small catalogue."""
    drawn = draws("family", seed, str(number))
    kind = kinds()[number % len(kinds())]
    properties = _mixed(kind.attributes, drawn)
    scarce = {name: _some(values, drawn) for name, values in kind.options.items()}
    return Family(
        kind=kind,
        properties=tuple(properties[:_PROPERTIES]),
        substitute=properties[_PROPERTIES],
        prices=_prices(kind, drawn),
        scarce=scarce,
    )


def _prices(kind: Kind, drawn: Draws) -> tuple[float, float, float, float]:
    """Return what the members of a family cost, in their order."""
    low, high = kind.price
    fair = low + int((high - low) * drawn.fraction())
    dear = max(fair + 8, int(fair * (1.7 + 0.6 * drawn.fraction())))
    near_miss = int(fair * (0.75 + 0.2 * drawn.fraction()))
    whole = (fair, dear, near_miss, fair + 1)
    a, b, c, d = (round(dollars + 0.99, 2) for dollars in whole)
    return a, b, c, d


def _limit(price: float, below: float, drawn: Draws) -> float:
    """Return a multiple of five above a price and below another one, where there is one."""
    limit = 5.0 * (math.floor(price / 5) + 1)
    higher = limit + 5 * drawn.below(2)
    return higher if higher < below else limit


def _some(values: Sequence[str], drawn: Draws) -> tuple[str, ...]:
    """Return about half of an option's values, in their order."""
    kept = _mixed(range(len(values)), drawn)[: max(1, len(values) // 2)]
    return tuple(values[i] for i in sorted(kept))


def _mixed(items: Sequence[T], drawn: Draws) -> list[T]:
    """Return the items in a drawn order."""
    mixed = list(items)
    for last in reversed(range(1, len(mixed))):
        chosen = drawn.below(last + 1)
        mixed[last], mixed[chosen] = mixed[chosen], mixed[last]
    return mixed


def _description(kind: Kind, brand: str, properties: Sequence[str], *, wordy: bool) -> str:
    listed = f"{', '.join(properties[:-1])} and {properties[-1]}"
    if wordy:
        return f"{brand} {kind.query}: {listed}. This {kind.noun} is {listed}, as few are."
    return f"From our {kind.query}, a {kind.noun} made by {brand}: {listed}."


def _reviews(drawn: Draws, kind: Kind, properties: Sequence[str]) -> tuple[Review, ...]:
    verdicts = (
        ("As described", "5", "This {noun} is {told}, and worth its price."),
        ("Good enough", "4", "I like the {noun}. It is {told} indeed."),
        ("Not for me", "2", "The {noun} came late, and I had hoped for more."),
    )
    return tuple(
        Review(title, score, text.format(noun=kind.noun, told=drawn.choice(properties)))
        for title, score, text in verdicts
        if drawn.chance(0.4)
    )


def _request(drawn: Draws, kind: Kind, asked: Sequence[str], options: dict[str, str]) -> str:
    """Put a goal into words, but for the price."""
    wanted = ", ".join(asked)
    chosen = ", and ".join(f"{name}: {value}" for name, value in options.items())
    match drawn.below(4):
        case 0:
            return f"find me {wanted} {kind.query} with {chosen}"
        case 1:
            return f"i am looking for {kind.query} that are {wanted}, with {chosen}"
        case 2:
            return f"i need {kind.query} with {chosen}, and they should be {wanted}"
        case _:
            return f"show me {wanted} {kind.query}, please, with {chosen}"
