"""Policies that are a table: in each situation, how likely each option is.

They learn in seconds what a game rewards, and show whether a training loop works before a language
model is put into it. A situation is whatever text `situation` makes of what is seen; an option is
an action, or a script that writes one.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from anchorgym.agents.engines.contract import Generation, Sampling
from anchorgym.agents.engines.trie import Trie
from anchorgym.agents.policies.base import Decision, Prompt, View
from anchorgym.envs.errors import AnchorgymError

Situation = Callable[[Any, str, str, View], str]
"""From (environment, agent, observation, view): what the decision depends on, as text."""
Options = Callable[[Any, str, str, View], Mapping[str, str]]
"""From (environment, agent, observation, view): the action that each option would write now.

Only the one that is chosen is looked up, before the world moves on."""

_FILES = ("table.json", "table.safetensors")
_FIRST_ROWS = 64


class TableError(AnchorgymError, ValueError):
    """A table that cannot be read, or a turn without options."""


def whole_view(env: object, agent: str, observation: str, view: View) -> str:
    """Tell situations apart by all that is seen."""
    return "\n".join((view.goal, observation, *map(str, view.admissible_actions)))


def admissible_actions(env: object, agent: str, observation: str, view: View) -> dict[str, str]:
    """Offer what the world lists."""
    return {action: action for action in view.admissible_actions}


class Table(torch.nn.Module):
    """Logits of the options in each situation that was met; rows are added as they are met.

    Attributes:
        logits: (n_rows, n_options); rows and options beyond those that were met are zero.
    """

    def __init__(self) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.zeros(_FIRST_ROWS, 1))
        self.situations: dict[str, int] = {}
        self.options: dict[str, int] = {}

    def row(self, situation: str) -> int:
        """Return the row of a situation."""
        return self._place(self.situations, situation, 0)

    def option(self, name: str) -> int:
        """Return the column of an option."""
        return self._place(self.options, name, 1)

    def log_probabilities(self, row: int, options: Sequence[int]) -> Tensor:
        """Return those of the options that are open, (n_options,)."""
        return torch.log_softmax(self.logits[row, list(options)], -1)

    def _place(self, places: dict[str, int], name: str, axis: int) -> int:
        if name in places:
            return places[name]
        place = places[name] = len(places)
        size = list(self.logits.shape)
        if place >= size[axis]:
            size[axis] = max(2 * size[axis], place + 1)
            grown = torch.zeros(size)
            grown[: self.logits.shape[0], : self.logits.shape[1]] = self.logits.data
            self.logits.data = grown
        return place


class TableEngine:
    """Samples options; a prompt is the row, then the options that are open."""

    def __init__(self, table: Table, seed: int = 0) -> None:
        self.table = table
        self.version = 0
        self._rng = random.Random(seed)
        self._asked: list[tuple[Hashable, tuple[int, ...], float]] = []

    def submit(
        self,
        session: Hashable,
        tokens: Sequence[int],
        sampling: Sampling,
        allowed: Trie | None = None,
    ) -> None:
        """Ask for an option."""
        self._asked.append((session, tuple(tokens), sampling.temperature))

    def poll(self) -> list[tuple[Hashable, Generation]]:
        """Answer everything that was asked."""
        asked, self._asked = self._asked, []
        return [(key, self._choose(tokens, heat)) for key, tokens, heat in asked]

    def append(self, session: Hashable, tokens: Sequence[int]) -> None:
        """Nothing is remembered between turns."""

    def fork(self, session: Hashable, twin: Hashable, length: int | None = None) -> None:
        """Nothing is remembered between turns."""

    def shelve(self, session: Hashable) -> None:
        """Nothing is held."""

    def free(self, session: Hashable) -> None:
        """Nothing is held."""

    def load_weights(self, version: int) -> None:
        """Note that the table has changed."""
        self.version = version

    def reseed(self, seed: int) -> None:
        """Draw anew from here."""
        self._rng = random.Random(seed)

    def _choose(self, tokens: tuple[int, ...], temperature: float) -> Generation:
        row, *options = tokens
        logits = self.table.logits.data[row].tolist()
        scores = [logits[option] for option in options]
        if temperature == 0:
            best = max(range(len(options)), key=scores.__getitem__)
            return Generation((options[best],), (0.0,), "eos", version=self.version)
        top = max(scores)
        weights = [math.exp((score - top) / temperature) for score in scores]
        chosen = self._rng.choices(range(len(options)), weights)[0]
        logprob = math.log(weights[chosen] / sum(weights))
        return Generation((options[chosen],), (logprob,), "eos", version=self.version)


class TabularPolicy:
    """A policy whose decisions are rows of a table.

    Args:
        options: what can be chosen; by default the admissible actions.
        situation: what a choice depends on; by default all that is seen.
        seed: of the sampling.
    """

    max_response = 1

    def __init__(
        self,
        options: Options = admissible_actions,
        situation: Situation = whole_view,
        *,
        seed: int = 0,
    ) -> None:
        self.options, self.situation = options, situation
        self.model = Table()
        self._engine = TableEngine(self.model, seed)
        self._ids = itertools.count()

    @property
    def engine(self) -> TableEngine:
        """What samples from the table."""
        return self._engine

    def open(self, env: Any, agent: str = "agent") -> TabularSession:
        """Begin an episode."""
        return TabularSession(self, env, agent, next(self._ids))

    def probabilities(self, situation: str) -> dict[str, float]:
        """Return how likely each option of the table is in a situation, where all are open."""
        table = self.model
        if situation not in table.situations:
            return {name: 1 / len(table.options) for name in table.options}
        places = list(table.options.values())
        chances = table.log_probabilities(table.situations[situation], places).exp().tolist()
        return dict(zip(table.options, chances, strict=True))

    def copy(self, seed: int = 0) -> TabularPolicy:
        """Return a policy with a table of its own that holds the same."""
        twin = TabularPolicy(self.options, self.situation, seed=seed)
        twin.model.situations = dict(self.model.situations)
        twin.model.options = dict(self.model.options)
        twin.model.logits.data = self.model.logits.data.clone()
        return twin

    def save(self, folder: str | Path) -> None:
        """Write the table as JSON and safetensors."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        names = {"situations": self.model.situations, "options": self.model.options}
        (folder / _FILES[0]).write_text(json.dumps(names), encoding="utf-8")
        save_file({"logits": self.model.logits.data.contiguous()}, folder / _FILES[1])

    @staticmethod
    def is_kept_in(folder: Path) -> bool:
        """Whether `save` has written to a folder."""
        return (folder / _FILES[0]).is_file()

    def load(self, folder: str | Path) -> None:
        """Take the table that `save` wrote.

        Raises:
            TableError: the folder holds none.
        """
        names, logits = (Path(folder) / name for name in _FILES)
        try:
            known = json.loads(names.read_text(encoding="utf-8"))
            self.model.situations = {str(k): int(v) for k, v in known["situations"].items()}
            self.model.options = {str(k): int(v) for k, v in known["options"].items()}
            self.model.logits.data = load_file(logits)["logits"]
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise TableError(
                f"{folder} holds no table ({error!r}): give one that was saved"
            ) from error


class TabularSession:
    """One agent's side of one episode; it remembers nothing."""

    def __init__(self, policy: TabularPolicy, env: Any, agent: str, key: int) -> None:
        self.key = key
        self._policy, self._env, self._agent = policy, env, agent
        self._open: dict[int, str] = {}
        self._offered: Mapping[str, str] = {}

    def prompt(self, observation: str, view: View) -> Prompt | None:
        """Return the row of the situation and the options that are open in it."""
        policy, table = self._policy, self._policy.model
        offered = self._offered = policy.options(self._env, self._agent, observation, view)
        if not offered:
            raise TableError(
                f"{self._agent} has no options: the world lists no admissible actions here, so "
                "give the policy options of your own"
            )
        self._open = {table.option(name): name for name in offered}
        row = table.row(policy.situation(self._env, self._agent, observation, view))
        return Prompt((row, *sorted(self._open)), restart=True)

    def decide(self, generation: Generation | None) -> Decision:
        """Return the action of the option that was drawn."""
        if generation is None:
            raise TypeError("a table decides through its engine")
        name = self._open[generation.tokens[0]]
        return Decision(self._offered[name], name)

    def options_for(self, action: str) -> list[int]:
        """Return the columns of the options that would write an action now; none may."""
        return [place for place, name in self._open.items() if self._offered[name] == action]

    def fork(self, env: Any, turns: int | None = None) -> TabularSession:
        """Return a session that goes on in `env`."""
        return self._policy.open(env, self._agent)

    def shelve(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is held."""
