"""The packages of the extra `webshop`, imported when a shop is first used."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from anchorgym.envs.errors import requires_extra

_NEEDED_BY = "anchorgym/WebShop-v0"


@lru_cache(maxsize=1)
def fuzzy_matching() -> Any:
    """Return `thefuzz.fuzz`, whose ratios the reward compares.

    Raises:
        MissingExtraError: it is not installed.
    """
    with requires_extra("webshop", _NEEDED_BY):
        from thefuzz import fuzz
    return fuzz


@lru_cache(maxsize=1)
def porter_stemmer() -> Any:
    """Return Porter's stemmer, which the search engine reduces words with.

    Raises:
        MissingExtraError: it is not installed.
    """
    with requires_extra("webshop", _NEEDED_BY):
        import snowballstemmer
    return snowballstemmer.stemmer("porter")
