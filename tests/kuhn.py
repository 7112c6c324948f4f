"""Kuhn poker by its whole tree: exact values, exact best responses, pure strategies as players.

Three cards, one each, an ante of 1. The first player checks or bets; the second checks or bets
after a check, folds or calls after a bet; after check and bet the first folds or calls. A strategy
holds the chance of betting (or calling) at each information set: card and what went before.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import permutations, product

from anchorgym.training.league import Mixture

CARDS = (0, 1, 2)
SETS = (
    tuple(f"{card}{before}" for before in ("", "pb") for card in CARDS),
    tuple(f"{card}{before}" for before in ("p", "b") for card in CARDS),
)
"""Information sets of the first and the second player: p is to check or fold, b to bet or call."""
Strategy = Mapping[str, float]

_ENDS = {"pp": 1, "bp": 0, "pbp": 0, "bb": 2, "pbb": 2}
"""What each ending puts at stake; 0: somebody folded."""


def pure_strategies(seat: int) -> dict[str, Strategy]:
    """Return the 64 pure strategies of a seat by name."""
    return {
        f"{'fs'[seat]}{''.join(map(str, bets))}": dict(
            zip(SETS[seat], map(float, bets), strict=True)
        )
        for bets in product((0, 1), repeat=6)
    }


def first_wins(cards: tuple[int, int], history: str) -> float:
    """Return what the first player wins at the end of a game."""
    stake = _ENDS[history]
    if stake == 0:
        return 1.0 if history == "bp" else -1.0
    return float(stake) if cards[0] > cards[1] else -float(stake)


def value(first: Strategy, second: Strategy) -> float:
    """Return the first player's expected payoff."""

    def walk(cards: tuple[int, int], history: str) -> float:
        if history in _ENDS:
            return first_wins(cards, history)
        seat = len(history) % 2
        bet = (first, second)[seat][f"{cards[seat]}{history}"]
        return sum(p * walk(cards, history + move) for move, p in (("p", 1 - bet), ("b", bet)) if p)

    deals = list(permutations(CARDS, 2))
    return sum(walk((a, b), "") for a, b in deals) / len(deals)


@cache
def payoffs() -> dict[tuple[str, str], float]:
    """Return the first player's expected payoff of every pair of pure strategies."""
    firsts, seconds = (pure_strategies(seat).items() for seat in (0, 1))
    return {(a, b): value(first, second) for a, first in firsts for b, second in seconds}


def best_response(seat: int, mixture: Mapping[str, float]) -> str:
    """Return the pure strategy of a seat that does best against a mixture of the other's."""

    def against(own: str) -> float:
        if seat == 0:
            return sum(p * payoffs()[own, name] for name, p in mixture.items())
        return -sum(p * payoffs()[name, own] for name, p in mixture.items())

    return max(pure_strategies(seat), key=lambda name: (round(against(name), 12), name))


def behaviour(seat: int, mixture: Mixture, known: Mapping[str, Strategy]) -> Strategy:
    """Return the strategy that plays as drawing a player once a game does (Kuhn's theorem).

    A player counts at an information set as much as its own earlier choices lead there.
    """
    strategy = {}
    for where in SETS[seat]:
        reach = {
            name: p * ((1 - known[name][where[0]]) if where.endswith("pb") else 1.0)
            for name, p in mixture.weights.items()
        }
        total = sum(reach.values())
        bets = sum(p * known[name][where] for name, p in reach.items())
        strategy[where] = bets / total if total > 0 else 0.5
    return strategy


def nash_conv(first: Strategy, second: Strategy) -> float:
    """Return what both players together gain by best responses, through all pure strategies."""
    best_first = max(value(pure, second) for pure in pure_strategies(0).values())
    best_second = max(-value(first, pure) for pure in pure_strategies(1).values())
    return best_first + best_second
