"""Recorded games of people, and cooks that are cloned from them.

The format is that of the games of Carroll et al. (2019), arXiv 1910.05789: JSON Lines, one line a
tick, with `state` and `joint_action` as Python literals. In those games, soups start to cook by
themselves and take 20 ticks.
"""

from __future__ import annotations

import ast
import lzma
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from anchorgym.envs.errors import AnchorgymError, reason_of
from anchorgym.envs.overcooked import ACTIONS, Kitchen, State
from anchorgym.envs.overcooked.items import CAPACITY, DISH, NOTHING, ONION, SOUP, TOMATO, started
from anchorgym.envs.overcooked.layouts import ALIASES
from anchorgym.envs.texts import parse_json
from anchorgym.training.learning.minibatches import minibatch_epochs
from anchorgym.training.learning.policy_gradient import descend
from anchorgym.training.worlds.overcooked.config import CloneConfig
from anchorgym.training.worlds.overcooked.network import NeuralCook

_WAYS: Final = ((0, -1), (0, 1), (1, 0), (-1, 0))
_MOVES: Final = {**{way: number for number, way in enumerate(_WAYS)}, (0, 0): 4}
_INTERACT: Final = ACTIONS.index("interact")
_FEWEST: Final = 6
_ITEMS: Final = {"onion": ONION, "tomato": TOMATO, "dish": DISH}


class HumanDataError(AnchorgymError, ValueError):
    """Recorded games that cannot be read, or contain none of the kitchen."""


@dataclass(slots=True)
class HumanGame:
    """One game: its states, and the actions of both cooks in each."""

    states: list[State] = field(default_factory=list)
    actions: list[tuple[int, int]] = field(default_factory=list)


def read_games(path: str | Path, kitchen: Kitchen) -> list[HumanGame]:
    """Return the games of a kitchen in the order in which they were recorded.

    Args:
        path: path of a JSON Lines file, plain or ending in .xz.
        kitchen: kitchen of the games.

    Raises:
        HumanDataError: the file cannot be read, or holds no game of this kitchen.
    """
    games: list[HumanGame] = []
    try:
        for tick in _ticks(Path(path), kitchen.layout.name):
            if tick["cur_gameloop"] == 0 or not games:
                games.append(HumanGame())
            games[-1].states.append(_state(kitchen, ast.literal_eval(tick["state"])))
            first, second = ast.literal_eval(tick["joint_action"])
            games[-1].actions.append((_action(first), _action(second)))
    except (OSError, ValueError, KeyError, TypeError, SyntaxError, lzma.LZMAError) as error:
        raise HumanDataError(f"{path} holds no recorded games ({reason_of(error)})") from error
    if not games:
        raise HumanDataError(f"{path} holds no game of {kitchen.layout.name}")
    return games


def _ticks(path: Path, layout: str) -> Iterator[dict[str, Any]]:
    with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open() as file:
        for line in file:
            tick: dict[str, Any] = parse_json(line)
            if ALIASES.get(tick["layout_name"], tick["layout_name"]) == layout:
                yield tick


def _action(action: Any) -> int:
    return _INTERACT if isinstance(action, str) else _MOVES[action[0], action[1]]


def _state(kitchen: Kitchen, recorded: Mapping[str, Any]) -> State:
    def cell(at: Sequence[int]) -> int:
        return at[1] * kitchen.width + at[0]

    cooks = recorded["players"]
    stances = [4 * cell(c["position"]) + _WAYS.index(tuple(c["orientation"])) for c in cooks]
    held = [_item(cook.get("held_object")) for cook in cooks]
    things = {cell(thing["position"]): thing for thing in recorded["objects"].values()}
    counters = tuple(_item(things.get(at)) for at in kitchen.counters)
    pots = tuple(_pot(kitchen, things.get(at)) for at in kitchen.pots)
    return State((stances[0], stances[1]), (held[0], held[1]), counters, pots)


def _item(thing: Mapping[str, Any] | None) -> int:
    if not thing:
        return NOTHING
    return SOUP + _mix(thing) if thing["name"] == "soup" else _ITEMS[thing["name"]]


def _pot(kitchen: Kitchen, thing: Mapping[str, Any] | None) -> int:
    if not thing:
        return NOTHING
    _, size, ticks = thing["state"]
    mix = _mix(thing)  # there, the clock of a ready soup keeps running
    return started(mix, min(ticks, kitchen.rules.cook_time(mix))) if size == CAPACITY else mix


def _mix(soup: Mapping[str, Any]) -> int:
    kind, size, _ = soup["state"]
    return int(size) * (1 if kind == "onion" else 4)


class GameSplit(NamedTuple):
    """Recorded games by purpose: training, early stopping, and the last two for testing."""

    shown: list[HumanGame]
    kept: list[HumanGame]
    unseen: list[HumanGame]


def divided(games: Sequence[HumanGame], part: Literal["all", "even", "odd"] = "all") -> GameSplit:
    """Split games into training games, one game for early stopping, and two for testing.

    Args:
        games: six or more games.
        part: part of the training games to use; clones of "even" and "odd" share no game.

    Raises:
        HumanDataError: there are too few.
    """
    if len(games) < _FEWEST:
        raise HumanDataError(f"cloning needs at least {_FEWEST} games, there are {len(games)}")
    first = {"all": 0, "even": 0, "odd": 1}[part]
    own = list(games[:-2])[first :: 1 if part == "all" else 2]
    return GameSplit(own[:-1], own[-1:], list(games[-2:]))


class Fit(NamedTuple):
    """How well a clone predicts the actions of people, in games that it was not trained on."""

    logprob: float
    """Mean logprob of the person's action, in nats."""
    accuracy: float
    """Share of decisions in which the most likely action is the person's."""
    decisions: int


def clone(
    kitchen: Kitchen,
    shown: Sequence[HumanGame],
    kept: Sequence[HumanGame],
    config: CloneConfig | None = None,
    *,
    seed: int = 0,
) -> NeuralCook:
    """Clone a cook from games of people.

    Args:
        kitchen: kitchen of the games.
        shown: training games, of which both seats are cloned.
        kept: games for early stopping.
        config: settings of the training.
        seed: seed of the initial weights and of the order of decisions.
    """
    config = config or CloneConfig()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        cook = NeuralCook(kitchen, about={"clone": config.model_dump(), "seed": seed})
    codes, actions = _decisions(cook, shown)
    optimizer = torch.optim.AdamW(
        cook.net.actor.parameters(), config.learning_rate, weight_decay=config.decay
    )
    order = torch.Generator().manual_seed(seed)
    best, losses = {}, [float("inf")]
    for _ in range(config.passes):
        for rows in minibatch_epochs(len(actions), config.batch, 1, order):
            loss = nn.functional.cross_entropy(cook.net.actor(codes[rows]), actions[rows])
            descend(loss, optimizer)
        losses.append(-fit_of(cook, kept).logprob)
        if losses[-1] < min(losses[:-1]):
            best = {name: weight.clone() for name, weight in cook.net.state_dict().items()}
        if len(losses) - 1 - int(np.argmin(losses)) >= config.patience:
            break
    cook.net.load_state_dict(best)
    return cook


@torch.no_grad()
def fit_of(cook: NeuralCook, games: Sequence[HumanGame]) -> Fit:
    """Return how well a cook predicts the actions in games."""
    codes, actions = _decisions(cook, games)
    logs, _ = cook.net(codes)
    taken = logs.gather(-1, actions[:, None])
    hits = (logs.argmax(-1) == actions).double()
    return Fit(float(taken.mean()), float(hits.mean()), len(actions))


def _decisions(cook: NeuralCook, games: Sequence[HumanGame]) -> tuple[Tensor, Tensor]:
    """Return codes (n, width) and actions (n,) of both seats, over all ticks."""
    codes = np.concatenate([cook.codes.of_states(game.states) for game in games])
    actions = np.concatenate([np.array(game.actions) for game in games])
    return torch.from_numpy(codes).flatten(0, 1), torch.from_numpy(actions).flatten()
