"""The actions that may be written, as a tree of tokens: for constrained decoding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Trie:
    """A set of token sequences; a walk through it says which tokens may come next.

    A sequence may have one gap in which every ordinary token may stand, any number of times: that
    of a template such as `search[<words>]`.

    Args:
        ordinary: the tokens that may stand in a gap.
    """

    __slots__ = ("_ordinary", "_sorted", "children", "is_gap")

    def __init__(self, ordinary: frozenset[int] = frozenset()) -> None:
        self._ordinary = ordinary
        self.children: dict[int, Trie] = {}
        self.is_gap = False
        self._sorted: tuple[int, ...] | None = None

    @classmethod
    def of(cls, sequences: Iterable[Sequence[int]]) -> Trie:
        """Return the tree of sequences without gaps."""
        root = cls()
        for sequence in sequences:
            root.add(sequence)
        return root

    def add(self, sequence: Sequence[int], gap: int | None = None) -> None:
        """Add a sequence; the gap, if there is one, comes before its token number `gap`.

        A gap is left by the first token that goes on, so what follows it cannot stand in it.
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
        """Return where a token leads.

        Raises:
            KeyError: it may not come next.
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
        """Return the gap that follows this node; its first word is one of the ordinary tokens."""
        gap = next((child for child in self.children.values() if child.is_gap), None)
        if gap is None:
            gap = Trie(self._ordinary)
            gap.is_gap = True
        for token in self._ordinary.difference(self.children):
            self.children[token] = gap
        self._sorted = None
        return gap
