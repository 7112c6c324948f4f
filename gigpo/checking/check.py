"""`check_algorithm`: does an algorithm keep what algorithms promise?"""

from __future__ import annotations

import importlib.util
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Literal

from anchorgym.gigpo.algorithm import Algorithm
from anchorgym.gigpo.algorithms import make_algorithm
from anchorgym.gigpo.checking import checks
from anchorgym.gigpo.errors import AlgorithmCheckError

Status = Literal["passed", "failed", "skipped"]

_FOR_ALL = (
    checks.shape,
    checks.finite,
    checks.row_order,
    checks.state,
    checks.decisions,
    checks.loss,
)
_CLAIMED = (checks.zero_sum, checks.singleton_zero, checks.per_trajectory, checks.roots_only)
_MOST_FINDINGS = 3


@dataclass(frozen=True)
class AlgorithmFinding:
    """One broken promise."""

    check: str
    """The name of the check that found it."""
    seen: str
    """What was seen."""
    remedy: str
    """What to do about it."""


@dataclass(frozen=True)
class AlgorithmCheck:
    """The outcome of one check."""

    name: str
    promise: str
    """What holds in an algorithm that passes."""
    status: Status
    findings: tuple[AlgorithmFinding, ...] = ()
    note: str = ""
    """Why the check was skipped."""


@dataclass(frozen=True)
class AlgorithmReport:
    """The results of all checks of one algorithm."""

    algorithm: str
    results: tuple[AlgorithmCheck, ...]

    @property
    def ok(self) -> bool:
        """Whether no promise was broken."""
        return not self.findings

    @property
    def findings(self) -> tuple[AlgorithmFinding, ...]:
        """Every broken promise, in the order of the checks."""
        return tuple(finding for result in self.results for finding in result.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "algorithm": self.algorithm,
            "ok": self.ok,
            "checks": [asdict(result) for result in self.results],
        }

    def summary(self) -> str:
        """Return the report as a table: one line a check, and under it what it found."""
        failed = sum(result.status == "failed" for result in self.results)
        verdict = f"{failed} of {len(self.results)} checks failed" if failed else "all checks hold"
        lines = [f"{self.algorithm}: {verdict}"]
        width = max(len(result.name) for result in self.results)
        for result in self.results:
            mark = "FAILED" if result.status == "failed" else result.status
            lines.append(f"  {mark:<8} {result.name:<{width}}  {result.note or result.promise}")
            for finding in result.findings:
                lines += [f"    seen:   {finding.seen}", f"    remedy: {finding.remedy}"]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def raise_if_failed(self) -> None:
        """Raise the report as an error unless it is clean.

        Raises:
            AlgorithmCheckError: a promise was broken.
        """
        if not self.ok:
            raise AlgorithmCheckError(self.summary())


def check_algorithm(
    algorithm: str | type[Algorithm] | Algorithm, *, seed: int = 0, **options: Any
) -> AlgorithmReport:
    """Try an algorithm on batches of many kinds; report every promise that it breaks.

    What holds for every algorithm is always checked: shapes, finite numbers on any rewards, no
    dependence on the order of rows, a state that survives JSON, sound decisions, a loss that
    points the right way. What holds for some, see `Promise`, is checked where it is claimed.
    Faults of the algorithm are reported, never raised.

    Args:
        algorithm: its name, its class, or one with its options.
        seed: of the batches; the same seed finds the same faults.
        options: of the algorithm, where it is not made yet.

    Raises:
        UnknownAlgorithmError, OptionError: there is no such algorithm, or no such option.
    """
    made = _made(algorithm, options)
    trial = checks.Trial(made, seed)
    results = [_run(check, trial) for check in _FOR_ALL]
    for check in _CLAIMED:
        if check.__name__ in made.promises:
            results.append(_run(check, trial))
        else:
            promise = (check.__doc__ or "").partition("\n")[0]
            note = f"not claimed: {promise}"
            results.append(AlgorithmCheck(check.__name__, promise, "skipped", note=note))
    return AlgorithmReport(type(made).__name__, tuple(results))


def _made(algorithm: str | type[Algorithm] | Algorithm, options: dict[str, Any]) -> Algorithm:
    if isinstance(algorithm, str):
        return make_algorithm(algorithm, **options)
    return algorithm(**options) if isinstance(algorithm, type) else algorithm


def _run(check: checks.Check, trial: checks.Trial) -> AlgorithmCheck:
    name, promise = check.__name__, (check.__doc__ or "").partition("\n")[0]
    if check is checks.loss and importlib.util.find_spec("torch") is None:
        return AlgorithmCheck(name, promise, "skipped", note="torch is not installed")
    faults: list[checks.Fault] = []
    try:
        faults.extend(islice(check(trial), _MOST_FINDINGS))
    except Exception as error:  # of the algorithm
        seen = f"it raised {type(error).__name__}: {error}"
        faults.append(checks.Fault(seen, "handle every batch, the empty one too"))
    unique = {fault.seen: fault for fault in faults}.values()
    findings = tuple(AlgorithmFinding(name, fault.seen, fault.remedy) for fault in unique)
    return AlgorithmCheck(name, promise, "failed" if findings else "passed", findings)
