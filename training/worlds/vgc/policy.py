"""The token policy as a player, which chooses in batches and can record its choices."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from anchorgym.envs.durable import whole_folder
from anchorgym.envs.errors import DataError
from anchorgym.envs.texts import parse_json
from anchorgym.envs.vgc.actions import Pair, mask
from anchorgym.envs.vgc.arena import Asked
from anchorgym.envs.vgc.env import tokens
from anchorgym.envs.vgc.knowledge import Knowledge, knowledge
from anchorgym.training.worlds.vgc.network import BattleNet, Size

_WEIGHTS: Final = "policy.safetensors"
_ABOUT: Final = "policy.json"
_FORMAT: Final = 1


@dataclass(slots=True)
class Choice:
    """A decision of the policy, as a training row."""

    tokens: NDArray[np.int16]
    """(13, columns) tokens of the view."""
    mask: NDArray[np.int8]
    """(2, 107) mask of the legal choices."""
    pair: Pair
    logprob: float = 0.0
    """Logprob of the joint choice when it was sampled."""
    value: float = 0.0
    """The policy's value of the battle."""


class TokenPlayer:
    """A player that chooses by a network.

    Args:
        net: network that chooses.
        known: knowledge of the format.
        greedy: whether to take the most likely choice of each Pokémon in place of a sample.
        keeping: whether to record every choice in `kept`, for training.
    """

    wants = ("tokens",)

    def __init__(
        self, net: BattleNet, known: Knowledge, *, greedy: bool = False, keeping: bool = False
    ) -> None:
        self.net, self.known = net, known
        self.greedy, self.keeping = greedy, keeping
        self.kept: dict[tuple[int, int], list[Choice]] = defaultdict(list)
        """Recorded choices by game and seat, in the order of the battle."""

    @torch.no_grad()
    def choose(self, asked: Sequence[Asked]) -> list[Pair]:
        """Choose for all requests in one batch."""
        layout = self.known.layout
        seen = np.stack([tokens(one.told, layout) for one in asked])
        masks = np.stack([mask(one.told["legal"]) for one in asked])
        shape = len(asked), 2
        drawn = torch.from_numpy(
            np.zeros(shape) if self.greedy else np.stack([one.rng.random(2) for one in asked])
        )
        allowed = torch.from_numpy(masks)
        encoded = self.net.encode(torch.from_numpy(seen))
        logits = self.net.first_logits(encoded, allowed)
        first, logprob = _draw(logits, drawn[:, 0], self.greedy)
        second, rest = _draw(
            self.net.second_logits(encoded, allowed, first), drawn[:, 1], self.greedy
        )
        pairs = list(zip(first.tolist(), second.tolist(), strict=True))
        if self.keeping:
            both, values = (logprob + rest).tolist(), encoded.value.tolist()
            for i, one in enumerate(asked):
                row = Choice(seen[i], masks[i], pairs[i], both[i], values[i])
                self.kept[one.game, one.seat].append(row)
        return pairs

    def take(self, game: int, seat: int) -> list[Choice]:
        """Return and remove the recorded choices of a seat."""
        return self.kept.pop((game, seat), [])


def new_net(known: Knowledge, size: Size | None = None, seed: int = 0) -> BattleNet:
    """Return an untrained network, whose weights the seed determines."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BattleNet(known.layout, known.tables, size)


def save_policy(net: BattleNet, format: str, folder: Path) -> None:
    """Write a policy, atomically."""
    with whole_folder(folder) as fresh:
        weights = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
        save_file(weights, fresh / _WEIGHTS)
        about = {
            "format": _FORMAT,
            "battles": format,
            "size": net.settings(),
            "layout": _digest(knowledge(format)),
        }
        (fresh / _ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def load_policy(folder: Path) -> tuple[BattleNet, str]:
    """Return a policy and the format of the battles that it was trained on.

    Raises:
        DataError: the folder holds no policy, or one of another version of the simulator.
    """
    try:
        about = parse_json((folder / _ABOUT).read_text(encoding="utf-8"))
        weights = load_file(folder / _WEIGHTS)
        format, size, version = about["battles"], Size(**about["size"]), about["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{str(folder)!r} holds no battle policy ({error}): name a folder that `anchorgym "
            "vgc clone` or `vgc train` wrote"
        ) from error
    known = knowledge(format)
    if version != _FORMAT or about["layout"] != _digest(known):
        raise DataError(
            f"the policy in {str(folder)!r} reads other tokens than this version writes: train it "
            "again"
        )
    net = BattleNet(known.layout, known.tables, size)
    net.load_state_dict(weights)
    return net.eval(), format


def _digest(known: Knowledge) -> str:
    text = json.dumps(known.layout, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _draw(logits: Tensor, drawn: Tensor, greedy: bool) -> tuple[Tensor, Tensor]:
    """Return choices (n,), sampled by inverse transform of `drawn` in [0, 1), and logprobs."""
    logs = torch.log_softmax(logits.double(), -1)
    if greedy:
        chosen = logs.argmax(-1)
    else:
        reached = logs.exp().cumsum(-1)
        chosen = torch.searchsorted(reached, drawn[:, None] * reached[:, -1:], right=True)[:, 0]
        chosen = chosen.clamp(max=logits.shape[-1] - 1)
    return chosen, logs.gather(-1, chosen[:, None])[:, 0]


def scores(net: BattleNet, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return logprob and entropy of choices, and the values, (n,) each."""
    encoded = net.encode(batch.tokens)
    one, two = batch.pairs.unbind(1)
    first = torch.log_softmax(net.first_logits(encoded, batch.masks), -1)
    second = torch.log_softmax(net.second_logits(encoded, batch.masks, one), -1)
    logprob = first.gather(1, one[:, None]) + second.gather(1, two[:, None])
    return logprob[:, 0], _entropy(first) + _entropy(second), encoded.value


def _entropy(logs: Tensor) -> Tensor:
    finite = logs.masked_fill(logs == -torch.inf, 0.0)
    return -(finite.exp() * finite).masked_fill(logs == -torch.inf, 0.0).sum(-1)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of views and choices, as tensors."""

    tokens: Tensor
    """(n, 13, columns) tokens of the views."""
    masks: Tensor
    """(n, 2, 107) masks of the legal choices."""
    pairs: Tensor
    """(n, 2) joint choices."""

    @classmethod
    def of(cls, rows: Sequence[Choice]) -> Batch:
        """Stack rows."""
        return cls(
            torch.from_numpy(np.stack([row.tokens for row in rows])),
            torch.from_numpy(np.stack([row.mask for row in rows])),
            torch.tensor([row.pair for row in rows]),
        )

    def take(self, rows: Tensor | NDArray[Any]) -> Batch:
        """Return some of the rows."""
        return Batch(self.tokens[rows], self.masks[rows], self.pairs[rows])
