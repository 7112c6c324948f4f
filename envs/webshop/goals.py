"""Goals of customers: instructions, what they mean, and their splits."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

from anchorgym.envs.errors import DataError, UnknownSplitError
from anchorgym.envs.webshop.draws import draws
from anchorgym.envs.webshop.products import Product

SPLITS: Final = ("train", "dev", "test")
N_TEST, N_DEV = 500, 1000
"""Sizes of the original's held-out splits."""
SHUFFLE_SEED: Final = 233
"""Seed of the order in which the original takes goals."""
NO_LIMIT: Final = 1_000_000.0
_LIMITS: Final = tuple(10.0 * i for i in range(1, 100))
_LIMITS_DRAWN_FROM: Final = 4
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Goal:
    """A goal: the instruction, and what it asks for in detail."""

    id: str
    """`<asin>/<number>`: which goal of which product."""
    asin: str
    """The product that the instruction was written for. Another one may do as well."""
    instruction: str
    attributes: tuple[str, ...]
    options: tuple[str, ...]
    option_names: tuple[str, ...] | None
    """Names of the options, where the goal gives them."""
    price_upper: float
    query: str
    product_category: str
    name: str
    """The product's title."""
    nouns: tuple[str, ...] | None = None
    category: str = ""
    row: int = -1
    """Where the catalogue has the product; -1 for a goal without a catalogue."""

    @classmethod
    def of(
        cls,
        product: Product,
        row: int,
        number: int,
        instruction: str,
        attributes: Iterable[str],
        options: Mapping[str, str] | Sequence[str],
        price_upper: float,
    ) -> Self:
        """Return a goal that was written for a product."""
        named = isinstance(options, Mapping)
        return cls(
            id=f"{product.asin}/{number}",
            asin=product.asin,
            instruction=instruction,
            attributes=tuple(attributes),
            options=tuple(options.values() if isinstance(options, Mapping) else options),
            option_names=tuple(options) if named else None,
            price_upper=price_upper,
            query=product.query,
            product_category=product.product_category,
            name=product.title,
            nouns=product.nouns,
            category=product.category,
            row=row,
        )

    @classmethod
    def from_mapping(cls, goal: Mapping[str, Any]) -> Self:
        """Read a goal as the reference holds it in memory.

        Raises:
            DataError: a key is missing.
        """
        try:
            options = goal["goal_options"]
            named = isinstance(options, Mapping)
            nouns = goal.get("title_nouns")
            return cls(
                id="",
                asin=str(goal.get("asin", "")),
                instruction=str(goal.get("instruction_text", "")),
                attributes=tuple(goal["attributes"]),
                options=tuple(options.values() if named else options),
                option_names=tuple(options) if named else None,
                price_upper=float(goal["price_upper"]),
                query=str(goal["query"]),
                product_category=str(goal["product_category"]),
                name=str(goal["name"]),
                nouns=None if nouns is None else tuple(nouns),
            )
        except KeyError as error:
            raise DataError(f"the goal lacks {error}") from error


def price_of(product: Product, seed: int) -> float:
    """Return what a product costs; where it lists a range, the seed decides."""
    low, high = product.pricing[0], product.pricing[-1]
    if low == high:
        return low
    return low + (high - low) * draws("price", seed, product.asin).fraction()


def limit_above(price: float, seed: int, goal_id: str) -> float:
    """Return a price limit as the original draws it: a multiple of 10 not far above the price.

    It is the larger one of two among the next four; `NO_LIMIT` where there are not two.
    """
    above = [limit for limit in _LIMITS if limit > price][:_LIMITS_DRAWN_FROM]
    if len(above) < 2:
        return NO_LIMIT
    drawn = draws("limit", seed, goal_id)
    first = drawn.below(len(above))
    second = drawn.below(len(above) - 1)
    return max(above[first], above[second + (second >= first)])


def limit_in_words(limit: float) -> str:
    """Return what an instruction says of a price limit."""
    return "" if limit == NO_LIMIT else f", and price lower than {limit:.2f} dollars"


def synthetic_goals(
    product: Product, row: int, instruction: str, attributes: Sequence[str], seed: int
) -> Iterator[Goal]:
    """Yield a goal for every combination of a product's options.

    Args:
        product: what is asked for.
        row: where the catalogue has it.
        instruction: and `attributes`: of the product's entry in `items_ins_v2.json`.
        seed: of the price limits.
    """
    names = sorted(product.options)
    combinations = itertools.product(*(product.options[name] for name in names))
    for number, values in enumerate(combinations):
        options = dict(zip(names, values, strict=True))
        limit = limit_above(price_of(product, seed), seed, f"{product.asin}/{number}")
        asked = ", and ".join(f"{name}: {value}" for name, value in options.items())
        text = f"{instruction}{' with ' if asked else ''}{asked}{limit_in_words(limit)}"
        yield Goal.of(product, row, number, text, attributes, options, limit)


def human_goals(
    product: Product, row: int, entries: Iterable[Mapping[str, Any]], seed: int
) -> Iterator[Goal]:
    """Yield a goal for each instruction that a person wrote and that asks for some attribute.

    Args:
        product: what is asked for.
        row: where the catalogue has it.
        entries: the product's in `items_human_ins.json`.
        seed: of the price limits.
    """
    for number, entry in enumerate(entries):
        attributes, options = entry["instruction_attributes"], entry["instruction_options"]
        if attributes:
            limit = limit_above(price_of(product, seed), seed, f"{product.asin}/{number}")
            text = f"{entry['instruction'].strip('.')}{limit_in_words(limit)}"
            yield Goal.of(product, row, number, text, attributes, options, limit)


def shuffled(goals: Sequence[T]) -> list[T]:
    """Return goals in the order of the original, which depends on nothing but their number.

    It is what `random.seed(233); random.shuffle(goals)` gives, made of `getrandbits` alone:
    Python promises that its values stay.
    """
    bits = random.Random(SHUFFLE_SEED).getrandbits
    order = list(goals)
    for last in reversed(range(1, len(order))):
        width = (last + 1).bit_length()
        chosen = bits(width)
        while chosen > last:
            chosen = bits(width)
        order[last], order[chosen] = order[chosen], order[last]
    return order


def split_goals(goals: Sequence[T], split: str) -> Sequence[T]:
    """Return the part of the shuffled goals that is a split: test, then dev, the rest is train.

    With fewer than 3,000 goals, the held-out splits take a sixth and a third of them.

    Raises:
        UnknownSplitError: there is no such split.
    """
    n_test = min(N_TEST, len(goals) // 6)
    n_held_out = n_test + min(N_DEV, len(goals) // 3)
    if split == "test":
        return goals[:n_test]
    if split == "dev":
        return goals[n_test:n_held_out]
    if split == "train":
        return goals[n_held_out:]
    raise UnknownSplitError(split, SPLITS)
