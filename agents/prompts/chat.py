"""The prompt template of chat models, which think and then act in their own chat format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from anchorgym.agents.engines.trie import Trie
from anchorgym.agents.policies.base import Decision, View
from anchorgym.agents.prompts.parsing import (
    ACTION,
    END_ACTION,
    END_THINK,
    THINK,
    parse_tagged,
    without_thoughts,
)
from anchorgym.agents.prompts.plain_text import PlainEncoder
from anchorgym.agents.prompts.rendering import render
from anchorgym.agents.prompts.template import PastTurn, TemplateError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SYSTEM = "@@system@@"
_FIRST, _REPLY, _SECOND = "@@user-one@@", "@@assistant@@", "@@user-two@@"

_ASK = (
    f"Think about what to do next inside {THINK} {END_THINK}, then write exactly one action inside "
    f"{ACTION} {END_ACTION}."
)
_ASK_AT_ONCE = f"Write exactly one action inside {ACTION} {END_ACTION}, and nothing else."
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

    The prompt follows GiGPO's (arXiv 2505.10978, appendix): the task, the last turns, the present
    observation and the admissible actions. The fixed parts of the chat format are encoded once;
    text of the world is encoded separately, so that it can neither forge nor split a marker.

    Args:
        tokenizer: a fast tokenizer with a chat template.
        end_ids: tokens that are known to end a response. The first of them that the chat template
            writes after a reply closes a turn; without one, the marker with which it goes on after
            a reply does.
        system: system message before the first turn; "" leaves it to the chat format, which may
            have one of its own.
        think: whether responses are to think first; without, they are an action alone, and a chat
            format that can switch thoughts off does so.

    Raises:
        TemplateError: the tokenizer has no chat template, or one that changes its messages, that
            takes no system message, or that does not close a reply.
    """

    name = "chat"

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        end_ids: Sequence[int] | None = None,
        *,
        system: str = "",
        think: bool = True,
    ) -> None:
        self.tokenizer, self._think = tokenizer, think
        opened = (*((("system", _SYSTEM),) if system else ()), ("user", _FIRST))
        alone, both = render(
            tokenizer,
            [opened, (*opened, ("assistant", _REPLY), ("user", _SECOND))],
            think=think,
        )
        opening, ending = _around(alone, _FIRST)
        _, rest = _around(both, _REPLY)
        between, _ = _around(rest, _SECOND)
        backend = tokenizer.backend_tokenizer
        backend.encode_special_tokens = False  # these parts are the model's own format
        self._between, self._ending, *before = (
            list(backend.encode(part, add_special_tokens=False).ids)
            for part in (between, ending, *(_around(opening, _SYSTEM) if system else (opening,)))
        )
        self._plain = PlainEncoder(tokenizer)
        self._opening: list[int] = before[0]
        if system:
            self._opening = [*before[0], *self._plain.encode(system), *before[1]]
        known = [tokenizer.eos_token_id] if end_ids is None else end_ids
        self.eos_id: int = self._closer(frozenset(known))
        self._thoughts = [
            (begin, end)
            for begin, end in _THOUGHTS
            if begin == THINK or any(map(begin.startswith, self._plain.markers))
        ]
        written = [marker for pair in self._thoughts for marker in pair]
        spelled = {THINK, END_THINK, ACTION, END_ACTION, *written, "<|channel|>"}
        self._silent = frozenset(tokenizer.all_special_ids) - {
            number for marker, number in self._plain.markers.items() if marker in spelled
        }
        self._closing = self._close(ending)
        """The marker that closes the thoughts which the prompt opens; "" if it opens none."""

    def turn(self, observation: str, view: View, before: str) -> list[int]:
        """Return the tokens that a turn appends to a transcript; see `Template.turn`."""
        if not before:
            said = f"Your task: {view.goal}\n\nYou see: {observation}\n{self._menu(view)}\n"
            return [*self._opening, *self._asked(said), *self._ending]
        opening = self._between
        if before == "eos":  # the policy has written the closing token itself
            opening = opening[opening.index(self.eos_id) + 1 :]
        said = f"You see: {observation}\n{self._menu(view)}\n"
        return [*opening, *self._asked(said), *self._ending]

    def window(
        self, observation: str, view: View, past: Sequence[PastTurn], n_past: int
    ) -> list[int]:
        """Return a whole prompt; see `Template.window`."""
        parts = [f"Your task: {view.goal}"]
        if past:
            first = n_past - len(past) + 1
            parts.append(f"You have taken {n_past} turns. The last of them:")
            for n, (seen, done) in enumerate(past, first):
                parts.append(f"[Turn {n}] You saw: {seen}\n[Turn {n}] You did: {done or 'nothing'}")
        parts.append(f"You see now: {observation}\n{self._menu(view)}\n")
        return [*self._opening, *self._asked("\n\n".join(parts)), *self._ending]

    def question(self, text: str) -> list[int]:
        """Return a whole prompt of `text` alone, for an unconstrained response."""
        return [*self._opening, *self._plain.encode(text), *self._ending]

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
        tokens = self._plain.encode_with(
            (f"{before}{ACTION}", True), (action, False), (END_ACTION, True)
        )
        return [*tokens, self.eos_id]

    def parse(self, tokens: Sequence[int]) -> Decision:
        """Return the action in a response, "" if there is none; see `parse_tagged`."""
        text = self.text(tokens)
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

    def _menu(self, view: View) -> str:
        lines = [] if view.action_valid else [f"Your last action was invalid: {view.reason}"]
        if view.admissible_actions:
            listed = ", ".join(f"'{action}'" for action in view.admissible_actions)
            lines.append(f"You can do: {listed}")
        return "\n".join(lines)

    def _asked(self, said: str) -> list[int]:
        """Return the tokens of a message of the world's text, and of what is asked."""
        ask = _ASK if self._think else _ASK_AT_ONCE
        return self._plain.encode_with((said, False), (ask, True))

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


def _around(text: str, mark: str) -> tuple[str, str]:
    before, found, after = text.partition(mark)
    if not found and mark == _SYSTEM:
        raise TemplateError(
            "the tokenizer's chat template takes no system message: leave policy.system empty"
        )
    if not found or mark in after:
        raise TemplateError("the tokenizer's chat template changes or repeats what is said")
    return before, after
