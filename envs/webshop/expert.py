"""The scripted customers: an honest one, one that knows the goal, and the paper's rule.

The honest one knows the instruction and the pages that were shown since the start. It searches for
the words that matter, leaves out what is too dear, opens what was found in its order, reads what is
behind a product until all that is asked for is confirmed, chooses the options and buys. When
nothing is left to try, or the turns run out, it goes back to the best product it saw.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from anchorgym.envs.webshop.analysis import analyse
from anchorgym.envs.webshop.instructions import Understanding, asked_value, names_option, understand
from anchorgym.envs.webshop.pages import (
    ATTRIBUTES,
    BACK,
    BUY,
    DESCRIPTION,
    FEATURES,
    NEXT,
    PER_PAGE,
    PREV,
    Where,
    clickable,
    told,
)
from anchorgym.envs.webshop.products import Product
from anchorgym.envs.webshop.score import same_option
from anchorgym.envs.webshop.shopping import MOST_RESULTS, Shopping

READ: Final = (ATTRIBUTES, DESCRIPTION, FEATURES)
"""The pages that the honest customer reads, in this order, as far as it must."""
MOST_PAGES: Final = 2
"""Pages of results that it looks at."""
_LONGEST_SEARCH: Final = 4000
"""Characters that an action has room for."""
_AMOUNT: Final = re.compile(r"\d+(?:\.\d+)?")


def honest_action(at: Shopping, turns_left: int) -> str:
    """Return the next action of a customer who knows only what was shown.

    Args:
        at: where it is; only the instruction and the pages that were shown are looked at.
        turns_left: before the episode is cut.
    """
    return _Honest(at, turns_left).action()


def full_action(at: Shopping) -> str | None:
    """Return the next action of a customer who knows the goal; None where there is no way."""
    goal = at.goal
    if at.row == goal.row:
        if at.where == Where.SUB_PAGE:
            return click(PREV)
        wanted = _offered(at.shop.product(goal.row), goal.options, goal.option_names)
        for name, value in wanted:
            if at.options.get(name) != value:
                return at.page.choices[name, value]
        return click(BUY)
    if goal.row in at.results:
        return _towards(at, goal.row)
    for keywords in _telling_searches(at.shop.product(goal.row)):
        if goal.row in at.shop.index.search(keywords, MOST_RESULTS):
            return f"search[{keywords}]" if at.where == Where.SEARCH else click(BACK)
    return None


def rule_action(at: Shopping) -> str:
    """Return the next action of the paper's rule: search the instruction, buy what comes first."""
    if at.where == Where.SEARCH:
        return f"search[{at.goal.instruction[:_LONGEST_SEARCH]}]"
    if at.where == Where.RESULTS:
        listed = at.listed()
        return click(listed[0].asin) if listed else click(BACK)
    return click(BUY)


def click(text: str) -> str:
    """Return the action that clicks on a text."""
    return f"click[{clickable(text)}]"


class _Honest:
    """What the customer knows, and the first action of what it would do about it."""

    def __init__(self, at: Shopping, turns_left: int) -> None:
        self.at = at
        self.turns_left = turns_left
        self.asked: Understanding = understand(at.goal.instruction)

    def action(self) -> str:
        """Return the next action."""
        at = self.at
        candidates = self._candidates()
        if not candidates or self._is_lost():
            return self._look_elsewhere()
        best = max(candidates, key=lambda row: (self._worth(row), -candidates.index(row)))
        here = at.row if at.row in candidates else None
        if here is not None and self._is_as_asked(here):
            return self._buy(here)
        if self._must_buy(best):
            return self._buy(best)
        if here == best and self._is_possible(here) and self._unread(here):
            page = self._unread(here)[0]
            return click(PREV) if at.where == Where.SUB_PAGE else click(page)
        fresh = [row for row in candidates if row not in at.read]
        if fresh:
            return _towards(at, fresh[0])
        if self._can_see_more():
            return click(NEXT) if at.where == Where.RESULTS else click(PREV)
        return self._buy(best)

    # What is known ---------------------------------------------------------------------------

    def _is_lost(self) -> bool:
        """Whether somebody searched for other words, and there is time to do it again."""
        own = next(self._searches())
        searched = any(words == own for words, _ in self.at.searches)
        return not searched and self.turns_left > _TURNS_OF_A_SEARCH

    def _candidates(self) -> list[int]:
        """Return the products that were listed and may be affordable, in the order seen.

        They are those of the last search; without one there are none.
        """
        at = self.at
        pages = next((pages for words, pages in at.searches if words == at.keywords), 0)
        seen = list(at.results[: pages * PER_PAGE])
        affordable = [row for row in seen if self._costs(row) <= self.asked.limit]
        return affordable or seen

    def _costs(self, row: int) -> float:
        """Return the most that a product may cost, by its price tag."""
        amounts = _AMOUNT.findall(self.at.shop.product(row).price_tag)
        return max(map(float, amounts), default=0.0)

    def _known(self, row: int) -> frozenset[str]:
        """Return the stems of everything that was shown of a product."""
        product = self.at.shop.product(row)
        texts = [product.title]
        if row in self.at.read:
            texts += [value for values in product.options.values() for value in values]
            for page in self.at.read[row]:
                texts += told(product, page)
        return frozenset(term for text in texts for term in analyse(text))

    def _missing(self, row: int) -> frozenset[str]:
        return self.asked.terms - self._known(row)

    def _is_as_asked(self, row: int) -> bool:
        return self._is_possible(row) and not self._missing(row)

    def _is_possible(self, row: int) -> bool:
        """Whether a product that was opened costs little enough and has the options."""
        if self._costs(row) > self.asked.limit:
            return False
        return all(value is not None for _, value in self._choices(row))

    def _choices(self, row: int) -> list[tuple[str, str | None]]:
        """Return the options that the instruction names, with the value to choose, if offered."""
        if row not in self.at.read:
            return []
        product = self.at.shop.product(row)
        found = [
            (name, asked_value(self.asked, name, values, product.options))
            for name, values in product.options.items()
        ]
        return [
            (name, value)
            for name, value in found
            if value or names_option(self.asked, name, product.options)
        ]

    def _worth(self, row: int) -> float:
        """Guess what buying a product would score; one that was not opened is worth nothing.

        Two words make a property on the whole. What was not found yet may still be there, as long
        as there are pages to read: the search liked the product for something.
        """
        if row not in self.at.read:
            return 0.0
        terms, choices = len(self.asked.terms), self._choices(row)
        missing = len(self._missing(row))
        hope = _HOPE if self._unread(row) else 0.0
        met = (terms - (1 - hope) * missing) / 2
        met += sum(value is not None for _, value in choices)
        met += self._costs(row) <= self.asked.limit
        return met / (terms / 2 + len(choices) + 1)

    def _unread(self, row: int) -> list[str]:
        offered = [page for page in READ if page != ATTRIBUTES or self.at.attributes]
        return [page for page in offered if page not in self.at.read[row]]

    # What is done ----------------------------------------------------------------------------

    def _look_elsewhere(self) -> str:
        at = self.at
        searches = [words for words, _ in at.searches]
        for keywords in self._searches():
            if keywords not in searches:
                return f"search[{keywords}]" if at.where == Where.SEARCH else click(BACK)
        if at.where == Where.SEARCH and searches:
            return f"search[{searches[0]}]"
        return click(BACK)

    def _searches(self) -> Iterator[str]:
        """Yield what to search for: all words that matter; then the last ones, and fewer."""
        words = self.asked.words
        for first in range(len(words)):
            yield clickable(" ".join(words[first:])[:_LONGEST_SEARCH])
        yield clickable(self.asked.text[:_LONGEST_SEARCH]) or "a"

    def _can_see_more(self) -> bool:
        at = self.at
        pages = next((pages for words, pages in at.searches if words == at.keywords), 0)
        if pages >= MOST_PAGES or pages * PER_PAGE >= len(at.results):
            return False
        return at.where != Where.RESULTS or at.number == pages

    def _must_buy(self, best: int) -> bool:
        """Whether there is only just time to go and buy any product that was opened."""
        opened = [row for row in self.at.read if row in self.at.results]
        needed = max(map(self._turns_to_buy, {best, *opened}))
        return self.turns_left <= needed + _SPARE_TURNS

    def _turns_to_buy(self, row: int) -> int:
        at = self.at
        choices = sum(value is not None for _, value in self._choices(row))
        if row == at.row:
            return choices + 1 + (at.where == Where.SUB_PAGE)
        back = {Where.ITEM: 1, Where.SUB_PAGE: 2}.get(at.where, 0)
        return back + abs(at.number - self._page_of(row)) + 1 + choices + 1

    def _page_of(self, row: int) -> int:
        return self.at.results.index(row) // PER_PAGE + 1

    def _buy(self, row: int) -> str:
        at = self.at
        if at.row != row:
            return _towards(at, row)
        if at.where == Where.SUB_PAGE:
            return click(PREV)
        for name, value in self._choices(row):
            if value is not None and at.options.get(name) != value:
                return at.page.choices[name, value]
        return click(BUY)


_HOPE: Final = 0.6
"""Share of the words not found yet that are thought to be on the pages that were not read."""
_TURNS_OF_A_SEARCH: Final = 9
"""What a purchase takes as a rule, from the search on."""
_SPARE_TURNS: Final = 2
"""What looking at one more page and coming back costs."""


def _towards(at: Shopping, row: int) -> str:
    """Return the next click on the way to a product among the results."""
    if at.where in (Where.ITEM, Where.SUB_PAGE):
        return click(PREV)
    page = at.results.index(row) // PER_PAGE + 1
    if page != at.number:
        return click(NEXT if page > at.number else PREV)
    return click(at.shop.product(row).asin)


def _offered(
    product: Product, wanted: tuple[str, ...], names: tuple[str, ...] | None
) -> list[tuple[str, str]]:
    """Return which values of a product to choose for a goal."""
    if names is not None:
        pairs = zip(names, wanted, strict=True)
        return [(name, value) for name, value in pairs if value in product.options.get(name, ())]
    chosen: dict[str, str] = {}
    for value in wanted:
        for name, values in product.options.items():
            alike = [found for found in values if same_option(found, value)]
            if alike and name not in chosen:
                chosen[name] = value if value in alike else alike[0]
                break
    return list(chosen.items())


def _telling_searches(product: Product) -> Iterator[str]:
    """Yield searches that should find a product, the shorter ones first."""
    for text in (product.title, product.indexed_text):
        keywords = clickable(re.sub(r"[\[\]]", " ", text))[:1000]
        if keywords:
            yield keywords
