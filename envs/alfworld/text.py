"""The words of the game: how commands are written and what the game answers.

The engine writes no text itself, so another dialect of the same game is another subclass of
`Dialect`. A thing is always "a …", and the last two of a list are joined by ", and ".

What set version 2.1.2 of the official games apart from 2.1.1 is known from the script that turned
the one into the other, `scripts/patch_tw-pddl.py` of github.com/alfworld/alfworld (commit
beadec4d), and from a grammar of before, `debug/multi-agent/alfred.twl2` (commit 7c7aabca).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

BANNER: Final = "-= Welcome to TextWorld, ALFRED! =-"
NOTHING_HAPPENS: Final = "Nothing happens."

_HELP: Final = """\
Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
"""


class Dialect:
    """The dialect of the official games since 2.1.2.

    A parsed command is (verb, first thing, second thing) with the verb as the engine knows it and
    "" for a thing that is not there.
    """

    help: ClassVar[str] = _HELP
    standing_commands: ClassVar[tuple[str, ...]] = ("help", "inventory", "look")
    """Commands that are always possible, sorted."""
    joints: ClassVar[Mapping[str, str]] = {
        "take": " from ",
        "move": " to ",
        "clean": " with ",
        "heat": " with ",
        "cool": " with ",
        "slice": " with ",
    }
    """What stands between the two things of each verb that takes two."""

    def parse(self, command: str) -> tuple[str, str, str]:
        """Split a command into verb and things; whether they exist is the engine's concern."""
        verb, _, rest = command.partition(" ")
        joint = self.joints.get(verb)
        if joint is not None:
            first, _, second = rest.partition(joint)
            return verb, first, second
        if verb == "go":
            preposition, _, place = rest.partition(" ")
            return (verb if preposition == "to" else ""), place, ""
        return verb, rest, ""

    def go(self, receptacle: str) -> str:
        """Return the command that goes to a receptacle."""
        return f"go to {receptacle}"

    def move(self, thing: str, receptacle: str) -> str:
        """Return the command that puts a held object down."""
        return f"move {thing} to {receptacle}"

    def intro(self, view: str, task: str) -> str:
        """Return the first observation."""
        return f"{BANNER}\n\n{view}\n\nYour task is to: {task}"

    def room(self, receptacles: Sequence[str]) -> str:
        """Return the view from the middle of the room."""
        return (
            "You are in the middle of a room. Looking quickly around you, "
            f"you see {_things(receptacles)}."
        )

    def facing(self, receptacles: Sequence[str], things: Sequence[str]) -> str:
        """Return the view in front of receptacles, with what lies beside them."""
        return f"You are facing the {_listed(receptacles)}. Next to it, you see {_things(things)}."

    def arrived(self, receptacle: str, location: str, view: str) -> str:
        """Answer going somewhere; a location is named like a thing, as in "loc 24"."""
        return f"You arrive at {receptacle}. {view}"

    def surface(self, receptacle: str, things: Sequence[str]) -> str:
        """Describe a receptacle that cannot be closed."""
        return f"On the {receptacle}, you see {_things(things)}."

    def inside(self, receptacle: str, things: Sequence[str]) -> str:
        """Describe an open receptacle."""
        return f"The {receptacle} is open. In it, you see {_things(things)}."

    def shut(self, receptacle: str) -> str:
        """Describe a closed receptacle."""
        return f"The {receptacle} is closed."

    def opened(self, receptacle: str, view: str) -> str:
        """Answer opening."""
        return f"You open the {receptacle}. {view}"

    def closed(self, receptacle: str) -> str:
        """Answer closing."""
        return f"You close the {receptacle}."

    def took(self, thing: str, receptacle: str) -> str:
        """Answer picking up."""
        return f"You pick up the {thing} from the {receptacle}."

    def moved(self, thing: str, receptacle: str) -> str:
        """Answer putting down."""
        return f"You move the {thing} to the {receptacle}."

    def treated(self, verb: str, thing: str, receptacle: str) -> str:
        """Answer cleaning, heating and cooling."""
        return f"You {verb} the {thing} using the {receptacle}."

    def sliced(self, thing: str, knife: str) -> str:
        """Answer slicing."""
        return f"You sliced the {thing} with the {knife}."

    def used(self, thing: str) -> str:
        """Answer using: the game says "on" whichever way the switch goes."""
        return f"You turn on the {thing}."

    def carrying(self, thing: str) -> str:
        """Answer the inventory of full hands."""
        return f"You are carrying: a {thing}."

    def empty_handed(self) -> str:
        """Answer the inventory of empty hands."""
        return "You are not carrying anything."

    def container(self, thing: str, inner: Sequence[str]) -> str:
        """Describe an object that can hold others."""
        return f"This is a normal {thing}. In it, you see {_things(inner)}."

    def thing(
        self, name: str, *, clean: bool, hot: bool, cool: bool, sliced: bool, on: bool
    ) -> str:
        """Describe an object that was treated, or was not."""
        temperature = "hot" if hot else "cool" if cool else ""
        state = " and ".join(filter(None, (temperature, "clean" if clean else "")))
        if on and not state:
            return f"This {name} is on."
        if sliced:
            state = f"{state} sliced".lstrip()
        elif state == "cool":
            state = "cold"
        if state:
            return f"This is a {state} {name}."
        return f"There's nothing special about {name}."


class FirstDialect(Dialect):
    """The dialect of the games up to 2.1.1, for which ReAct's and Reflexion's prompts were written.

    One puts things "in/on" receptacles, arrives at numbered locations, and cannot ask for help.
    """

    standing_commands: ClassVar[tuple[str, ...]] = ("inventory", "look")
    joints: ClassVar[Mapping[str, str]] = {**Dialect.joints, "put": " in/on "}
    _not_yet: ClassVar[frozenset[str]] = frozenset({"help", "move"})

    def parse(self, command: str) -> tuple[str, str, str]:
        """Split a command into verb and things; see `Dialect.parse`."""
        verb, first, second = super().parse(command)
        if verb in self._not_yet:
            return "", first, second
        return ("move" if verb == "put" else verb), first, second

    def move(self, thing: str, receptacle: str) -> str:
        """Return the command that puts a held object down."""
        return f"put {thing} in/on {receptacle}"

    def arrived(self, receptacle: str, location: str, view: str) -> str:
        """Answer going somewhere."""
        return f"You arrive at {location}. {view}"

    def moved(self, thing: str, receptacle: str) -> str:
        """Answer putting down."""
        return f"You put the {thing} in/on the {receptacle}."


DIALECTS: Final[Mapping[str, Dialect]] = {"2.1.2": Dialect(), "2.1.1": FirstDialect()}
"""The dialects by the version of the official games that is written in them."""


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return names[0] if names else "nothing"
    return f"{', '.join(names[:-1])}, and {names[-1]}"


def _things(names: Sequence[str]) -> str:
    return _listed([f"a {name}" for name in names])
