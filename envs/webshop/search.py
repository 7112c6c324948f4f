"""A search engine without a server: BM25 as Lucene computes it, over arrays.

What a term adds to the score of a document does not depend on the query, so it is computed once.
A query adds up a few slices. The arrays can be memory-mapped: all environments of a process share
one index, and all processes of a machine its pages.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anchorgym.envs.errors import DataError
from anchorgym.envs.texts import parse_json
from anchorgym.envs.webshop.analysis import analyse

K1: Final = 0.9
B: Final = 0.4
"""The parameters of the reference's searcher."""
FORMAT: Final = 1
QUERIES_KEPT: Final = 1024
TERMS_KEPT: Final = 1 << 16
_ARRAYS: Final = ("keys", "offsets", "documents", "scores")
_META: Final = "index.json"


class IndexFileError(DataError):
    """Files that hold no search index, or one of another version."""


class SearchIndex:
    """An inverted index, read-only.

    Args:
        n_documents: how many documents there are.
        keys: (n_terms,) sorted hashes of the terms, uint64.
        offsets: (n_terms + 1,) where each term's postings begin, int64.
        documents: (n_postings,) numbers of documents, int32; ascending for each term.
        scores: (n_postings,) what the term adds to the document's score, float32.
    """

    def __init__(
        self,
        n_documents: int,
        keys: NDArray[np.uint64],
        offsets: NDArray[np.int64],
        documents: NDArray[np.int32],
        scores: NDArray[np.float32],
    ) -> None:
        self.n_documents = n_documents
        self.keys, self.offsets, self.documents, self.scores = keys, offsets, documents, scores
        self.search = lru_cache(maxsize=QUERIES_KEPT)(self.rank)
        self._postings = lru_cache(maxsize=TERMS_KEPT)(self._find)

    def rank(self, query: str, n: int = 50) -> tuple[int, ...]:
        """Return the numbers of the best documents, best first; the earlier one of equals.

        `search` is the same and remembers what was asked lately.
        """
        return _best(self.scores_of(query), n)

    def scores_of(self, query: str) -> NDArray[np.float32]:
        """Return the score of every document, (n_documents,)."""
        totals = np.zeros(self.n_documents, dtype=np.float32)
        for term, count in Counter(analyse(query)).items():
            documents, scores = self._postings(term)
            totals[documents] += scores if count == 1 else scores * np.float32(count)
        return totals

    @classmethod
    def build(cls, texts: Iterable[str]) -> SearchIndex:
        """Index texts; their numbers are their places."""
        rows: dict[str, int] = {}
        terms, counts, distinct, lengths = [], [], [], []
        for text in texts:
            words = Counter(analyse(text))
            terms.append(np.array([rows.setdefault(w, len(rows)) for w in words], dtype=np.int32))
            counts.append(np.fromiter(words.values(), dtype=np.float32, count=len(words)))
            distinct.append(len(words))
            lengths.append(words.total())
        keys = np.array([_key(term) for term in rows], dtype=np.uint64)
        order = np.argsort(keys)
        place = np.empty(len(rows), dtype=np.int64)
        place[order] = np.arange(len(rows))
        all_terms = place[np.concatenate([*terms, np.zeros(0, np.int32)])]
        all_counts = np.concatenate([*counts, np.zeros(0, np.float32)])
        documents = np.repeat(np.arange(len(lengths), dtype=np.int32), distinct)
        by_term = np.argsort(all_terms, kind="stable")
        frequency = np.bincount(all_terms, minlength=len(rows))
        offsets = np.concatenate([[0], np.cumsum(frequency)]).astype(np.int64)
        documents, all_counts = documents[by_term], all_counts[by_term]
        idf = np.log(1 + (len(lengths) - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
        weights = np.repeat(idf, frequency)
        saturation = _inverse_norms(lengths)[documents] * all_counts
        scores = (weights - weights / (1 + saturation)).astype(np.float32)
        return cls(len(lengths), keys[order], offsets, documents, scores)

    def save(self, folder: Path) -> None:
        """Write the index into an existing folder."""
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        meta = {"format": FORMAT, "documents": self.n_documents}
        (folder / _META).write_text(json.dumps(meta), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> SearchIndex:
        """Map an index that was saved into memory.

        Raises:
            IndexFileError: the folder holds none, or one of another format.
        """
        try:
            meta: dict[str, Any] = parse_json((folder / _META).read_text(encoding="utf-8"))
            if meta["format"] != FORMAT:
                raise IndexFileError(f"the index in {str(folder)!r} is of another version")
            arrays = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise IndexFileError(f"{str(folder)!r} holds no search index: {error!r}") from error
        return cls(int(meta["documents"]), *(np.asarray(array) for array in arrays))

    def _find(self, term: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the postings of a term: views, not copies."""
        key = _key(term)
        row = int(np.searchsorted(self.keys, key))
        if row == len(self.keys) or self.keys[row] != key:
            return self.documents[:0], self.scores[:0]
        part = slice(int(self.offsets[row]), int(self.offsets[row + 1]))
        return self.documents[part], self.scores[part]


def _best(totals: NDArray[np.float32], n: int) -> tuple[int, ...]:
    found = np.flatnonzero(totals)
    if len(found) > n:
        least = np.partition(totals, -n)[-n]
        found = np.flatnonzero(totals >= least)
    order = np.argsort(-totals[found], kind="stable")[:n]
    return tuple(found[order].tolist())


@lru_cache(maxsize=1 << 16)
def _key(term: str) -> np.uint64:
    digest = hashlib.blake2b(term.encode(errors="replace"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "big"))


def _inverse_norms(lengths: list[int]) -> NDArray[np.float32]:
    """Return 1 / (k1 (1 - b + b length / mean length)) of each document.

    Lucene keeps a length in one byte: exact up to 24, with four binary digits of the rest.
    """
    if not lengths:
        return np.zeros(0, dtype=np.float32)
    mean = np.float32(max(1, sum(lengths)) / len(lengths))
    kept = np.array([_kept_length(length) for length in lengths], dtype=np.float32)
    return (1 / (K1 * (1 - B + B * kept / mean))).astype(np.float32)


def _kept_length(length: int) -> int:
    rest = length - 24
    if rest < 0:
        return length
    shift = max(0, rest.bit_length() - 4)
    return 24 + (rest >> shift << shift)
