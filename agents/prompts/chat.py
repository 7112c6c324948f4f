"""The prompt template of chat models, which think and then act in their own chat format."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import TemplateError as JinjaError
from transformers import PreTrainedTokenizerBase

from anchorgym.agents.engines.trie import Trie
from anchorgym.agents.policies.base import Decision, View
from anchorgym.agents.prompts.parsing import ACTION, END_ACTION, END_THINK, THINK, parse_tagged
from anchorgym.agents.prompts.template import PastTurn, TemplateError

_FIRST, _REPLY, _SECOND = "@@user-one@@", "@@assistant@@", "@@user-two@@"

_ASK = (
    f"Think about what to do next inside {THINK} {END_THINK}, then write exactly one action inside "
    f"{ACTION} {END_ACTION}."
)


class ChatTemplate:
    """`<think>…</think><action>…</action>` in answer to messages in the model's chat format.

    The prompt follows GiGPO's (arXiv 2505.10978, appendix): the task, the last turns, the present
    observation and the admissible actions. The fixed parts of the chat format are encoded once;
    text of the world is encoded separately, so that it can neither forge nor split a marker.

    Args:
        tokenizer: a fast tokenizer with a chat template and an end-of-turn token.

    Raises:
        TemplateError: the tokenizer has no chat template, or one that changes its messages.
    """

    name = "chat"

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.eos_id: int = tokenizer.eos_token_id
        self._backend = tokenizer.backend_tokenizer
        alone = _render(tokenizer, [("user", _FIRST)])
        both = _render(tokenizer, [("user", _FIRST), ("assistant", _REPLY), ("user", _SECOND)])
        opening, ending = _around(alone, _FIRST)
        _, rest = _around(both, _REPLY)
        between, _ = _around(rest, _SECOND)
        self._opening, self._between, self._ending = (
            self._encode_format(part) for part in (opening, between, ending)
        )
        if self.eos_id not in self._between:
            raise TemplateError(
                "the chat template does not close a reply with the tokenizer's eos token "
                f"({tokenizer.eos_token!r}): set the tokenizer's eos_token to what closes a turn"
            )
        self._backend.encode_special_tokens = True

    def turn(self, observation: str, view: View, before: str) -> list[int]:
        """Return the tokens that a turn appends to a transcript; see `Template.turn`."""
        if not before:
            said = f"Your task: {view.goal}\n\nYou see: {observation}\n{self._menu(view)}\n{_ASK}"
            return [*self._opening, *self._encode(said), *self._ending]
        opening = self._between
        if before == "eos":  # the policy has written the closing token itself
            opening = opening[opening.index(self.eos_id) + 1 :]
        said = f"You see: {observation}\n{self._menu(view)}\n{_ASK}"
        return [*opening, *self._encode(said), *self._ending]

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
        parts.append(f"You see now: {observation}\n{self._menu(view)}\n{_ASK}")
        return [*self._opening, *self._encode("\n\n".join(parts)), *self._ending]

    def question(self, text: str) -> list[int]:
        """Return a whole prompt of `text` alone, for an unconstrained response."""
        return [*self._opening, *self._encode(text), *self._ending]

    def text(self, tokens: Sequence[int]) -> str:
        """Return tokens as text, without the markers of the chat format."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))

    def response(self, action: str) -> list[int]:
        """Return the tokens of an action without thoughts, closed by the end of the turn."""
        said = f"{THINK}{END_THINK}{ACTION}{action}{END_ACTION}"
        return [*self._encode(said), self.eos_id]

    def parse(self, tokens: Sequence[int]) -> Decision:
        """Return the action in a response, "" if there is none; see `parse_tagged`."""
        text = self.text(tokens)
        return Decision(parse_tagged(text), text)

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

    def _encode(self, text: str) -> list[int]:
        return list(self._backend.encode(text, add_special_tokens=False).ids)

    def _encode_format(self, text: str) -> list[int]:
        """Encode a part of the chat format, with its special tokens."""
        self._backend.encode_special_tokens = False
        return self._encode(text)


def _render(tokenizer: PreTrainedTokenizerBase, messages: Sequence[tuple[str, str]]) -> str:
    try:
        return str(
            tokenizer.apply_chat_template(
                [{"role": role, "content": content} for role, content in messages],
                tokenize=False,
                add_generation_prompt=True,
            )
        )
    except (ValueError, TypeError, JinjaError) as error:
        raise TemplateError(f"the tokenizer's chat template cannot be used: {error}") from error


def _around(text: str, mark: str) -> tuple[str, str]:
    before, found, after = text.partition(mark)
    if not found or mark in after:
        raise TemplateError("the tokenizer's chat template changes or repeats what is said")
    return before, after
