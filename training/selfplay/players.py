"""Players of a league: policies as they once were, kept in folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from anchorgym.agents.engines import EngineFactory
from anchorgym.agents.policies.base import Policy
from anchorgym.agents.policies.model import ModelPolicy, load_policy
from anchorgym.agents.policies.scripted import ExpertPolicy, RandomPolicy, ScriptPolicy
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.training.config.durable import whole_folder
from anchorgym.training.selfplay.roles import RoleError

SCRIPTED = ("expert", "random")
"""Names of policies that need no training, beside `script:NAME`."""
_LOADED = 24
"""Policies that are kept in memory."""

Fresh = Callable[[str], Policy]
"""Makes the policy that a role begins with."""
Frozen = Callable[[str], Policy | None]
"""Returns the policy of a role that never changes; None for one that is trained."""


class Players:
    """Policies by the name of a player, such as `defender 3`.

    Args:
        folder: where they are kept.
        fresh: makes an untrained policy of a role, to load a table into.
        frozen: has the policies of roles that are not trained; they are in no folder.
        empty: makes the table of a player that answers one of those.
        engine: makes what writes for language models; by default, an engine in this process.
    """

    def __init__(
        self,
        folder: Path,
        fresh: Fresh,
        frozen: Frozen,
        empty: Callable[[], TabularPolicy],
        engine: EngineFactory | None = None,
    ) -> None:
        self._folder, self._fresh, self._frozen, self._empty = folder, fresh, frozen, empty
        self._engine = engine
        self._loaded: dict[str, Policy] = {}

    def add(self, name: str, policy: Policy) -> None:
        """Keep a policy as it is now; one of that name is replaced.

        Raises:
            RoleError: a policy that cannot be saved.
        """
        if not isinstance(policy, ModelPolicy | TabularPolicy):
            raise RoleError(
                f"a {type(policy).__name__} cannot be saved, so it cannot join a league"
            )
        with whole_folder(self._path(name)) as folder:
            policy.save(folder)
        self._loaded.pop(name, None)

    def get(self, name: str) -> Policy:
        """Return the policy of a player."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
            for oldest in list(self._loaded)[:-_LOADED]:
                del self._loaded[oldest]
        return self._loaded[name]

    def _load(self, name: str) -> Policy:
        if not self._path(name).exists():
            frozen = self._frozen(role_of(name))
            if frozen is not None:
                return frozen
        if not TabularPolicy.is_kept_in(self._path(name)):
            return load_policy(self._path(name), engine=self._engine)
        policy = self._fresh(role_of(name))
        table = policy if isinstance(policy, TabularPolicy) else self._empty()
        table.load(self._path(name))
        return table

    def _path(self, name: str) -> Path:
        return self._folder / name.replace(" ", "-")


def role_of(name: str) -> str:
    """Return the role of a player."""
    return name.partition(" ")[0]


def newest(names: Sequence[str]) -> str:
    """Return the player who joined last."""
    return names[-1]


def scripted(name: str, seed: int) -> Policy | None:
    """Return the policy that is named and needs no training; None if it is none of those."""
    kind, _, names = name.partition(":")
    if kind == "script":
        return ScriptPolicy(*names.split(","), seed=seed)
    if name == "expert":
        return ExpertPolicy()
    return RandomPolicy(seed) if name == "random" else None


def strategy(name: str, seed: int) -> Policy:
    """Return a policy to clone: `expert`, `random`, or a script that the world knows."""
    return scripted(name, seed) or ScriptPolicy(name)
