"""How text becomes a decision: prompts, parsing, engines, and players of every kind."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from anchorgym.agents.human import HumanPolicy
from anchorgym.agents.policy import (
    ExpertPolicy,
    Generation,
    Policy,
    RandomPolicy,
    ScriptedPolicy,
    Session,
    View,
)

if TYPE_CHECKING:
    from anchorgym.agents.engine import Engine, Sampling, TorchEngine
    from anchorgym.agents.language import LanguagePolicy
    from anchorgym.agents.tiny import PolicyError, TinyPolicy, build_tiny
    from anchorgym.agents.tokenizer import build_tokenizer

__all__ = [
    "Engine",
    "ExpertPolicy",
    "Generation",
    "HumanPolicy",
    "LanguagePolicy",
    "Policy",
    "PolicyError",
    "RandomPolicy",
    "Sampling",
    "ScriptedPolicy",
    "Session",
    "TinyPolicy",
    "TorchEngine",
    "View",
    "build_tiny",
    "build_tokenizer",
]

_LAZY = {
    "Engine": "engine",
    "LanguagePolicy": "language",
    "PolicyError": "tiny",
    "Sampling": "engine",
    "TinyPolicy": "tiny",
    "TorchEngine": "engine",
    "build_tiny": "tiny",
    "build_tokenizer": "tokenizer",
}


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first asked for."""
    if name in _LAZY:
        return getattr(importlib.import_module(f"anchorgym.agents.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
