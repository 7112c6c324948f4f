"""Players of a league: saved versions of policies, in folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from anchorgym.agents.engines import EngineFactory
from anchorgym.agents.policies.base import Policy
from anchorgym.agents.policies.model import ModelPolicy, load_policy
from anchorgym.agents.policies.scripted import ExpertPolicy, RandomPolicy, ScriptPolicy
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.envs.durable import whole_folder
from anchorgym.training.selfplay.roles import RoleError

SCRIPTED = ("expert", "random")
"""Names of policies that need no training, beside `script:NAME`."""
_LOADED = 24
"""Most policies that are kept in memory."""

Fresh = Callable[[str], Policy]
"""Makes the initial policy of a role."""
Frozen = Callable[[str], Policy | None]
"""Returns the policy of an untrained role; None for a trained role."""


class Players:
    """Policies by the name of a player, such as `defender 3`.

    Args:
        folder: folder of the saved policies.
        fresh: function that makes a role's initial policy, to load a table into.
        frozen: function that returns the policies of untrained roles, which are not saved.
        empty: function that makes an empty table, for best responses in untrained roles.
        engine: factory of the engine of language models; by default an engine in this process.
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
        """Save the present version of a policy, in place of any of that name.

        Raises:
            RoleError: the policy cannot be saved.
        """
        if not isinstance(policy, ModelPolicy | TabularPolicy):
            raise RoleError(
                f"a {type(policy).__name__} cannot be saved, so it cannot join a league"
            )
        with whole_folder(self._path(name)) as folder:
            policy.save(folder)
        self._loaded.pop(name, None)

    def has(self, name: str) -> bool:
        """Whether a player has been saved."""
        return self._path(name).is_dir()

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
    """Return the name of the player that joined last."""
    return names[-1]


def scripted(name: str, seed: int) -> Policy | None:
    """Return a policy that needs no training by its name; None for any other name."""
    kind, _, names = name.partition(":")
    if kind == "script":
        return ScriptPolicy(*names.split(","), seed=seed)
    if name == "expert":
        return ExpertPolicy()
    return RandomPolicy(seed) if name == "random" else None


def strategy(name: str, seed: int) -> Policy:
    """Return a policy to clone: `expert`, `random`, or a script that the world knows."""
    return scripted(name, seed) or ScriptPolicy(name)
