"""How a turn becomes tokens, and a response an action. Tokens belong to the template alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from transformers import PreTrainedTokenizerBase

from anchorgym.agents.policy import View
from anchorgym.agents.tokenizer import ACT, GOAL, OBS


class TinyTemplate:
    """The transcript form for word-level models: `<obs> … <goal> … <act> action <eos>`.

    Only what is new is encoded; what the policy wrote stays in the transcript token by token.
    The goal stands next to every action, because small models copy best from near by. Text of
    the world cannot forge a marker: special tokens inside it are read as ordinary words.
    """

    name = "tiny"

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.eos_id: int = tokenizer.eos_token_id
        self._obs, self._goal, self._act = (
            int(tokenizer.get_vocab()[marker]) for marker in (OBS, GOAL, ACT)
        )
        backend = tokenizer.backend_tokenizer
        backend.encode_special_tokens = True
        # What the policy writes for "unknown" stays in its action, which is then invalid.
        self._silent = frozenset(tokenizer.all_special_ids) - {tokenizer.unk_token_id}

        @lru_cache(maxsize=20_000)
        def encode(text: str) -> tuple[int, ...]:
            ids: list[int] = backend.encode(text, add_special_tokens=False).ids
            return tuple(ids)

        self._encode = encode

    def turn(self, observation: str, view: View) -> list[int]:
        """Return the tokens of a new turn, up to where the policy writes."""
        return [
            self._obs,
            *self._encode(observation),
            self._goal,
            *self._encode(view.goal),
            self._act,
        ]

    def response(self, action: str) -> list[int]:
        """Return the tokens of an action as the policy would write it, closed by `<eos>`."""
        return [*self._encode(action), self.eos_id]

    def parse(self, tokens: Sequence[int]) -> str:
        """Return the action that was written. Markers that the policy writes mean nothing."""
        words = [token for token in tokens if token not in self._silent]
        return str(self.tokenizer.decode(words)).strip()
