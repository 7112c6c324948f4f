"""Products, and how the official files describe them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Self

from anchorgym.envs.errors import DataError
from anchorgym.envs.webshop.fields import (
    FieldError,
    list_of,
    mapping_of,
    needed,
    needed_text,
    quoted,
    text_of,
    texts_of,
)

NO_RATING: Final = "N.A."
NO_ATTRIBUTES: Final = ("DUMMY_ATTR",)
"""What the reference gives products that the attribute file does not list."""
DEFAULT_PRICE: Final = 100.0
LONGEST_ASIN: Final = 10
CATEGORY_MARK: Final = "\u203a"


class ProductError(DataError):
    """A listing of the reference without a field that every product needs."""


@dataclass(frozen=True, slots=True)
class Review:
    """A buyer's review."""

    title: str
    score: str
    body: str


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """One product as the shop lists it; a shop has each once, and each equals itself only."""

    asin: str
    title: str
    description: str
    bullets: tuple[str, ...]
    attributes: tuple[str, ...]
    options: Mapping[str, tuple[str, ...]]
    """Values by the name of the option, lower-cased."""
    pricing: tuple[float, ...]
    """One price, or the ends of a range."""
    price_tag: str
    query: str
    """The search that the product was collected by: its kind, in two or three words."""
    category: str
    product_category: str
    """Path of categories, separated by `CATEGORY_MARK`."""
    rating: str = NO_RATING
    reviews: tuple[Review, ...] = ()
    nouns: tuple[str, ...] | None = None
    """The nouns of the title in their order, each as often as it is there; None if not known."""

    @classmethod
    def from_official(cls, raw: Mapping[str, Any], attributes: Mapping[str, Any]) -> Self:
        """Read an entry of `items_shuffle.json`.

        Args:
            raw: the entry.
            attributes: the product's entry in `items_ins_v2.json`; empty where it has none.

        Raises:
            FieldError: a key is missing or of another kind.
        """
        pricing, tag = parse_pricing(raw.get("pricing"))
        bullets = needed(raw, "small_description")
        nouns = raw.get("title_nouns")
        return cls(
            asin=needed_text(raw, "asin"),
            title=needed_text(raw, "name"),
            description=needed_text(raw, "full_description"),
            bullets=texts_of(
                bullets if isinstance(bullets, list) else [bullets], "'small_description'"
            ),
            attributes=texts_of(attributes.get("attributes", NO_ATTRIBUTES), "'attributes'"),
            options=_options(raw.get("customization_options")),
            pricing=pricing,
            price_tag=tag,
            query=needed_text(raw, "query").lower().strip(),
            category=needed_text(raw, "category"),
            product_category=needed_text(raw, "product_category"),
            nouns=None if nouns is None else texts_of(nouns, "'title_nouns'"),
        )

    @classmethod
    def from_listing(cls, listing: Mapping[str, Any]) -> Self:
        """Read a product as the reference holds it in memory: `Title`, `BulletPoints`, …

        Raises:
            ProductError: a key is missing.
        """
        try:
            return cls(
                asin=str(listing.get("asin", "")),
                title=str(listing["Title"]),
                description=str(listing["Description"]),
                bullets=_texts(listing["BulletPoints"]),
                attributes=tuple(listing["Attributes"]),
                options={k: tuple(v) for k, v in (listing.get("options") or {}).items()},
                pricing=tuple(listing.get("pricing") or (DEFAULT_PRICE,)),
                price_tag=str(listing.get("Price", "")),
                query=str(listing["query"]),
                category=str(listing.get("category", "")),
                product_category=str(listing["product_category"]),
                rating=str(listing.get("Rating", NO_RATING)),
                nouns=_nouns(listing),
            )
        except KeyError as error:
            raise ProductError(f"the product lacks {error}") from error

    @property
    def indexed_text(self) -> str:
        """What the search engine reads: title, description, first feature and options."""
        options = ", and ".join(f"{name}: {', '.join(self.options[name])}" for name in self.options)
        first = self.bullets[0] if self.bullets else ""
        return f"{self.title} {self.description} {first} {options}".lower()


def categories(path: str) -> frozenset[str]:
    """Return the names on a path of categories."""
    return frozenset(part.strip() for part in path.split(CATEGORY_MARK))


def parse_pricing(pricing: Any) -> tuple[tuple[float, ...], str]:
    """Read a price such as "$12.99" or "$12.99$20.50": the amounts, and the tag that is shown.

    Args:
        pricing: such a text, an amount, a list of amounts, or nothing.

    Raises:
        FieldError: a part is no amount of money.
    """
    if not pricing:
        return (DEFAULT_PRICE,), f"${DEFAULT_PRICE}"
    parts: Sequence[Any] = pricing if isinstance(pricing, list | tuple) else (pricing,)
    if isinstance(pricing, str):
        parts = [re.sub(r"[^\d.]", "", part) for part in pricing.split("$")[1:]]
    amounts = tuple(_amount(part, pricing) for part in parts)
    if not amounts:
        raise FieldError(f"the price {quoted(pricing)} is no amount")
    amounts = amounts[:2]
    return amounts, " to ".join(f"${amount}" for amount in amounts)


def _amount(part: Any, pricing: Any) -> float:
    try:
        amount = float(Decimal(part) if isinstance(part, str) else part)
    except (InvalidOperation, TypeError, ValueError, OverflowError):
        amount = math.nan
    if isinstance(part, bool) or not 0 <= amount < math.inf:
        raise FieldError(f"the price {quoted(pricing)} is no amount")
    return amount


def _options(raw: Any) -> dict[str, tuple[str, ...]]:
    if not raw:
        return {}
    where = "'customization_options'"
    return {
        text_of(name, where).lower(): tuple(
            _option_value(needed_text(mapping_of(entry, f"an item of {where}"), "value"))
            for entry in list_of(entries, f"{name!r} of {where}")
        )
        for name, entries in mapping_of(raw, where).items()
        if entries is not None
    }


def _option_value(value: str) -> str:
    return value.strip().replace("/", " | ").lower()


def _texts(value: Sequence[str] | str) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _nouns(raw: Mapping[str, Any]) -> tuple[str, ...] | None:
    nouns = raw.get("title_nouns")
    return None if nouns is None else tuple(nouns)
