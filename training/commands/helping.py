"""Help pages of commands, for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from anchorgym.training.commands.command import Argument, Command

WIDTH = 80
_DEEP = "      "


def page(command: Command) -> str:
    """Return the help page of a command."""
    blocks = [_usage(command), command.summary, *_paragraphs(command.about)]
    if command.examples:
        blocks.append("\n".join(["Examples:", *(f"  {example}" for example in command.examples)]))
    lines = [line for argument in _listed(command) for line in _argument(argument)]
    blocks.append("\n".join(["Arguments:", *lines]))
    return "\n\n".join([*blocks, *_settings(command)])


def overview(about: str, usage: str, groups: Mapping[str, Mapping[str, str]], closing: str) -> str:
    """Return a list of commands.

    Args:
        about: text above the list.
        usage: usage line.
        groups: summaries by name, under headings.
        closing: last paragraph.
    """
    blocks = [f"usage: {usage}", *_paragraphs(about)]
    for heading, summaries in groups.items():
        column = max(map(len, summaries), default=0) + 4
        lines = [
            textwrap.fill(
                summary,
                WIDTH,
                initial_indent=f"  {name:<{column - 2}}",
                subsequent_indent=" " * column,
            )
            for name, summary in summaries.items()
        ]
        blocks.append("\n".join([f"{heading}:", *lines]))
    return "\n\n".join([*blocks, *_paragraphs(closing)])


def _usage(command: Command) -> str:
    words = [_spelt(argument) for argument in _listed(command)[:-1]]
    settings = []
    if command.settings:
        kind = "env.KEY" if command.plays_only else "SETTING"
        settings = ["[@FILE.toml]", f"[--{kind} VALUE ...]"]
    text = " ".join([f"usage: anchorgym {command.name}", *words, *settings])
    return textwrap.fill(text, WIDTH, subsequent_indent=_DEEP, break_on_hyphens=False)


def _spelt(argument: Argument) -> str:
    text = argument.name if argument.is_switch else argument.metavar
    if argument.is_flag and not argument.is_switch:
        text = f"{argument.name} {argument.metavar}"
    more = " ..." if argument.many and not argument.is_flag else ""
    return f"{text}{more}" if argument.required else f"[{text}{more}]"


def _listed(command: Command) -> list[Argument]:
    """Return the arguments in the order of the page."""
    words = list(command.words)
    if command.takes_environment:
        meaning = "Id of the environment: the same as --env ENV."
        words.insert(0, Argument("env", meaning, "ENV"))
    flags = list(command.flags.values())
    return [*words, *flags, Argument("--help", "Print this page, and do nothing else.")]


def _argument(argument: Argument) -> Iterator[str]:
    notes = []
    if argument.choices:
        notes.append(" | ".join(argument.choices))
    if argument.default is not None:
        notes.append(f"(default: {argument.default})")
    yield from _entry(_spelt(argument).strip("[]"), notes, argument.help)


def _settings(command: Command) -> Iterator[str]:
    if command.model is None:
        return
    from anchorgym.training.config.fields import Setting, describe

    how = (
        "--env.KEY VALUE gives the environment an argument of its own. Arguments may also be in a "
        "TOML file that is given as @FILE.toml, in its table env. Later ones win."
        if command.plays_only
        else "Settings are written --SECTION.NAME VALUE, or in a TOML file that is given as "
        "@FILE.toml, in which each section is a table. Later ones win."
    )
    yield textwrap.fill(how, WIDTH, break_on_hyphens=False)
    lines: list[str] = []
    for item in describe(command.model):
        if isinstance(item, Setting):
            default = [f"(default: {item.default})"] if item.default not in ("", "null") else []
            lines += _entry(f"{item.flag} {_kind(item.kind)}".rstrip(), default, item.meaning)
            continue
        if lines:
            yield "\n".join(lines)
        title = f"{item.path}: {item.meaning}" if item.path else item.meaning
        lines = [textwrap.fill(title, WIDTH)]
    if lines:
        yield "\n".join(lines)


def _kind(kind: str) -> str:
    return kind.removesuffix(" | null")


def _entry(name: str, notes: list[str], meaning: str) -> Iterator[str]:
    head = "  ".join([f"  {name}", *notes])
    yield from textwrap.wrap(head, WIDTH, subsequent_indent=_DEEP * 2, break_on_hyphens=False)
    yield from textwrap.wrap(
        meaning,
        WIDTH,
        initial_indent=_DEEP,
        subsequent_indent=_DEEP,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield textwrap.fill(" ".join(paragraph.split()), WIDTH, break_on_hyphens=False)
