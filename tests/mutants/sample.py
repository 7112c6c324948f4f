"""The draw of mutants, and the tests that are tried on each."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mutants.mutations import Mutation, mutations
from mutants.rooms import Room
from mutants.trial import Reached


@dataclass(frozen=True)
class Mutant:
    """A change of a module of a room; `name` is its path and the name of the change."""

    room: Room
    path: str
    mutation: Mutation

    @property
    def name(self) -> str:
        """What results and the list of equivalent mutants call it."""
        return f"{self.path} {self.mutation.name}"


def draw(root: Path, rooms: Sequence[Room], size: int, seed: int) -> list[Mutant]:
    """Draw mutants, room by room, as many of each as of the others where there are enough.

    The order within a room is that of hashes of the seed and the name, so a larger sample holds a
    smaller one, and new code changes little of it.
    """
    queues = [iter(_ordered(root, room, seed)) for room in rooms]
    drawn: list[Mutant] = []
    while queues and len(drawn) < size:
        left = []
        for queue in queues:
            mutant = next(queue, None)
            if mutant is not None:
                drawn.append(mutant)
                left.append(queue)
        queues = left
    order = {room.name: number for number, room in enumerate(rooms)}
    return sorted(drawn[:size], key=lambda mutant: order[mutant.room.name])


def _ordered(root: Path, room: Room, seed: int) -> Iterator[Mutant]:
    mutants = [
        Mutant(room, str(file.relative_to(root)), mutation)
        for file in room.files(root)
        for mutation in mutations(file.read_text(encoding="utf-8"))
    ]

    def order(mutant: Mutant) -> str:
        return hashlib.sha256(f"{seed} {mutant.name}".encode()).hexdigest()

    for mutant in sorted(mutants, key=order):
        source = (root / mutant.path).read_text(encoding="utf-8")
        try:
            compile(mutant.mutation.apply(source), mutant.path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            continue
        yield mutant


def known_equivalent(file: Path) -> dict[str, str]:
    """Read the mutants that no test can notice, each with the reason."""
    listed = tomllib.loads(file.read_text(encoding="utf-8")).get("mutant", [])
    return {entry["name"]: entry["reason"] for entry in listed}


def tests_of(mutant: Mutant, reached: dict[str, Reached], budget: float) -> list[str]:
    """Return the tests that reach a mutant's line, the quickest first, up to a sum of seconds.

    The tests that mirror the module come before the others. A line that runs at import, such as
    that of a default, belongs to all tests of the room.
    """
    seconds = {test: took for of_file in reached.values() for test, took in of_file.seconds.items()}
    files = [of_file.lines.get(mutant.path, {}) for of_file in reached.values()]
    exact = {test for lines in files for test in lines.get(mutant.mutation.line, ())}
    near = {test for lines in files for tests in lines.values() for test in tests}
    mirror = f"test_{Path(mutant.path).stem}.py::"

    def order(test: str) -> tuple[bool, bool, float]:
        return test not in exact, mirror not in test, seconds.get(test, 0.0)

    chosen, total = [], 0.0
    known = exact and not mutant.mutation.at_import
    for test in sorted(near | exact if known else set(seconds), key=order):
        total += seconds.get(test, 0.0)
        if chosen and total > budget:
            break
        chosen.append(test)
    by_file: dict[str, list[str]] = {}
    for test in chosen:
        by_file.setdefault(test.partition("::")[0], []).append(test)
    return [test for tests in by_file.values() for test in tests]


def seconds_of(tests: Iterable[str], reached: dict[str, Reached]) -> float:
    """Return how long tests took when nothing was changed."""
    took = {test: took for of_file in reached.values() for test, took in of_file.seconds.items()}
    return sum(took.get(test, 0.0) for test in tests)
