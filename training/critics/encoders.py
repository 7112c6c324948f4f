"""Frozen text encoders, which encode actions and observations for a critic."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from anchorgym.envs.errors import AnchorgymError

FloatArray = NDArray[np.float32]

_WORD = re.compile(r"[^\W_]+|[^\w\s]")
_BATCH = 64


class EncoderError(AnchorgymError, ValueError):
    """An encoder that does not exist or cannot be loaded."""


class TextEncoder(Protocol):
    """A deterministic encoder of texts into vectors."""

    @property
    def width(self) -> int:
        """Length of the vector of a text."""
        ...

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return the codes of texts, (n_texts, width)."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return JSON values from which `encoder_from_json` makes the same encoder."""
        ...


class HashedNgrams:
    """Feature hashing of words and n-grams: each adds +1 or -1 to the component of its hash.

    It needs no download and no vocabulary. The whole text is a feature of its own, so that two
    actions with the same words differ. Codes have unit length. Source: Weinberger et al. (2009),
    "Feature Hashing for Large Scale Multitask Learning".

    Args:
        width: number of components.
        longest: most words of an n-gram.
    """

    name: ClassVar = "ngrams"

    def __init__(self, width: int = 64, longest: int = 2) -> None:
        if width < 1 or longest < 1:
            raise EncoderError(f"width and longest must be at least 1, got {width} and {longest}")
        self._width = width
        self.longest = longest
        self._known: dict[str, FloatArray] = {}

    @property
    def width(self) -> int:
        """Length of the vector of a text."""
        return self._width

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return the codes of texts, (n_texts, width)."""
        for text in texts:
            if text not in self._known:
                self._known[text] = self._code(text)
        return np.stack([self._known[text] for text in texts])

    def to_json(self) -> dict[str, Any]:
        """Return name and arguments."""
        return {"encoder": self.name, "width": self._width, "longest": self.longest}

    def _code(self, text: str) -> FloatArray:
        words = _WORD.findall(text.lower())
        runs = [
            " ".join(words[i : i + n])
            for n in range(1, self.longest + 1)
            for i in range(len(words) - n + 1)
        ]
        code = np.zeros(self._width, dtype=np.float32)
        for run in [*runs, f"= {text}"]:
            key = int.from_bytes(hashlib.blake2b(run.encode(), digest_size=8).digest(), "little")
            code[(key >> 1) % self._width] += 1.0 if key & 1 else -1.0
        return code / max(1.0, float(np.linalg.norm(code)))


class HuggingFaceEncoder:
    """Encodes a text as the mean of a frozen transformer's last hidden states over its tokens.

    Args:
        source: name of a model on the Hugging Face hub, or a folder.

    Raises:
        EncoderError: there is no such model.
    """

    name: ClassVar = "huggingface"

    def __init__(self, source: str | Path) -> None:
        from transformers import AutoConfig, AutoModel, AutoTokenizer

        self.source = str(source)
        try:
            config = AutoConfig.from_pretrained(self.source, trust_remote_code=False)
            config._attn_implementation = None  # a folder may name code there: take the default
            self._tokenizer = AutoTokenizer.from_pretrained(self.source, trust_remote_code=False)
            model = AutoModel.from_pretrained(
                self.source, config=config, trust_remote_code=False, use_safetensors=True
            )
            self._model = model.eval().requires_grad_(False)
        except (OSError, ValueError) as error:
            raise EncoderError(
                f"no encoder can be loaded from {self.source!r} ({error}): give the folder or the "
                "hub name of a Hugging Face model, or use the default encoder"
            ) from error
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._known: dict[str, FloatArray] = {}

    @property
    def width(self) -> int:
        """Length of the vector of a text."""
        return int(self._model.config.hidden_size)

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return the codes of texts, (n_texts, width)."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._known]
        for first in range(0, len(fresh), _BATCH):
            self._read(fresh[first : first + _BATCH])
        return np.stack([self._known[text] for text in texts])

    def to_json(self) -> dict[str, Any]:
        """Return name and source."""
        return {"encoder": self.name, "source": self.source}

    @torch.no_grad()
    def _read(self, texts: list[str]) -> None:
        tokens = self._tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        tokens.pop("token_type_ids", None)
        hidden = self._model(**tokens).last_hidden_state
        there = tokens["attention_mask"][..., None]
        means = (hidden * there).sum(1) / there.sum(1).clamp(min=1)
        self._known.update(zip(texts, means.float().numpy(), strict=True))


def encoder_from_json(values: dict[str, Any]) -> TextEncoder:
    """Make the encoder that `to_json` has described.

    Raises:
        EncoderError: there is no encoder of that name.
    """
    name, arguments = values.get("encoder"), {k: v for k, v in values.items() if k != "encoder"}
    if name == HashedNgrams.name:
        return HashedNgrams(**arguments)
    if name == HuggingFaceEncoder.name:
        return HuggingFaceEncoder(**arguments)
    raise EncoderError(f"unknown encoder {name!r}: there are 'ngrams' and 'huggingface'")
