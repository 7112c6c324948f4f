"""The prompt template of chat models, which think and then act in their own chat format."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from anchorgym.agents.engines.trie import Trie
from anchorgym.agents.policies.base import Decision, View
from anchorgym.agents.prompts.chat_format import CallFormat, drops_thoughts, read_calls, read_format
from anchorgym.agents.prompts.messages import Message, Part, Situation, UsualMessage
from anchorgym.agents.prompts.parsing import (
    ACTION,
    END_ACTION,
    END_THINK,
    THINK,
    parse_tagged,
    without_thoughts,
)
from anchorgym.agents.prompts.plain_text import PlainEncoder
from anchorgym.agents.prompts.rendering import Switches
from anchorgym.agents.prompts.template import PastTurn, TemplateError
from anchorgym.agents.prompts.tool_calls import ACT, MARKERS, in_json, parse_call

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ASK = (
    f"Think about what to do next inside {THINK} {END_THINK}, then write exactly one action inside "
    f"{ACTION} {END_ACTION}."
)
_ASK_AT_ONCE = f"Write exactly one action inside {ACTION} {END_ACTION}, and nothing else."
_ASK_CALL = (
    f"Think about what to do next inside {THINK} {END_THINK}, then call the tool {ACT} with "
    "exactly one action."
)
_ASK_CALL_AT_ONCE = f"Call the tool {ACT} with exactly one action, and write nothing else."
_THOUGHTS = (
    (THINK, END_THINK),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<seed:think>", "</seed:think>"),
    ("<|channel|>analysis", "<|end|>"),
)
"""Markers around the thoughts of model families; those of ours come first."""


class ChatTemplate:
    """`<think>…</think><action>…</action>` in answer to messages in the model's chat format.

    The fixed parts of the chat format are encoded once; text of the world is encoded separately, so
    that it can neither forge nor split a marker.

    Args:
        tokenizer: a fast tokenizer with a chat template.
        end_ids: tokens that are known to end a response. The first of them that the chat template
            writes after a reply closes a turn; without one, the marker with which it goes on after
            a reply does.
        system: system message before the first turn; "" leaves it to the chat format, which may
            have one of its own.
        think: whether responses are to think first; without, they are an action alone, and a chat
            format that can switch thoughts off does so.
        tools: whether actions are calls of a tool, in the chat format's own way, and what follows
            them is the tool's result.
        message: writes the messages; by default GiGPO's prompt.
        examples: turns with their actions, which every conversation begins with.

    Raises:
        TemplateError: the tokenizer has no chat template, or one that changes its messages, that
            takes no system message or no tools, or that does not close a reply.
    """

    name = "chat"

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        end_ids: Sequence[int] | None = None,
        *,
        system: str = "",
        think: bool = True,
        tools: bool = False,
        message: Message | None = None,
        examples: Sequence[tuple[Situation, str]] = (),
    ) -> None:
        self.tokenizer, self._think = tokenizer, think
        self._message = message or UsualMessage()
        switches = Switches(think, tools)
        fixed = read_format(tokenizer, system=bool(system), switches=switches)
        backend = tokenizer.backend_tokenizer
        backend.encode_special_tokens = False  # these parts are the model's own format
        self._between, self._ending, *before = map(
            self._format, (fixed.between, fixed.ending, *fixed.opening)
        )
        self._plain = PlainEncoder(tokenizer)
        self._opening: list[int] = before[0]
        if system:
            self._opening = [*before[0], *self._plain.encode(system), *before[1]]
        known = [tokenizer.eos_token_id] if end_ids is None else end_ids
        self.eos_id: int = self._closer(frozenset(known))
        self._calls: CallFormat | None = None
        self._next_ending = self._ending
        if tools:
            closer = str(tokenizer.convert_ids_to_tokens(self.eos_id))
            self._calls = read_calls(tokenizer, closer, system=bool(system), switches=switches)
            backend.encode_special_tokens = False
            self._between, self._next_ending = map(
                self._format, (self._calls.between, self._calls.ending)
            )
        self._thoughts = [
            (begin, end)
            for begin, end in _THOUGHTS
            if begin == THINK or any(map(begin.startswith, self._plain.markers))
        ]
        self._silent = frozenset(tokenizer.all_special_ids) - self._spelled(tools)
        self._closing = self._close(fixed.ending)
        """The marker that closes the thoughts which the prompt opens; "" if it opens none."""
        self._alone = self._opening, self._ending
        for situation, action in examples:
            self._show(situation, action)

    @property
    def n_shared(self) -> int:
        """Number of tokens that every conversation begins with, worked examples included."""
        return len(self._opening)

    @cached_property
    def drops_thoughts(self) -> bool:
        """Whether the chat format leaves out earlier thoughts, which our transcripts keep."""
        return drops_thoughts(self.tokenizer)

    def turn(self, observation: str, view: View, before: str, n_past: int = 0) -> list[int]:
        """Return the tokens that a turn appends to a transcript; see `Template.turn`."""
        if not before:
            return self._first(Situation(observation, view))
        opening = self._between
        if before == "eos":  # the policy has written the closing token itself
            opening = opening[opening.index(self.eos_id) + 1 :]
        said = self._asked(Situation(observation, view, n_past=max(1, n_past)), later=True)
        return [*opening, *said, *self._next_ending]

    def window(
        self, observation: str, view: View, past: Sequence[PastTurn], n_past: int
    ) -> list[int]:
        """Return a whole prompt; see `Template.window`."""
        return self._first(Situation(observation, view, past, n_past, window=True))

    def question(self, text: str) -> list[int]:
        """Return a whole prompt of `text` alone, for an unconstrained response."""
        opening, ending = self._alone
        return [*opening, *self._plain.encode(text), *ending]

    def text(self, tokens: Sequence[int]) -> str:
        """Return tokens as text, without the markers of the chat format."""
        return str(self.tokenizer.decode([token for token in tokens if token not in self._silent]))

    def said(self, tokens: Sequence[int]) -> str:
        """Return what a response says after its thoughts; "" if it only thinks."""
        text = self._with_our_tags(self.text(tokens))
        return without_thoughts(text, thinking=bool(self._closing))

    def response(self, action: str) -> list[int]:
        """Return the tokens of an action without thoughts, closed by the end of the turn."""
        before = self._closing or (f"{THINK}{END_THINK}" if self._think else "")
        opens, closes = ACTION, END_ACTION
        if self._calls is not None:
            opens, closes, action = self._calls.before, self._calls.after, in_json(action)
        tokens = self._plain.encode_with(
            (f"{before}{opens}", True), (action, False), (closes, True)
        )
        return [*tokens, self.eos_id]

    def parse(self, tokens: Sequence[int]) -> Decision:
        """Return the action in a response, "" if there is none.

        It is read by `parse_tagged`, or by `parse_call` if actions are calls of a tool.
        """
        text = self.text(tokens)
        if self._calls is not None:
            call = parse_call(self.said(tokens))
            return Decision(call.action, text, call.problem)
        action = parse_tagged(self._with_our_tags(text), thinking=bool(self._closing))
        return Decision(action, text)

    def choices(self, actions: tuple[str, ...], max_tokens: int) -> Trie | None:
        """Refuse constrained decoding, as thoughts are free text.

        Raises:
            TemplateError: always.
        """
        raise TemplateError(
            "constrained decoding needs responses that are an action alone: use the template "
            "'tiny', or set policy.constrained to false"
        )

    def _format(self, part: str) -> list[int]:
        """Return the tokens of a part of the model's own format."""
        return list(self.tokenizer.backend_tokenizer.encode(part, add_special_tokens=False).ids)

    def _first(self, now: Situation) -> list[int]:
        """Return the tokens of a conversation up to the reply to its first message."""
        return [*self._opening, *self._asked(now, later=self._has_examples), *self._ending]

    @property
    def _has_examples(self) -> bool:
        return self._opening is not self._alone[0]

    def _show(self, situation: Situation, action: str) -> None:
        """Begin every conversation with a further example."""
        shown = [*self._first(situation), *self.response(action)]
        after = self._between[self._between.index(self.eos_id) + 1 :]
        self._opening, self._ending = [*shown, *after], self._next_ending

    def _asked(self, now: Situation, *, later: bool) -> list[int]:
        """Return the tokens of a message; a later one may be the result of a call."""
        called = self._calls is not None
        asks = (_ASK_CALL, _ASK_CALL_AT_ONCE) if called else (_ASK, _ASK_AT_ONCE)
        parts: list[Part] = self._message.parts(now, asks[0 if self._think else 1])
        if later and self._calls is not None and self._calls.results_in_json:
            parts = [(in_json(text), own) for text, own in parts]
        return self._plain.encode_with(*parts)

    def _spelled(self, tools: bool) -> frozenset[int]:
        """Return the tokens of markers that are read in responses."""
        written = [marker for pair in self._thoughts for marker in pair]
        spelled = {THINK, END_THINK, ACTION, END_ACTION, *written, "<|channel|>"}
        spelled.update(MARKERS if tools else ())
        return frozenset(
            number for marker, number in self._plain.markers.items() if marker in spelled
        )

    def _closer(self, known: frozenset[int]) -> int:
        """Return the token that closes a reply in the chat format."""
        between: list[int] = self._between
        for token in between:
            if token in known:
                return token
        markers = frozenset(self._plain.markers.values())
        for i, token in enumerate(between):
            if token in markers and not str(self.tokenizer.decode(between[:i])).strip():
                return token
        raise TemplateError(
            "the chat template does not close a reply with the tokenizer's eos token "
            f"({self.tokenizer.eos_token!r}) or another marker: name what closes a turn in "
            "policy.end_tokens"
        )

    def _close(self, ending: str) -> str:
        """Return the marker that closes thoughts which the end of a prompt has opened."""
        for begin, end in self._thoughts:
            if ending.rfind(begin) > ending.rfind(end):
                return end
        return ""

    def _with_our_tags(self, text: str) -> str:
        """Return text with our tags in place of a family's markers of thoughts."""
        for begin, end in self._thoughts[1:]:
            if begin in text or end == self._closing:
                text = text.replace(begin, THINK).replace(end, END_THINK)
        return text
