"""How text becomes a decision: prompts, parsing, engines, and players of every kind."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from anchorgym.agents.human import HumanPolicy
from anchorgym.agents.parsing import parse_tagged
from anchorgym.agents.policy import (
    Decision,
    ExpertPolicy,
    Generation,
    Policy,
    Prompt,
    RandomPolicy,
    ScriptedPolicy,
    ScriptPolicy,
    Session,
    View,
)
from anchorgym.agents.trie import Trie

if TYPE_CHECKING:
    from anchorgym.agents.chat import ChatTemplate
    from anchorgym.agents.engine import Engine, Sampling, TorchEngine
    from anchorgym.agents.language import LanguagePolicy
    from anchorgym.agents.model_policy import (
        ModelPolicy,
        PolicyError,
        PromptSettings,
        load_policy,
    )
    from anchorgym.agents.template import Template, TemplateError, TinyTemplate
    from anchorgym.agents.tiny import build_tiny
    from anchorgym.agents.tokenizer import build_tokenizer

__all__ = [
    "ChatTemplate",
    "Decision",
    "Engine",
    "ExpertPolicy",
    "Generation",
    "HumanPolicy",
    "LanguagePolicy",
    "ModelPolicy",
    "Policy",
    "PolicyError",
    "Prompt",
    "PromptSettings",
    "RandomPolicy",
    "Sampling",
    "ScriptPolicy",
    "ScriptedPolicy",
    "Session",
    "Template",
    "TemplateError",
    "TinyTemplate",
    "TorchEngine",
    "Trie",
    "View",
    "build_tiny",
    "build_tokenizer",
    "load_policy",
    "parse_tagged",
]

_LAZY = {
    "ChatTemplate": "chat",
    "Engine": "engine",
    "LanguagePolicy": "language",
    "ModelPolicy": "model_policy",
    "PolicyError": "model_policy",
    "PromptSettings": "model_policy",
    "Sampling": "engine",
    "Template": "template",
    "TemplateError": "template",
    "TinyTemplate": "template",
    "TorchEngine": "engine",
    "build_tiny": "tiny",
    "build_tokenizer": "tokenizer",
    "load_policy": "model_policy",
}


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first asked for."""
    if name in _LAZY:
        return getattr(importlib.import_module(f"anchorgym.agents.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
