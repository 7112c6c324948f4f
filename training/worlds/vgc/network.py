"""The battle network: a small transformer over the tokens of a battle that scores choices.

There is one token for the field and one for each of the twelve Pokémon. The score of a move depends
on its user, the move and its target together, so that learning generalizes over Pokémon and places;
the second Pokémon's choice is conditioned on the first's. The game's tables of moves (power, type,
targets) are part of the input; embeddings of identities, which need many teams to learn, start at
zero and are added to them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from anchorgym.envs.vgc.actions import N_CHOICES, N_PLANS, plans
from anchorgym.training.worlds.vgc.features import (
    MATCH_FEATURES,
    MOVE_FEATURES,
    Columns,
    Matchups,
    move_features,
    type_chart,
)

_N_TARGETS = 5
_N_MOVES = 4
_GIMMICKS = {0: 0, 1: 1, 4: 2}
"""Output head by gimmick: none, mega evolution, terastallisation; others no longer exist."""


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a network.

    Attributes:
        width: width of a token's embedding.
        layers: number of layers of the transformer.
        heads: number of attention heads.
        hidden: width of the layer that scores a choice.
    """

    width: int = 64
    layers: int = 2
    heads: int = 4
    hidden: int = 64


class Encoded(NamedTuple):
    """The network's encoding of a batch of views, before any choice."""

    preview: Tensor
    """(n,) bool, whether the view is a team preview."""
    plans: Tensor
    """(n, 90) logits of team previews."""
    moves: Tensor
    """(n, 2, 4, 5, hidden) features of moves and targets, before the nonlinearity."""
    switches: Tensor
    """(n, 2, 6, hidden) features of switches."""
    passing: Tensor
    """(n, 2, hidden) features of passing."""
    value: Tensor
    """(n,) expected payoff in [-1, 1]"""


class BattleNet(nn.Module):
    """Scores joint choices, and estimates the value of the battle.

    Args:
        layout: layout of the tokens, see `Bridge.layout`.
        tables: tables of the format, see `Bridge.tables`.
        size: size of the network.
    """

    move_table: Tensor
    chart: Tensor
    plan_leads: Tensor
    plan_backs: Tensor

    def __init__(
        self, layout: Mapping[str, Any], tables: Mapping[str, Any], size: Size | None = None
    ) -> None:
        super().__init__()
        self.size = size or Size()
        width, hidden = self.size.width, self.size.hidden
        self.columns = Columns(layout)
        names = layout["names"]
        self.register_buffer("move_table", move_features(names, tables), persistent=False)
        self.register_buffer("chart", type_chart(names, tables), persistent=False)
        order = torch.tensor(plans()) - 1
        self.register_buffer("plan_leads", order[:, :2], persistent=False)
        self.register_buffer("plan_backs", order[:, 2:], persistent=False)
        self.matchups = Matchups(self.columns, self.move_table, self.chart)
        self.species = _identities(len(names["species"]), width)
        self.ability = _identities(len(names["abilities"]), width)
        self.item = _identities(len(names["items"]), width)
        self.move_identity = _identities(len(names["moves"]), width)
        self.type_known = nn.Embedding(len(names["types"]), width)
        self.tera_known = nn.Embedding(len(names["types"]), width)
        self.status = nn.Embedding(len(names["statuses"]), width)
        self.place = nn.Embedding(6, width)
        self.move = nn.Linear(MOVE_FEATURES, width)
        self.state = nn.Linear(self.columns.n_state, width)
        self.weather = nn.Embedding(len(names["weathers"]) + 1, width)
        self.terrain = nn.Embedding(len(names["terrains"]) + 1, width)
        self.field = nn.Linear(self.columns.n_field, width)
        layer = nn.TransformerEncoderLayer(
            width, self.size.heads, 2 * width, 0.0, batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, self.size.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.by_user = nn.Linear(width, hidden)
        self.by_move = nn.Linear(width, hidden, bias=False)
        self.by_target = nn.Linear(width, hidden, bias=False)
        self.by_match = nn.Linear(MATCH_FEATURES, hidden, bias=False)
        self.by_aim = nn.Embedding(_N_TARGETS, hidden)
        self.leaves = nn.Linear(width, hidden)
        self.enters = nn.Linear(width, hidden, bias=False)
        self.idle = nn.Linear(width, hidden)
        self.knowing = nn.Linear(hidden, hidden)
        self.gimmick_made = nn.Embedding(len(_GIMMICKS), hidden)
        self.score_move = nn.Sequential(
            nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, len(_GIMMICKS))
        )
        self.score_switch = nn.Sequential(
            nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )
        self.score_pass = nn.Linear(hidden, 1)
        self.leads = nn.Linear(width, 1)
        self.backs = nn.Linear(width, 1)
        self.together = nn.Linear(width, width, bias=False)
        self.worth = nn.Sequential(nn.Linear(2 * width, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def encode(self, tokens: Tensor) -> Encoded:
        """Encode views.

        Args:
            tokens: (n, 13, columns) integer tokens, see js/tokens.js.
        """
        columns = self.columns
        tokens = tokens.long()
        field, pokemon = tokens[:, 0], tokens[:, 1:]
        number = columns.moves(pokemon)  # (n, 12, 4)
        known = self.move(self.move_table[number]) + self.move_identity(number)
        read = torch.cat([self._field(field)[:, None], self._pokemon(pokemon, known)], 1)
        seen = self.norm(self.body(read))
        own, foes = seen[:, 1:7], seen[:, 7:13]
        users = own[:, :2]
        targets = self._targets(seen, pokemon)
        match = self.matchups(field, pokemon)
        moves = (
            self.by_user(users)[:, :, None, None]
            + self.by_move(known[:, :2])[:, :, :, None]
            + self.by_target(targets)[:, :, None]
            + self.by_match(match)
            + self.by_aim.weight
        )
        switches = self.leaves(users)[:, :, None] + self.enters(own)[:, None]
        summary = torch.cat([seen[:, 0], own.mean(1) - foes.mean(1)], -1)
        value = torch.tanh(self.worth(summary)[:, 0])
        preview = field[:, columns.phase] == 0
        return Encoded(preview, self._plans(own), moves, switches, self.idle(users), value)

    def first_logits(self, encoded: Encoded, mask: Tensor) -> Tensor:
        """Return the logits (n, 107) of the first Pokémon's choice.

        Args:
            encoded: encoding of the views, see `encode`.
            mask: (n, 2, 107) legal choices of each Pokémon by itself.
        """
        zero = encoded.passing.new_zeros(len(mask), self.size.hidden)
        logits = self._score(encoded, 0, zero)
        planned = nn.functional.pad(encoded.plans, (0, N_CHOICES - N_PLANS))
        logits = torch.where(encoded.preview[:, None], planned, logits)
        return logits.masked_fill(~first_mask(mask), -math.inf)

    def second_logits(self, encoded: Encoded, mask: Tensor, first: Tensor) -> Tensor:
        """Return the logits (n, 107) of the second's choice, given the first's choice (n,)."""
        logits = self._score(encoded, 1, self.knowing(self._chosen(encoded, first)))
        return logits.masked_fill(~second_mask(mask, first, encoded.preview), -math.inf)

    # Details --------------------------------------------------------------------------------

    def _pokemon(self, pokemon: Tensor, moves: Tensor) -> Tensor:
        """Return the embedding of each Pokémon, (n, 12, width)."""
        columns = self.columns
        code = columns.code(pokemon)
        own = (pokemon[..., columns.owner] == 1).long()
        place = code["place"] + 3 * own
        found: Tensor = (
            self.species(code["species"])
            + self.ability(code["ability"])
            + self.item(code["item"])
            + self.type_known(code["type_1"])
            + self.type_known(code["type_2"])
            + self.tera_known(code["tera_type"])
            + self.status(code["status"])
            + self.place(place)
            + moves.sum(2)
            + self.state(columns.state(pokemon))
        )
        return found

    def _field(self, field: Tensor) -> Tensor:
        columns = self.columns
        found: Tensor = (
            self.field(columns.field_state(field))
            + self.weather(field[:, columns.weather].clamp(min=0))
            + self.terrain(field[:, columns.terrain].clamp(min=0))
        )
        return found

    def _targets(self, seen: Tensor, pokemon: Tensor) -> Tensor:
        """Return the embedding of the targets -2, -1, 0, 1 and 2, (n, 1, 5, width)."""
        place = pokemon[:, 6:, self.columns.place]  # of the foes
        standing = torch.stack([place == 1, place == 2], 1).to(seen.dtype)  # (n, 2, 6)
        foes = standing @ seen[:, 7:13]
        rows = [seen[:, 2], seen[:, 1], foes.mean(1), foes[:, 0], foes[:, 1]]
        return torch.stack(rows, 1)[:, None]

    def _plans(self, own: Tensor) -> Tensor:
        lead, back = self.leads(own)[..., 0], self.backs(own)[..., 0]
        pairs = self.together(own) @ own.transpose(1, 2) / self.size.width
        one, two = self.plan_leads.unbind(1)
        found: Tensor = (
            lead[:, self.plan_leads].sum(-1)
            + back[:, self.plan_backs].sum(-1)
            + pairs[:, one, two]
            + pairs[:, two, one]
        )
        return found

    def _score(self, encoded: Encoded, slot: int, known: Tensor) -> Tensor:
        """Return the logits (n, 107) of one slot, given an embedding of the other's choice."""
        moves = self.score_move(encoded.moves[:, slot] + known[:, None, None])
        switches = self.score_switch(encoded.switches[:, slot] + known[:, None])[..., 0]
        passing = self.score_pass(torch.relu(encoded.passing[:, slot] + known))
        by_gimmick = moves.flatten(1, 2)  # (n, 20, heads)
        plain = by_gimmick[..., 0]
        parts = [passing, switches, plain]
        parts += [
            plain + by_gimmick[..., _GIMMICKS[g]] if g in _GIMMICKS else torch.zeros_like(plain)
            for g in range(1, 5)
        ]
        return torch.cat(parts, 1)

    def _chosen(self, encoded: Encoded, first: Tensor) -> Tensor:
        """Return the embedding of the first Pokémon's choice, (n, hidden)."""
        n = len(first)
        options = torch.cat(
            [encoded.passing[:, :1], encoded.switches[:, 0], encoded.moves[:, 0].flatten(1, 2)], 1
        )
        moving = first >= 7
        place = torch.where(moving, 7 + (first - 7) % 20, first).clamp(max=26)
        made = torch.relu(options[torch.arange(n), place])
        gimmick = torch.where(moving, (first - 7).clamp(min=0) // 20, 0)
        head = (gimmick == 1).long() + 2 * (gimmick == 4).long()
        known: Tensor = made + self.gimmick_made(head)
        return known

    def settings(self) -> dict[str, int]:
        """Return the network's size as JSON values."""
        return asdict(self.size)


def first_mask(mask: Tensor) -> Tensor:
    """Return the legal choices of the first Pokémon, (n, 107) bool.

    It cannot take the only place that the second could switch to.

    Args:
        mask: (n, 2, 107)
    """
    allowed = mask.bool()
    alone = allowed[:, 1].sum(1, keepdim=True) == 1
    taken = allowed[:, 1].clone()
    taken[:, 0] = False
    taken[:, 7:] = False
    return allowed[:, 0] & ~(taken & alone)


def second_mask(mask: Tensor, first: Tensor, preview: Tensor) -> Tensor:
    """Return the legal choices of the second Pokémon, given the first's, (n, 107) bool.

    It is `actions.second_mask` for a batch.

    Args:
        mask: (n, 2, 107)
        first: (n,) choices of the first Pokémon.
        preview: (n,) bool, whether it is a team preview, which has no second choice.
    """
    allowed = mask[:, 1].bool().clone()
    choice = torch.arange(N_CHOICES)
    first = first[:, None]
    gimmick = torch.where(first >= 7, (first - 7).clamp(min=0) // 20, 0)
    same_gimmick = (gimmick > 0) & (choice >= 7) & ((choice - 7).clamp(min=0) // 20 == gimmick)
    same_place = (first >= 1) & (first <= 6) & (choice == first)
    both_pass = (first == 0) & (choice == 0)
    both_pass = both_pass & (mask.bool().sum(2).min(1).values > 1)[:, None]
    blocked = same_gimmick | same_place | both_pass
    return allowed & ~(blocked & ~preview[:, None])


def _identities(n: int, width: int) -> nn.Embedding:
    table = nn.Embedding(n, width)
    nn.init.zeros_(table.weight)
    return table
