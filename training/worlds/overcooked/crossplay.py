"""Cross-play: scores of all pairs of cooks, as a league, a table and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anchorgym.envs.overcooked import Kitchen, State
from anchorgym.envs.overcooked.cooks import KINDS, Cook, make_cook
from anchorgym.training.evaluation.statistics import Interval
from anchorgym.training.league import League, Rules
from anchorgym.training.worlds.overcooked.network import NeuralCook

SIDE = "cook"


def find_cook(name: str, kitchen: Kitchen) -> Cook:
    """Return a cook by name, or the one that a folder holds.

    Raises:
        CookError: the folder holds no cook, or one of another kitchen.
        OptionError: there is no such cook or folder.
    """
    if name not in KINDS and Path(name).is_dir():
        return NeuralCook.load(name, kitchen)
    return make_cook(name, kitchen)


def play_pair(
    kitchen: Kitchen, cooks: tuple[Cook, Cook], games: int, *, ticks: int = 400, seed: int = 0
) -> NDArray[np.float64]:
    """Return the scores of games, (games,); the cooks swap seats in every second game."""
    rng = np.random.default_rng(seed)
    states, scores = [kitchen.start()] * games, np.zeros(games)
    seats = np.arange(games) % 2
    for _ in range(ticks):
        first = _actions(cooks[0], states, seats, rng)
        second = _actions(cooks[1], states, 1 - seats, rng)
        by_seat = np.where(seats == 0, (first, second), (second, first))
        for game, (one, other) in enumerate(by_seat.T.tolist()):
            states[game], *effects = kitchen.step(states[game], one, other)
            scores[game] += effects[0].reward + effects[1].reward
    return scores


def _actions(
    cook: Cook, states: Sequence[State], seats: NDArray[np.int_], rng: np.random.Generator
) -> NDArray[np.int_]:
    if isinstance(cook, NeuralCook):
        return cook.act_in(states, seats, rng)
    chosen = [cook(state, seat, rng) for state, seat in zip(states, seats.tolist(), strict=True)]
    return np.array(chosen)


def cooks_league(
    kitchen: Kitchen,
    cooks: Mapping[str, Cook],
    *,
    ticks: int = 400,
    block: int = 10,
    folder: Path | None = None,
) -> League:
    """Return a league of cooks, in which the payoff of both players is the team's score.

    Args:
        kitchen: kitchen of the games.
        cooks: cooks by name; more may be added to the mapping while the league grows.
        ticks: number of ticks of a game.
        block: number of games of a pair that are played at a time.
        folder: folder of the league; None saves nothing.
    """

    def play(row: str, column: str, n: int, seed: int) -> NDArray[np.float64]:
        scores = play_pair(kitchen, (cooks[row], cooks[column]), n, ticks=ticks, seed=seed)
        return np.stack([scores, scores], axis=1)

    rules = Rules((SIDE,), zero_sum=False, bounds=(0.0, _most(kitchen, ticks)), block=block)
    league = League(play, rules, folder=folder)
    league.add(*cooks)
    return league


def scores_of(league: League) -> dict[tuple[str, str], Interval]:
    """Return the mean score of every pair with its 95 % interval."""
    names = league.players()
    return {(row, column): league.payoff(row, column) for row in names for column in names}


def table(league: League) -> str:
    """Return the scores of all pairs as a Markdown table."""
    names, scores = league.players(), scores_of(league)
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for row in names:
        cells = [_cell(scores[row, column], " ") for column in names]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(league: League, path: Path, title: str) -> None:
    """Write the scores of all pairs as a picture."""
    names, scores = league.players(), scores_of(league)
    means = np.array([[scores[row, column].mean for column in names] for row in names])
    side = 1.9 + 1.05 * len(names)
    figure = Figure(figsize=(side + 1.0, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(means, cmap="viridis", vmin=0.0)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    half = means.max() / 2
    for i, row in enumerate(names):
        for j, column in enumerate(names):
            colour = "white" if means[i, j] < half else "black"
            text = _cell(scores[row, column], "\n")
            axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)
    axes.set_title(title)
    figure.colorbar(image, label="score of the team", shrink=0.8)
    figure.savefig(path, dpi=110)


def _most(kitchen: Kitchen, ticks: int) -> float:
    """Return an upper bound of the score, with every pot cooking the best soup all the time."""
    rules = kitchen.rules
    best = max(ticks / rules.cook_time(mix) * rules.worth(mix) for mix in rules.wanted)
    return float(len(kitchen.pots) * best)


def _cell(score: Interval, between: str) -> str:
    return f"{score.mean:.0f}{between}[{score.low:.0f}, {score.high:.0f}]"
