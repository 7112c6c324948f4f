"""Joining of words that always occur together into phrases, in linear time.

A round joins all pairs of neighbours of which one never occurs without the other. A round may join
a single pair, and a text may need as many rounds as it has words, so nothing is counted anew: a
round looks only at the words around the last joins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_MODULUS, _BASE = 2**61 - 1, 0x1F35_7ACB_90D1_E683
"""Of the fingerprints of strings, by which joined words are known without being written out."""
_EDGE = -1
"""In place of the neighbour of the first and of the last word of a text."""

_Fingerprint = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    """The word itself, if it was not joined."""
    parts: tuple[int, int] | None
    """The two words that it was joined from."""
    joinable: bool
    fingerprint: _Fingerprint
    power: int
    """`_BASE` to the power of the word's length."""


def joined_words(
    texts: Sequence[tuple[Sequence[str], int]], separate: Mapping[str, bool], least: int
) -> set[str]:
    """Return the words of texts after inseparable neighbours were joined, round by round.

    In each round a pair is joined, from left to right, if it occurs at least `least` times and
    one of the two never occurs without the other.

    Args:
        texts: pairs of (words, number of times the text occurs).
        separate: whether a word has to stay as it is.
        least: least number of times that a pair has to occur.
    """
    joining = _Joining(texts, separate, least)
    while joining.round():
        pass
    return joining.words()


class _Joining:
    """All texts, one after another, as a linked list of words."""

    def __init__(
        self, texts: Sequence[tuple[Sequence[str], int]], separate: Mapping[str, bool], least: int
    ) -> None:
        self._least = least
        self._vocabulary: list[_Word] = []
        self._known: dict[_Fingerprint, int] = {}
        by_text: dict[str, int] = {}
        self._at: list[int] = []  # word at each position
        self._weights: list[int] = []
        self._before: list[int] = []
        self._after: list[int] = []
        for words, weight in texts:
            for i, text in enumerate(words):
                if text not in by_text:
                    by_text[text] = self._add_text(text, joinable=not separate[text])
                here = len(self._at)
                self._at.append(by_text[text])
                self._weights.append(weight)
                self._before.append(here - 1 if i else _EDGE)
                self._after.append(here + 1 if i + 1 < len(words) else _EDGE)
        self._places: defaultdict[int, set[int]] = defaultdict(set)
        # How often each word, or an edge, stands before and after a word.
        self._lefts: defaultdict[int, defaultdict[int, int]] = defaultdict(_counts)
        self._rights: defaultdict[int, defaultdict[int, int]] = defaultdict(_counts)
        self._changed: set[int] = set()
        """Words whose neighbours have changed since they were last looked at."""
        for here, word in enumerate(self._at):
            self._places[word].add(here)
            self._count(here, 1, left=self._before[here] == _EDGE)
        self._to_right: set[int] = set()
        """Words that always stand before one and the same word, with which they are joined."""
        self._to_left: set[int] = set()
        """Words that always stand after one and the same word, with which they are joined."""

    def round(self) -> bool:
        """Join all inseparable pairs; return whether there was any."""
        for word in self._changed:
            _put(self._to_right, word, self._inseparable(word, self._rights[word]))
            _put(self._to_left, word, self._inseparable(word, self._lefts[word]))
        self._changed.clear()
        starts = {here for word in self._to_right for here in self._places[word]}
        starts |= {self._before[here] for word in self._to_left for here in self._places[word]}
        taken = _EDGE
        chosen = []
        for here in sorted(starts):
            if here != taken:
                chosen.append(here)
                taken = self._after[here]
        for here in chosen:
            self._join(here)
        return bool(chosen)

    def words(self) -> set[str]:
        """Return the words that are left."""
        left = (word for word, places in self._places.items() if places)
        return {"".join(self._leaves(word)) for word in left}

    def _inseparable(self, word: int, neighbours: Mapping[int, int]) -> bool:
        if len(neighbours) != 1 or not self._vocabulary[word].joinable:
            return False
        ((other, count),) = neighbours.items()
        return other != _EDGE and count >= self._least and self._vocabulary[other].joinable

    def _join(self, here: int) -> None:
        """Join the word at a position with the next one."""
        there = self._after[here]
        after = self._after[there]
        self._count(here, -1, left=True)
        self._count(there, -1)
        for place in (here, there):
            self._places[self._at[place]].discard(place)
        self._at[here] = self._add_joined(self._at[here], self._at[there])
        self._after[here] = after
        if after != _EDGE:
            self._before[after] = here
        self._places[self._at[here]].add(here)
        self._count(here, 1, left=True)

    def _count(self, here: int, sign: int, *, left: bool = False) -> None:
        """Count a word and its neighbour on the right, and that on the left if asked for."""
        self._count_pair(here, self._after[here], sign * self._weights[here])
        if left:
            self._count_pair(self._before[here], here, sign * self._weights[here])

    def _count_pair(self, here: int, there: int, number: int) -> None:
        one, other = (_EDGE if p == _EDGE else self._at[p] for p in (here, there))
        for word, neighbour, side in ((one, other, self._rights), (other, one, self._lefts)):
            if word == _EDGE:
                continue
            side[word][neighbour] += number
            if not side[word][neighbour]:
                del side[word][neighbour]
            self._changed.add(word)

    def _add_text(self, text: str, *, joinable: bool) -> int:
        value, power = 0, 1
        for letter in text:
            value, power = (value * _BASE + ord(letter) + 1) % _MODULUS, power * _BASE % _MODULUS
        return self._add(_Word(text, None, joinable, (len(text), value), power))

    def _add_joined(self, one: int, other: int) -> int:
        """Return a joined word, which is the same however its text was put together."""
        left, right = self._vocabulary[one], self._vocabulary[other]
        value = (left.fingerprint[1] * right.power + right.fingerprint[1]) % _MODULUS
        fingerprint = left.fingerprint[0] + right.fingerprint[0], value
        if fingerprint in self._known:
            return self._known[fingerprint]
        power = left.power * right.power % _MODULUS
        return self._add(_Word("", (one, other), True, fingerprint, power))

    def _add(self, word: _Word) -> int:
        self._vocabulary.append(word)
        self._known[word.fingerprint] = len(self._vocabulary) - 1
        return len(self._vocabulary) - 1

    def _leaves(self, word: int) -> Iterator[str]:
        stack = [word]
        while stack:
            one = self._vocabulary[stack.pop()]
            if one.parts is None:
                yield one.text
            else:
                stack += reversed(one.parts)


def _counts() -> defaultdict[int, int]:
    return defaultdict(int)


def _put(members: set[int], word: int, belongs: bool) -> None:
    if belongs:
        members.add(word)
    else:
        members.discard(word)
