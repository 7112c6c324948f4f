"""Rendering of a tokenizer's chat template, which is a program of whoever made the tokenizer."""

from __future__ import annotations

import multiprocessing
import os
import resource
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NamedTuple

from anchorgym.agents.prompts.template import TemplateError
from anchorgym.agents.prompts.tool_calls import ACT, CALL_ID, TOOL

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SECONDS = 10
"""Longest time that a chat template may take: they take milliseconds."""
_SPARE_MEMORY = 2**29
_MOST_KEPT = 64
_LONGEST = 100_000
"""Most characters of a chat format around three short messages."""

Messages = tuple[tuple[str, str], ...]
"""Pairs of (role, content). The role `call` is the assistant's with a call of the tool `act`."""


class Switches(NamedTuple):
    """What a chat format is asked for beside its messages."""

    think: bool = True
    """Whether a format that can switch thoughts off, by `enable_thinking`, leaves them on."""
    tools: bool = False
    """Whether it describes the tool `act`."""

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of `apply_chat_template`."""
        thoughts = {} if self.think else {"enable_thinking": False}
        return {**thoughts, **({"tools": [TOOL]} if self.tools else {})}


_USUAL = Switches()


def render(
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Messages],
    seconds: int = SECONDS,
    *,
    switches: Switches = _USUAL,
) -> list[str]:
    """Render conversations, each up to where the assistant's next message begins.

    A template can loop or grow without an end, so a process of its own renders it, with limits
    of time and memory.

    Args:
        tokenizer: tokenizer with a chat template.
        conversations: messages of each.
        seconds: longest time for all of them.
        switches: what is asked for beside the messages.

    Raises:
        TemplateError: there is no chat template, it cannot be used, or it exceeds the limits.
    """
    template = tokenizer.chat_template
    if not isinstance(template, (str, dict)):
        raise TemplateError("the tokenizer has no chat template: it is not one of a chat model")
    key = f"{template}\n{tokenizer.special_tokens_map}\n{switches}", tuple(conversations)
    if key not in _rendered:
        if len(_rendered) >= _MOST_KEPT:
            _rendered.clear()
        _rendered[key] = _render_apart(tokenizer, key[1], seconds, switches)
    return _rendered[key]


_rendered: dict[tuple[str, tuple[Messages, ...]], list[str]] = {}
"""What was rendered before, as a policy makes its template anew for other prompt settings."""


def _render_apart(
    tokenizer: PreTrainedTokenizerBase,
    conversations: tuple[Messages, ...],
    seconds: int,
    switches: Switches,
) -> list[str]:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    work = context.Process(
        target=_render_all, args=(tokenizer, conversations, seconds, switches, theirs), daemon=True
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
    switches: Switches,
    out: Connection,
) -> None:
    """Render in the process of its own, and send (texts, what went wrong)."""
    try:
        _limit(seconds)
        asked = switches.arguments()
        texts = [
            str(
                tokenizer.apply_chat_template(
                    [_message(role, content) for role, content in messages],
                    tokenize=False,
                    add_generation_prompt=True,
                    **asked,
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


def _message(role: str, content: str) -> dict[str, Any]:
    if role == "call":
        function = {"name": ACT, "arguments": {"action": content}}
        call = {"id": CALL_ID, "type": "function", "function": function}
        return {"role": "assistant", "content": "", "tool_calls": [call]}
    about = {"name": ACT, "tool_call_id": CALL_ID} if role == "tool" else {}
    return {"role": role, "content": content, **about}


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
