"""Encoding of a world's text, none of which becomes a marker."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from anchorgym.envs.texts import well_formed

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ORDINARY = re.compile(r"[\w\s\u2581\u0120\u010a]*")
"""Words and blanks, also in the spelling of SentencePiece and of byte-level tokenizers."""


class PlainEncoder:
    """Encodes text so that no token of it is a marker, and markers only where they are meant.

    A marker is a token that was added to the vocabulary, special or not, unless it is an ordinary
    word or blank. Text that spells one is encoded as the characters that it consists of. All other
    text gets the tokens that the tokenizer gives it.

    Args:
        tokenizer: a fast tokenizer. Where all its markers are special, it encodes special tokens
            as text from now on.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._unknown: int | None = tokenizer.unk_token_id
        added = tokenizer.added_tokens_decoder
        self.markers: dict[str, int] = {
            str(token.content): number
            for number, token in added.items()
            if number != self._unknown and (token.special or not _ORDINARY.fullmatch(token.content))
        }
        """Ids of the markers by what they spell."""
        backend = tokenizer.backend_tokenizer
        ids = frozenset(self.markers.values())
        if not all(added[number].special for number in ids):
            state = json.loads(backend.to_str())
            for token in state["added_tokens"]:
                token["special"] |= token["id"] in ids
            backend = Tokenizer.from_str(json.dumps(state))
        backend.encode_special_tokens = True
        self._backend, self._ids = backend, ids
        longest_first = sorted(filter(None, self.markers), key=len, reverse=True)
        self._spelled = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a world's text."""
        text = well_formed(text)
        encoding = self._backend.encode(text, add_special_tokens=False)
        ids = list(encoding.ids)
        if self._ids.isdisjoint(ids):
            return ids
        plain: list[int] = []
        for number, (begin, end) in zip(ids, encoding.offsets, strict=True):
            plain += self._spell(text[begin:end]) if number in self._ids else [number]
        return plain

    def encode_with(self, *parts: tuple[str, bool]) -> list[int]:
        """Return the tokens of pieces of text that stand side by side.

        Args:
            parts: pairs of (text, whether it is our own, so that its markers are meant).
        """
        tokens: list[int] = []
        plain = ""
        for text, own in parts:
            begin = 0
            for found in self._spelled.finditer(text) if own else ():
                plain += text[begin : found.start()]
                begin = found.end()
                tokens += [*(self.encode(plain) if plain else ()), self.markers[found[0]]]
                plain = ""
            plain += text[begin:]
        return [*tokens, *(self.encode(plain) if plain else ())]

    def _spell(self, text: str) -> Sequence[int]:
        """Return the tokens of each character, none of which is a marker."""
        ids = [
            number
            for letter in text
            for number in self._backend.encode(letter, add_special_tokens=False).ids
        ]
        unknown = [] if self._unknown is None else [self._unknown]
        return [kept for number in ids for kept in ([number], unknown)[number in self._ids]]
