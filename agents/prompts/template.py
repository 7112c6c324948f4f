"""Prompt templates, which convert turns to tokens and responses to actions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from anchorgym.agents.engines.trie import Trie
from anchorgym.agents.policies.base import Decision, View
from anchorgym.agents.prompts.plain_text import PlainEncoder
from anchorgym.agents.prompts.tokenizer import ACT, CAN, GOAL, OBS
from anchorgym.envs.errors import AnchorgymError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class TemplateError(AnchorgymError, ValueError):
    """A tokenizer or a kind of decoding that a template does not support."""


class PastTurn(NamedTuple):
    """Observation and action of an earlier turn."""

    observation: str
    action: str


class Template(Protocol):
    """Converts turns to tokens, and responses to actions.

    Text of the world cannot forge a marker: special tokens inside it are encoded as plain words.
    """

    name: str
    eos_id: int

    def turn(self, observation: str, view: View, before: str, n_past: int = 0) -> list[int]:
        """Return the tokens that a turn appends to a transcript, up to the start of the response.

        Args:
            observation: present observation.
            view: goal, and the admissible actions to show.
            before: stop reason of the previous response ("eos" or "length"); "" in the first turn.
                A response that was cut is closed here, with tokens that were not sampled.
            n_past: number of past turns.
        """
        ...

    def window(
        self, observation: str, view: View, past: Sequence[PastTurn], n_past: int
    ) -> list[int]:
        """Return a whole prompt with the last turns, up to the start of the response.

        Args:
            past: past turns to show, the latest last.
            n_past: number of all past turns.
        """
        ...

    def response(self, action: str) -> list[int]:
        """Return the tokens of an action as the policy would write it, closed by `eos_id`."""
        ...

    def parse(self, tokens: Sequence[int]) -> Decision:
        """Return the action in a response, and the response as text."""
        ...

    def choices(self, actions: tuple[str, ...], max_tokens: int) -> Trie | None:
        """Return a trie of the responses that mean one of these actions; None if there is none."""
        ...


class TinyTemplate:
    """The prompt template of word-level models: `<obs> … <goal> … <act> action <eos>`.

    Only new text is encoded; responses stay in the transcript token by token. The goal precedes
    every action, because small models copy best from nearby tokens. Each admissible action that is
    shown follows a `<can>` of its own, between observation and goal.

    Args:
        tokenizer: tokenizer made by `build_tokenizer`.

    Raises:
        TemplateError: the tokenizer lacks a marker.
    """

    name = "tiny"

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.eos_id: int = tokenizer.eos_token_id
        vocabulary = tokenizer.get_vocab()
        missing = [marker for marker in (OBS, CAN, GOAL, ACT) if marker not in vocabulary]
        if missing:
            raise TemplateError(
                f"the tokenizer has no {', '.join(missing)}: the policy was saved by another "
                "version of anchorgym, or its tokenizer was not made by build_tokenizer"
            )
        self._obs, self._can, self._goal, self._act = (
            int(vocabulary[marker]) for marker in (OBS, CAN, GOAL, ACT)
        )
        plain = PlainEncoder(tokenizer)
        # An unknown-token in a response stays in its action, which is then invalid.
        self._silent = frozenset(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
        self._ordinary = frozenset(vocabulary.values()) - frozenset(tokenizer.all_special_ids)

        @lru_cache(maxsize=20_000)
        def encode(text: str) -> tuple[int, ...]:
            return tuple(plain.encode(text))

        self._encode = encode
        self.choices = lru_cache(maxsize=4096)(self._choices)

    def turn(self, observation: str, view: View, before: str, n_past: int = 0) -> list[int]:
        """Return the tokens that a turn appends to a transcript; see `Template.turn`."""
        tokens = [self.eos_id] if before == "length" else []
        tokens += [self._obs, *self._encode(observation)]
        for action in view.admissible_actions:
            tokens += [self._can, *self._encode(action)]
        return [*tokens, self._goal, *self._encode(view.goal), self._act]

    def window(
        self, observation: str, view: View, past: Sequence[PastTurn], n_past: int
    ) -> list[int]:
        """Return a whole prompt; see `Template.window`."""
        tokens: list[int] = []
        for seen, done in past:
            tokens += [self._obs, *self._encode(seen), self._act, *self.response(done)]
        return tokens + self.turn(observation, view, "eos")

    def response(self, action: str) -> list[int]:
        """Return the tokens of an action, closed by `<eos>`."""
        return [*self._encode(action), self.eos_id]

    def parse(self, tokens: Sequence[int]) -> Decision:
        """Return the action in a response, in which markers are ignored."""
        words = [token for token in tokens if token not in self._silent]
        action = str(self.tokenizer.decode(words)).strip()
        return Decision(action, action)

    def _choices(self, actions: tuple[str, ...], max_tokens: int) -> Trie | None:
        """Return a trie without actions that have unknown words or are too long."""
        trie = Trie(self._ordinary)
        for action in actions:
            before, mark, after = _gap(action)
            tokens = self.response(f"{before}{mark}{after}")
            if len(tokens) <= max_tokens and self.parse(tokens).action == before + mark + after:
                gap = len(self._encode(before))
                if mark:  # drop the digit that stood in the gap
                    width = len(self._encode(before + mark)) - gap
                    del tokens[gap : gap + width]
                trie.add(tokens, gap if mark else None)
        return trie if trie else None


def _gap(action: str) -> tuple[str, str, str]:
    """Split a template such as `search[<words>]` around a digit that stands for the words."""
    before, opened, rest = action.partition("<")
    _, closed, after = rest.partition(">")
    return (before, "0", after) if opened and closed else (action, "", "")
