"""Tabular policies, whose table holds the logits of every option in every situation.

They learn small games in seconds, and show whether a training loop works before a language model
is trained with it. A situation is the text that `situation` makes of an observation; an option is
an action, or a script that chooses one.
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
from anchorgym.envs.errors import AnchorgymError, reason_of
from anchorgym.envs.texts import parse_json

Situation = Callable[[Any, str, str, View], str]
"""Maps (environment, agent, observation, view) to the text that the decision depends on."""
Options = Callable[[Any, str, str, View], Mapping[str, str]]
"""Maps (environment, agent, observation, view) to the present action of each option.

Only the chosen option is looked up, before the environment's next step."""

_FILES = ("table.json", "table.safetensors")


class TableError(AnchorgymError, ValueError):
    """A table that cannot be loaded, or a turn without options."""


def whole_view(env: object, agent: str, observation: str, view: View) -> str:
    """Return goal, observation and admissible actions as the situation."""
    return "\n".join((view.goal, observation, *map(str, view.admissible_actions)))


def admissible_actions(env: object, agent: str, observation: str, view: View) -> dict[str, str]:
    """Return the admissible actions as options."""
    return {action: action for action in view.admissible_actions}


class TabularPolicy:
    """A policy whose decisions are rows of a table.

    Args:
        options: options of a turn; by default the admissible actions.
        situation: text that a choice depends on; by default `whole_view`.
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
        """The engine that samples from the table."""
        return self._engine

    def open(self, env: Any, agent: str = "agent") -> TabularSession:
        """Begin an episode."""
        return TabularSession(self, env, agent, new_key("table"))

    def probabilities(self, situation: str) -> dict[str, float]:
        """Return the probability of each option in a situation in which all are open."""
        table = self.model
        if situation not in table.situations:
            return {name: 1 / len(table.options) for name in table.options}
        places = list(table.options.values())
        chances = table.log_probabilities(table.situations[situation], places).exp().tolist()
        return dict(zip(table.options, chances, strict=True))

    def copy(self) -> TabularPolicy:
        """Return a policy with a copy of the table."""
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
        """Whether a folder holds a saved table."""
        return (folder / _FILES[0]).is_file()

    def load(self, folder: str | Path) -> None:
        """Load a saved table.

        Raises:
            TableError: the folder holds no table.
        """
        names, logits = (Path(folder) / name for name in _FILES)
        try:
            known = parse_json(names.read_text(encoding="utf-8"))
            self.model.situations = {str(k): int(v) for k, v in known["situations"].items()}
            self.model.options = {str(k): int(v) for k, v in known["options"].items()}
            self.model.logits.data = load_file(logits)["logits"]
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise TableError(
                f"{folder} holds no table ({reason_of(error)}): give one that was saved"
            ) from error


class TabularSession:
    """One agent's side of one episode, without a memory."""

    def __init__(self, policy: TabularPolicy, env: Any, agent: str, key: SessionKey) -> None:
        self.key = key
        self._policy, self._env, self._agent = policy, env, agent
        self._open: dict[int, str] = {}
        self._offered: Mapping[str, str] = {}

    def prompt(self, observation: str, view: View) -> Prompt | None:
        """Return the table's row of the situation and the columns of its open options."""
        policy, table = self._policy, self._policy.model
        offered = self._offered = policy.options(self._env, self._agent, observation, view)
        if not offered:
            raise TableError(
                f"{self._agent} has no options: the world lists no admissible actions here, so "
                "give the policy options of your own"
            )
        self._open = {table.option(name): name for name in offered}
        row = table.row(policy.situation(self._env, self._agent, observation, view))
        # In the world's order: a column's number depends on what the table has met before, which
        # a table that was loaded from a file does not remember.
        return Prompt((row, *self._open), restart=True)

    def decide(self, generation: Generation | None) -> Decision:
        """Return the action of the option that was drawn."""
        if generation is None:
            raise TypeError("a table decides through its engine")
        name = self._open[generation.tokens[0]]
        return Decision(self._offered[name], name)

    def options_for(self, action: str) -> list[int]:
        """Return the columns of the options whose present action is this; there may be none."""
        return [place for place, name in self._open.items() if self._offered[name] == action]

    def fork(self, env: Any, turns: int | None = None) -> TabularSession:
        """Return a session that continues in `env`."""
        return self._policy.open(env, self._agent)

    def shelve(self) -> None:
        """Do nothing: a table keeps no memory of a session."""

    def close(self) -> None:
        """Free the engine's session."""
        self._policy.engine.free(self.key)
