"""Neural cooks: a small actor-critic network for one kitchen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from anchorgym.envs.durable import whole_folder
from anchorgym.envs.errors import AnchorgymError, reason_of
from anchorgym.envs.overcooked import ACTIONS, Kitchen, State, load_layout
from anchorgym.envs.overcooked.codes import Codes
from anchorgym.envs.texts import parse_json

_WEIGHTS, _SETTINGS = "cook.safetensors", "cook.json"
FORMAT = 1
POLICY = "policy"
"""Folder of the cook within the folder of its run."""


class CookError(AnchorgymError, ValueError):
    """A neural cook that cannot be loaded, or that belongs to another kitchen."""


class CookNet(nn.Module):
    """Two trunks of two layers: one for the logprobs of the six actions, one for the value.

    Args:
        width: width of the input codes, see `Codes`.
        hidden: width of each layer.
    """

    def __init__(self, width: int, hidden: int = 64) -> None:
        super().__init__()
        self.width, self.hidden = width, hidden
        self.actor = _trunk(width, hidden, len(ACTIONS), last=0.01)
        self.critic = _trunk(width, hidden, 1, last=1.0)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probabilities (n, 6) and values (n,) of codes (n, width)."""
        return torch.log_softmax(self.actor(codes), -1), self.critic(codes)[:, 0]


def _trunk(width: int, hidden: int, out: int, last: float) -> nn.Sequential:
    layers = [nn.Linear(width, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, out)]
    for layer, gain in zip(layers, (2**0.5, 2**0.5, last), strict=True):
        nn.init.orthogonal_(layer.weight, gain)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


class NeuralCook:
    """A cook that plays by a network; see `anchorgym.envs.overcooked.cooks.Cook`.

    Args:
        kitchen: kitchen that the cook was trained in.
        net: network that chooses actions; by default a new one.
        greedy: whether to take the most likely action in place of a sample.
        about: JSON values to save with the cook, such as its training settings.
    """

    def __init__(
        self,
        kitchen: Kitchen,
        net: CookNet | None = None,
        *,
        greedy: bool = False,
        about: dict[str, Any] | None = None,
    ) -> None:
        self.kitchen, self.greedy, self.about = kitchen, greedy, about or {}
        self.codes = Codes(kitchen)
        self.net = net or CookNet(self.codes.width)
        if self.net.width != self.codes.width:
            raise CookError(
                f"the network reads {self.net.width} numbers, {kitchen.layout.name} shows "
                f"{self.codes.width}: use a cook that was trained in this kitchen"
            )

    def __call__(self, state: State, seat: int, rng: np.random.Generator) -> int:
        """Return an action."""
        return int(self.act(self.codes.of_states([state])[:, seat], rng)[0])

    def act_in(
        self, states: Sequence[State], seats: NDArray[np.int_], rng: np.random.Generator
    ) -> NDArray[np.int_]:
        """Return an action in each of many states, (n_states,), for the seats given."""
        return self.act(self.codes.of_states(states)[np.arange(len(states)), seats], rng)

    @torch.no_grad()
    def act(self, codes: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int_]:
        """Return an action for each row of codes, (n,)."""
        logs = self.net.actor(torch.from_numpy(codes)).numpy()
        if not self.greedy:
            logs = logs + rng.gumbel(size=logs.shape)
        return np.asarray(logs.argmax(-1), np.int_)

    def save(self, folder: str | Path) -> None:
        """Write weights as safetensors, and kitchen and settings as JSON, atomically."""
        layout = self.kitchen.layout
        settings = {
            "format": FORMAT,
            "layout": layout.name,
            "rows": list(layout.rows),
            "rules": layout.rules.data(),
            "hidden": self.net.hidden,
            "greedy": self.greedy,
            "about": self.about,
        }
        with whole_folder(Path(folder)) as fresh:
            save_file(self.net.state_dict(), fresh / _WEIGHTS)
            (fresh / _SETTINGS).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def is_kept_in(folder: Path) -> bool:
        """Whether a folder holds a cook, or a run that has trained one."""
        return (_of_run(folder) / _SETTINGS).is_file()

    @classmethod
    def load(cls, folder: str | Path, kitchen: Kitchen | None = None) -> Self:
        """Load a cook.

        Args:
            folder: folder of the cook, or of the run that has trained it.
            kitchen: kitchen to play in; by default the one that the cook was trained in.

        Raises:
            CookError: the folder holds no cook, or one of another kitchen.
        """
        path = _of_run(Path(folder))
        try:
            settings: dict[str, Any] = parse_json((path / _SETTINGS).read_text("utf-8"))
            layout, rows, hidden = settings["layout"], settings["rows"], settings["hidden"]
            if kitchen is None:
                kitchen = Kitchen(load_layout(layout).with_rules(**settings["rules"]))
            weights = load_file(path / _WEIGHTS)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CookError(
                f"{folder} holds no cook ({reason_of(error)}): train or clone one"
            ) from error
        if list(kitchen.layout.rows) != rows:
            raise CookError(
                f"the cook in {folder} was trained in {layout}, not in {kitchen.layout.name}: "
                "train one there"
            )
        net = CookNet(Codes(kitchen).width, hidden)
        net.load_state_dict(weights)
        return cls(kitchen, net, greedy=settings["greedy"], about=settings["about"])


def _of_run(folder: Path) -> Path:
    """Return the cook's folder: the folder itself, or the policy folder of a run."""
    return folder / POLICY if (folder / POLICY / _SETTINGS).is_file() else folder
