"""The fixed parts of a chat format: what stands around the messages of a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from anchorgym.agents.prompts.rendering import Switches, render
from anchorgym.agents.prompts.template import TemplateError
from anchorgym.agents.prompts.tool_calls import OPENERS, parse_call

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SYSTEM = "@@system@@"
_FIRST, _REPLY, _SECOND = "@@user-one@@", "@@assistant@@", "@@user-two@@"
_RESULT = "@@tool\nresult@@"
_RESULT_IN_JSON = "@@tool\\nresult@@"
_THOUGHT = "@@thought@@"


class ChatFormat(NamedTuple):
    """The parts of a chat format, in the order in which they stand in a conversation."""

    opening: tuple[str, ...]
    """Text before the first message; in two parts, around the system message, if there is one."""
    ending: str
    """Text between a message and its reply."""
    between: str
    """Text between a reply and the next message."""


class CallFormat(NamedTuple):
    """How a chat format writes calls of the tool `act`, and their results."""

    before: str
    """Text of a call before the action, which stands in JSON."""
    after: str
    """Text of a call after the action."""
    between: str
    """Text between a call and its result."""
    ending: str
    """Text between a result and its reply."""
    results_in_json: bool
    """Whether results stand between the quotes of a JSON string."""


def read_format(
    tokenizer: PreTrainedTokenizerBase, *, system: bool, switches: Switches
) -> ChatFormat:
    """Return the parts of a tokenizer's chat format.

    Raises:
        TemplateError: there is no chat template, or one that changes its messages or takes no
            system message.
    """
    opened = _opened(system)
    alone, both = render(
        tokenizer,
        [opened, (*opened, ("assistant", _REPLY), ("user", _SECOND))],
        switches=switches,
    )
    opening, ending = _around(alone, _FIRST)
    _, rest = _around(both, _REPLY)
    between, _ = _around(rest, _SECOND)
    parts = _around(opening, _SYSTEM) if system else (opening,)
    return ChatFormat(parts, ending, between)


def read_calls(
    tokenizer: PreTrainedTokenizerBase, closer: str, *, system: bool, switches: Switches
) -> CallFormat:
    """Return how a tokenizer's chat format writes calls of the tool `act`.

    Args:
        tokenizer: tokenizer with a chat template.
        closer: marker that closes a reply.
        system: whether there is a system message.
        switches: what else the chat format is asked for.

    Raises:
        TemplateError: the chat template takes no tools, or writes calls in a format that is not
            read.
    """
    opened = _opened(system)
    plain, described = (
        render(tokenizer, [opened], switches=switches._replace(tools=tools))[0]
        for tools in (False, True)
    )
    if plain == described:
        raise TemplateError(
            "the tokenizer's chat template takes no tools: leave policy.tools false, so that "
            "actions are written in <action> </action>"
        )
    asked = switches._replace(tools=True)
    for role, content in (("tool", _RESULT), ("user", _SECOND)):
        last = role == "user"
        try:
            (text,) = render(
                tokenizer, [(*opened, ("call", _REPLY), (role, content))], switches=asked
            )
            return _calls(text, content, closer)
        except TemplateError:
            if last:
                raise
    raise AssertionError  # the loop returns or raises


def drops_thoughts(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a chat format leaves the thoughts out of earlier replies, as that of Qwen3 does."""
    reply = f"<think>\n{_THOUGHT}\n</think>\n\n{_REPLY}"
    messages = (("user", _FIRST), ("assistant", reply), ("user", _SECOND))
    try:
        (text,) = render(tokenizer, [messages])
    except TemplateError:  # it takes no thoughts in the text of a reply
        return False
    return _REPLY in text and _THOUGHT not in text


def _opened(system: bool) -> tuple[tuple[str, str], ...]:
    return (*((("system", _SYSTEM),) if system else ()), ("user", _FIRST))


def _calls(text: str, result: str, closer: str) -> CallFormat:
    _, rest = _around(text, _FIRST)
    before, after = _around(rest, _REPLY)
    starts = [place for opener in (*OPENERS, "{") if (place := before.find(opener)) >= 0]
    begin = before[min(starts, default=0) :]
    in_json = result not in after and _RESULT_IN_JSON in after
    after, ending = _around(after, _RESULT_IN_JSON if in_json else result)
    end, found, _ = after.partition(closer)
    read = parse_call(f"{begin}{_REPLY}{end}")
    if not starts or not found or read.action != _REPLY:
        raise TemplateError(
            "the tokenizer's chat template writes the calls of tools in a format that is not read: "
            "leave policy.tools false"
        )
    return CallFormat(begin, end, after[len(end) :], ending, in_json)


def _around(text: str, mark: str) -> tuple[str, str]:
    before, found, after = text.partition(mark)
    if not found and mark == _SYSTEM:
        raise TemplateError(
            "the tokenizer's chat template takes no system message: leave policy.system empty"
        )
    if not found or mark in after:
        raise TemplateError("the tokenizer's chat template changes or repeats what is said")
    return before, after
