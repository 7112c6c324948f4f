"""The nouns of a title, by which the reward compares kinds of products."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from anchorgym.envs.errors import DataError, requires_extra

MODEL: Final = "en_core_web_sm"
_NOUNS: Final = frozenset({"NOUN", "PROPN"})


@lru_cache(maxsize=65536)
def tagged_nouns(title: str) -> tuple[str, ...]:
    """Return the nouns of a title in lower case, in their order, with repetitions.

    They are those of the tagger that the reference uses. Official folders may hold them ready in
    `title_nouns.json`, and then no tagger is needed.

    Raises:
        MissingExtraError: the tagger is not installed.
        DataError: its model is not.
    """
    return tuple(token.text.lower() for token in _tagger()(title) if token.pos_ in _NOUNS)


@lru_cache(maxsize=1)
def _tagger() -> Callable[[str], Any]:
    with requires_extra("nouns", "finding the nouns of titles"):
        spacy = importlib.import_module("spacy")
    try:
        tagger: Callable[[str], Any] = spacy.load(MODEL)
    except OSError as error:
        raise DataError(
            f"the tagger's model is missing: python -m spacy download {MODEL}; or put the nouns "
            "of all titles into title_nouns.json, beside the products"
        ) from error
    return tagger
