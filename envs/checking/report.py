"""Reports of environment checks, for people and for programs."""

from __future__ import annotations

import os
import sysconfig
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gymnasium
import numpy

from anchorgym.envs.errors import EnvCheckError

Status = Literal["passed", "failed", "skipped"]

_LONGEST_SHOWN = 80
_LONGEST_MESSAGE = 400
_LONGEST_HEX = 12
_MOST_SKIPPED = 3
"""The number of skipped checks up to which a summary has a line for each."""
_GYMNASIUM_TAIL = " was raised from the environment creator for "
_SITE = ("site-packages", "dist-packages")
_OURS = (Path(__file__).parent, Path(__file__).parents[1])
_LIBRARIES = tuple(
    os.path.join(folder, "") for module in (gymnasium, numpy) for folder in module.__path__
)
_STDLIB = os.path.join(sysconfig.get_paths()["stdlib"], "")


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
    """The outcome of one check."""

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
        skipped = [result.name for result in self.results if result.status == "skipped"]
        in_one_line = len(skipped) > _MOST_SKIPPED
        for result in self.results:
            if in_one_line and result.status == "skipped":
                continue
            mark = "FAILED" if result.status == "failed" else result.status
            text = result.note or result.promise
            lines.append(f"  {mark:<8} {result.name:<{width}}  {text}")
            for finding in result.findings:
                lines += [f"    {line}" for line in _paragraph(finding)]
        if in_one_line:
            lines += [f"  {'skipped':<8} {line}" for line in self._skipped()]
        return "\n".join(lines)

    def _skipped(self) -> Iterator[str]:
        """Yield lines of the checks that were skipped, those for one reason together."""
        reasons: dict[str, list[str]] = {}
        for result in self.results:
            if result.status == "skipped":
                needs = result.note.startswith("needs ")
                reasons.setdefault("" if needs else result.note, []).append(result.name)
        for reason, names in reasons.items():
            why = f"({reason})" if reason else "that need those"
            yield f"{len(names)} checks {why}: {', '.join(names)}"

    def __str__(self) -> str:
        return self.summary()

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
    if isinstance(expected, bytes) and isinstance(got, bytes):
        return parting(expected.hex(), got.hex(), _LONGEST_HEX)
    return parting(repr(expected), repr(got))


def parting(one: str, other: str, length: int = _LONGEST_SHOWN, word: str = "became") -> str:
    """Say where two texts part, with `length` characters of each."""
    part = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    start = max(part - length // 2, 0)
    return f"{_cut(one, start, length)} {word} {_cut(other, start, length)}"


def described(error: BaseException) -> str:
    """Return an error's type, message and place in the environment's code on one line."""
    message = str(error).partition(_GYMNASIUM_TAIL)[0]
    message = repr(message[:_LONGEST_MESSAGE])[1:-1]
    return f"{type(error).__name__}: {message}{_place(error)}"


def _place(error: BaseException | None) -> str:
    """Return ` (file:line, in function)`: the last call in code that is no library's."""
    for _ in range(8):  # an error of ours has the environment's as its cause
        if error is None:
            break
        calls = list(_calls_outside(error))
        own = [call for call in calls if not any(name in call[0] for name in _SITE)]
        if calls:
            file, line, function = (own or calls)[-1]
            inside = file.startswith(os.path.join(os.getcwd(), ""))
            file = os.path.relpath(file) if inside else file
            file = file if file.isprintable() else ascii(file)
            return f" ({file}:{line}, in {function})"
        error = error.__cause__
    return ""


def _calls_outside(error: BaseException) -> Iterator[tuple[str, int, str]]:
    """Yield the calls of a traceback that are neither ours, nor Python's or Gymnasium's."""
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        ours = Path(file).parent in _OURS
        python = file.startswith((_STDLIB, "<frozen")) and not any(name in file for name in _SITE)
        if not (ours or python or file.startswith(_LIBRARIES)):
            yield file, line, frame.f_code.co_name


def _cut(text: str, start: int, length: int) -> str:
    part = text[start : start + length]
    part = part if part.isprintable() else ascii(part)
    return "…" * (start > 0) + part + "…" * (start + length < len(text))


def _paragraph(finding: Finding) -> list[str]:
    lines = [f"seen:   {finding.seen}", f"remedy: {finding.remedy}"]
    if finding.task is not None:
        actions = ", ".join(shown(action) for action in finding.actions)
        start = f"reset(seed={finding.seed}, options={{'task': {finding.task!r}}})"
        lines.append(f"again:  {start}" + (f", then [{actions}]" if actions else ""))
    return lines
