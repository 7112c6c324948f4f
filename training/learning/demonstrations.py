"""Rows of demonstrations: what was read, what is imitated, and what was a mistake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

READ, DONE, MISTAKE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A row that is cloned: an episode, or one turn of it where each turn is read by itself."""

    tokens: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    """What each token is: one of READ, DONE (imitated), MISTAKE (neither)."""
    instead: dict[int, int] = field(default_factory=dict)
    """Where a mistake begins: what is imitated there, in place of the token that follows."""

    def read(self, context: Sequence[int]) -> None:
        """Append what the world says."""
        self.tokens.extend(context)
        self.kinds.extend([READ] * len(context))

    def write(self, response: Sequence[int], right: Sequence[int]) -> None:
        """Append a response. Up to its first wrong token, the right one is imitated."""
        same = 0
        while same < min(len(response), len(right)) and response[same] == right[same]:
            same += 1
        if same < min(len(response), len(right)):
            self.instead[len(self.tokens) + same] = right[same]
            same += 1
        self.tokens.extend(response)
        self.kinds.extend([DONE] * same + [MISTAKE] * (len(response) - same))
