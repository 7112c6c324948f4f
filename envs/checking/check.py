"""`check_env`: does an environment keep the contract?"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import gymnasium as gym

from anchorgym.envs.checking import checks as basic
from anchorgym.envs.checking import state_checks as states
from anchorgym.envs.checking.probe import Probe
from anchorgym.envs.checking.report import CheckReport
from anchorgym.envs.checking.running import Check, checked
from anchorgym.envs.checking.success_checks import success
from anchorgym.envs.core import TextEnv
from anchorgym.envs.errors import OptionError
from anchorgym.envs.registration import bare, make, unwrapped

CHECKS: tuple[Check, ...] = (
    Check(basic.panel),
    Check(basic.before_reset),
    Check(basic.plays, ("panel",)),
    Check(basic.info, ("plays",)),
    Check(basic.steps, ("info",)),
    Check(basic.spaces, ("plays",)),
    Check(success, ("info", "steps")),
    Check(basic.global_random, ("plays",)),
    Check(states.determinism, ("steps",)),
    Check(states.leftovers, ("determinism", "global_random")),
    Check(basic.invalid_actions, ("info", "spaces")),
    Check(basic.truncation, ("plays",)),
    Check(states.snapshot, ("plays",)),
    Check(states.queries, ("leftovers", "snapshot")),
    Check(basic.expert, ("queries", "spaces")),
    Check(basic.reset, ("queries",)),
    Check(basic.reset_options, ("reset",)),
    Check(states.anchor_scope, ("queries", "invalid_actions")),
    Check(states.task_start, ("anchor_scope",)),
    Check(states.restore, ("task_start",)),
    Check(states.reseed, ("restore",)),
    Check(states.admissible_actions, ("restore", "spaces")),
    Check(states.anchors, ("reseed", "admissible_actions")),
    Check(states.foreign_snapshots, ("queries",)),
    Check(basic.gymnasium, ("spaces", "task_start")),
)
"""All checks, in the order in which they run."""


def check_env(
    env: str | TextEnv | Callable[[], TextEnv], *, episodes: int = 12, seed: int = 0, **kwargs: Any
) -> CheckReport:
    """Check that an environment keeps the contract; report every fault found.

    Faults of the environment are reported, never raised. A check is skipped when one that it
    builds on failed, so that a fault is named by the check that is about it.

    Args:
        env: an environment id, a `TextEnv` class or other function that makes an environment,
            or an environment, which is left as it is: copies of it are checked. The wrappers
            that `gymnasium.make` adds are taken off.
        episodes: how many episodes to explore; more find rarer faults.
        seed: of the exploration; the same seed finds the same faults.
        kwargs: for making the environment.

    Raises:
        UnknownEnvError: nobody registered that id.
        MissingExtraError: it needs packages that an extra of anchorgym installs.
        OptionError: fewer than one episode, or keyword arguments for an environment already made.
    """
    name, maker = _maker(env, kwargs)
    probe = Probe(maker, episodes=episodes, seed=seed)
    return checked(name, probe, CHECKS, "Instances can be made, and are bare TextEnvs.")


def _maker(
    env: str | TextEnv | Callable[[], TextEnv], kwargs: dict[str, Any]
) -> tuple[str, Callable[[], TextEnv]]:
    """Return a name for reports and a function that makes fresh instances."""
    if isinstance(env, str):
        return env, lambda: make(env, **kwargs)
    env = cast(TextEnv | Callable[[], TextEnv], unwrapped(env))
    if not isinstance(env, TextEnv):
        name = getattr(env, "__qualname__", repr(env))
        if isinstance(env, gym.Env) or not callable(env):
            return name, lambda: bare(env, "this is")
        return name, lambda: bare(env(**kwargs), f"{name} makes")
    if kwargs:
        raise OptionError(f"{sorted(kwargs)} are for making an environment, but one was given")
    spec = env.spec
    if spec is not None:
        return spec.id, lambda: make(spec.id, **spec.kwargs)
    pristine = copy.deepcopy(env)
    pristine._task = None  # as before its first reset
    return type(env).__qualname__, lambda: copy.deepcopy(pristine)
