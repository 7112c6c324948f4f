"""Conformance checks: does an environment keep the contract that trainers rely on?

`check_env` is for environments of one agent, `check_parallel_env` for those of several. Both return
a `CheckReport`, with a `CheckResult` for each check and a `Finding` for each fault.
"""

from anchorgym.envs.checking.check import CHECKS, check_env
from anchorgym.envs.checking.parallel import PARALLEL_CHECKS, check_parallel_env
from anchorgym.envs.checking.report import CheckReport, CheckResult, Finding
from anchorgym.envs.checking.running import Check

__all__ = [
    "CHECKS",
    "PARALLEL_CHECKS",
    "Check",
    "CheckReport",
    "CheckResult",
    "Finding",
    "check_env",
    "check_parallel_env",
]
