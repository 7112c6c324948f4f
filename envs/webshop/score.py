"""The reward of a purchase.

    r = r_type · (attributes met + options met + [price is low enough])
               / (attributes asked for + options asked for + 1)

Source: Yao et al., WebShop (arXiv 2207.01206), and the code published with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, TypedDict, get_args

from anchorgym.envs.errors import OptionError
from anchorgym.envs.webshop.colours import COLOURS, plain_colour
from anchorgym.envs.webshop.goals import Goal
from anchorgym.envs.webshop.nouns import tagged_nouns
from anchorgym.envs.webshop.packages import fuzzy_matching
from anchorgym.envs.webshop.products import Product, categories

Mode = Literal["fixed", "faithful"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
_ALIKE: Final = 85
_NO_NOUNS: Final = 0.2
"""The title score of a goal whose title has no nouns."""


class Parts(TypedDict, total=False):
    """The parts of a reward; `r_option` and `w_option` are there if options are asked for."""

    r_type: float
    r_att: float
    w_att: float
    query_match: bool
    category_match: bool
    title_score: float
    r_option: float
    w_option: float
    r_price: bool
    w_price: float


def score_purchase(
    goal: Goal | Mapping[str, Any],
    product: Product | Mapping[str, Any],
    options: Mapping[str, str],
    price: float,
    mode: Mode = "fixed",
) -> tuple[float, Parts]:
    """Return the reward of a purchase, in [0, 1], and what it is made of.

    In the mode "faithful" it is the reference's, defects included: the options of a goal that
    names them (`{"color": "red"}`) are compared as pairs, so that buying exactly the goal can
    score less than 1. The mode "fixed" compares values, calls equal what is equal, and takes the
    product that a goal was written for to be as asked, whatever its listing leaves out.

    Args:
        goal: what was asked for, or a mapping with the reference's keys: `attributes`,
            `goal_options`, `price_upper`, `query`, `product_category`, `name`, and `title_nouns`.
        product: what was bought, or a mapping with the reference's keys: `Title`, `Description`,
            `BulletPoints`, `Attributes`, `query`, `product_category`, and `title_nouns`.
        options: the values that were chosen, by the name of the option.
        price: what it costs, in dollars.
        mode: "fixed" or "faithful".

    Raises:
        OptionError: there is no such mode.
        MissingExtraError: nouns of a title are not given, and the tagger is not installed.
    """
    if mode not in MODES:
        raise OptionError(f"there is no reward mode {mode!r}: choose {' or '.join(MODES)}")
    if isinstance(goal, Mapping):
        goal = Goal.from_mapping(goal)
    if isinstance(product, Mapping):
        product = Product.from_listing(product)
    kind, n_attributes, n_options, cheap, reward = _counted(goal, product, options, price, mode)
    asked = _n_asked(goal)
    parts: Parts = {
        **kind,
        "r_att": n_attributes / len(goal.attributes) if goal.attributes else 1.0,
        "w_att": len(goal.attributes) / asked,
        "r_price": cheap,
        "w_price": 1 / asked,
    }
    if goal.options:
        parts["r_option"] = n_options / len(goal.options)
        parts["w_option"] = len(goal.options) / asked
    return reward, parts


def purchase_worth(
    goal: Goal, product: Product, options: Mapping[str, str], price: float, mode: Mode
) -> float:
    """Return the reward of a purchase alone; see `score_purchase`."""
    return _counted(goal, product, options, price, mode)[-1]


def _counted(
    goal: Goal, product: Product, options: Mapping[str, str], price: float, mode: Mode
) -> tuple[Parts, int, int, bool, float]:
    """Return what the kind counts, attributes and options met, whether it is cheap: the reward."""
    itself = mode == "fixed" and goal.asin != "" and product.asin == goal.asin
    kind, n_attributes = _before_options(goal, product, itself)
    values = tuple(options.values())
    if mode == "faithful":
        n_options = _options_met_faithfully(goal, values)
    else:
        n_options = _options_met(goal, values, product if itself else None)
    cheap = price <= goal.price_upper
    reward = (n_attributes + n_options + cheap) / _n_asked(goal) * kind["r_type"]
    return kind, n_attributes, n_options, cheap, reward


def _n_asked(goal: Goal) -> int:
    return len(goal.attributes) + len(goal.options) + 1


@lru_cache(maxsize=4096)
def _before_options(goal: Goal, product: Product, itself: bool) -> tuple[Parts, int]:
    """Return the parts that no choice changes, and how many attributes are met."""
    kind = _kind(goal, product)
    if itself:
        return {**kind, "r_type": 1.0}, len(goal.attributes)
    return kind, _attributes_met(goal.attributes, product)


def _kind(goal: Goal, product: Product) -> Parts:
    """Say whether the product is of the kind that was asked for, and what that counts."""
    query_match = product.query == goal.query
    shared = categories(product.product_category) & categories(goal.product_category)
    category_match = len(shared) >= 2
    title_score = _title_score(goal, product)
    r_type = 1.0
    if not (query_match or category_match or title_score > _NO_NOUNS):
        r_type = 0.5
    if title_score < 0.1:
        r_type = 0.1
    if title_score == 0:
        r_type = 0.0
    return {
        "r_type": r_type,
        "query_match": query_match,
        "category_match": category_match,
        "title_score": title_score,
    }


def _title_score(goal: Goal, product: Product) -> float:
    """Return the share of the goal's nouns that the product's title has; repetitions count."""
    wanted = _nouns(goal.nouns, goal.name)
    if not wanted:
        return _NO_NOUNS
    return len(set(wanted) & set(_nouns(product.nouns, product.title))) / len(wanted)


def _nouns(known: Sequence[str] | None, title: str) -> Sequence[str]:
    return tagged_nouns(title) if known is None else known


def _attributes_met(wanted: Iterable[str], product: Product) -> int:
    return sum(_has_attribute(product, attribute) for attribute in wanted)


def _has_attribute(product: Product, wanted: str) -> bool:
    return any(_alike(listed, wanted) for listed in product.attributes) or any(
        wanted in text for text in _told(product)
    )


@lru_cache(maxsize=8192)
def _told(product: Product) -> tuple[str, str, str]:
    """Return what attributes are looked for in, in lower case."""
    return (
        product.title.lower(),
        " ".join(product.bullets).lower(),
        product.description.lower(),
    )


@lru_cache(maxsize=4096)
def _options_met(goal: Goal, chosen: tuple[str, ...], itself: Product | None) -> int:
    """Count the options that were chosen as asked; those that cannot be had count too."""
    offered = [value for values in itself.options.values() for value in values] if itself else []
    return sum(
        any(same_option(value, wanted) for value in chosen)
        or (itself is not None and not any(same_option(value, wanted) for value in offered))
        for wanted in goal.options
    )


def _options_met_faithfully(goal: Goal, chosen: Sequence[str]) -> int:
    colours = [plain_colour(value) for value in chosen]
    return sum(any(_alike(colour, wanted) for colour in colours) for wanted in _as_compared(goal))


@lru_cache(maxsize=8192)
def same_option(chosen: str, wanted: str) -> bool:
    """Whether the value chosen is taken for the one that was asked for."""
    return chosen == wanted or _alike(plain_colour(chosen), plain_colour(wanted))


def _as_compared(goal: Goal) -> list[str]:
    """Return the goal's options as the reference compares them.

    It looks for colours *in a pair* where options are named: only a value (or a name) that is a
    colour and nothing else is then found.
    """
    if goal.option_names is None:
        return [plain_colour(value) for value in goal.options]
    pairs = list(zip(goal.option_names, goal.options, strict=True))
    return [next((c for c in COLOURS if c in pair), str(pair)) for pair in pairs]


@lru_cache(maxsize=1 << 14)
def _alike(one: str, other: str) -> bool:
    return int(fuzzy_matching().token_set_ratio(one, other)) > _ALIKE
