"""The pages of the shop: what is on them, and how they are put into text.

A page is a list of pieces. Every way of showing it (text in two forms, HTML, the browser) is made
from these, so that they cannot differ in what can be done.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, NamedTuple, Protocol
from urllib.parse import quote

from anchorgym.envs.webshop.goals import Goal
from anchorgym.envs.webshop.products import Product

BACK, PREV, NEXT, BUY, SEARCH = "Back to Search", "< Prev", "Next >", "Buy Now", "Search"
DESCRIPTION, FEATURES, REVIEWS, ATTRIBUTES = "Description", "Features", "Reviews", "Attributes"
SUB_PAGES: Final = (DESCRIPTION, FEATURES, REVIEWS, ATTRIBUTES)
BUTTONS: Final = (BACK, PREV, NEXT, BUY, SEARCH, *SUB_PAGES)
PER_PAGE: Final = 10
LONGEST_OPTION: Final = 1000
"""Characters of an option's value that a page says."""
SEPARATOR: Final = " [SEP] "
THANKS: Final = "Thank you for shopping with us!"


class Where(StrEnum):
    """The kinds of pages; the values are those of the original's addresses."""

    SEARCH = "index"
    """Where one types what to look for."""
    RESULTS = "search_results"
    """The results of a search, ten products a page."""
    ITEM = "item_page"
    """A product with its options."""
    SUB_PAGE = "item_sub_page"
    """Its description, features, reviews or attributes."""
    DONE = "done"
    """After the purchase."""


class Tag(Enum):
    """The kind of a piece of a page."""

    TEXT = "text"
    """Cannot be clicked."""
    SEARCH = "search"
    """The button beside the search bar."""
    BUTTON = "button"
    """Leads to another page."""
    LINK = "link"
    """Leads to a product; it says its identifier."""
    OPTION = "option"
    """A value of an option."""


class Piece(NamedTuple):
    """A piece of a page."""

    tag: Tag
    text: str
    clicked: bool = False
    """A product that was visited, or a value that is chosen."""
    name: str = ""
    """What is chosen by a value, or what a text is: "title", "price", …"""
    value: str = ""
    """The value of an option that a click chooses; the text may say which option's it is."""

    @property
    def action(self) -> str:
        """What clicking on it is called."""
        return f"click[{clickable(self.text)}]"


class ShoppingState(Protocol):
    """The state of a customer that pages show."""

    @property
    def goal(self) -> Goal:
        """What is to be bought."""
        ...

    @property
    def where(self) -> Where:
        """The kind of the page."""
        ...

    @property
    def keywords(self) -> str:
        """What was searched for."""
        ...

    @property
    def number(self) -> int:
        """Which page of results, from 1."""
        ...

    @property
    def results(self) -> Sequence[int]:
        """All rows of the search's results, best first."""
        ...

    @property
    def item(self) -> Product | None:
        """The product that is looked at."""
        ...

    @property
    def sub_page(self) -> str:
        """Which one of `SUB_PAGES`."""
        ...

    @property
    def options(self) -> dict[str, str]:
        """What was chosen, by the name of the option."""
        ...

    @property
    def score(self) -> float:
        """What the purchase was worth."""
        ...

    def listed(self) -> Sequence[Product]:
        """Return the products on this page of results."""
        ...

    def visited(self, product: Product) -> bool:
        """Whether a product was looked at since the search began."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """A page below the instruction, and what can be done on it; the same for every customer."""

    pieces: tuple[Piece, ...]
    actions: tuple[str, ...]
    """Clicks, in the order of the page."""
    clickables: Mapping[str, Piece]
    """Pieces by how a click names them. Pieces of one name do the same."""
    moves: Mapping[str, Piece]
    """The same by the action."""
    choices: Mapping[tuple[str, str], str]
    """Actions by the name and the value of the option that they choose."""
    text: str
    """All texts of the page, with separators between them."""

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> Page:
        """Return the page that is made of pieces."""
        named = {clickable(p.text): p for p in pieces if p.tag not in (Tag.TEXT, Tag.SEARCH)}
        moves = {f"click[{name}]": piece for name, piece in named.items()}
        choices = {(p.name, p.value): move for move, p in moves.items() if p.tag is Tag.OPTION}
        text = SEPARATOR.join(p.text for p in pieces)
        return cls(tuple(pieces), tuple(moves), named, moves, choices, text)

    def meanings(self, value: str) -> list[str]:
        """Return the actions that choose a value, where the value alone does not say which."""
        return [move for (_, said), move in self.choices.items() if clickable(said) == value]


def clickable(text: str) -> str:
    """Return how a click names a text: lower case, single spaces."""
    return " ".join(text.lower().split())


def pieces(at: ShoppingState, *, attributes: bool) -> list[Piece]:
    """Return what is on a page, below the instruction; nothing is marked as clicked.

    Args:
        at: where the customer is.
        attributes: whether products have the page of their attributes.
    """
    match at.where:
        case Where.SEARCH:
            return [Piece(Tag.SEARCH, SEARCH)]
        case Where.RESULTS:
            return list(_results(at))
        case Where.DONE:
            return list(_done(at))
        case Where.ITEM:
            assert at.item is not None
            return list(_item(at.item, attributes))
        case Where.SUB_PAGE:
            assert at.item is not None
            return list(_sub_page(at.item, at.sub_page))


def marked(at: ShoppingState, page: Page) -> list[Piece]:
    """Return the pieces of a page with what the customer has clicked: values, products visited."""
    visited = {product.asin for product in at.listed() if at.visited(product)}
    return [
        piece._replace(
            clicked=piece.text in visited
            if piece.tag == Tag.LINK
            else piece.tag == Tag.OPTION and at.options.get(piece.name) == piece.value
        )
        for piece in page.pieces
    ]


def _results(at: ShoppingState) -> Iterator[Piece]:
    total = len(at.results)
    yield Piece(Tag.BUTTON, BACK)
    yield Piece(Tag.TEXT, f"Page {at.number} (Total results: {total})", name="page")
    if at.number > 1:
        yield Piece(Tag.BUTTON, PREV)
    if at.number * PER_PAGE < total:
        yield Piece(Tag.BUTTON, NEXT)
    for product in at.listed():
        yield Piece(Tag.LINK, product.asin)
        yield Piece(Tag.TEXT, product.title, name="title")
        yield Piece(Tag.TEXT, product.price_tag, name="price")


def _item(product: Product, attributes: bool) -> Iterator[Piece]:
    behind = [page for page in SUB_PAGES if attributes or page != ATTRIBUTES]
    texts = option_texts(product.options, (BACK, PREV, *behind, BUY))
    yield Piece(Tag.BUTTON, BACK)
    yield Piece(Tag.BUTTON, PREV)
    for name, values in product.options.items():
        yield Piece(Tag.TEXT, name, name="option")
        for value in values:
            yield Piece(Tag.OPTION, texts[name, value], name=name, value=value)
    yield Piece(Tag.TEXT, product.title, name="title")
    yield Piece(Tag.TEXT, f"Price: {product.price_tag}", name="price")
    yield Piece(Tag.TEXT, f"Rating: {product.rating}", name="rating")
    for sub_page in behind:
        yield Piece(Tag.BUTTON, sub_page)
    yield Piece(Tag.BUTTON, BUY)


def option_texts(
    options: Mapping[str, Sequence[str]], buttons: Collection[str]
) -> dict[tuple[str, str], str]:
    """Return what a page says for each value of each option, by name and value.

    It is the value, as in the original, where a click on it can mean nothing else. A value that
    another option has too, or a button, says its option: `color: black`. One that is too long to
    be written in an action is cut.

    Args:
        options: values by the name of the option.
        buttons: what the buttons of the page say.
    """
    choices = list(dict.fromkeys((name, value) for name in options for value in options[name]))
    said = Counter(clickable(value) for _, value in choices)
    taken = {clickable(button) for button in buttons} | {""}
    plain = {
        (name, value)
        for name, value in choices
        if said[clickable(value)] == 1
        and clickable(value) not in taken
        and len(value) <= LONGEST_OPTION
    }
    taken |= {clickable(value) for _, value in plain}
    texts = {}
    for name, value in choices:
        full = f"{name[:LONGEST_OPTION]}: {value[:LONGEST_OPTION]}"
        text, number = (value if (name, value) in plain else full), 1
        while (name, value) not in plain and clickable(text) in taken:
            number += 1
            text = f"{full} ({number})"
        taken.add(clickable(text))
        texts[name, value] = text
    return texts


def _sub_page(product: Product, sub_page: str) -> Iterator[Piece]:
    yield Piece(Tag.BUTTON, BACK)
    yield Piece(Tag.BUTTON, PREV)
    for text in told(product, sub_page):
        if text.strip():
            yield Piece(Tag.TEXT, text.strip(), name=sub_page.lower())


def told(product: Product, sub_page: str) -> Iterator[str]:
    """Yield what a page behind a product's says."""
    if sub_page == DESCRIPTION:
        yield product.description
    elif sub_page == FEATURES:
        yield from product.bullets
    elif sub_page == ATTRIBUTES:
        yield from product.attributes
        yield f"Category: {product.category}"
        yield f"Product category: {product.product_category}"
    else:
        for review in product.reviews:
            yield review.title
            yield f"Score: {review.score}"
            yield review.body
        if not product.reviews:
            yield "There are no reviews yet."


def _done(at: ShoppingState) -> Iterator[Piece]:
    yield Piece(Tag.TEXT, THANKS, name="thanks")
    if at.item is not None:
        yield Piece(Tag.TEXT, f"Purchased: {at.item.asin}", name="purchase")
        yield Piece(Tag.TEXT, at.item.title, name="title")
        yield Piece(Tag.TEXT, f"Options: {_json(at.options)}", name="options")
    yield Piece(Tag.TEXT, f"Your score (min 0.0, max 1.0): {at.score:.4g}", name="score")


def as_text(at: ShoppingState, page: Page) -> str:
    """Return a page as the mode "text" shows it: its texts, separated by [SEP]."""
    if at.where == Where.DONE:
        return page.text
    head = f"WebShop{SEPARATOR}" if at.where == Where.SEARCH else ""
    return f"{head}Instruction:{SEPARATOR}{at.goal.instruction}{SEPARATOR}{page.text}"


def as_rich_text(at: ShoppingState, page: Page) -> str:
    """Return a page as the mode "text_rich" shows it: a line each, buttons marked."""
    lines = ["WebShop"] if at.where == Where.SEARCH else []
    if at.where != Where.DONE:
        lines += ["Instruction:", at.goal.instruction]
    chosen: list[str] = []
    for tag, text, clicked, *_ in marked(at, page):
        mark = "clicked button" if clicked else "button"
        if tag == Tag.TEXT:
            lines.append(text)
        elif tag == Tag.LINK:
            lines.append(f"\n[{mark}] {text} [{mark}_]")
        elif tag == Tag.OPTION:
            lines.append(f"  [{mark}] {text} [{mark}_]")
            if clicked:
                chosen.insert(0, f"You have clicked {text}.")
        else:
            lines.append(f"[button] {text} [button_]")
    return "\n".join([*chosen, *lines])


def address(at: ShoppingState) -> str:
    """Return the address of a page, from the root of the shop: the mode "url"."""
    keywords = quote("+".join(at.keywords.split()), safe="+", errors="replace")
    match at.where:
        case Where.SEARCH:
            parts = []
        case Where.RESULTS:
            parts = [keywords, str(at.number)]
        case Where.ITEM:
            parts = [
                _asin(at),
                keywords,
                str(at.number),
                quote(_json(at.options), errors="replace"),
            ]
        case Where.SUB_PAGE:
            options = quote(_json(at.options), errors="replace")
            parts = [_asin(at), keywords, str(at.number), at.sub_page, options]
        case Where.DONE:
            parts = [_asin(at), quote(_json(at.options), errors="replace")]
    return "/" + "/".join([at.where.value, *parts])


def _asin(at: ShoppingState) -> str:
    return "" if at.item is None else quote(at.item.asin, safe="", errors="replace")


def _json(options: dict[str, str]) -> str:
    return json.dumps(dict(sorted(options.items())), ensure_ascii=False)
