"""`anchorgym view`: write a page of a run, to view in a browser."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from anchorgym.training.commands import EXIT_OK
from anchorgym.training.commands.command import Command, Settings, option, switch, word


def run(known: Namespace, given: Settings) -> int:
    """Write the page and print its path."""
    import sys
    import webbrowser

    from anchorgym.training.inspect.viewing import write_page

    page = write_page(known.run, known.out)
    for problem in page.unreadable:
        print(f"warning: {problem}", file=sys.stderr)
    if page.left_out:
        print(
            f"{page.left_out} of {page.left_out + page.episodes} recorded episodes are left out, "
            "to keep the page small",
            file=sys.stderr,
        )
    print(page.path)
    if known.open:
        webbrowser.open(page.path.resolve().as_uri())
    return EXIT_OK


COMMAND = Command(
    name="view",
    summary="Write a page of a run, to view in a browser.",
    about="""
        Writes one file that needs neither a server nor a network, and prints its path. The page
        shows results, curves and settings, and the recorded episodes turn by turn: each turn
        with its advantage and the turns that it was compared with.""",
    examples=("anchorgym view runs/NAME --open",),
    arguments=(
        word("run", "RUN", "Folder of a run, such as runs/NAME.", type=Path, required=True),
        option("--out", "FILE", "File to write; by default view.html in the run.", type=Path),
        switch("--open", "Open the page in the browser."),
    ),
    run=run,
)
