"""What may be written next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchorgym.agents import Trie

SEQUENCES = st.lists(st.lists(st.integers(2, 6), max_size=4).map(lambda s: [*s, 1]), min_size=1)


def written(trie: Trie) -> set[tuple[int, ...]]:
    """Everything that a walk through a tree without gaps can write."""
    if not trie.allowed():
        return {()}
    return {(t, *rest) for t in trie.allowed() for rest in written(trie.after(t))}


@given(SEQUENCES)
def test_exactly_the_sequences_can_be_written(sequences: list[list[int]]) -> None:
    assert written(Trie.of(sequences)) == set(map(tuple, sequences))


def test_what_may_not_come_next_is_refused() -> None:
    with pytest.raises(KeyError):
        Trie.of([[2, 3, 1]]).after(3)


def test_a_gap_takes_any_ordinary_words_and_is_left_by_what_follows_it() -> None:
    trie = Trie(frozenset({5, 6, 7}))
    trie.add([2, 3, 4, 1], gap=2)  # "search", "[", …, "]", eos
    trie.add([8, 1])
    assert trie.allowed() == (2, 8)
    gap = trie.after(2).after(3)
    assert gap.allowed() == (5, 6, 7)
    for word in (5, 5, 7):
        gap = gap.after(word)
        assert gap.allowed() == (4, 5, 6, 7)
    assert gap.after(4).allowed() == (1,)
    assert gap.after(4).after(1).allowed() == ()


def test_what_is_added_after_it_was_asked_may_be_written_too() -> None:
    trie = Trie(frozenset({5, 6}))
    trie.add([2, 1])
    assert (trie.allowed(), trie.after(2).allowed()) == ((2,), (1,))
    trie.add([3, 1])
    trie.add([2, 4, 1])
    assert (trie.allowed(), trie.after(2).allowed()) == ((2, 3), (1, 4))
    trie.add([2, 8, 1], gap=1)
    assert trie.after(2).allowed() == (1, 4, 5, 6)
    assert trie.after(2).after(5).allowed() == (5, 6, 8)
    assert trie.after(2).after(5).after(6).after(8).allowed() == (1,)
