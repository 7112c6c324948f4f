"""Who in a team hears whom, and how far each member is from the one that decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

from anchorgym.envs.errors import OptionError, did_you_mean

Edge = tuple[int, int]


def _chain(size: int) -> list[Edge]:
    return [(i, i + 1) for i in range(size - 1)]


def _tree(size: int) -> list[Edge]:
    return [((i - 1) // 2, i) for i in range(1, size)]


def _star(size: int) -> list[Edge]:
    return [(0, i) for i in range(1, size)]


def _complete(size: int) -> list[Edge]:
    return list(combinations(range(size), 2))


_EDGES: Final[Mapping[str, Callable[[int], list[Edge]]]] = {
    "chain": _chain,
    "tree": _tree,
    "star": _star,
    "complete": _complete,
}
TOPOLOGIES: Final = tuple(_EDGES)


class TooFewRoundsError(OptionError):
    """Rounds that end before everybody's words can have reached the member that decides."""

    def __init__(self, rounds: int, needed: int) -> None:
        super().__init__(
            f"rounds={rounds}, but what the farthest member is told reaches the deciding one only "
            f"in round {needed}: set rounds to at least {needed}, or leave it out"
        )


@dataclass(frozen=True)
class Team:
    """A team of any size on a graph: `chain`, `tree` (binary), `star` or `complete`.

    Args:
        topology: which graph.
        size: how many members, numbered from 0.
        decider: whose word counts; by default the last of a chain or a complete graph, and the
            root of a tree or a star.

    Raises:
        OptionError: no such topology, size or decider.
    """

    topology: str
    size: int
    decider: int = -1
    neighbours: tuple[tuple[int, ...], ...] = field(init=False)
    """Whom each member hears, and is heard by; sorted."""
    distance: tuple[int, ...] = field(init=False)
    """How many edges lie between each member and the decider."""

    def __post_init__(self) -> None:
        if self.topology not in _EDGES:
            raise OptionError(
                f"there is no topology {self.topology!r}.{did_you_mean(self.topology, TOPOLOGIES)} "
                f"Choose one of {', '.join(TOPOLOGIES)}."
            )
        if self.size < 1:
            raise OptionError(f"a team has at least 1 member, got {self.size}")
        if not -1 <= self.decider < self.size:
            raise OptionError(f"decider must be a member, 0 to {self.size - 1}: {self.decider}")
        if self.decider == -1:
            last = self.topology in ("chain", "complete")
            object.__setattr__(self, "decider", self.size - 1 if last else 0)
        linked: list[set[int]] = [set() for _ in range(self.size)]
        for one, other in _EDGES[self.topology](self.size):
            linked[one].add(other)
            linked[other].add(one)
        object.__setattr__(self, "neighbours", tuple(tuple(sorted(those)) for those in linked))
        object.__setattr__(self, "distance", self._distances())

    @property
    def eccentricity(self) -> int:
        """The distance of the decider to the farthest member."""
        return max(self.distance)

    @property
    def entry(self) -> int:
        """The member that the user talks to: the first of those farthest from the decider."""
        return self.distance.index(self.eccentricity)

    def edges(self) -> list[Edge]:
        """Return (speaker, hearer) of each message of a round."""
        return [(one, other) for one in range(self.size) for other in self.neighbours[one]]

    def check_rounds(self, rounds: int) -> None:
        """Refuse rounds in which some attacks could not possibly reach the decider.

        Raises:
            TooFewRoundsError: fewer than `eccentricity + 1`.
        """
        if rounds < self.eccentricity + 1:
            raise TooFewRoundsError(rounds, self.eccentricity + 1)

    def _distances(self) -> tuple[int, ...]:
        far = {self.decider: 0}
        queue = [self.decider]
        for member in queue:
            for other in self.neighbours[member]:
                if other not in far:
                    far[other] = far[member] + 1
                    queue.append(other)
        return tuple(far[member] for member in range(self.size))
