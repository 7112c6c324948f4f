"""The facts of a game that change while it is played, and the key of the state they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Self

from anchorgym.envs.alfworld.game import Game
from anchorgym.envs.alfworld.goal_progress import GoalProgress, assess

NOTHING: Final = -1
"""What is held by empty hands."""

_PROPERTIES: Final = ("clean", "hot", "cool", "sliced", "toggled")
_SETS: Final = ("opened", "objects_at", "absent", *_PROPERTIES)

GameFact = tuple[Any, ...]
"""A fact that can change: predicate and numbers, as in `("in", object, receptacle)`."""
Pairs = frozenset[tuple[int, int]]


class State:
    """The dynamic state of a game. Every attribute but `contents` is an immutable value.

    Facts that nothing a player can see depends on are left out, so that equal anchors are equal
    futures and, as far as that can be told beforehand, different anchors different ones.

    Attributes:
        game: what is played.
        location: where the player is.
        holding: the object held, or `NOTHING`.
        opened: the receptacles that are open.
        contents: of each receptacle, the objects in it, sorted.
        absent: (object, receptacle) facts that an object is not there any more. Picking up makes
            them and putting back ends them; "Next to it, you see …" is about them. Kept only
            where another receptacle at the same location could take the object.
        objects_at: (object, location) facts that can be noticed: those of `game.located`
            objects, and of objects of which some `absent` receptacle is at that location.
        clean, hot, cool, sliced, toggled: the objects that are, where that can be noticed.
        goal_progress: how far the game has come.
        seen: bit r is set when the content of receptacle r was shown since the start. It is a
            memory of the player's, and no part of the anchor.
    """

    __slots__ = (
        "_admissible",
        "_anchor",
        "_key",
        "_stale",
        "absent",
        "clean",
        "contents",
        "cool",
        "game",
        "goal_progress",
        "holding",
        "hot",
        "location",
        "objects_at",
        "opened",
        "seen",
        "sliced",
        "toggled",
    )
    _anchor: bytes | None
    _admissible: tuple[str, ...] | None
    goal_progress: GoalProgress

    def __init__(self, game: Game) -> None:
        self.game = game
        self._start()

    @property
    def won(self) -> bool:
        """Whether the goal holds now."""
        return self.goal_progress.won

    def anchor(self) -> bytes:
        """Return 16 bytes that name this state: all that any future depends on, and no more.

        An XOR over 128-bit keys of the facts that are other than at the start (Zobrist, 1970),
        kept up to date by each change.
        """
        if self._anchor is None:
            self._anchor = self._key.to_bytes(16, "big")
        return self._anchor

    def copy(self) -> Self:
        """Return an independent copy that shares the game."""
        twin = object.__new__(type(self))
        twin._take(self)
        return twin

    def state(self) -> dict[str, Any]:
        """Return everything that changes, as JSON values."""
        state: dict[str, Any] = {name: sorted(getattr(self, name)) for name in _SETS}
        return {
            "location": self.location,
            "holding": self.holding,
            "contents": [list(held) for held in self.contents],
            "seen": self.seen,
            **state,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take a state that `state` returned, of this game.

        Raises:
            KeyError, TypeError, ValueError: it is none; the world stays as it is.
        """
        game = self.game
        twin = State(game)
        objects, receptacles = len(game.object_names), len(game.receptacle_names)
        locations = len(game.receptacles_at)
        twin.location = _number(state["location"], 0, locations)
        twin.holding = _number(state["holding"], NOTHING, objects)
        twin.seen = _number(state["seen"], 0, 1 << receptacles)
        if len(state["contents"]) != receptacles:
            raise ValueError(f"contents of {len(state['contents'])} receptacles")
        twin.contents = [
            tuple(sorted({_number(thing, 0, objects) for thing in held}))
            for held in state["contents"]
        ]
        twin.opened = frozenset(_number(r, 0, receptacles) for r in state["opened"])
        for name in _PROPERTIES:
            things = frozenset(_number(thing, 0, objects) for thing in state[name])
            setattr(twin, name, things)
        for name, bound in (("absent", receptacles), ("objects_at", locations)):
            pairs = ((_number(a, 0, objects), _number(b, 0, bound)) for a, b in state[name])
            setattr(twin, name, frozenset(pairs))
        for fact in set(twin.facts()) ^ set(State(game).facts()):
            twin._key ^= game.fact_key(fact)
        twin._assess()
        self._take(twin)

    def facts(self) -> Iterator[GameFact]:
        """Yield the facts that hold and can change, which are what the anchor is made of."""
        yield ("at", self.location)
        if self.holding != NOTHING:
            yield ("holds", self.holding)
        for receptacle, held in enumerate(self.contents):
            for thing in held:
                yield ("in", thing, receptacle)
        for name in ("opened", *_PROPERTIES):
            for number in getattr(self, name):
                yield (name, number)
        for name in ("objects_at", "absent"):
            for thing, place in getattr(self, name):
                yield (name, thing, place)

    # Changing facts -------------------------------------------------------------------------

    def _start(self) -> None:
        game = self.game
        self.location = game.start_location
        self.holding = NOTHING
        self.opened = game.opened
        self.contents = list(game.contents)
        self.objects_at = game.objects_at
        self.absent: Pairs = frozenset()
        self.clean = game.clean
        self.hot = game.hot
        self.cool = game.cool
        self.sliced = game.sliced
        self.toggled = game.toggled
        self.seen = 0
        self._key = game.key
        self._anchor = None
        self._admissible = None
        self._assess()

    def _assess(self) -> None:
        self.goal_progress = assess(self)
        self._stale = False

    def _flip(self, *fact: Any) -> None:
        """Take note that a fact became true or false."""
        game = self.game
        self._key ^= game.fact_key(fact)
        self._anchor = self._admissible = None
        if fact[1] in game.at_stake:
            self._stale = True

    def _walk(self, location: int) -> None:
        """Change the location, as the player does more often than anything else."""
        game = self.game
        self._key ^= game.fact_key(("at", self.location)) ^ game.fact_key(("at", location))
        self.location = location
        self._anchor = self._admissible = None
        if game.goal_lamps:  # where the player is matters to no other goal
            self._stale = True

    def _with(self, name: str, objects: frozenset[int], thing: int) -> frozenset[int]:
        """Return the objects that have a property, and now this one as well."""
        if thing in objects or thing not in self.game.observable[name]:
            return objects
        self._flip(name, thing)
        return objects | {thing}

    def _without(self, name: str, objects: frozenset[int], thing: int) -> frozenset[int]:
        """Return the objects that have a property, and now this one no more."""
        if thing not in objects or thing not in self.game.observable[name]:
            return objects
        self._flip(name, thing)
        return objects - {thing}

    def _without_pair(self, name: str, pairs: Pairs, thing: int, place: int) -> Pairs:
        if (thing, place) not in pairs:
            return pairs
        self._flip(name, thing, place)
        return pairs - {(thing, place)}

    def _take(self, other: State) -> None:
        for name in State.__slots__:
            setattr(self, name, getattr(other, name))
        self.contents = list(other.contents)


def _number(value: object, low: int, high: int) -> int:
    if type(value) is not int or not low <= value < high:
        raise ValueError(f"{value!r} is not a number from {low} to {high - 1}")
    return value
