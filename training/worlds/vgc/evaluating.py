"""Evaluation of battle players in a league, with rankings on seen and on unseen teams."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anchorgym.agents.engines import EngineFactory
from anchorgym.envs.durable import write_file
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.knowledge import knowledge
from anchorgym.envs.vgc.records import BattleRecord
from anchorgym.envs.vgc.replays import keep, write_battles
from anchorgym.training.config.run_folders import alone, claim, require_own
from anchorgym.training.evaluation.statistics import Interval
from anchorgym.training.league import League, LeagueError, Rules
from anchorgym.training.league.ranking import alpha_rank, elo_intervals
from anchorgym.training.league.roster import Roster
from anchorgym.training.league.rules import FloatArray
from anchorgym.training.run.display import Display
from anchorgym.training.worlds.vgc.config import BattleConfig
from anchorgym.training.worlds.vgc.contenders import contender, require_player
from anchorgym.training.worlds.vgc.match_runner import MatchRunner

SPLITS = {"seen": "train", "unseen": "unseen"}
"""Splits of the teams, by their names in an evaluation."""
_COMMAND = "anchorgym vgc league"


@dataclass(frozen=True, slots=True)
class Standing:
    """The results of one player on one split.

    Attributes:
        name: name of the player.
        wins: share of games won, as the mean over all opponents.
        alpha: score of alpha-rank.
        elo: Elo rating with its interval; the mean of all players is 0.
    """

    name: str
    wins: Interval
    alpha: float
    elo: Interval


@dataclass(frozen=True, slots=True)
class SplitResult:
    """The results of the games on the teams of one split.

    Attributes:
        split: name of the split, "seen" or "unseen".
        names: names of the players, in the order of rows and columns.
        shares: share of games that the row won, by row and column; None on the diagonal.
        games: number of all games.
        standings: results of the players, in the order of names.
    """

    split: str
    names: tuple[str, ...]
    shares: tuple[tuple[Interval | None, ...], ...]
    games: int
    standings: tuple[Standing, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the results as JSON values."""
        return {
            "split": self.split,
            "players": list(self.names),
            "games": self.games,
            "shares": [[cell and _triple(cell) for cell in row] for row in self.shares],
            "standings": [
                {
                    "player": one.name,
                    "wins": _triple(one.wins),
                    "alpha_rank": one.alpha,
                    "elo": _triple(one.elo),
                }
                for one in self.standings
            ],
        }


def evaluate_league(
    players: Mapping[str, str],
    config: BattleConfig,
    out: Path,
    *,
    games: int = 64,
    splits: Sequence[str] = tuple(SPLITS),
    refine: int = 0,
    seed: int = 0,
    record: int = 0,
    display: Display | None = None,
    engine: EngineFactory | None = None,
) -> list[SplitResult]:
    """Evaluate players against each other on seen and unseen teams; stored games are reused.

    Args:
        players: names for `contenders.contender`, by the player's name in the league.
        config: settings of the battles, whose teams are the seen ones.
        out: folder, which gets `evaluation.json`; a league in it is continued.
        games: least number of games of each pair.
        splits: splits to play, of "seen" and "unseen".
        refine: number of further games of a split, for the least certain pairs.
        seed: seed of teams and randomness.
        record: number of last battles that are recorded in `battles.jsonl`.
        display: progress display.
        engine: factory of the engines of chat models; by default one in this process.

    Raises:
        LeagueError: the folder holds the games of other players or teams, or there is one player.
        OptionError: there is no such player; nothing is written then.
    """
    require_own(out, _COMMAND)
    roster = Roster(out, players, config.model_dump())
    if len(roster.players) < 2:
        raise LeagueError(f"a league needs two different players, not {[*roster.players]} alone")
    for player in players.values():
        require_player(player)  # in an instant: the rest takes many seconds
    known, bridge, where = knowledge(config.format), Bridge(), roster.players.__getitem__
    try:
        runners = {
            split: MatchRunner(config, bridge, known, where, SPLITS[split], engine)
            for split in splits
        }
        for player in players.values():  # a policy that cannot be loaded leaves nothing behind
            contender(player, known, bridge, engine)
        claim(out, _COMMAND)
        with alone(out):
            roster.write()
            results, played = [], deque[tuple[str, str, BattleRecord]](maxlen=record)
            for split, runner in runners.items():
                runner.records = played
                league = League(runner.play, Rules(seed=seed), folder=out / split)
                league.add(*players)
                _fill(league, games, refine, split, display or Display(None))
                results.append(result_of(league, split))
            _record(out, bridge, played)
            _write(out, config, results)
    finally:
        bridge.close()
    return results


def result_of(league: League, split: str) -> SplitResult:
    """Compute the results of the players of a one-sided league."""
    names = league.players()
    shares = tuple(
        tuple(None if row == column else _share(league.payoff(row, column)) for column in names)
        for row in names
    )
    payoffs, _ = league.matrices()
    alphas = alpha_rank(payoffs) if len(names) > 1 else np.ones(len(names))
    ratings = _ratings(league, names, league.rules.seed)
    standings = tuple(
        Standing(name, _mean([cell for cell in shares[i] if cell]), float(alphas[i]), ratings[i])
        for i, name in enumerate(names)
    )
    return SplitResult(split, names, shares, league.games_played(), standings)


def _record(out: Path, bridge: Bridge, played: Sequence[tuple[str, str, BattleRecord]]) -> None:
    if played:
        kept = [keep(bridge, battle, (one, two)) for one, two, battle in played]
        write_battles(out / "battles.jsonl", kept)


def _write(out: Path, config: BattleConfig, results: Sequence[SplitResult]) -> None:
    body = {"teams": config.model_dump(), "splits": [result.to_json() for result in results]}
    write_file(out / "evaluation.json", json.dumps(body, indent=1) + "\n")


def _fill(league: League, games: int, refine: int, split: str, display: Display) -> None:
    pairs = league.pairs()
    with display.phase(split, len(pairs), 0) as shown:
        for pair in pairs:
            league.ensure(games, [pair])
            shown.step(f"{pair[0]} - {pair[1]}: {_share(league.payoff(*pair))}")
    if refine:
        base = len(pairs) * -(-games // league.rules.block) * league.rules.block
        league.refine(base + refine)


def _ratings(league: League, names: Sequence[str], seed: int) -> list[Interval]:
    """Return Elo ratings with their intervals."""
    return elo_intervals(_wins(league, names), seed=seed)


def _wins(league: League, names: Sequence[str]) -> FloatArray:
    """Return the numbers of games won, (n, n)."""
    wins = np.zeros((len(names), len(names)))
    for i, row in enumerate(names):
        for j in range(i + 1, len(names)):
            won = (1 + league.table.games(row, names[j])[:, 0]) / 2
            wins[i, j], wins[j, i] = won.sum(), len(won) - won.sum()
    return wins


def _share(payoff: Interval) -> Interval:
    return Interval((1 + payoff.mean) / 2, (1 + payoff.low) / 2, (1 + payoff.high) / 2)


def _mean(cells: Sequence[Interval]) -> Interval:
    """Return the mean of independent estimates; their intervals add up in quadrature."""
    if not cells:
        return Interval(float("nan"), float("nan"), float("nan"))
    n, mean = len(cells), float(np.mean([cell.mean for cell in cells]))
    below = float(np.sqrt(sum((cell.mean - cell.low) ** 2 for cell in cells))) / n
    above = float(np.sqrt(sum((cell.high - cell.mean) ** 2 for cell in cells))) / n
    return Interval(mean, mean - below, mean + above)


def _triple(estimate: Interval) -> list[float]:
    return [round(estimate.mean, 6), round(estimate.low, 6), round(estimate.high, 6)]
