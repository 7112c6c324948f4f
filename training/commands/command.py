"""Commands of the command line: arguments, settings, a help page, and a function to run."""

from __future__ import annotations

import math
import re
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from anchorgym.envs.errors import AnchorgymError, did_you_mean
from anchorgym.envs.plugins import load_object
from anchorgym.training.config.limits import MOST_NUMBER, MOST_SEED

if TYPE_CHECKING:
    from pydantic import BaseModel

Settings = dict[str, Any]
"""Settings that were given, by section and name."""

_HELP: Final = ("--help", "-h")
_NEGATIVE = re.compile(r"-\.?\d")
_TYPES: Final = {int: "a whole number", float: "a number"}


class UsageError(AnchorgymError, ValueError):
    """A command line that does not fit the command."""


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument that a command takes beside its settings.

    Attributes:
        name: `--flag`, or the name of a positional argument.
        help: description in whole sentences.
        metavar: placeholder of the value in the help page; empty for a flag without a value.
        type: type of the value.
        default: value if the argument is not given.
        least: smallest allowed number.
        most: largest allowed number.
        choices: allowed words; empty for no restriction.
        many: whether it takes a list of values: further words, or the flag several times.
        required: whether it has to be given.
    """

    name: str
    help: str
    metavar: str = ""
    type: Callable[[str], Any] = str
    default: Any = None
    least: float | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()
    many: bool = False
    required: bool = False

    @property
    def key(self) -> str:
        """Name of the value's attribute in the namespace."""
        return self.name.removeprefix("--").replace("-", "_")

    @property
    def is_flag(self) -> bool:
        """Whether the argument begins with dashes."""
        return self.name.startswith("--")

    @property
    def is_switch(self) -> bool:
        """Whether the argument is a flag without a value."""
        return self.is_flag and not self.metavar

    @property
    def label(self) -> str:
        """Name of the argument in error messages."""
        return self.name if self.is_flag else self.metavar

    def read(self, text: str) -> Any:
        """Parse a word as the argument's value.

        Raises:
            UsageError: the word is not an allowed value.
        """
        if self.choices and text not in self.choices:
            raise UsageError(
                f"{self.label} is one of {', '.join(self.choices)}, not {_short(text)}."
                f"{did_you_mean(text, self.choices)}"
            )
        try:
            value = self.type(text)
        except ValueError as error:
            wanted = _TYPES.get(self.type, "another value")  # type: ignore[call-overload]
            raise UsageError(f"{self.label} takes {wanted}, not {_short(text)}") from error
        most = MOST_NUMBER if self.most is None and self.type is int else self.most
        if most is not None and value > most:
            raise UsageError(f"{self.label} takes a number up to {most}, got {_short(text)}")
        if self.type is float and math.isinf(value):
            raise UsageError(f"{self.label} takes a finite number, got {_short(text)}")
        if value != value or (self.least is not None and value < self.least):
            least = "" if self.least is None else f" of at least {self.least:g}"
            raise UsageError(f"{self.label} takes a number{least}, got {_short(text)}")
        return value


TRUST: Final = Argument(
    "--trust",
    "Import modules of your own that files name, such as settings, recordings and policies, and "
    "not only those that this command line names. A module that is imported is run.",
)
"""Switch of every command, see `anchorgym.envs.plugins.only_named`."""


@dataclass(frozen=True)
class Command:
    """A command of the command line.

    Attributes:
        name: name of the command, such as `train` or `vgc clone`.
        summary: one sentence for the list of commands.
        about: paragraphs on what the command does and prints.
        examples: example command lines.
        arguments: arguments beside the settings, positional ones in order.
        settings: model of the settings as `module:Name`; empty for a command without settings.
        run: function that runs the command and returns its exit status.
        takes_environment: whether the first word may be the id of an environment, like `--env`.
    """

    name: str
    summary: str
    about: str
    examples: tuple[str, ...]
    run: Callable[[Namespace, Settings], int]
    arguments: tuple[Argument, ...] = ()
    settings: str = ""
    takes_environment: bool = False

    @cached_property
    def model(self) -> type[BaseModel] | None:
        """The model of the settings, which is imported on first use."""
        if not self.settings:
            return None
        model: type[BaseModel] = load_object(self.settings, "a model of settings", installed=True)
        return model

    @cached_property
    def flags(self) -> dict[str, Argument]:
        """Arguments that begin with dashes."""
        taken = (*self.arguments, TRUST)
        return {argument.name: argument for argument in taken if argument.is_flag}

    @property
    def plays_only(self) -> bool:
        """Whether the settings are those of play: the environment's, and how models run."""
        fields = {} if self.model is None else self.model.model_fields
        return "env" in fields and "seed" not in fields

    @property
    def words(self) -> tuple[Argument, ...]:
        """Positional arguments."""
        return tuple(argument for argument in self.arguments if not argument.is_flag)

    def asks_for_help(self, words: Sequence[str]) -> bool:
        """Whether the words ask for the help page."""
        return any(word in _HELP for word in words)

    def read(self, words: Sequence[str]) -> tuple[Namespace, Settings]:
        """Return the arguments and the settings that the words give.

        Raises:
            UsageError: an argument is unknown, lacks its value or has a wrong one.
            ConfigError: a setting cannot be read.
        """
        for word in words:
            if "\0" in word:
                raise UsageError(f"an argument holds a NUL character: {_short(word)}")
        values: dict[str, Any] = {a.key: [] if a.many else a.default for a in self.arguments}
        values |= {a.key: False for a in (*self.arguments, TRUST) if a.is_switch}
        free, settings = self._sorted(words, values)
        given = self._settings(settings)
        if self.takes_environment and free and len(free) > len(self.words):
            _name_environment(given, free.pop(0))
        self._place(free, values)
        return Namespace(**values), given

    def _sorted(self, words: Sequence[str], values: dict[str, Any]) -> tuple[list[str], list[str]]:
        """Read flags into `values`; return the remaining (positional words, settings)."""
        free: list[str] = []
        settings: list[str] = []
        rest = iter(words)
        for word in rest:
            name, equals, value = word.partition("=")
            if word.startswith("@") and self.settings:
                settings.append(word)
            elif name in self.flags:
                self._take(self.flags[name], value if equals else None, rest, values)
            elif name.startswith("--") and len(name) > 2:
                if not self.settings:
                    raise UsageError(self._unknown(name))
                settings.append(word if equals else f"{word}={_value_of(name, rest)}")
            elif word.startswith("-") and word != "-" and not _NEGATIVE.match(word):
                raise UsageError(self._unknown(word))
            else:
                free.append(word)
        return free, settings

    def _take(
        self, flag: Argument, value: str | None, rest: Iterator[str], values: dict[str, Any]
    ) -> None:
        if flag.is_switch:
            if value is not None:
                raise UsageError(f"{flag.name} takes no value, got {value!r}")
            values[flag.key] = True
            return
        read = flag.read(_value_of(flag.name, rest) if value is None else value)
        if flag.many:
            values[flag.key].append(read)
        else:
            values[flag.key] = read

    def _settings(self, words: Sequence[str]) -> Settings:
        if self.model is None:
            return {}
        from anchorgym.training.config.fields import all_paths
        from anchorgym.training.config.overrides import parse_settings

        for word in words:
            name = word.partition("=")[0]
            top = name.removeprefix("--").replace("-", "_").partition(".")[0]
            if word.startswith("@") or top in self.model.model_fields:
                continue
            elsewhere = top in {path.rpartition(".")[2] for path in all_paths(self.model)}
            close = did_you_mean(name, self.flags) and "." not in name and not elsewhere
            if self.plays_only or close:
                raise UsageError(self._unknown(name))
        return parse_settings(words, self.model)

    def _place(self, free: list[str], values: dict[str, Any]) -> None:
        """Read positional words into `values`."""
        for argument in self.words:
            if argument.many:
                values[argument.key] = [argument.read(word) for word in free]
                free = []
            elif free:
                values[argument.key] = argument.read(free.pop(0))
        if free:
            raise UsageError(
                f"unexpected {free[0]!r}: `anchorgym {self.name} --help` says what can be given"
            )
        for argument in self.arguments:
            if argument.required and values[argument.key] in (None, []):
                raise UsageError(
                    f"{argument.label} is missing. {argument.help} "
                    f"`anchorgym {self.name} --help` shows examples"
                )

    def _unknown(self, flag: str) -> str:
        known = [*self.flags, "--help"]
        top = [] if self.model is None else [f"--{n}" for n in self.model.model_fields]
        also = ""
        if self.plays_only:
            also = "; an argument of the environment is written --env.KEY VALUE"
        hint = did_you_mean(flag, [*known, *(name.replace("_", "-") for name in top)])
        return (
            f"`anchorgym {self.name}` has no flag {flag!r}.{hint} "
            f"`anchorgym {self.name} --help` lists them{also}"
        )


def switch(name: str, help: str) -> Argument:
    """Return a flag without a value."""
    return Argument(name, help)


def option(name: str, metavar: str, help: str, **more: Any) -> Argument:
    """Return a flag with a value."""
    return Argument(name, help, metavar, **more)


def word(name: str, metavar: str, help: str, **more: Any) -> Argument:
    """Return a positional argument."""
    return Argument(name, help, metavar, **more)


def folder(name: str, help: str, **more: Any) -> Argument:
    """Return a flag that takes the path of a folder."""
    return Argument(name, help, "FOLDER", type=Path, **more)


def seed_option(help: str, default: int | None = 0) -> Argument:
    """Return the flag `--seed`."""
    return Argument("--seed", help, "N", type=int, default=default, least=0, most=MOST_SEED)


def _short(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:40]!r}… ({len(text)} characters)"


def _value_of(name: str, rest: Iterator[str]) -> str:
    value = next(rest, "--")
    if value.startswith("--"):
        raise UsageError(f"{name} needs a value")
    return value


def _name_environment(given: Settings, env_id: str) -> None:
    """Set the environment's id from the first word."""
    section = given.setdefault("env", {})
    if not isinstance(section, dict):
        section = given["env"] = {"id": section}
    other = section.setdefault("id", env_id)
    if other != env_id:
        raise UsageError(f"two environments are named: {env_id!r} and {other!r}. Leave one out")
