"""What a check of an environment found, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from anchorgym.envs.errors import EnvCheckError

Status = Literal["passed", "failed", "skipped"]

_LONGEST_SHOWN = 80
_LONGEST_MESSAGE = 400


@dataclass(frozen=True)
class Finding:
    """One fault of an environment, and how to see it again."""

    check: str
    """The name of the check that found it."""
    seen: str
    """What was seen."""
    remedy: str
    """What to do about it."""
    task: str | None = None
    """The task it was seen in: `reset(seed=seed, options={"task": task})`."""
    seed: int | None = None
    actions: tuple[Any, ...] = ()
    """The actions that lead there from the start of the task."""

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON values; very long actions are shortened."""
        return {
            "check": self.check,
            "seen": self.seen,
            "remedy": self.remedy,
            "task": self.task,
            "seed": self.seed,
            "actions": [
                action if isinstance(action, str) and len(action) <= 200 else shown(action)
                for action in self.actions
            ],
        }


@dataclass(frozen=True)
class CheckResult:
    """What became of one check."""

    name: str
    promise: str
    """What holds in an environment that passes."""
    status: Status
    findings: tuple[Finding, ...] = ()
    note: str = ""
    """Why the check was skipped."""


@dataclass(frozen=True)
class CheckReport:
    """The results of all checks of one environment."""

    env: str
    results: tuple[CheckResult, ...]

    @property
    def ok(self) -> bool:
        """Whether no check found a fault."""
        return not self.findings

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every fault found, in the order of the checks."""
        return tuple(finding for result in self.results for finding in result.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "env": self.env,
            "ok": self.ok,
            "checks": [
                {
                    "name": result.name,
                    "promise": result.promise,
                    "status": result.status,
                    "note": result.note,
                    "findings": [finding.to_json() for finding in result.findings],
                }
                for result in self.results
            ],
        }

    def summary(self) -> str:
        """Return the report as a table: one line a check, and under it what it found."""
        failed = sum(result.status == "failed" for result in self.results)
        verdict = (
            f"{failed} of {len(self.results)} checks failed" if failed else "all checks passed"
        )
        lines = [f"{self.env}: {verdict}"]
        width = max((len(result.name) for result in self.results), default=0)
        for result in self.results:
            mark = "FAILED" if result.status == "failed" else result.status
            text = result.note or result.promise
            lines.append(f"  {mark:<8} {result.name:<{width}}  {text}")
            for finding in result.findings:
                lines += [f"    {line}" for line in _paragraph(finding)]
        return "\n".join(lines)

    def raise_if_failed(self) -> None:
        """Raise the report as an error unless it is clean.

        Raises:
            EnvCheckError: a check found a fault.
        """
        if not self.ok:
            raise EnvCheckError(self.summary())


def shown(value: object) -> str:
    """Return a value as Python writes it: one short line that is safe to print."""
    if isinstance(value, str):
        text = repr(value[:_LONGEST_SHOWN])
        return text if len(value) <= _LONGEST_SHOWN else f"{text}… ({len(value)} characters)"
    text = repr(value)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def contrast(expected: object, got: object) -> str:
    """Say where two values part: `'…a key' became '…a door'`."""
    one, other = repr(expected), repr(got)
    part = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    start = max(part - _LONGEST_SHOWN // 2, 0)
    return f"{_cut(one, start)} became {_cut(other, start)}"


def described(error: BaseException) -> str:
    """Return an error's type and message on one line."""
    message = repr(str(error)[:_LONGEST_MESSAGE])[1:-1]
    return f"{type(error).__name__}: {message}"


def _cut(text: str, start: int) -> str:
    part = text[start : start + _LONGEST_SHOWN]
    part = part if part.isprintable() else ascii(part)
    return "…" * (start > 0) + part + "…" * (start + _LONGEST_SHOWN < len(text))


def _paragraph(finding: Finding) -> list[str]:
    lines = [f"seen:   {finding.seen}", f"remedy: {finding.remedy}"]
    if finding.task is not None:
        actions = ", ".join(shown(action) for action in finding.actions)
        start = f"reset(seed={finding.seed}, options={{'task': {finding.task!r}}})"
        lines.append(f"again:  {start}" + (f", then [{actions}]" if actions else ""))
    return lines
