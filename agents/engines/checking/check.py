"""`check_engine`, which tests whether an engine keeps the contract."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from anchorgym.agents.engines.checking import checks
from anchorgym.agents.engines.checking.subject import EngineSubject, model_subject
from anchorgym.agents.engines.checking.trial import Fault, SkippedError, Trial
from anchorgym.agents.engines.factories import EngineFactory
from anchorgym.envs.errors import AnchorgymError

Status = Literal["passed", "failed", "skipped"]

_MOST_FINDINGS = 3


class EngineCheckError(AnchorgymError, ValueError):
    """An engine in which `check_engine` found faults; the message is the report's summary."""


@dataclass(frozen=True)
class EngineCheck:
    """The result of one check."""

    name: str
    promise: str
    """The promise of the contract that is checked."""
    status: Status
    findings: tuple[Fault, ...] = ()
    note: str = ""
    """Why the check was skipped."""


@dataclass(frozen=True)
class EngineReport:
    """The results of all checks of one engine."""

    engine: str
    results: tuple[EngineCheck, ...]

    @property
    def ok(self) -> bool:
        """Whether no promise was broken."""
        return not self.findings

    @property
    def findings(self) -> tuple[Fault, ...]:
        """All faults, in the order of the checks."""
        return tuple(fault for result in self.results for fault in result.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        results = [asdict(result) for result in self.results]
        return {"engine": self.engine, "ok": self.ok, "checks": results}

    def summary(self) -> str:
        """Return the report as a table: one line a check, with its faults below."""
        failed = sum(result.status == "failed" for result in self.results)
        verdict = f"{failed} of {len(self.results)} checks failed" if failed else "all checks hold"
        lines = [f"{self.engine}: {verdict}"]
        width = max(len(result.name) for result in self.results)
        for result in self.results:
            mark = "FAILED" if result.status == "failed" else result.status
            lines.append(f"  {mark:<8} {result.name:<{width}}  {result.note or result.promise}")
            for fault in result.findings:
                lines += [f"    seen:   {fault.seen}", f"    remedy: {fault.remedy}"]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def raise_if_failed(self) -> None:
        """Raise the report as an error unless it is clean.

        Raises:
            EngineCheckError: a promise was broken.
        """
        if not self.ok:
            raise EngineCheckError(self.summary())


def check_engine(
    engine: EngineFactory | EngineSubject, *, tolerance: float = 1e-3, patience: float = 60.0
) -> EngineReport:
    """Check an engine with many kinds of requests; report every promise of the contract it breaks.

    A factory is given a small language model with random weights, which is also saved in a
    temporary folder. Faults of the engine are reported, never raised.

    Args:
        engine: a factory; or an `EngineSubject`: an engine of another kind of model, with the
            facts about that model which the checks need.
        tolerance: largest difference of a log-probability from the model's own, in nats.
        patience: longest wait for a response, in seconds.
    """
    with tempfile.TemporaryDirectory(prefix="anchorgym-check-") as folder:
        if isinstance(engine, EngineSubject):
            subject = engine
        else:
            subject = model_subject(engine, Path(folder))
        trial = Trial(subject, tolerance, patience)
        return EngineReport(subject.name, tuple(_run(check, trial) for check in checks.ALL))


def _run(check: checks.Check, trial: Trial) -> EngineCheck:
    name, promise = check.__name__, (check.__doc__ or "").partition("\n")[0]
    faults: list[Fault] = []
    try:
        faults.extend(islice(check(trial), _MOST_FINDINGS))
    except SkippedError as skipped:
        return EngineCheck(name, promise, "skipped", note=str(skipped))
    except Exception as error:  # the engine may raise anything
        seen = f"it raised {type(error).__name__}: {error}"
        faults.append(Fault(seen, "answer every request that the contract allows"))
    finally:
        trial.clean()
    found = tuple({fault.seen: fault for fault in faults}.values())
    return EngineCheck(name, promise, "failed" if found else "passed", found)
