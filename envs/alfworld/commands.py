"""The commands that are possible in a state."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from anchorgym.envs.alfworld.game import APPLIANCES, remember
from anchorgym.envs.alfworld.state import NOTHING, State

if TYPE_CHECKING:
    from anchorgym.envs.alfworld.text import Dialect


def possible_commands(state: State, dialect: Dialect) -> tuple[str, ...]:
    """Return the commands that are possible now, sorted."""
    game, held, contents, opened = state.game, state.holding, state.contents, state.opened
    if held in game.knives:  # what can be sliced depends on more than what is in sight
        return _menu(state, dialect)
    here = game.receptacles_at[state.location]
    key = (dialect, state.location, held, *[contents[r] for r in here], opened.intersection(here))
    menu = game.menus.get(key)
    return remember(game.menus, key, _menu(state, dialect)) if menu is None else menu


def _menu(state: State, dialect: Dialect) -> tuple[str, ...]:
    found = _about_receptacles(state, dialect)
    if state.holding != NOTHING:
        found += _about_the_held(state, state.holding)
    found.sort()
    # Going and the standing commands are the bulk, and sorted already: put the rest around them.
    go = _going(state, dialect)
    standing = dialect.standing_commands
    before, after = bisect_left(found, "go"), bisect_left(found, standing[0])
    return (
        *found[:before],
        *go,
        *found[before:after],
        *standing,
        *found[after:],
    )


def _going(state: State, dialect: Dialect) -> tuple[str, ...]:
    game, location = state.game, state.location
    commands = game.go_commands.get((dialect, location))
    if commands is None:
        places = zip(game.receptacle_names, game.receptacle_locations, strict=True)
        away = sorted(dialect.go(name) for name, place in places if place != location)
        commands = game.go_commands[dialect, location] = tuple(away)
    return commands


def _about_receptacles(state: State, dialect: Dialect) -> list[str]:
    game, held = state.game, state.holding
    found = []
    for receptacle in game.receptacles_at[state.location]:
        name = game.receptacle_names[receptacle]
        found.append(f"examine {name}")
        accessible = True
        if receptacle in game.openable:
            accessible = receptacle in state.opened
            found.append(f"close {name}" if accessible else f"open {name}")
        contents = state.contents[receptacle]
        if accessible and held == NOTHING:
            pickupable = game.pickupable
            found += [
                f"take {game.object_names[thing]} from {name}"
                for thing in contents
                if thing in pickupable
            ]
        elif accessible and game.object_types[held] in game.can_contain[receptacle]:
            found.append(dialect.move(game.object_names[held], name))
        if not game.toggleable.isdisjoint(contents):
            lamps = {f"use {game.object_names[o]}" for o in contents if o in game.toggleable}
            found += lamps.difference(found)
    return found


def _about_the_held(state: State, held: int) -> list[str]:
    game = state.game
    name = game.object_names[held]
    found = [f"examine {name}"]
    here = [(game.receptacle_types[r], r) for r in game.receptacles_at[state.location]]
    for verb, able in (("clean", game.cleanable), ("heat", game.heatable), ("cool", game.coolable)):
        if held in able:
            found += [
                f"{verb} {name} with {game.receptacle_names[receptacle]}"
                for kind, receptacle in here
                if kind == APPLIANCES[verb]
            ]
    if held in game.knives:
        found += [
            f"slice {game.object_names[thing]} with {name}"
            for thing, location in state.objects_at
            if location == state.location and thing in game.sliceable
        ]
    return found
