"""The full-knowledge expert: a shortest walkthrough from any state, without blind search.

Whatever wins a game is a short sequence of errands (put down what is in the way, take, treat,
place, switch on), and an errand can be run at a few receptacles. A *recipe* lists, errand by
errand, the stops at which it can be run. Every way to win is in one of the recipes, and dynamic
programming over where one stands and what one has opened finds the cheapest way through each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, NamedTuple

from anchorgym.envs.alfworld.engine import NOTHING, World
from anchorgym.envs.alfworld.game import APPLIANCES
from anchorgym.envs.errors import AnchorgymError


class UnsolvableError(AnchorgymError):
    """No commands can win from this state."""


class Stop(NamedTuple):
    """One way to run an errand."""

    receptacle: int
    opens: bool
    """Whether the receptacle is closed now and has to be open."""
    command: str
    """What is done there; empty if it is enough to be there."""


Recipe = tuple[tuple[Stop, ...], ...]
"""Errands in their order, each with its alternative stops."""
_Route = tuple[int, tuple[Stop, ...]]


def solve(world: World) -> list[str]:
    """Return a shortest list of commands that wins, empty if the game is won.

    Raises:
        UnsolvableError: nothing wins any more. A few official games have objects that can be
            picked up and fit nowhere, so that one's hands stay full for ever.
    """
    if world.won:
        return []
    best: _Route | None = None
    for recipe in _RECIPES[world.game.goal.kind](world):
        best = _cheapest(world, recipe, best)
    if best is None:
        raise UnsolvableError(
            f"{world.game.name}: nothing wins from this state; reset, or restore an earlier one."
        )
    return list(_commands(world, best[1]))


def full_action(world: World) -> str:
    """Return the first command of a shortest walkthrough; "look" when the game is won.

    Raises:
        UnsolvableError: as for `solve`.
    """
    commands = solve(world)
    return commands[0] if commands else "look"


# Routes ----------------------------------------------------------------------------------------


def _cheapest(world: World, recipe: Recipe, best: _Route | None) -> _Route | None:
    """Return the cheapest way through a recipe if it is shorter than `best`, else `best`."""
    locations = world.game.receptacle_locations
    bound = best[0] if best is not None else 1 << 30
    later = sum(_takes_a_step(stage) for stage in recipe)
    routes: dict[tuple[int, frozenset[int]], _Route] = {(world.location, frozenset()): (0, ())}
    for stage in recipe:
        later -= _takes_a_step(stage)
        reached: dict[tuple[int, frozenset[int]], _Route] = {}
        for (location, opened), (cost, stops) in routes.items():
            for stop in stage:
                there = locations[stop.receptacle]
                opens = stop.opens and stop.receptacle not in opened
                total = cost + (there != location) + opens + bool(stop.command)
                if total + later >= bound:
                    continue
                state = there, opened | {stop.receptacle} if opens else opened
                known = reached.get(state)
                if known is None or total < known[0]:
                    reached[state] = total, (*stops, stop)
        routes = reached
    return min(routes.values(), key=_cost, default=best)


def _takes_a_step(stage: Iterable[Stop]) -> bool:
    return all(stop.command for stop in stage)


def _cost(route: _Route) -> int:
    return route[0]


def _commands(world: World, stops: Iterable[Stop]) -> Iterator[str]:
    game = world.game
    location, opened = world.location, set(world.opened)
    for stop in stops:
        name = game.receptacle_names[stop.receptacle]
        if game.receptacle_locations[stop.receptacle] != location:
            location = game.receptacle_locations[stop.receptacle]
            yield world.dialect.go(name)
        if stop.opens and stop.receptacle not in opened:
            opened.add(stop.receptacle)
            yield f"open {name}"
        if stop.command:
            yield stop.command


# Recipes ---------------------------------------------------------------------------------------


def _place_recipes(world: World) -> Iterator[Recipe]:
    """Yield the recipes of place, clean, heat and cool: take, treat, place one object."""
    game = world.game
    kind = game.goal.kind
    treated = {"clean": world.clean, "heat": world.hot, "cool": world.cool}.get(kind)
    appliance = APPLIANCES.get(kind)
    appliances = [r for r, type_ in enumerate(game.receptacle_types) if type_ == appliance]
    for thing in game.goal_objects:
        treatment: Recipe = ()
        if treated is not None and thing not in treated:
            verb = f"{kind} {game.object_names[thing]} with "
            treatment = (
                tuple(Stop(r, False, verb + game.receptacle_names[r]) for r in appliances),
            )
        for source in _sources(world, thing):
            others = (r for r in _holders(world, thing) if r != source)
            if treatment and any(r in game.goal_receptacles for r in others):
                yield (*_acquire(world, thing, source), *treatment)  # placed all along
                continue
            near = {world.location, *_locations(world, (source, *appliances))}
            placing = _placing(world, thing, game.goal_receptacles, near, [source])
            yield (*_acquire(world, thing, source, placing), *treatment, placing)


def _look_recipes(world: World) -> Iterator[Recipe]:
    """Yield the recipes of look: take an object, be at a lamp that was switched on."""
    game = world.game
    lights = tuple(
        Stop(r, False, "" if lamp in world.toggled else f"use {game.object_names[lamp]}")
        for lamp in game.goal_lamps
        for r in _holders(world, lamp)
    )
    for thing in game.goal_objects:
        for source in _sources(world, thing):
            yield (*_acquire(world, thing, source), lights)


def _two_recipes(world: World) -> Iterator[Recipe]:
    """Yield the recipes of two: for each receptacle, bring what it lacks."""
    game = world.game
    holders = [r for thing in game.goal_objects for r in _holders(world, thing)]
    near = {world.location, *_locations(world, holders)}

    def content(receptacle: int) -> frozenset[int]:
        return game.goal_objects.intersection(world.contents[receptacle])

    reused = tuple(
        _taking(world, thing, source)
        for thing in game.goal_objects - {world.holding}
        for source in _sources(world, thing)
    )
    for target in _representatives(world, game.goal_receptacles, near, content):
        there = content(target)
        for first in game.goal_objects - there:
            if world.holding in game.goal_objects - there and first != world.holding:
                continue
            placing = _placing(world, first, (target,))
            for source in _sources(world, first):
                begin = (*_acquire(world, first, source, (*placing, *reused)), placing)
                if there:
                    yield begin
                    continue
                for second in game.goal_objects - {first}:
                    for other in _sources(world, second):
                        taking = (_taking(world, second, other),)
                        yield (*begin, taking, _placing(world, second, (target,)))


_RECIPES: Final[dict[str, Callable[[World], Iterator[Recipe]]]] = {
    "place": _place_recipes,
    "clean": _place_recipes,
    "heat": _place_recipes,
    "cool": _place_recipes,
    "look": _look_recipes,
    "two": _two_recipes,
}


# Errands ---------------------------------------------------------------------------------------


def _holders(world: World, thing: int) -> list[int]:
    """Return the receptacles that an object is in."""
    return [r for r, held in enumerate(world.contents) if thing in held]


def _sources(world: World, thing: int) -> list[int]:
    """Return where an object can be taken from: `NOTHING` if it is held."""
    if world.holding == thing:
        return [NOTHING]
    return _holders(world, thing) if thing in world.game.pickupable else []


def _acquire(world: World, thing: int, source: int, reused: Collection[Stop] = ()) -> Recipe:
    """Return the errands after which one holds an object.

    Args:
        world: the present state.
        thing: the object.
        source: where to take it from, `NOTHING` if it is held.
        reused: later stops, at which it may pay to put down what is in the way: they are open
            from then on.
    """
    if source == NOTHING:
        return ()
    taking = (_taking(world, thing, source),)
    if world.holding == NOTHING:
        return (taking,)
    near = {world.location, *_locations(world, (source,))}
    keep = [source, *(stop.receptacle for stop in reused)]
    everywhere = range(len(world.contents))
    return _placing(world, world.holding, everywhere, near, keep), taking


def _taking(world: World, thing: int, source: int) -> Stop:
    names = world.game
    command = f"take {names.object_names[thing]} from {names.receptacle_names[source]}"
    return Stop(source, _is_closed(world, source), command)


def _placing(
    world: World,
    thing: int,
    receptacles: Iterable[int],
    near: Collection[int] | None = None,
    keep: Iterable[int] = (),
) -> tuple[Stop, ...]:
    """Return the stops at which an object can be put down.

    With `near`, of receptacles that are elsewhere and equally good only one, and besides those in
    `keep`, which another stop of the recipe may have opened.
    """
    game = world.game
    kind = game.object_types[thing]
    able = [r for r in receptacles if kind in game.can_contain[r]]
    if near is not None:
        chosen = {*_representatives(world, able, near), *keep}
        able = [r for r in able if r in chosen]
    name = game.object_names[thing]
    return tuple(
        Stop(r, _is_closed(world, r), world.dialect.move(name, game.receptacle_names[r]))
        for r in able
    )


def _representatives(
    world: World,
    receptacles: Iterable[int],
    near: Collection[int],
    distinguish: Callable[[int], object] = lambda receptacle: None,
) -> list[int]:
    """Return one of all receptacles that are equally far and equally open, in display order."""
    found: dict[object, int] = {}
    for r in receptacles:
        location = world.game.receptacle_locations[r]
        where = location if location in near else NOTHING
        found.setdefault((where, _is_closed(world, r), distinguish(r)), r)
    return list(found.values())


def _is_closed(world: World, receptacle: int) -> bool:
    return receptacle in world.game.openable and receptacle not in world.opened


def _locations(world: World, receptacles: Iterable[int]) -> Iterator[int]:
    return (world.game.receptacle_locations[r] for r in receptacles if r != NOTHING)
