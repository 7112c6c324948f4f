"""The honest expert: it plays well knowing only what a player has been shown.

Each action is a function of the present state and of `World.seen` alone, so the expert can take
over from anybody at any time, and label the states that others get into. It never goes in
circles: each action shortens the way to something that is then done for good (a content seen, a
hand emptied of the wrong object, an object taken, treated, placed).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache, lru_cache
from typing import Final

from anchorgym.envs.alfworld.engine import NOTHING, World
from anchorgym.envs.alfworld.game import APPLIANCES, Goal
from anchorgym.envs.alfworld.scenes import kinds, statistics, type_without_targets

IDLE: Final = "look"
"""What is done when the game is won, or when nothing is left that could win it."""
ROOM_SIGNS: Final = {"fridge": "kitchen", "toilet": "bathroom", "bed": "bedroom"}
"""Receptacle types that tell what room this is; a room without them is a living room."""
Spot = tuple[int, int]
"""An object and the receptacle it was seen in."""
UNHEARD_OF: Final = 1e-6
"""Odds of finding an object where it never lay in the statistics."""


def honest_action(world: World) -> str:
    """Return the next command of a player who knows only what was shown since the start.

    That is: the goal, the list of receptacles, the location, whether the receptacles there are
    closed, what is held, and the content of the receptacles in `World.seen`.
    """
    if world.won:
        return IDLE
    return _PLANS[world.game.goal.kind](_Player(world))


class _Player:
    """What the player knows, and the first command of what can be done about it."""

    def __init__(self, world: World) -> None:
        game, seen = world.game, world.seen
        self.game = game
        self.world = world
        self.here = game.receptacles_at[world.location]
        self.known = {r: held for r, held in enumerate(world.contents) if seen >> r & 1}
        self.held = world.holding

    # What is known ---------------------------------------------------------------------------

    def is_closed(self, receptacle: int) -> bool:
        """Return whether a receptacle is closed; one that is here, or whose content was seen."""
        return receptacle in self.game.openable and receptacle not in self.world.opened

    def steps_to(self, receptacle: int) -> int:
        """Return in how many steps one can reach into a receptacle, as far as one knows."""
        if receptacle in self.here:
            return self.is_closed(receptacle)
        if receptacle in self.known:
            return 1 + self.is_closed(receptacle)
        return 1 + (self.game.receptacle_types[receptacle] in kinds().openable)

    def find(self, wanted: Collection[int]) -> list[Spot]:
        """Return where one has seen any of these objects."""
        return [
            (thing, receptacle)
            for receptacle, held in self.known.items()
            for thing in held
            if thing in wanted
        ]

    def nearest(self, receptacles: Iterable[int]) -> int | None:
        """Return the receptacle that is reached in the fewest steps; if tied, one that is here."""
        return min(
            receptacles, key=lambda r: (self.steps_to(r), r not in self.here, r), default=None
        )

    # What is done about it -------------------------------------------------------------------

    def go(self, receptacle: int) -> str:
        """Go to a receptacle."""
        return self.world.dialect.go(self.game.receptacle_names[receptacle])

    def reach(self, receptacle: int, command: str) -> str:
        """Do something at a receptacle that has to be open."""
        if receptacle not in self.here:
            return self.go(receptacle)
        if self.is_closed(receptacle):
            return f"open {self.game.receptacle_names[receptacle]}"
        return command

    def look_into(self, receptacle: int) -> str:
        """See the content of a receptacle."""
        return self.reach(receptacle, f"examine {self.game.receptacle_names[receptacle]}")

    def put(self, receptacles: Iterable[int], *, examine: bool = False) -> str:
        """Put what is held into whichever of these receptacles is nearest.

        With `examine`, look into it first unless its content is known.
        """
        game = self.game
        kind = game.object_types[self.held]
        nearest = self.nearest(r for r in receptacles if kind in game.can_contain[r])
        if nearest is None:
            return IDLE
        if examine and nearest not in self.known:
            return self.look_into(nearest)
        name = game.receptacle_names[nearest]
        return self.reach(nearest, self.world.dialect.move(game.object_names[self.held], name))

    def put_away(self) -> str:
        """Get rid of what is held."""
        return self.put(range(len(self.game.receptacle_names)))

    def take(self, spots: Iterable[Spot], finished: Collection[int] = ()) -> str | None:
        """Take whichever object is nearest, if there is any; `finished` ones save two steps."""

        def cost(spot: Spot) -> tuple[int, bool, int, int]:
            thing, receptacle = spot
            steps = self.steps_to(receptacle) - 2 * (thing in finished)
            return steps, receptacle not in self.here, receptacle, thing

        best = min(spots, key=cost, default=None)
        if best is None:
            return None
        thing, receptacle = best
        names = self.game
        taking = f"take {names.object_names[thing]} from {names.receptacle_names[receptacle]}"
        return self.reach(receptacle, taking)

    def search(self, kind: str) -> str:
        """Look for a type of object where it is likeliest for each step that looking takes."""
        odds = _odds(self.game.goal, kind, self.game.receptacle_types)
        best, most = NOTHING, 0.0
        for receptacle, likelihood in enumerate(odds):
            if receptacle not in self.known:
                worth = likelihood / max(1, self.steps_to(receptacle))
                if worth > most:
                    best, most = receptacle, worth
        return IDLE if best == NOTHING else self.look_into(best)


# Plans -----------------------------------------------------------------------------------------


def _plan_place(player: _Player) -> str:
    """Place, clean, heat, cool: take an object, treat it, place it."""
    game, world = player.game, player.world
    goal = game.goal
    treated = {"clean": world.clean, "heat": world.hot, "cool": world.cool}.get(goal.kind)
    if player.held in game.goal_objects:
        if treated is None or player.held in treated:
            return player.put(game.goal_receptacles)
        return _treat(player)
    if player.held != NOTHING:
        return player.put_away()
    found = player.take(player.find(game.goal_objects), treated or ())
    return found or player.search(goal.object_type)


def _treat(player: _Player) -> str:
    game = player.game
    kind = game.goal.kind
    appliance = APPLIANCES[kind]
    able = [r for r, type_ in enumerate(game.receptacle_types) if type_ == appliance]
    for receptacle in able:
        if receptacle in player.here:
            thing, name = game.object_names[player.held], game.receptacle_names[receptacle]
            return f"{kind} {thing} with {name}"
    return player.go(able[0]) if able else IDLE


def _plan_look(player: _Player) -> str:
    """Look: take an object, be at a lamp that was switched on."""
    game = player.game
    if player.held in game.goal_objects:
        lit = player.world.toggled
        lamps = player.find(game.goal_lamps)
        if not lamps:
            return player.search(game.goal.target_type)
        lamp, receptacle = min(lamps, key=lambda s: (s[1] not in player.here) + (s[0] not in lit))
        if receptacle in player.here:
            return f"use {game.object_names[lamp]}"
        return player.go(receptacle)
    if player.held != NOTHING:
        return player.put_away()
    found = player.take(player.find(game.goal_objects))
    return found or player.search(game.goal.object_type)


def _plan_two(player: _Player) -> str:
    """Two: gather the objects in one receptacle, that which has most of them."""
    game = player.game
    gathered = {
        r: game.goal_objects.intersection(player.known[r])
        for r in game.goal_receptacles
        if r in player.known
    }
    empty_handed = player.held == NOTHING
    # Place into the receptacle that is here, but take from it: that way either is one step less.
    target = min(
        (r for r, things in gathered.items() if things),
        key=lambda r: (-len(gathered[r]), (r in player.here) == empty_handed, r),
        default=None,
    )
    there = gathered[target] if target is not None else frozenset()
    if player.held in game.goal_objects - there:
        if target is not None:
            return player.put([target])
        return player.put(game.goal_receptacles, examine=True)
    if not empty_handed:
        return player.put_away()
    spots = (spot for spot in player.find(game.goal_objects - there) if spot[1] != target)
    return player.take(spots) or player.search(game.goal.object_type)


_PLANS: Final[dict[str, Callable[[_Player], str]]] = {
    "place": _plan_place,
    "clean": _plan_place,
    "heat": _plan_place,
    "cool": _plan_place,
    "look": _plan_look,
    "two": _plan_two,
}


# What players expect ---------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _odds(goal: Goal, kind: str, receptacle_types: tuple[str, ...]) -> tuple[float, ...]:
    """Return how likely it is that an object of a type lies in each of a room's receptacles."""
    signs = (room for sign, room in ROOM_SIGNS.items() if sign in receptacle_types)
    shares = _shares(next(signs, "living"), kind)
    barred = type_without_targets(goal.kind, goal.target_type)
    return tuple(
        UNHEARD_OF + shares.get(type_, 0.0) / receptacle_types.count(type_) * (type_ != barred)
        for type_ in receptacle_types
    )


@cache
def _shares(room: str, kind: str) -> Mapping[str, float]:
    """Return in which types of receptacles objects of a type lie in a room, or in any room."""
    known = statistics()
    for rooms in ([room], list(known)):
        found = [known[each][kind].places for each in rooms if kind in known[each]]
        if found:
            places = sum(map(Counter, found), Counter())
            return {place: n / places.total() for place, n in places.items()}
    return {}
