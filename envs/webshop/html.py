"""The pages as HTML: the observation mode "html", and what `anchorgym webshop serve` shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from anchorgym.envs.webshop.pages import (
    BACK,
    BUY,
    SUB_PAGES,
    Page,
    Piece,
    ShoppingState,
    Tag,
    marked,
)

STYLE = "style.css"
_FRAME: dict[str, Any] = {
    "turn": None,
    "max_turns": None,
    "reason": "",
    "parts": {},
    "over": False,
    "token": "",
}
"""What the frame shows where nothing is said."""


def as_html(at: ShoppingState, page: Page, **more: Any) -> str:
    """Return a page as HTML.

    Every button is a form of its own, which posts the action that it stands for, so the page works
    without scripts.

    Args:
        at: where the customer is.
        page: what is on it.
        more: what the frame shows beside the page: `turn`, `max_turns`, `reason`, `parts`, `over`;
            and the `token` that its forms send along.
    """
    pieces = marked(at, page)
    buttons = [piece for piece in pieces if piece.tag == Tag.BUTTON]
    return _template().render(
        at=at,
        where=at.where.value,
        buttons=[p for p in buttons if p.text not in (*SUB_PAGES, BUY, BACK)],
        back=next((p for p in buttons if p.text == BACK), None),
        behind=[p for p in buttons if p.text in SUB_PAGES],
        buy=next((p for p in buttons if p.text == BUY), None),
        products=_products(pieces),
        options=_options(pieces),
        texts=[piece for piece in pieces if piece.tag == Tag.TEXT],
        **{**_FRAME, **more},
    )


def _products(page: Sequence[Piece]) -> list[tuple[Piece, dict[str, str]]]:
    """Return each product link with the texts that follow it, by their names."""
    starts = [i for i, piece in enumerate(page) if piece.tag == Tag.LINK]
    return [
        (page[i], {piece.name: piece.text for piece in page[i + 1 : end]})
        for i, end in pairwise([*starts, len(page)])
    ]


def _options(page: Sequence[Piece]) -> dict[str, list[Piece]]:
    found: dict[str, list[Piece]] = {}
    for piece in page:
        if piece.tag == Tag.OPTION:
            found.setdefault(piece.name, []).append(piece)
    return found


@lru_cache(maxsize=1)
def _template() -> Template:
    loader = PackageLoader("anchorgym.envs.webshop", "site")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")
