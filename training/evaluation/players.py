"""Who plays, by name: saved policies and the scripted players."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anchorgym.agents.policies.base import Policy
from anchorgym.agents.policies.scripted import ExpertPolicy, RandomPolicy

SCRIPTED = ("expert", "random")


@dataclass(frozen=True, slots=True)
class Player:
    """A policy and what it is called."""

    name: str
    make: Callable[[], Policy]
    """Returns the policy; what it draws without an engine begins anew."""
    env_id: str
    """The environment it was made for; empty for scripted players."""


def load_player(name: str, *, seed: int = 0) -> Player:
    """Return the player of a name.

    Args:
        name: `expert` (the environment's honest expert), `random` (admissible actions at random),
            or the folder of a saved policy.
        seed: of what the player draws.

    Raises:
        PolicyError: the folder holds no saved policy.
    """
    if name == "expert":
        return Player(name, ExpertPolicy, "")
    if name == "random":
        return Player(name, lambda: RandomPolicy(seed), "")
    from anchorgym.agents.policies.model import load_policy

    policy = load_policy(name, seed=seed)
    return Player(name, lambda: policy, policy.env_id)
