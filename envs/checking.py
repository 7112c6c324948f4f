"""`check_env`: does an environment keep the contract?"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import gymnasium as gym
import numpy as np

from anchorgym.envs import _checks as basic
from anchorgym.envs import _state_checks as states
from anchorgym.envs._probe import Fault, FaultError, Probe, shortened
from anchorgym.envs._remedies import crash_remedy
from anchorgym.envs._report import CheckReport, CheckResult, Finding, described
from anchorgym.envs.core import TextEnv
from anchorgym.envs.errors import OptionError, UnknownEnvError
from anchorgym.envs.registration import bare, make, unwrapped

__all__ = ["CHECKS", "Check", "CheckReport", "CheckResult", "Finding", "check_env"]

_MOST_FINDINGS = 3


@dataclass(frozen=True)
class Check:
    """A check, and the checks without which it would blame the wrong thing."""

    run: Callable[[Probe], Iterator[Fault]]
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name in reports."""
        return self.run.__name__

    @property
    def promise(self) -> str:
        """What holds in an environment that passes."""
        return (self.run.__doc__ or "").split("\n")[0]


CHECKS: tuple[Check, ...] = (
    Check(basic.panel),
    Check(basic.before_reset),
    Check(basic.plays, ("panel",)),
    Check(basic.info, ("plays",)),
    Check(basic.steps, ("info",)),
    Check(basic.spaces, ("plays",)),
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
        OptionError: fewer than one episode, or keyword arguments for an environment already made.
    """
    if episodes < 1:
        raise OptionError(f"episodes must be at least 1, got {episodes}")
    name, maker = _maker(env, kwargs)
    probe = Probe(maker, episodes=episodes, seed=seed)
    with _same_globals():
        try:
            made = probe.env
        except FaultError as error:
            if isinstance(error.__cause__, UnknownEnvError):
                raise error.__cause__ from None
            return CheckReport(name, (_made(error.fault),))
        report = CheckReport(name, (_made(None), *_run_all(probe)))
        made.close()
    return report


def _run_all(probe: Probe) -> Iterator[CheckResult]:
    failed: set[str] = set()
    for check in CHECKS:
        missing = [need for need in check.needs if need in failed]
        if missing:
            note = f"needs {' and '.join(missing)}"
            result = CheckResult(check.name, check.promise, "skipped", note=note)
        else:
            result = _run(check, probe)
        if result.status != "passed":
            failed.add(check.name)
        yield result


def _run(check: Check, probe: Probe) -> CheckResult:
    faults: list[Fault] = []
    try:
        faults.extend(islice(check.run(probe), _MOST_FINDINGS))
    except FaultError as error:
        faults.append(shortened(probe.fresh(), error.fault))
    except Exception as error:  # of the environment, in a place that no check foresaw
        faults.append(Fault(f"the environment raised {described(error)}", crash_remedy(error)))
    unique: dict[str, Finding] = {}
    for fault in faults:
        unique.setdefault(fault.seen, _finding(check.name, fault))
    findings = tuple(unique.values())
    return CheckResult(check.name, check.promise, "failed" if findings else "passed", findings)


def _finding(name: str, fault: Fault) -> Finding:
    if fault.where is None:
        return Finding(name, fault.seen, fault.remedy)
    return Finding(name, fault.seen, fault.remedy, *fault.where)


def _made(fault: Fault | None) -> CheckResult:
    promise = "Instances can be made, and are bare TextEnvs."
    if fault is None:
        return CheckResult("make", promise, "passed")
    return CheckResult("make", promise, "failed", (_finding("make", fault),))


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


@contextmanager
def _same_globals() -> Iterator[None]:
    """Give the process-global random generators back as they were."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
