"""Rendering of a tokenizer's chat template, which is a program of whoever made the tokenizer."""

from __future__ import annotations

import multiprocessing
import os
import resource
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from anchorgym.agents.prompts.template import TemplateError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SECONDS = 10
"""Longest time that a chat template may take: they take milliseconds."""
_SPARE_MEMORY = 2**29
_MOST_KEPT = 64
_LONGEST = 100_000
"""Most characters of a chat format around three short messages."""

Messages = tuple[tuple[str, str], ...]


def render(
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Messages],
    seconds: int = SECONDS,
    *,
    think: bool = True,
) -> list[str]:
    """Render conversations, each up to where the assistant's next message begins.

    A template can loop or grow without an end, so a process of its own renders it, with limits
    of time and memory.

    Args:
        tokenizer: tokenizer with a chat template.
        conversations: pairs of (role, content) for each.
        seconds: longest time for all of them.
        think: whether a chat format that can switch thoughts off, by `enable_thinking`, leaves
            them on.

    Raises:
        TemplateError: there is no chat template, it cannot be used, or it exceeds the limits.
    """
    template = tokenizer.chat_template
    if not isinstance(template, (str, dict)):
        raise TemplateError("the tokenizer has no chat template: it is not one of a chat model")
    key = f"{template}\n{tokenizer.special_tokens_map}\n{think}", tuple(conversations)
    if key not in _rendered:
        if len(_rendered) >= _MOST_KEPT:
            _rendered.clear()
        _rendered[key] = _render_apart(tokenizer, key[1], seconds, think)
    return _rendered[key]


_rendered: dict[tuple[str, tuple[Messages, ...]], list[str]] = {}
"""What was rendered before, as a policy makes its template anew for other prompt settings."""


def _render_apart(
    tokenizer: PreTrainedTokenizerBase,
    conversations: tuple[Messages, ...],
    seconds: int,
    think: bool,
) -> list[str]:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    work = context.Process(
        target=_render_all, args=(tokenizer, conversations, seconds, think, theirs), daemon=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child runs no other thread's code
        work.start()
    theirs.close()
    try:
        said = ours.recv() if ours.poll(seconds) else None
    except EOFError:  # it was ended by a limit
        said = None
    finally:
        work.kill()
        work.join()
        ours.close()
    if said is None:
        raise TemplateError(
            f"the tokenizer's chat template does not come to an end within {seconds} seconds and "
            f"{_SPARE_MEMORY >> 20} MB: take another model, or mend its chat_template"
        )
    texts, problem = said
    if problem:
        raise TemplateError(f"the tokenizer's chat template cannot be used: {problem}")
    return list(texts)


def _render_all(
    tokenizer: PreTrainedTokenizerBase,
    conversations: tuple[Messages, ...],
    seconds: int,
    think: bool,
    out: Connection,
) -> None:
    """Render in the process of its own, and send (texts, what went wrong)."""
    try:
        _limit(seconds)
        switches: dict[str, Any] = {} if think else {"enable_thinking": False}
        texts = [
            str(
                tokenizer.apply_chat_template(
                    [{"role": role, "content": content} for role, content in messages],
                    tokenize=False,
                    add_generation_prompt=True,
                    **switches,
                )
            )
            for messages in conversations
        ]
        longest = max(map(len, texts))
        problem = f"it writes {longest} characters" if longest > _LONGEST else ""
        out.send(([], problem) if problem else (texts, ""))
    except MemoryError:
        out.send(([], "it takes too much memory"))
    except Exception as error:  # a template can raise anything
        said = " ".join(str(error).split())[:300]
        out.send(([], said or type(error).__name__))
    finally:
        os._exit(0)  # nothing of the parent's is to be cleaned up here


def _limit(seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[0])
    except OSError:  # no Linux: the limits of time and length remain
        return
    most = pages * resource.getpagesize() + _SPARE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
