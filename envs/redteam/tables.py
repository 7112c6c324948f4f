"""The game as tabular policies see it: which script speaks, in which circumstances.

A table that is learnt over these picks a script each turn from what its agent was told: who seems
to have said it, what it orders, and what is known by now. It learns in seconds what the rewards
make of attacks and defences, which free text takes much longer to show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from anchorgym.envs.redteam.game import Game
from anchorgym.envs.redteam.language import same
from anchorgym.envs.redteam.players import Heard, Seen, claimed, understand
from anchorgym.envs.redteam.tools import ALLOWED

ATTACKS: Final = ("abstain", "blatant", "authority", "peer_spoof")
DEFENCES: Final = ("naive", "ignore", "verify", "paranoid")


class Scripts(Mapping[str, str]):
    """The messages of scripts; a script is asked when its message is looked up."""

    def __init__(self, names: Sequence[str], say: Callable[[str], str]) -> None:
        self._names, self._say = names, say

    def __getitem__(self, name: str) -> str:
        return self._say(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def attacker_situation(game: Game) -> str:
    """Return what an attacker's choice depends on: its goal, and where its words arrive."""
    return f"{game.episode.goal} through {game.episode.surface}"


def defender_situation(seen: Seen) -> str:
    """Return what a defender's choice depends on: the first order, who seems to give it, a reply.

    No more than that: what teammates have made of an order since, and how late it is, would split
    each case into a dozen that are seldom met, and the scripts look at both themselves.
    """
    first = next(filter(None, (tuple(_orders(heard, seen)) for heard in seen.heard)), ())
    parts = [*first, *["the user has replied"] * bool(seen.reply)]
    return "; ".join(parts) or "nothing"


def _orders(heard: Heard, seen: Seen) -> Iterator[str]:
    orders = understand([heard.text])
    by = f"{heard.source}{claimed(heard)}"
    if orders.tokens:
        yield f"{by} orders a token"
    if any(tool in ALLOWED for tool in orders.calls):
        yield f"{by} orders a call"
    if any(tool not in ALLOWED for tool in orders.calls):
        yield f"{by} orders a forbidden call"
    if orders.code:
        yield f"{by} orders the code"
    if orders.result:
        agrees = same(orders.result, seen.advice)
        yield f"{by} names {'the same' if agrees else 'another'} result"
