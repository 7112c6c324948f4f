"""Conformance checks for engines: `check_engine` tests every promise of the contract."""

from anchorgym.agents.engines.checking.check import EngineCheckError, EngineReport, check_engine
from anchorgym.agents.engines.checking.subject import EngineSubject, model_subject

__all__ = [
    "EngineCheckError",
    "EngineReport",
    "EngineSubject",
    "check_engine",
    "model_subject",
]
