"""`anchorgym envs`: list the environments, or describe one."""

from __future__ import annotations

import json
import textwrap
from argparse import Namespace
from typing import TYPE_CHECKING

from anchorgym.training.commands import EXIT_OK
from anchorgym.training.commands.command import Command, Settings, switch, word

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from anchorgym.training.inspect.catalogue import Details, Entry


def run(known: Namespace, given: Settings) -> int:
    """Print the table, or the description of each named environment."""
    from anchorgym.envs.texts import printable
    from anchorgym.training.inspect.catalogue import details, entry, registered
    from anchorgym.training.run.console import SafeConsole

    modules = [name[:-1] for name in known.names if name.endswith(":")]
    ids = [name for name in known.names if not name.endswith(":")]
    listed = registered(modules)
    if ids:
        found = [details(name) for name in ids]
        if known.json:
            values = [one.to_json() for one in found]
            print(json.dumps(values[0] if len(values) == 1 else values, indent=1))
        else:
            for one in found:
                _describe(one, SafeConsole())
        return EXIT_OK
    entries = [entry(name) for name in listed]
    console = SafeConsole()
    if known.json:
        print(json.dumps([one.to_json() for one in entries], indent=1))
    elif console.is_terminal:
        console.print(_table(entries))
    else:
        for line in map(_line, entries):
            print(printable(line))
    return EXIT_OK


def _line(entry: Entry) -> str:
    cells = (entry.id, str(entry.max_turns or "-"), _expert(entry), _splits(entry) or "-")
    return "\t".join(" ".join(cell.split()) for cell in (*cells, entry.about, entry.problem))


def _table(entries: list[Entry]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table("environment", "turns", "expert", "tasks", "what it is", box=box.SIMPLE_HEAD)
    table.columns[0].no_wrap = True
    table.columns[1].justify = "right"
    for one in entries:
        about = Text(one.about)
        if one.problem:
            about.append(f"\n{one.problem}", style="yellow")
        splits = _splits(one).replace(", ", "\n")
        table.add_row(Text(one.id), str(one.max_turns or ""), _expert(one), splits, about)
    return table


def _expert(entry: Entry) -> str:
    return "yes" if entry.expert else "-"


def _splits(entry: Entry) -> str:
    return ", ".join(f"{split} {tasks:,}" for split, tasks in entry.splits.items())


def _describe(found: Details, console: Console) -> None:
    from rich import box
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    entry = found.entry
    console.print(Text(entry.id, style="bold"))
    console.print(Padding(Text(_prose(found.doc)), (1, 2), expand=False))
    arguments = Table("argument", "default", "meaning", box=box.SIMPLE_HEAD)
    for argument in found.arguments:
        arguments.add_row(argument.name, Text(argument.default), Text(argument.about))
    console.print(arguments)
    splits = Table("split", "tasks", "panel (SHA-256)", box=box.SIMPLE_HEAD)
    splits.columns[1].justify = "right"
    for split, tasks in entry.splits.items():
        splits.add_row(split, f"{tasks:,}", found.panels[split][:16])
    console.print(splits)
    console.print(f"expert     {' and '.join(found.experts) or 'none'}")
    limit = "no limit" if entry.max_turns is None else f"{entry.max_turns} at most"
    console.print(f"turns      {limit}")
    if entry.agents:
        console.print(f"agents     {', '.join(entry.agents)}")
    console.print(Text(f"task       {found.task}"))
    console.print(Text(f"goal       {found.goal}"))
    console.print(Padding(Text(found.observation), (1, 2), expand=False))
    shown = "; ".join(found.actions) or "free text: none are listed"
    console.print(Text(f"actions    {textwrap.shorten(shown, 240, placeholder=' …')}"))


def _prose(doc: str) -> str:
    """Return a docstring without its sections, each paragraph in one line."""
    paragraphs = doc.partition("\nArgs:")[0].partition("\nRaises:")[0].split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs).strip()


COMMAND = Command(
    name="envs",
    summary="List the environments, or describe one.",
    about="""
        Without names, lists the built-in environments with their turn limit, expert, splits and
        description. A name that ends in a colon is a module of yours, whose environments are
        listed too; any other name is the id of an environment to describe, with its arguments and
        a first observation.

        If the output is not a terminal, each line holds the id, the turn limit, whether there is
        an expert, the splits, the description and any problem, separated by tabs.""",
    examples=("anchorgym envs", "anchorgym envs anchorgym/ALFWorld-v0", "anchorgym envs corridor:"),
    arguments=(
        word("names", "NAME", "Id of an environment, or a module with a colon.", many=True),
        switch("--json", "Print the list, or the description, as JSON."),
    ),
    run=run,
)
