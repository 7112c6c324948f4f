"""Policies that are a table: in each situation, how likely each option is.

They learn in seconds what a game rewards, and show whether a training loop works before a language
model is put into it. A situation is whatever text `situation` makes of what is seen; an option is
an action, or a script that writes one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from anchorgym.agents.engines.contract import Generation, SessionKey, new_key
from anchorgym.agents.engines.table import Table, TableEngine
from anchorgym.agents.policies.base import Decision, Prompt, View
from anchorgym.envs.errors import AnchorgymError

Situation = Callable[[Any, str, str, View], str]
"""From (environment, agent, observation, view): what the decision depends on, as text."""
Options = Callable[[Any, str, str, View], Mapping[str, str]]
"""From (environment, agent, observation, view): the action that each option would write now.

Only the one that is chosen is looked up, before the world moves on."""

_FILES = ("table.json", "table.safetensors")


class TableError(AnchorgymError, ValueError):
    """A table that cannot be read, or a turn without options."""


def whole_view(env: object, agent: str, observation: str, view: View) -> str:
    """Tell situations apart by all that is seen."""
    return "\n".join((view.goal, observation, *map(str, view.admissible_actions)))


def admissible_actions(env: object, agent: str, observation: str, view: View) -> dict[str, str]:
    """Offer what the world lists."""
    return {action: action for action in view.admissible_actions}


class TabularPolicy:
    """A policy whose decisions are rows of a table.

    Args:
        options: what can be chosen; by default the admissible actions.
        situation: what a choice depends on; by default all that is seen.
    """

    max_response = 1

    def __init__(
        self, options: Options = admissible_actions, situation: Situation = whole_view
    ) -> None:
        self.options, self.situation = options, situation
        self.model = Table()
        self._engine = TableEngine(self.model)

    @property
    def engine(self) -> TableEngine:
        """What samples from the table."""
        return self._engine

    def open(self, env: Any, agent: str = "agent") -> TabularSession:
        """Begin an episode."""
        return TabularSession(self, env, agent, new_key("table"))

    def probabilities(self, situation: str) -> dict[str, float]:
        """Return how likely each option of the table is in a situation, where all are open."""
        table = self.model
        if situation not in table.situations:
            return {name: 1 / len(table.options) for name in table.options}
        places = list(table.options.values())
        chances = table.log_probabilities(table.situations[situation], places).exp().tolist()
        return dict(zip(table.options, chances, strict=True))

    def copy(self) -> TabularPolicy:
        """Return a policy with a table of its own that holds the same."""
        twin = TabularPolicy(self.options, self.situation)
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

    def __init__(self, policy: TabularPolicy, env: Any, agent: str, key: SessionKey) -> None:
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
        """Have the engine forget the session."""
        self._policy.engine.free(self.key)
