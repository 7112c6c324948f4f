"""Training rows of demonstrations, which mark read tokens, imitated tokens and mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

READ, DONE, MISTAKE, PADDING = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A training row of cloning: an episode, or one turn if the prompt is a window."""

    tokens: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    """Kind of each token: READ, DONE (imitated) or MISTAKE (neither)."""
    instead: dict[int, int] = field(default_factory=dict)
    """The right token at each position where a mistake begins, which is imitated instead."""

    def read(self, context: Sequence[int]) -> None:
        """Append tokens that the policy reads."""
        self.tokens.extend(context)
        self.kinds.extend([READ] * len(context))

    def write(self, response: Sequence[int], right: Sequence[int]) -> None:
        """Append a response, of which the tokens up to the first mistake are imitated."""
        same = 0
        while same < min(len(response), len(right)) and response[same] == right[same]:
            same += 1
        if same < min(len(response), len(right)):
            self.instead[len(self.tokens) + same] = right[same]
            same += 1
        self.tokens.extend(response)
        self.kinds.extend([DONE] * same + [MISTAKE] * (len(response) - same))
