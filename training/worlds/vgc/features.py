"""Input features of a battle network, from a battle's tokens and the game's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

_STATUSES = ("brn", "par", "slp", "frz", "psn", "tox")
_CATEGORIES = ("Physical", "Special", "Status")
_AIMS = (
    "normal",
    "adjacentFoe",
    "self",
    "allAdjacentFoes",
    "allAdjacent",
    "adjacentAlly",
    "allySide",
    "foeSide",
    "all",
)
_SPREAD = ("allAdjacentFoes", "allAdjacent")
MOVE_FEATURES = 8 + len(_CATEGORIES) + len(_AIMS) + len(_STATUSES) + 20
"""Number of features of a move from the tables; the last 20 are its type."""
_POWER, _CATEGORY, _SPREADS, _TYPE = 0, 8, 7, MOVE_FEATURES - 20
MATCH_FEATURES = 8
"""Number of features of a move against a target, see `Matchups`."""

_STATE = ("terastallized", "fainted", "seen", "turns_active", "protects")
_IMMUNE = -4.0
"""Value in place of the logarithm of a factor of 0."""
_FOE_TRAINING, _FOE_HEALTH = 28.0, 83.0
"""Assumed additions to a foe's base stats at level 50, by level and average training."""


class Columns:
    """Access to the columns of tokens, by the layout's names.

    Args:
        layout: layout of the tokens, see `Bridge.layout`.
    """

    def __init__(self, layout: Mapping[str, Any]) -> None:
        field, pokemon = list(layout["field"]), list(layout["pokemon"])
        at = pokemon.index
        self.phase, self.weather, self.terrain = map(field.index, ("phase", "weather", "terrain"))
        self.owner, self.place, self.health = at("owner"), at("place"), at("health")
        self.terastallized = at("terastallized")
        self.types = at("type_1"), at("type_2"), at("tera_type")
        self._codes = {
            name: at(name)
            for name in (
                "species", "ability", "item", "type_1", "type_2", "tera_type", "status", "place"
            )
        }  # fmt: skip
        self._moves = [at(f"move_{i}") for i in (1, 2, 3, 4)]
        self._spent = [at(f"{what}_{i}") for what in ("pp", "disabled") for i in (1, 2, 3, 4)]
        self._boosts = [i for i, name in enumerate(pokemon) if name.startswith("boost_")]
        self._stats = [i for i, name in enumerate(pokemon) if name.startswith("stat_")]
        self._flags = [at(name) for name in _STATE]
        self._volatiles = list(range(self._stats[-1] + 1, at("turns_active")))
        kinds = {self.phase, self.weather, self.terrain}
        self._field = [i for i in range(len(field)) if i not in kinds]
        self._turn = field.index("turn")
        self.n_state = 2 + len(self._boosts) + len(self._stats) + len(_STATE)
        self.n_state += len(self._volatiles) + len(self._spent)
        self.n_field = len(self._field) + 4

    def code(self, pokemon: Tensor) -> dict[str, Tensor]:
        """Return the names of Pokémon (n, 12, columns) as indices, (n, 12) each."""
        return {name: pokemon[..., i].clamp(min=0) for name, i in self._codes.items()}

    def moves(self, pokemon: Tensor) -> Tensor:
        """Return the indices of moves, (n, 12, 4)."""
        return pokemon[..., self._moves].clamp(min=0)

    def boosts(self, pokemon: Tensor) -> Tensor:
        """Return the stages (n, rows, 5) of attack, defense, the special ones and speed."""
        return pokemon[..., self._boosts[:5]].float()

    def stats(self, pokemon: Tensor) -> Tensor:
        """Return health and the five stats, (n, rows, 6); those of foes are estimates."""
        stats = pokemon[..., self._stats].float()
        foe = (pokemon[..., self.owner] == 2)[..., None]
        added = torch.full_like(stats[0, 0], _FOE_TRAINING)
        added[0] = _FOE_HEALTH
        return torch.where(foe, stats + added, stats)

    def state(self, pokemon: Tensor) -> Tensor:
        """Return the numeric state, (n, 12, n_state), scaled to about 1."""
        health = pokemon[..., self.health].float() / 1000
        parts = [
            health[..., None],
            (health > 0.5).float()[..., None],
            pokemon[..., self._boosts].float() / 2,
            self.stats(pokemon) / 150,
            pokemon[..., self._flags].float().clamp(max=3) / 2,
            (pokemon[..., self._volatiles] > 0).float(),
            pokemon[..., self._spent].float() / torch.tensor([100.0] * 4 + [1.0] * 4),
        ]
        return torch.cat(parts, -1)

    def field_state(self, field: Tensor) -> Tensor:
        """Return the numeric state of the field (n, columns) as (n, n_field)."""
        values = field[:, self._field].float()
        scaled = torch.where(values > 8, values / 10, values / 4)
        phase = torch.nn.functional.one_hot(field[:, self.phase].clamp(0, 3), 4).float()
        return torch.cat([scaled, phase], -1)


class Matchups:
    """Features of each own move and target by the damage formula, from the tokens alone.

    Args:
        columns: columns of the tokens.
        moves: features of all moves, see `move_features`.
        chart: chart of all types, see `type_chart`.
    """

    def __init__(self, columns: Columns, moves: Tensor, chart: Tensor) -> None:
        self.columns, self.moves, self.chart = columns, moves, chart

    def __call__(self, field: Tensor, pokemon: Tensor) -> Tensor:
        """Return (n, 2, 4, 5, 8): users, moves, targets -2 … 2.

        The features are: damage as a share of the target's full health, whether it faints the
        target, the same two with terastallisation, logarithm of the type's factor, whether the move
        has the user's type, whether the user is faster, whether there is a target.
        """
        columns = self.columns
        users = pokemon[:, :2]
        targets, there = self._targets(pokemon)
        table = self.moves[columns.moves(users)]  # (n, 2, 4, features)
        kind = table[..., _TYPE:].argmax(-1)
        power = 100 * table[..., _POWER]
        spread = table[..., _SPREADS]
        factor = self._factor(kind, targets)  # (n, 2, 4, 4)
        stats, boosts = columns.stats(pokemon), columns.boosts(pokemon)
        attack, defense = _boosted(stats, boosts)
        special = table[..., _CATEGORY + 1]  # (n, 2, 4)
        own = attack[:, :2]
        strength = torch.where(special > 0, own[:, :, None, 1], own[:, :, None, 0])
        defending = defense[torch.arange(len(field))[:, None], targets[..., -1]]
        guard = torch.where(
            special[..., None] > 0, defending[:, None, None, :, 1], defending[:, None, None, :, 0]
        )
        base = 22 * power * strength / 50 * (1 - 0.25 * spread)
        dealt = (base[..., None] / guard + 2 * (power > 0)[..., None]) * factor.exp2() * 0.925
        full = stats[..., 0][torch.arange(len(field))[:, None], targets[..., -1]]
        left = pokemon[..., columns.health][torch.arange(len(field))[:, None], targets[..., -1]]
        share = dealt / full[:, None, None].clamp(min=1)
        stab, tera = self._stab(kind, users)
        speed = attack[..., 2]
        faster = (
            speed[:, :2, None] > speed[torch.arange(len(field))[:, None], targets[..., -1]][:, None]
        )
        shares = [share * stab[..., None], share * tera[..., None]]
        shares = [s * (factor > _IMMUNE / 2) for s in shares]
        health = (left.float() / 1000)[:, None, None]
        features = [f for s in shares for f in (s.clamp(max=2), (s >= health).float() * (s > 0))]
        shape = share.shape
        features += [
            factor / 2,
            (stab > 1).float()[..., None].expand(shape),
            faster.float()[:, :, None].expand(shape),
            there.float()[:, None, None].expand(shape),
        ]
        stacked = torch.stack(features, -1) * there[:, None, None, :, None]
        return _with_everyone(stacked)

    def _targets(self, pokemon: Tensor) -> tuple[Tensor, Tensor]:
        """Return types and row (n, 4, 3) of the Pokémon at -2, -1, 1, 2, and whether it exists."""
        columns = self.columns
        place, foes = pokemon[..., columns.place], torch.zeros_like(pokemon[..., 0])
        foes[:, 6:] = 1
        rows, there = [], []
        for side, number in ((0, 2), (0, 1), (1, 1), (1, 2)):
            here = (place == number) & (foes == side)
            rows.append(here.long().argmax(1))
            there.append(here.any(1))
        row = torch.stack(rows, 1)
        of_target = pokemon[torch.arange(len(pokemon))[:, None], row]
        tera = of_target[..., columns.terastallized] > 0
        one, two, changed = (of_target[..., i].clamp(min=0) for i in columns.types)
        one, two = torch.where(tera, changed, one), torch.where(tera, 0, two)
        return torch.stack([one, two, row], -1), torch.stack(there, 1)

    def _factor(self, kind: Tensor, targets: Tensor) -> Tensor:
        """Return the logarithm of a type's factor against each target, (n, 2, 4, 4)."""
        one, two = targets[:, None, None, :, 0], targets[:, None, None, :, 1]
        attacking = kind[..., None]
        return (self.chart[attacking, one] + self.chart[attacking, two]).clamp(min=_IMMUNE)

    def _stab(self, kind: Tensor, users: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same-type factor of the user, before and after terastallizing."""
        one, two, tera = (users[..., i, None] for i in self.columns.types)
        native = (kind == one) | (kind == two)
        changed = kind == tera
        is_tera = users[..., self.columns.terastallized, None] > 0
        with_tera = 1 + 0.5 * native + 0.5 * changed
        return torch.where(is_tera, with_tera, 1 + 0.5 * native), with_tera


def move_features(names: Mapping[str, Sequence[str]], tables: Mapping[str, Any]) -> Tensor:
    """Return the tables' features of each move, (n_moves, MOVE_FEATURES)."""
    types = list(names["types"])
    rows = [_move(tables["moves"].get(name), types) for name in names["moves"]]
    return torch.tensor(rows)


def type_chart(names: Mapping[str, Sequence[str]], tables: Mapping[str, Any]) -> Tensor:
    """Return the base-2 logarithm of each type's factor against each, (n_types, n_types)."""
    types, chart = list(names["types"]), torch.zeros(len(names["types"]), len(names["types"]))
    for i, attacking in enumerate(types):
        for j, defending in enumerate(types):
            factor = tables["types"].get(attacking, {}).get(defending, 1.0)
            chart[i, j] = torch.tensor(factor).log2() if factor else _IMMUNE
    return chart


def _move(entry: Mapping[str, Any] | None, types: Sequence[str]) -> list[float]:
    if entry is None:
        return [0.0] * MOVE_FEATURES
    boosts = sum((entry["selfBoosts"] or {}).values())
    numbers = [
        entry["basePower"] * entry["hits"] * entry["accuracy"] / 100,
        entry["accuracy"],
        entry["priority"] / 3,
        boosts / 2,
        float(entry["heals"]),
        float(entry["protects"]),
        entry["recoil"],
        float(entry["target"] in _SPREAD),
    ]
    kinds = [float(entry["category"] == name) for name in _CATEGORIES]
    aims = [float(entry["target"] == name) for name in _AIMS]
    statuses = [float(entry["status"] == name) for name in _STATUSES]
    of_type = [0.0] * 20
    of_type[min(types.index(entry["type"]), 19) if entry["type"] in types else 0] = 1.0
    return [float(x) for x in (*numbers, *kinds, *aims, *statuses, *of_type)]


def _boosted(stats: Tensor, boosts: Tensor) -> tuple[Tensor, Tensor]:
    """Return the boosted (attack, special attack, speed) and (defense, special defense)."""
    stage = torch.where(boosts >= 0, (2 + boosts) / 2, 2 / (2 - boosts))
    values = (stats[..., 1:] * stage).clamp(min=1)
    return values[..., [0, 2, 4]], values[..., [1, 3]]


def _with_everyone(match: Tensor) -> Tensor:
    """Fill the middle target, which stands for moves without a target, with both foes' mean."""
    own, foes = match[..., :2, :], match[..., 2:, :]
    return torch.cat([own, foes.mean(-2, keepdim=True), foes], -2)
