"""Chat models as functions from prompts to answers, for language players."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from anchorgym.agents.engines import EngineFactory, Sampling
from anchorgym.agents.engines.answering import answer_apart
from anchorgym.agents.policies.model import load_policy
from anchorgym.agents.prompts.chat import ChatTemplate
from anchorgym.envs.errors import DataError


def chat_model(
    folder: Path, *, longest: int = 256, engine: EngineFactory | None = None
) -> Callable[[Sequence[str]], list[str]]:
    """Return a function that answers messages with a chat model, greedily.

    Each message is answered in a context of its own. Answers come without the model's thoughts; a
    message that leaves no room for an answer gets an empty one.

    Args:
        folder: folder of a model and its tokenizer in Hugging Face format; nothing is downloaded.
        longest: longest answer, in tokens.
        engine: factory of the engine; by default an engine in this process.

    Raises:
        PolicyError: the folder holds no such model.
        TemplateError: the tokenizer has no chat format.
        DataError: the policy writes actions, not sentences.
    """
    policy = load_policy(folder, engine=engine)
    template, sampling = policy.template, Sampling(longest, temperature=0)
    if not isinstance(template, ChatTemplate):
        raise DataError(f"{str(folder)!r} holds a policy without a chat format: give a chat model")

    def ask(messages: Sequence[str]) -> list[str]:
        prompts = [template.question(message) for message in messages]
        fits = [len(prompt) + longest <= policy.max_context for prompt in prompts]
        asked = [(prompt, sampling) for prompt, fit in zip(prompts, fits, strict=True) if fit]
        written = iter(answer_apart(policy.engine, asked, "chat"))
        return [template.said(next(written).tokens) if fit else "" for fit in fits]

    return ask
