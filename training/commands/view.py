"""`anchorgym view`: make a page of a run, to be looked at in a browser."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from pathlib import Path

from anchorgym.training.commands import EXIT_OK

HELP = "make a page of a run, for the browser"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="such as runs/NAME")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: RUN/view.html")
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Write the page and print its path."""
    from anchorgym.training.inspect.viewing import write_page

    page = write_page(known.folder, known.out)
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
