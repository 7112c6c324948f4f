"""Agents, which turn text into decisions: prompts, parsing, engines and policies."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from anchorgym.agents.engines.contract import Generation
from anchorgym.agents.engines.trie import Trie
from anchorgym.agents.policies.base import Decision, Policy, Prompt, Session, View
from anchorgym.agents.policies.human import HumanPolicy
from anchorgym.agents.policies.scripted import (
    ExpertPolicy,
    RandomPolicy,
    ScriptedPolicy,
    ScriptPolicy,
)
from anchorgym.agents.prompts.parsing import parse_tagged

if TYPE_CHECKING:
    from anchorgym.agents.engines.contract import Engine, Sampling
    from anchorgym.agents.engines.torch_engine import TorchEngine
    from anchorgym.agents.policies.folder import PolicyError
    from anchorgym.agents.policies.language import LanguagePolicy
    from anchorgym.agents.policies.model import ModelPolicy, load_policy
    from anchorgym.agents.policies.prompt_settings import PromptSettings
    from anchorgym.agents.policies.tiny import build_tiny
    from anchorgym.agents.prompts.chat import ChatTemplate
    from anchorgym.agents.prompts.template import Template, TemplateError, TinyTemplate
    from anchorgym.agents.prompts.tokenizer import build_tokenizer

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
    "ChatTemplate": "prompts.chat",
    "Engine": "engines.contract",
    "LanguagePolicy": "policies.language",
    "ModelPolicy": "policies.model",
    "PolicyError": "policies.folder",
    "PromptSettings": "policies.prompt_settings",
    "Sampling": "engines.contract",
    "Template": "prompts.template",
    "TemplateError": "prompts.template",
    "TinyTemplate": "prompts.template",
    "TorchEngine": "engines.torch_engine",
    "build_tiny": "policies.tiny",
    "build_tokenizer": "prompts.tokenizer",
    "load_policy": "policies.model",
}


def __getattr__(name: str) -> Any:
    """Import names that need torch only when they are first used."""
    if name in _LAZY:
        return getattr(importlib.import_module(f"anchorgym.agents.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
