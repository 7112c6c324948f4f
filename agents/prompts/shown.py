"""The admissible actions that a prompt lists."""

from __future__ import annotations

from typing import Literal

ShownActions = Literal["none", "new", "all"]


def shown_actions(
    kind: ShownActions, admissible: tuple[str, ...], first: frozenset[str]
) -> tuple[str, ...]:
    """Return the admissible actions that a prompt lists.

    Args:
        kind: none, all, or only those that are `new` since the first turn.
        admissible: admissible actions of the turn.
        first: admissible actions of the episode's first turn.
    """
    if kind == "none":
        return ()
    return admissible if kind == "all" else tuple(one for one in admissible if one not in first)
