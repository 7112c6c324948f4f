"""`check_parallel_env`: does an environment of several agents keep the contract?"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from pettingzoo import AECEnv, ParallelEnv

from anchorgym.envs.checking import checks as basic
from anchorgym.envs.checking import parallel_checks as joint
from anchorgym.envs.checking import state_checks as states
from anchorgym.envs.checking.parallel_probe import JointProbe
from anchorgym.envs.checking.report import CheckReport
from anchorgym.envs.checking.running import Check, checked
from anchorgym.envs.checking.success_checks import success
from anchorgym.envs.errors import OptionError
from anchorgym.envs.registration import as_parallel, make_parallel

PettingZooEnv = ParallelEnv[Any, Any, Any] | AECEnv[Any, Any, Any]

PARALLEL_CHECKS: tuple[Check, ...] = (
    Check(basic.panel, anchored=True),
    Check(basic.before_reset, anchored=True),
    Check(basic.plays),
    Check(joint.agents, ("plays",)),
    Check(joint.info, ("agents",), anchored=True),
    Check(joint.steps, ("agents",)),
    Check(joint.spaces, ("plays",)),
    Check(success, ("info", "steps"), anchored=True),
    Check(basic.global_random, ("plays",)),
    Check(states.determinism, ("steps",)),
    Check(states.leftovers, ("determinism", "global_random")),
    Check(joint.invalid_actions, ("info", "spaces"), anchored=True),
    Check(basic.truncation, ("agents", "invalid_actions"), anchored=True),
    Check(states.snapshot, ("plays",), anchored=True),
    Check(states.queries, ("leftovers", "snapshot"), anchored=True),
    Check(joint.expert, ("queries", "spaces"), anchored=True),
    Check(basic.reset, ("queries",), anchored=True),
    Check(basic.reset_options, ("reset",), anchored=True),
    Check(joint.anchor_scope, ("queries",), anchored=True),
    Check(states.task_start, ("anchor_scope",), anchored=True),
    Check(states.restore, ("task_start",), anchored=True),
    Check(states.reseed, ("restore",), anchored=True),
    Check(joint.active, ("restore",), anchored=True),
    Check(joint.admissible_actions, ("restore", "spaces"), anchored=True),
    Check(joint.information_sets, ("info", "reseed", "admissible_actions"), anchored=True),
    Check(joint.anchors, ("reseed", "admissible_actions", "information_sets"), anchored=True),
    Check(states.foreign_snapshots, ("queries",), anchored=True),
    Check(joint.pettingzoo, ("agents", "spaces", "determinism")),
)
"""All checks, in the order in which they run."""


def check_parallel_env(
    env: str | PettingZooEnv | Callable[[], PettingZooEnv],
    *,
    episodes: int = 12,
    seed: int = 0,
    **kwargs: Any,
) -> CheckReport:
    """Check that an environment of several agents keeps the contract; report every fault found.

    Any PettingZoo environment can be checked: where it has no anchors and snapshots, the report
    says which checks are skipped for that. An `AECEnv` is played through a `OneActiveEnv`, and put
    to PettingZoo's tests as it is. Otherwise as `check_env`.

    Args:
        env: an id, a class or other function that makes an environment, or an environment, which
            is left as it is: copies of it are checked.
        episodes: how many episodes to explore; more find rarer faults.
        seed: of the exploration; the same seed finds the same faults.
        kwargs: for making the environment.

    Raises:
        UnknownEnvError: nobody registered that id.
        MissingExtraError: it needs packages that an extra of anchorgym installs.
        OptionError: fewer than one episode, or keyword arguments for an environment already made.
    """
    name, maker = _maker(env, kwargs)
    probe = JointProbe(maker, episodes=episodes, seed=seed)
    return checked(
        name, probe, PARALLEL_CHECKS, "Instances can be made, and are PettingZoo environments."
    )


def _maker(env: Any, kwargs: dict[str, Any]) -> tuple[str, Callable[[], Any]]:
    """Return a name for reports and a function that makes fresh instances."""
    if isinstance(env, str):
        return env, lambda: make_parallel(env, **kwargs)
    if isinstance(env, ParallelEnv | AECEnv):
        if kwargs:
            raise OptionError(f"{sorted(kwargs)} are for making an environment, one was given")
        pristine = copy.deepcopy(env)
        if hasattr(pristine, "_task"):
            pristine._task = None  # as before its first reset
        kind = type(env).__qualname__
        return kind, lambda: as_parallel(copy.deepcopy(pristine), f"{kind} is")
    name = getattr(env, "__qualname__", repr(env))
    made = f"{name} is or makes"
    return name, lambda: as_parallel(env(**kwargs) if callable(env) else env, made)
