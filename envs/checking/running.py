"""Running checks in their order, for one agent or several: what failed, what was skipped, why."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from anchorgym.envs.checking.moments import Fault, FaultError
from anchorgym.envs.checking.probe import BaseProbe, caught, shortened
from anchorgym.envs.checking.remedies import crash_remedy
from anchorgym.envs.checking.report import CheckReport, CheckResult, Finding, described
from anchorgym.envs.errors import MissingExtraError, OptionError, UnknownEnvError

_MOST_FINDINGS = 3


@dataclass(frozen=True)
class Check:
    """A check, and the checks without which it would blame the wrong thing."""

    run: Callable[[Any], Iterator[Fault]]
    needs: tuple[str, ...] = ()
    anchored: bool = False
    """Whether it is of no use in an environment without anchors and snapshots."""

    @property
    def name(self) -> str:
        """The name in reports."""
        return self.run.__name__

    @property
    def promise(self) -> str:
        """What holds in an environment that passes."""
        return (self.run.__doc__ or "").split("\n")[0]


def checked(name: str, probe: BaseProbe[Any], checks: Sequence[Check], promise: str) -> CheckReport:
    """Run checks on what a probe makes; its global random generators are given back.

    Args:
        name: of the environment, for the report.
        probe: makes and plays it.
        checks: in the order in which they run.
        promise: what instances are, which is checked when the first is made.

    Raises:
        UnknownEnvError: nobody registered the id that the probe makes.
        MissingExtraError: what it makes needs packages that an extra of anchorgym installs.
    """
    if probe.episodes < 1:
        raise OptionError(f"episodes must be at least 1, got {probe.episodes}")
    with _same_globals():
        try:
            made = probe.env
        except FaultError as error:
            if isinstance(error.__cause__, UnknownEnvError | MissingExtraError):
                raise error.__cause__ from None
            failed = CheckResult("make", promise, "failed", (_finding("make", error.fault),))
            return CheckReport(name, (failed,))
        report = CheckReport(
            name, (CheckResult("make", promise, "passed"), *_run_all(probe, checks))
        )
        made.close()
    return report


def _run_all(probe: BaseProbe[Any], checks: Sequence[Check]) -> Iterator[CheckResult]:
    failed: set[str] = set()
    for check in checks:
        missing = [need for need in check.needs if need in failed]
        if check.anchored and probe.unanchored:
            yield CheckResult(check.name, check.promise, "skipped", note=probe.unanchored)
            continue
        if missing:
            note = f"needs {' and '.join(missing)}"
            result = CheckResult(check.name, check.promise, "skipped", note=note)
        else:
            result = _run(check, probe)
        if result.status != "passed":
            failed.add(check.name)
        yield result


def _run(check: Check, probe: BaseProbe[Any]) -> CheckResult:
    faults: list[Fault] = []
    with caught() as raised:
        faults.extend(islice(check.run(probe), _MOST_FINDINGS))
    if isinstance(error := raised.error, FaultError):
        faults.append(shortened(probe.fresh(), error.fault))
    elif error is not None:  # of the environment, in a place that no check foresaw
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


@contextmanager
def _same_globals() -> Iterator[None]:
    """Give the process-global random generators back as they were."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
