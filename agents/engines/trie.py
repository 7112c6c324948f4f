"""Tries of token sequences, which constrain decoding to the admissible actions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Trie:
    """A set of token sequences; a walk through it says which tokens may come next.

    A sequence may have one gap, which any number of ordinary tokens fill: the slot of a template
    such as `search[<words>]`.

    Args:
        ordinary: tokens that may fill a gap.
    """

    __slots__ = ("_ordinary", "_sorted", "children", "is_gap")

    def __init__(self, ordinary: frozenset[int] = frozenset()) -> None:
        self._ordinary = ordinary
        self.children: dict[int, Trie] = {}
        self.is_gap = False
        self._sorted: tuple[int, ...] | None = None

    @classmethod
    def of(cls, sequences: Iterable[Sequence[int]]) -> Trie:
        """Return the trie of sequences without gaps."""
        root = cls()
        for sequence in sequences:
            root.add(sequence)
        return root

    def add(self, sequence: Sequence[int], gap: int | None = None) -> None:
        """Add a sequence; its gap, if any, comes before token number `gap`.

        The first token after a gap ends the gap, so that token cannot be part of the gap.
        """
        node = self
        for i, token in enumerate(sequence):
            if i == gap:
                node = node._gap()
            node = node._child(token)

    def allowed(self) -> tuple[int, ...]:
        """Return the tokens that may come next, sorted; none where a sequence has ended."""
        if self._sorted is None:
            tokens = self._ordinary.union(self.children) if self.is_gap else self.children
            self._sorted = tuple(sorted(tokens))
        return self._sorted

    def after(self, token: int) -> Trie:
        """Return the node that a token leads to.

        Raises:
            KeyError: the token may not come next.
        """
        child = self.children.get(token)
        if child is not None:
            return child
        if self.is_gap and token in self._ordinary:
            return self
        raise KeyError(token)

    def __bool__(self) -> bool:
        return bool(self.children)

    def _child(self, token: int) -> Trie:
        self._sorted = None
        return self.children.setdefault(token, Trie(self._ordinary))

    def _gap(self) -> Trie:
        """Return the gap after this node; an ordinary token enters it."""
        gap = next((child for child in self.children.values() if child.is_gap), None)
        if gap is None:
            gap = Trie(self._ordinary)
            gap.is_gap = True
        for token in self._ordinary.difference(self.children):
            self.children[token] = gap
        self._sorted = None
        return gap
