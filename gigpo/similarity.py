"""Grouping by similar text: connected components over a symmetric threshold.

Two texts are alike if `2 LCS(a, b) / (|a| + |b|) >= threshold`, LCS being the length of their
longest common subsequence (one minus the normalised insertion-deletion distance). Unlike
`difflib`'s ratio it is symmetric, and never smaller. Texts that are linked through others are in
one component, so the result depends neither on the order of the rows nor on a representative.

Comparing every pair would cost O(n^2) alignments. Three bounds, each exact, leave few: D edits
change the length by at most D, the counts of characters by at most D, and those of character
pairs by at most 3 D. Pairs already linked are not compared again. What stays quadratic is many
long texts of one group made of the same words in other orders: nothing cheap tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from anchorgym.gigpo.arrays import IntArray

_CHARACTER_BINS, _PAIR_BINS = 64, 256


def similarity_ratio(first: str, second: str) -> float:
    """`2 LCS / (|a| + |b|)`, in [0, 1]; two empty texts are equal."""
    total = len(first) + len(second)
    return 2.0 * common_subsequence(first, second) / total if total else 1.0


def common_subsequence(first: str, second: str) -> int:
    """Length of the longest common subsequence, bit-parallel (Hyyrö 2004).

    Bit i of `row` is cleared where a longest subsequence gains a character at `first[i]`;
    a Python integer carries a whole row of the dynamic programme.
    """
    where: dict[str, int] = {}
    for position, character in enumerate(first):
        where[character] = where.get(character, 0) | 1 << position
    full = (1 << len(first)) - 1
    row = full
    for character in second:
        matches = row & where.get(character, 0)
        row = ((row + matches) | (row - matches)) & full
    return len(first) - row.bit_count()


def similar_components(texts: Sequence[str], threshold: float) -> IntArray:
    """Component of each of the distinct `texts`, `(n_texts,)`, as codes from 0."""
    order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), texts[i]))
    ranked = [texts[i] for i in order]
    lengths = np.array([len(text) for text in ranked], np.int64)
    # 2 LCS <= 2 |shorter|, so a longer partner than this cannot reach the threshold.
    ends = np.searchsorted(lengths, lengths * (2 - threshold) / threshold + 1e-6, "right")
    profile = _Profile(ranked)
    component = np.arange(len(ranked))
    for i, text in enumerate(ranked):
        rivals = i + 1 + np.flatnonzero(component[i + 1 : ends[i]] != component[i])
        budget = (1 - threshold) * (lengths[i] + lengths[rivals]) + 1e-6
        for j in profile.within(i, rivals, budget).tolist():
            if component[i] == component[j]:
                continue
            if similarity_ratio(text, ranked[j]) >= threshold:
                component[component == component[j]] = component[i]
    codes = np.empty(len(texts), np.int64)
    codes[order] = np.unique(component, return_inverse=True)[1]
    return codes


class _Profile:
    """Counts of characters and of character pairs, hashed to bins (which only loosens bounds)."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.characters = np.zeros((len(texts), _CHARACTER_BINS), np.int32)
        self.pairs = np.zeros((len(texts), _PAIR_BINS), np.int32)
        for i, text in enumerate(texts):
            points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
            self.characters[i] = np.bincount(points % _CHARACTER_BINS, minlength=_CHARACTER_BINS)
            pairs = (points[:-1] * np.uint32(31) + points[1:]) % _PAIR_BINS
            self.pairs[i] = np.bincount(pairs, minlength=_PAIR_BINS)

    def within(self, i: int, rivals: IntArray, budget: npt.NDArray[np.float64]) -> IntArray:
        """The rivals that may lie within `budget` edits of text i."""
        for counts, per_edit in ((self.characters, 1), (self.pairs, 3)):
            close = np.abs(counts[rivals] - counts[i]).sum(1) <= per_edit * budget
            rivals, budget = rivals[close], budget[close]
        return rivals
