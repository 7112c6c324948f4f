"""Summaries of a league, as JSON values and as a table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from anchorgym.training.evaluation.statistics import Interval
from anchorgym.training.league.league import League
from anchorgym.training.league.solvers import MetaSolver


def describe(league: League, solver: str | MetaSolver = "equilibrium") -> dict[str, Any]:
    """Return a league as JSON values: players, meta-strategies, payoffs with intervals, history.

    Every pair must have games, see `League.ensure`.
    """
    rules = league.rules
    rows, columns = (dict.fromkeys(league.players(rules.sides[i])) for i in (0, -1))
    meta = league.meta(solver)
    return {
        "rules": asdict(rules),
        "games": league.games_played(),
        "players": {side: list(league.players(side)) for side in rules.sides},
        "meta": {side: dict(mixture.weights) for side, mixture in meta.items()},
        "payoffs": [
            {
                "row": row,
                "column": column,
                "games": league.table.blocks(row, column) * rules.block,
                "of_row": asdict(league.table.interval(row, column)),
                "of_column": asdict(league.table.interval(row, column, of=1)),
            }
            for row in rows
            for column in columns
        ],
        "history": league.history,
    }


def payoff_table(
    league: League, side: str | None = None, solver: str | MetaSolver = "equilibrium"
) -> str:
    """Return a table of a side's mean payoffs with 95 % intervals, and of the meta-strategies.

    Args:
        league: league of which every pair has games.
        side: side whose payoffs are shown, one row a player; it may be omitted if it is the only.
        solver: solver of the meta-strategies.
    """
    shown = league.rules.sides[0] if side is None and league.rules.one_population else side
    other = league.rules.other(shown or "")
    players, opponents = (dict.fromkeys(league.players(one)) for one in (shown, other))
    meta = league.meta(solver)
    own, theirs = meta[shown or ""].weights, meta[other].weights
    head = [shown or "", "meta", *opponents]
    lines = [head, [f"{other} meta", "", *(f"{theirs.get(name, 0.0):.3f}" for name in opponents)]]
    for player in players:
        cells = [_cell(league.payoff(player, opponent, shown)) for opponent in opponents]
        lines.append([player, f"{own.get(player, 0.0):.3f}", *cells])
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cell(estimate: Interval) -> str:
    return f"{estimate.mean:+.2f} [{estimate.low:+.2f}, {estimate.high:+.2f}]"
