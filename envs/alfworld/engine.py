"""The dynamics: what each command does and says.

A native form of the game's PDDL domain and grammar, equal to the stock engine in what it shows,
admits and wins, quirks included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from anchorgym.envs.alfworld.commands import possible_commands
from anchorgym.envs.alfworld.game import APPLIANCES, Game, remember
from anchorgym.envs.alfworld.state import NOTHING, State
from anchorgym.envs.alfworld.text import DIALECTS, NOTHING_HAPPENS, Dialect

__all__ = ["NOTHING", "World"]

_NOT_POSSIBLE: Final = "that is not possible here and now"
_UNKNOWN_VERB: Final = "there is no such command"
_DIALECT: Final = DIALECTS["2.1.2"]


class World(State):
    """A game in play: takes commands and answers as the stock engine does.

    Args:
        game: what is played; shared by all worlds that play it.
        dialect: the words it is played in.

    Attributes:
        problem: why the last command did nothing; empty when it did something.
    """

    __slots__ = ("dialect", "problem")

    def __init__(self, game: Game, dialect: Dialect = _DIALECT) -> None:
        super().__init__(game)
        self.dialect = dialect
        self.problem = ""

    def reset(self) -> str:
        """Go back to the start and return the first observation."""
        self._start()
        self.problem = ""
        here = self.game.receptacles_at[self.location]
        view = self._look() if here else self.dialect.room(self.game.receptacle_names)
        return self.dialect.intro(view, self.game.task)

    def step(self, command: str) -> str:
        """Carry out a command and return the feedback; the game goes on after it is won."""
        verb, first, second = self.dialect.parse(command.strip())
        handler = _HANDLERS.get(verb)
        if handler is None:
            self.problem = _UNKNOWN_VERB
            return NOTHING_HAPPENS
        feedback = handler(self, first, second)
        if feedback is None:
            self.problem = _NOT_POSSIBLE
            return NOTHING_HAPPENS
        self.problem = ""
        if self._stale:
            self._assess()
        return feedback

    @property
    def valid(self) -> bool:
        """Whether the last command did something."""
        return not self.problem

    def admissible(self) -> tuple[str, ...]:
        """Return the sorted commands that are possible now; the same tuple until they change."""
        if self._admissible is None:
            self._admissible = possible_commands(self, self.dialect)
        return self._admissible

    def copy(self) -> World:
        """Return an independent copy that shares the game."""
        twin = super().copy()
        twin.dialect, twin.problem = self.dialect, self.problem
        return twin

    # Looking --------------------------------------------------------------------------------

    def _look(self) -> str:
        game = self.game
        here = game.receptacles_at[self.location]
        if not here:  # only the intro lists the room: looking again names nothing
            return self.dialect.room(())
        lying = [
            game.object_names[thing]
            for thing, receptacle in sorted(self.absent)
            if receptacle in here and (thing, self.location) in self.objects_at
        ]
        return self.dialect.facing([game.receptacle_names[r] for r in here], lying)

    def _view(self, receptacle: int) -> str:
        """Describe a receptacle; its content counts as seen when it is shown."""
        game = self.game
        name = game.receptacle_names[receptacle]
        openable = receptacle in game.openable
        if openable and receptacle not in self.opened:
            return self.dialect.shut(name)
        self.seen |= 1 << receptacle
        contents = self.contents[receptacle]
        key = (self.dialect, receptacle, contents)
        view = game.views.get(key)
        if view is None:
            things = [game.object_names[thing] for thing in contents]
            describe = self.dialect.inside if openable else self.dialect.surface
            view = remember(game.views, key, describe(name, things))
        return view

    def _describe(self, thing: int) -> str:
        game = self.game
        name = game.object_names[thing]
        inner = game.inner_objects.get(thing)
        if inner is not None:
            return self.dialect.container(name, [game.object_names[i] for i in inner])
        return self.dialect.thing(
            name,
            clean=thing in self.clean,
            hot=thing in self.hot,
            cool=thing in self.cool,
            sliced=thing in self.sliced,
            on=thing in self.toggled,
        )

    # Commands: each returns the feedback, or None where it is not possible -------------------

    def _do_look(self, first: str, second: str) -> str | None:
        return None if first else self._look()

    def _do_inventory(self, first: str, second: str) -> str | None:
        if first:
            return None
        if self.holding == NOTHING:
            return self.dialect.empty_handed()
        return self.dialect.carrying(self.game.object_names[self.holding])

    def _do_help(self, first: str, second: str) -> str | None:
        return None if first else self.dialect.help

    def _do_go(self, first: str, second: str) -> str | None:
        game = self.game
        receptacle = game.receptacle_numbers.get(first)
        if receptacle is None or game.receptacle_locations[receptacle] == self.location:
            return None
        location = game.receptacle_locations[receptacle]
        self._walk(location)
        where = game.location_names[location]
        return self.dialect.arrived(first, where, self._view(receptacle))

    def _do_open(self, first: str, second: str) -> str | None:
        receptacle = self._receptacle_here(first)
        if receptacle not in self.game.openable or receptacle in self.opened:
            return None
        self.opened |= {receptacle}
        self._flip("opened", receptacle)
        return self.dialect.opened(first, self._view(receptacle))

    def _do_close(self, first: str, second: str) -> str | None:
        receptacle = self._receptacle_here(first)
        if receptacle not in self.game.openable or receptacle not in self.opened:
            return None
        self.opened -= {receptacle}
        self._flip("opened", receptacle)
        return self.dialect.closed(first)

    def _do_examine(self, first: str, second: str) -> str | None:
        receptacle = self._receptacle_here(first)
        if receptacle != NOTHING:
            return self._view(receptacle)
        thing = self.game.object_numbers.get(first)
        return self._describe(thing) if thing is not None and thing == self.holding else None

    def _do_take(self, first: str, second: str) -> str | None:
        game = self.game
        thing = game.object_numbers.get(first)
        receptacle = self._receptacle_here(second)
        if self.holding != NOTHING or not self._accessible(receptacle):
            return None
        contents = self.contents[receptacle]
        if thing is None or thing not in contents or thing not in game.pickupable:
            return None
        self.holding = thing
        self._flip("holds", thing)
        self.contents[receptacle] = tuple(other for other in contents if other != thing)
        self._flip("in", thing, receptacle)
        self.objects_at = self._without_pair("objects_at", self.objects_at, thing, self.location)
        if game.object_types[thing] in game.can_contain_beside[receptacle]:
            self.absent |= {(thing, receptacle)}
            self._flip("absent", thing, receptacle)
        return self.dialect.took(first, second)

    def _do_move(self, first: str, second: str) -> str | None:
        game = self.game
        thing = game.object_numbers.get(first)
        receptacle = self._receptacle_here(second)
        if thing is None or thing != self.holding or not self._accessible(receptacle):
            return None
        if game.object_types[thing] not in game.can_contain[receptacle]:
            return None
        self.holding = NOTHING
        self._flip("holds", thing)
        contents = self.contents[receptacle]
        if thing not in contents:
            self.contents[receptacle] = tuple(sorted((*contents, thing)))
            self._flip("in", thing, receptacle)
        self.absent = self._without_pair("absent", self.absent, thing, receptacle)
        self._settle(thing)
        return self.dialect.moved(first, second)

    def _settle(self, thing: int) -> None:
        """Take note that an object is at this location, if that can be noticed."""
        game = self.game
        here = game.receptacles_at[self.location]
        fact = (thing, self.location)
        if thing not in game.located and not any((thing, r) in self.absent for r in here):
            self.objects_at = self._without_pair("objects_at", self.objects_at, *fact)
        elif fact not in self.objects_at:
            self.objects_at |= {fact}
            self._flip("objects_at", *fact)

    def _do_use(self, first: str, second: str) -> str | None:
        game = self.game
        thing = game.object_numbers.get(first)
        if thing is None or thing not in game.toggleable:
            return None
        if not any(thing in self.contents[r] for r in game.receptacles_at[self.location]):
            return None
        self.toggled = self._with("toggled", self.toggled, thing)
        return self.dialect.used(first)

    def _do_clean(self, first: str, second: str) -> str | None:
        thing = self._held_at(APPLIANCES["clean"], first, second)
        if thing not in self.game.cleanable:
            return None
        self.clean = self._with("clean", self.clean, thing)
        return self.dialect.treated("clean", first, second)

    def _do_heat(self, first: str, second: str) -> str | None:
        thing = self._held_at(APPLIANCES["heat"], first, second)
        if thing not in self.game.heatable:
            return None
        self.hot = self._with("hot", self.hot, thing)
        self.cool = self._without("cool", self.cool, thing)
        return self.dialect.treated("heat", first, second)

    def _do_cool(self, first: str, second: str) -> str | None:
        thing = self._held_at(APPLIANCES["cool"], first, second)
        if thing not in self.game.coolable:
            return None
        self.cool = self._with("cool", self.cool, thing)
        self.hot = self._without("hot", self.hot, thing)
        return self.dialect.treated("cool", first, second)

    def _do_slice(self, first: str, second: str) -> str | None:
        game = self.game
        thing, knife = game.object_numbers.get(first), game.object_numbers.get(second)
        if thing is None or knife is None or knife != self.holding:
            return None
        if knife not in game.knives or thing not in game.sliceable:
            return None
        if (thing, self.location) not in self.objects_at:
            return None
        self.sliced = self._with("sliced", self.sliced, thing)
        return self.dialect.sliced(first, second)

    # Conditions -----------------------------------------------------------------------------

    def _receptacle_here(self, name: str) -> int:
        receptacle = self.game.receptacle_numbers.get(name, NOTHING)
        here = receptacle in self.game.receptacles_at[self.location]
        return receptacle if here else NOTHING

    def _accessible(self, receptacle: int) -> bool:
        return receptacle != NOTHING and (
            receptacle in self.opened or receptacle not in self.game.openable
        )

    def _held_at(self, appliance: str, first: str, second: str) -> int:
        """Return the held object's number if it and an appliance here are the ones named."""
        receptacle = self._receptacle_here(second)
        if self.holding == NOTHING or receptacle == NOTHING:
            return NOTHING
        named = self.game.object_names[self.holding] == first
        fits = self.game.receptacle_types[receptacle] == appliance
        return self.holding if named and fits else NOTHING


_HANDLERS: Final[Mapping[str, Callable[[World, str, str], str | None]]] = {
    "look": World._do_look,
    "inventory": World._do_inventory,
    "help": World._do_help,
    "go": World._do_go,
    "open": World._do_open,
    "close": World._do_close,
    "examine": World._do_examine,
    "take": World._do_take,
    "move": World._do_move,
    "use": World._do_use,
    "clean": World._do_clean,
    "heat": World._do_heat,
    "cool": World._do_cool,
    "slice": World._do_slice,
}
