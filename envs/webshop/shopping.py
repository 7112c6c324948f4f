"""A customer in a shop: where they are, what they have chosen and seen, and what an action does."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from anchorgym.envs.webshop.goals import Goal
from anchorgym.envs.webshop.pages import (
    BACK,
    BUY,
    NEXT,
    PER_PAGE,
    PREV,
    SUB_PAGES,
    Page,
    Piece,
    Tag,
    Where,
    clickable,
    pieces,
)
from anchorgym.envs.webshop.products import Product
from anchorgym.envs.webshop.score import Mode, Parts, purchase_worth, score_purchase
from anchorgym.envs.webshop.shop import Shop

SEARCH_TEMPLATE: Final = "search[<keywords>]"
MOST_RESULTS: Final = 50
_ACTION: Final = re.compile(r"\s*(\w+)\s*\[(.*)\]\s*", re.DOTALL)
_SHOWN: Final = 60
"""Characters of an action that a reason repeats."""
_BOUGHT: Final = "the purchase is made: nothing is left to do"


@dataclass
class Shopping:
    """One customer with one goal.

    Args:
        shop: where.
        goal: what for.
        mode: of the reward.
        attributes: whether products have the page of their attributes.
    """

    shop: Shop
    goal: Goal
    mode: Mode = "fixed"
    attributes: bool = True
    where: Where = Where.SEARCH
    keywords: str = ""
    number: int = 1
    results: tuple[int, ...] = ()
    row: int = -1
    """Row of the product that is looked at; -1 where none is."""
    sub_page: str = ""
    options: dict[str, str] = field(default_factory=dict)
    visits: list[int] = field(default_factory=list)
    """Products looked at since the last search page, which forgets them."""
    searches: list[tuple[str, int]] = field(default_factory=list)
    """What was ever searched for, and how many pages of results were seen: a player's memory."""
    read: dict[int, list[str]] = field(default_factory=dict)
    """Products ever looked at, and which of their pages: a player's memory."""
    score: float = 0.0
    parts: Parts = field(default_factory=lambda: Parts())
    _page: Page | None = None
    _worths: dict[tuple[object, ...], float] = field(default_factory=dict)

    @property
    def item(self) -> Product | None:
        """The product that is looked at."""
        return None if self.row < 0 else self.shop.product(self.row)

    @property
    def done(self) -> bool:
        """Whether something was bought."""
        return self.where is Where.DONE

    @property
    def page(self) -> Page:
        """What is on the page, below the instruction."""
        if self._page is None:
            listing = self.where is Where.RESULTS
            kept = self.shop.result_pages if listing else self.shop.pages
            self._page = kept.find(self._page_key(), self._make_page)
        return self._page

    def listed(self) -> Sequence[Product]:
        """Return the products on this page of results."""
        return [self.shop.product(row) for row in self.rows_listed()]

    def rows_listed(self) -> Sequence[int]:
        """Return their rows."""
        return self.results[(self.number - 1) * PER_PAGE : self.number * PER_PAGE]

    def visited(self, product: Product) -> bool:
        """Whether a product was looked at since the last search page."""
        return any(self.shop.product(row).asin == product.asin for row in self.visits)

    def actions(self) -> tuple[str, ...]:
        """Return what can be done on this page."""
        if self.where == Where.SEARCH:
            return (SEARCH_TEMPLATE,)
        return self.page.actions

    def act(self, action: str) -> str:
        """Carry out an action; return why it does nothing, or an empty text.

        A search is possible from every page before the purchase, as in the original, though only
        the search page offers it.
        """
        piece = self.page.moves.get(action)
        if piece is not None:
            return self._click(piece)
        match = _ACTION.fullmatch(action)
        kind = match[1].lower() if match else ""
        if match is None or kind not in ("search", "click"):
            return f"an action is search[keywords] or click[a button], not {_shown(action)}"
        if self.where is Where.DONE:
            return _BOUGHT
        argument = clickable(match[2])
        if kind == "search":
            if not argument:
                return "search[] needs keywords"
            self._search(argument)
            return ""
        piece = self.page.clickables.get(argument)
        if piece is None:
            meanings = self.page.meanings(argument)
            if meanings:
                return f"{_shown(argument)} is not clear here: write {' or '.join(meanings)}"
            return f"there is nothing to click that says {_shown(argument)}"
        return self._click(piece)

    def worth(self) -> float:
        """Return what buying the product that is looked at, as it is chosen, would score."""
        if self.row < 0:
            return 0.0
        chosen = self.row, *self.options.items()
        if chosen not in self._worths:
            product, price = self.shop.product(self.row), self.shop.price(self.row)
            worth = purchase_worth(self.goal, product, self.options, price, self.mode)
            self._worths[chosen] = worth
        return self._worths[chosen]

    def key(self) -> bytes:
        """Return the key of where the customer is: 16 bytes.

        What was seen and visited is left out, as it changes nothing that can happen; so is how
        the results were asked for.
        """
        if self.where is Where.DONE:
            place: tuple[str, ...] = self.where, str(self.row), repr(self.score)
        else:
            found = _digest(self.results)
            place = self.where, str(self.row), str(self.number), self.sub_page, found
        chosen = chain.from_iterable(sorted(self.options.items())) if self.options else ()
        return hashlib.blake2b("\0".join((*place, *chosen)).encode(), digest_size=16).digest()

    def state(self) -> dict[str, Any]:
        """Return everything that changes, as JSON values."""
        return {
            "where": self.where.value,
            "keywords": self.keywords,
            "number": self.number,
            "row": self.row,
            "sub_page": self.sub_page,
            "options": dict(self.options),
            "visits": list(self.visits),
            "searches": [list(search) for search in self.searches],
            "read": {str(row): list(found) for row, found in self.read.items()},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take what `state` returned."""
        self.where = Where(state["where"])
        self.keywords, self.number = str(state["keywords"]), int(state["number"])
        self.results = self._found(self.keywords)
        self.row, self.sub_page = int(state["row"]), str(state["sub_page"])
        self.options = dict(state["options"])
        self.visits = [int(row) for row in state["visits"]]
        self.searches = [(str(words), int(pages)) for words, pages in state["searches"]]
        self.read = {int(row): list(found) for row, found in state["read"].items()}
        self._changed()
        if self.done:
            self.score, self.parts = self._judge()

    # Details --------------------------------------------------------------------------------

    def _click(self, piece: Piece) -> str:
        if piece.tag == Tag.LINK:
            self._open(piece.text)
        elif piece.tag == Tag.OPTION:
            self.options[piece.name] = piece.value
        else:
            self._press(piece.text)
        return ""

    def _page_key(self) -> Hashable:
        """Return what a page depends on, beside the shop."""
        if self.where is Where.RESULTS:
            return self.number, self.results
        if self.where is Where.DONE:
            return self.where, self.row, self.score, *self.options.items()
        return self.where, self.row, self.sub_page, self.attributes

    def _make_page(self) -> Page:
        return Page.of(pieces(self, attributes=self.attributes))

    def _press(self, button: str) -> None:
        if button == BACK:
            self._go(Where.SEARCH, row=-1)
            self.keywords, self.results, self.number = "", (), 1
            self.visits.clear()
        elif button == BUY:
            self.score, self.parts = self._judge()
            self._go(Where.DONE, row=self.row)
        elif button in SUB_PAGES:
            self._go(Where.SUB_PAGE, row=self.row, sub_page=button)
            seen = self.read.setdefault(self.row, [])
            if button not in seen:
                seen.append(button)
        elif self.where == Where.SUB_PAGE:
            self._go(Where.ITEM, row=self.row)
        elif self.where == Where.ITEM:
            self._results(self.number)
        else:
            self._results(self.number + {NEXT: 1, PREV: -1}[button])

    def _search(self, keywords: str) -> None:
        self.keywords, self.results = keywords, self._found(keywords)
        self._results(1)

    def _found(self, keywords: str) -> tuple[int, ...]:
        return self.shop.index.search(keywords, MOST_RESULTS) if keywords else ()

    def _results(self, number: int) -> None:
        self._go(Where.RESULTS, row=-1)
        self.number = number
        for i, (keywords, pages) in enumerate(self.searches):
            if keywords == self.keywords:
                self.searches[i] = keywords, max(pages, number)
                return
        self.searches.append((self.keywords, number))

    def _open(self, asin: str) -> None:
        row = next(row for row in self.rows_listed() if self.shop.product(row).asin == asin)
        self._go(Where.ITEM, row=row)
        self.read.setdefault(row, [])
        if row not in self.visits:
            self.visits.append(row)

    def _go(self, where: Where, *, row: int, sub_page: str = "") -> None:
        if row != self.row:
            self.options = {}
        self.where, self.row, self.sub_page = where, row, sub_page
        self._changed()

    def _changed(self) -> None:
        self._page = None

    def _judge(self) -> tuple[float, Parts]:
        product = self.shop.product(self.row)
        price = self.shop.price(self.row)
        return score_purchase(self.goal, product, self.options, price, self.mode)


@lru_cache(maxsize=1024)
def _digest(results: tuple[int, ...]) -> str:
    return hashlib.blake2b(repr(results).encode(), digest_size=16).hexdigest()


def _shown(text: str) -> str:
    """Quote a part of what a policy wrote, without characters that could do harm."""
    return ascii(text[:_SHOWN])
