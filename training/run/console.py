"""The console of the command line, which obeys nothing that a world says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from anchorgym.envs.texts import printable


class SafeConsole(Console):
    """A console that prints text as text.

    Names, task ids, observations and actions come from worlds, and may hold anything: brackets and
    colons are no markup or emoji here, and what a terminal would obey becomes U+FFFD, see
    `anchorgym.envs.texts.printable`. Styles are given as such.

    Args:
        options: options of Rich's console.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render to segments, of which only those of the console itself hold control codes."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)
