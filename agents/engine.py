"""Engines: where prompt tokens go in and sampled tokens come out."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from anchorgym.agents.forward import hidden_states, token_logits
from anchorgym.agents.kv_cache import SlotCache
from anchorgym.agents.policy import Generation


@dataclass(frozen=True, slots=True)
class Sampling:
    """How responses are drawn.

    Args:
        max_tokens: a response is cut after so many tokens.
        temperature: divides the logits; 0 takes the most likely token.
    """

    max_tokens: int = 8
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, got {self.max_tokens}")
        if self.temperature < 0:
            raise ValueError(f"temperature must be at least 0, got {self.temperature}")


class Engine(Protocol):
    """Appends tokens to sessions and samples what follows."""

    def submit(self, session: Hashable, tokens: Sequence[int], sampling: Sampling) -> None:
        """Append `tokens` to a session (a new key opens one) and ask for a response."""
        ...

    def poll(self) -> list[tuple[Hashable, Generation]]:
        """Return responses that are ready; empty when nothing is asked for any more."""
        ...

    def free(self, session: Hashable) -> None:
        """Forget a session."""
        ...

    def load_weights(self, version: int) -> None:
        """Go on with the weights of `version`; caches of older ones are dropped."""
        ...


class TorchEngine:
    """Batched sampling from a Hugging Face causal model in this process.

    Each session keeps its keys and values between turns, so only new tokens are computed. All
    requests that wait are answered by one `poll`, in one batch.

    Args:
        model: a causal language model; its weights are used in place.
        eos_id: the token that closes a response.
        seed: of the sampling noise.
    """

    def __init__(self, model: PreTrainedModel, eos_id: int, *, seed: int = 0) -> None:
        self.model = model
        self.eos_id = eos_id
        self.version = 0
        self._generator = torch.Generator().manual_seed(seed)
        self._cache = SlotCache(model.config)
        self._unread: dict[Hashable, int] = {}  # the last token written, not yet in the cache
        self._waiting: list[tuple[Hashable, list[int], Sampling]] = []

    def submit(self, session: Hashable, tokens: Sequence[int], sampling: Sampling) -> None:
        """Append tokens to a session and ask for a response."""
        if any(key == session for key, _, _ in self._waiting):
            raise ValueError(f"session {session!r} already waits for a response")
        unread = [self._unread.pop(session)] if session in self._unread else []
        self._waiting.append((session, [*unread, *tokens], sampling))

    def poll(self) -> list[tuple[Hashable, Generation]]:
        """Answer everything that waits, in one batch for each way of sampling."""
        if not self._waiting:
            return []
        sampling = self._waiting[0][2]
        batch = [(key, tokens) for key, tokens, how in self._waiting if how == sampling]
        batch.sort(key=lambda request: self._cache.row(request[0]))
        self._waiting = [request for request in self._waiting if request[2] != sampling]
        written = self._generate([tokens for _, tokens in batch], [k for k, _ in batch], sampling)
        for (key, _), generation in zip(batch, written, strict=True):
            self._unread[key] = generation.tokens[-1]
        return [(key, generation) for (key, _), generation in zip(batch, written, strict=True)]

    def free(self, session: Hashable) -> None:
        """Forget a session and reuse its place."""
        self._unread.pop(session, None)
        self._cache.free(session)

    def load_weights(self, version: int) -> None:
        """Drop what older weights computed. Here the model's weights are shared in place."""
        self.version = version
        self._cache.clear()
        self._unread.clear()

    def reseed(self, seed: int) -> None:
        """Start the sampling noise anew."""
        self._generator.manual_seed(seed)

    @torch.inference_mode()
    def _generate(
        self, chunks: list[list[int]], keys: list[Hashable], sampling: Sampling
    ) -> list[Generation]:
        lengths = torch.tensor([len(chunk) for chunk in chunks])
        ids = torch.zeros(len(chunks), int(lengths.max()), dtype=torch.long)
        for row, chunk in enumerate(chunks):
            ids[row, : len(chunk)] = torch.tensor(chunk)
        self._cache.select(keys, room=ids.shape[1] + sampling.max_tokens)
        hidden = self._forward(ids)
        logits = token_logits(self.model, hidden[torch.arange(len(chunks)), lengths - 1])
        self._cache.advance(lengths)

        tokens: list[Tensor] = []
        logprobs: list[Tensor] = []
        running = torch.ones(len(chunks), dtype=torch.bool)
        counts = torch.zeros(len(chunks), dtype=torch.long)
        for step in range(sampling.max_tokens):
            token, logprob = self._draw(logits, sampling.temperature)
            tokens.append(token)
            logprobs.append(logprob)
            counts += running
            running = running & (token != self.eos_id)
            if step + 1 == sampling.max_tokens or not running.any():
                break
            hidden = self._forward(token[:, None])
            logits = token_logits(self.model, hidden[:, 0])
            self._cache.advance(running.long())
        return self._generations(tokens, logprobs, counts)

    def _forward(self, ids: Tensor) -> Tensor:
        return hidden_states(
            self.model,
            ids,
            attention_mask=self._cache.mask(ids.shape[1]),
            position_ids=self._cache.positions(ids.shape[1]),
            past_key_values=self._cache,
            use_cache=True,
        )

    def _draw(self, logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        if temperature == 0:
            logprobs = torch.log_softmax(logits, -1)
            token = logprobs.argmax(-1)
        else:
            logprobs = torch.log_softmax(logits / temperature, -1)
            token = torch.multinomial(logprobs.exp(), 1, generator=self._generator)[:, 0]
        return token, logprobs.gather(1, token[:, None])[:, 0]

    def _generations(
        self, tokens: list[Tensor], logprobs: list[Tensor], counts: Tensor
    ) -> list[Generation]:
        token_rows = torch.stack(tokens, 1).tolist()
        logprob_rows = torch.stack(logprobs, 1).tolist()
        out = []
        for row, n in enumerate(counts.tolist()):
            written = tuple(token_rows[row][:n])
            stop = "eos" if written[-1] == self.eos_id else "length"
            out.append(Generation(written, tuple(logprob_rows[row][:n]), stop))
        return out
