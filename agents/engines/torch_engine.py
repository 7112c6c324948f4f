"""Engines: where prompt tokens go in and sampled tokens come out."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from anchorgym.agents.engines.attention import decoding_attention
from anchorgym.agents.engines.contract import EngineError, Generation, Sampling
from anchorgym.agents.engines.forward import hidden_states, token_logits
from anchorgym.agents.engines.kv_cache import SlotCache
from anchorgym.agents.engines.trie import Trie

_PIECE_COST = 64
"""What a forward pass costs beyond its tokens, in tokens."""


def _piece(lengths: Sequence[int]) -> int:
    """Return how many tokens of each chunk to read at once, where the rest is read in another."""
    ordered, longest = sorted(lengths), max(lengths)
    best, least = longest, len(ordered) * longest
    for i, size in enumerate(ordered):
        rest = len(ordered) - i - 1
        cost = len(ordered) * size + rest * (longest - size) + _PIECE_COST
        if cost < least:
            best, least = size, cost
    return best


class TorchEngine:
    """Batched sampling from a Hugging Face causal model in this process.

    Each session keeps its keys and values between turns, so only new tokens are computed. The
    requests that wait are answered by one `poll`, in one batch. The keys and values are a cache:
    they can be dropped at any time, and are then computed anew from the transcript.

    Args:
        model: a causal language model; its weights are used in place.
        eos_id: the token that closes a response.
        seed: of the sampling noise.
        max_batch: sessions that are answered together at most, to bound memory.
    """

    def __init__(
        self, model: PreTrainedModel, eos_id: int, *, seed: int = 0, max_batch: int = 256
    ) -> None:
        self.model = model
        self.eos_id = eos_id
        self.max_batch = max_batch
        self.version = 0
        self._generator = torch.Generator().manual_seed(seed)
        self._cache = SlotCache(model.config)
        self._transcripts: dict[Hashable, list[int]] = {}
        self._waiting: dict[Hashable, tuple[Sampling, Trie | None]] = {}

    def submit(
        self,
        session: Hashable,
        tokens: Sequence[int],
        sampling: Sampling,
        allowed: Trie | None = None,
    ) -> None:
        """Append tokens to a session and ask for a response; see `Engine.submit`.

        Raises:
            EngineError: no tokens, more than the model has positions for, or a session that
                still waits.
        """
        self._require_idle(session)
        if not tokens:
            raise EngineError(f"session {session!r} was given no tokens to go on from")
        length = len(self._transcripts.get(session, ())) + len(tokens) + sampling.max_tokens
        if length > self.model.config.max_position_embeddings:
            raise EngineError(
                f"{length} tokens with the response, but the model has positions for "
                f"{self.model.config.max_position_embeddings}"
            )
        self._transcripts.setdefault(session, []).extend(tokens)
        self._waiting[session] = sampling, allowed

    def append(self, session: Hashable, tokens: Sequence[int]) -> None:
        """Append tokens to a session; they are read when it is next asked for a response.

        Raises:
            EngineError: the session waits for a response.
        """
        self._require_idle(session)
        self._transcripts.setdefault(session, []).extend(tokens)

    def poll(self) -> list[tuple[Hashable, Generation]]:
        """Answer what waits to be sampled in one way, `max_batch` sessions at most."""
        if not self._waiting:
            return []
        sampling, _ = next(iter(self._waiting.values()))
        keys = [key for key, (how, _) in self._waiting.items() if how == sampling]
        keys = keys[: self.max_batch]
        keys.sort(key=self._cache.row)
        tries = [self._waiting.pop(key)[1] for key in keys]
        chunks = [self._transcripts[key][self._cache.length(key) :] for key in keys]
        answers = list(zip(keys, self._generate(chunks, keys, sampling, tries), strict=True))
        for key, generation in answers:
            self._transcripts[key].extend(generation.tokens)
        return answers

    def free(self, session: Hashable) -> None:
        """Forget a session and reuse its place."""
        self._waiting.pop(session, None)
        self._transcripts.pop(session, None)
        self._cache.free(session)

    def fork(self, session: Hashable, twin: Hashable, length: int | None = None) -> None:
        """Open a session with the transcript of another, and with its keys and values.

        Those of a token depend on nothing after it, so they hold for any part that begins at the
        beginning.

        Raises:
            EngineError: there is no such session, it waits for a response, it is shorter than
                `length`, or the twin exists.
        """
        if session not in self._transcripts or session in self._waiting:
            raise EngineError(f"session {session!r} is not open, or waits for a response")
        if twin in self._transcripts:
            raise EngineError(f"session {twin!r} exists already")
        transcript = self._transcripts[session]
        length = len(transcript) if length is None else length
        if not 0 <= length <= len(transcript):
            raise EngineError(f"session {session!r} has {len(transcript)} tokens, not {length}")
        self._transcripts[twin] = transcript[:length]
        self._cache.fork(session, twin, length)

    def shelve(self, session: Hashable) -> None:
        """Put a session's keys and values aside: batches of the others stay without gaps.

        Raises:
            EngineError: it waits for a response.
        """
        self._require_idle(session)
        self._cache.shelve(session)

    def load_weights(self, version: int) -> None:
        """Drop what older weights computed; open sessions are read anew when they go on.

        Here the model's weights are shared in place.
        """
        self.version = version
        self._cache.clear()

    def reseed(self, seed: int) -> None:
        """Start the sampling noise anew."""
        self._generator.manual_seed(seed)

    def _require_idle(self, session: Hashable) -> None:
        if session in self._waiting:
            raise EngineError(f"session {session!r} already waits for a response")

    @torch.inference_mode()
    def _generate(
        self,
        chunks: list[list[int]],
        keys: list[Hashable],
        sampling: Sampling,
        tries: list[Trie | None],
    ) -> list[Generation]:
        logits = token_logits(self.model, self._read(chunks, keys, sampling.max_tokens))

        choices = _Choices(tries) if any(tries) else None
        tokens: list[Tensor] = []
        logprobs: list[Tensor] = []
        temperatures: list[Tensor] = []
        running = torch.ones(len(chunks), dtype=torch.bool)
        counts = torch.zeros(len(chunks), dtype=torch.long)
        for step in range(sampling.max_tokens):
            if choices is not None:
                logits = choices.restrict(logits)
            temperature: float | Tensor = sampling.temperature
            if sampling.adaptive is not None and temperature:
                temperatures.append(sampling.adaptive.of(logits, sampling.temperature))
                temperature = temperatures[-1][:, None]
            token, logprob = self._draw(logits, temperature)
            if choices is not None:
                choices.take(token.tolist())
            tokens.append(token)
            logprobs.append(logprob)
            counts += running
            running = running & (token != self.eos_id)
            if step + 1 == sampling.max_tokens or not running.any():
                break
            hidden = self._forward(token[:, None])
            logits = token_logits(self.model, hidden[:, 0])
            self._cache.advance(running.long())
        notes = None if choices is None else choices.allowed
        return self._generations(tokens, logprobs, counts, notes, temperatures)

    def _read(self, chunks: list[list[int]], keys: list[Hashable], room: int) -> Tensor:
        """Read a chunk into each session; return the hidden state (batch, width) after each.

        Few chunks are long: what is beyond most chunks' ends is read in a second piece, by those
        alone, rather than padding all.
        """
        left, rows = list(chunks), list(range(len(chunks)))
        last: Tensor | None = None
        while rows:
            size = _piece([len(left[row]) for row in rows])
            pieces = [left[row][:size] for row in rows]
            lengths = torch.tensor([len(piece) for piece in pieces])
            ids = torch.zeros(len(rows), size, dtype=torch.long)
            for i, piece in enumerate(pieces):
                ids[i, : len(piece)] = torch.tensor(piece)
            longest = max(len(left[row]) for row in rows)
            self._cache.select([keys[row] for row in rows], room=longest + room)
            hidden = self._forward(ids)[torch.arange(len(rows)), lengths - 1]
            self._cache.advance(lengths)
            if last is None:
                last = hidden
            else:
                last[rows] = hidden
            left = [chunk[size:] for chunk in left]
            rows = [row for row in rows if left[row]]
        self._cache.select(keys, room=room)
        assert last is not None
        return last

    def _forward(self, ids: Tensor) -> Tensor:
        with decoding_attention(self.model):
            return hidden_states(
                self.model,
                ids,
                attention_mask=self._cache.mask(ids.shape[1]),
                position_ids=self._cache.positions(ids.shape[1]),
                past_key_values=self._cache,
                use_cache=True,
            )

    def _draw(self, logits: Tensor, temperature: float | Tensor) -> tuple[Tensor, Tensor]:
        if isinstance(temperature, float | int) and temperature == 0:
            logprobs = torch.log_softmax(logits, -1)
            token = logprobs.argmax(-1)
        else:
            logprobs = torch.log_softmax(logits / temperature, -1)
            token = torch.multinomial(logprobs.exp(), 1, generator=self._generator)[:, 0]
        return token, logprobs.gather(1, token[:, None])[:, 0]

    def _generations(
        self,
        tokens: list[Tensor],
        logprobs: list[Tensor],
        counts: Tensor,
        notes: list[list[tuple[int, ...]]] | None,
        temperatures: list[Tensor],
    ) -> list[Generation]:
        token_rows = torch.stack(tokens, 1).tolist()
        logprob_rows = torch.stack(logprobs, 1).tolist()
        heat_rows = torch.stack(temperatures, 1).tolist() if temperatures else None
        out = []
        for row, n in enumerate(counts.tolist()):
            written = tuple(token_rows[row][:n])
            stop = "eos" if written[-1] == self.eos_id else "length"
            allowed = () if notes is None else tuple(notes[row][:n])
            chosen = tuple(logprob_rows[row][:n])
            heat = () if heat_rows is None else tuple(heat_rows[row][:n])
            out.append(Generation(written, chosen, stop, allowed, self.version, heat))
        return out


class _Choices:
    """Where each row of a batch stands in the tree of what it may write.

    Attributes:
        allowed: for each row, the tokens that each of its tokens was chosen among.
    """

    def __init__(self, tries: Sequence[Trie | None]) -> None:
        self._nodes = list(tries)
        self.allowed: list[list[tuple[int, ...]]] = [[] for _ in tries]

    def restrict(self, logits: Tensor) -> Tensor:
        """Return logits (batch, n_tokens) that are minus infinity at what may not be written."""
        barred = torch.zeros_like(logits, dtype=torch.bool)
        for row, node in enumerate(self._nodes):
            if node is None or not node:
                continue  # free, or finished: what is drawn for it is dropped
            tokens = node.allowed()
            self.allowed[row].append(tokens)
            barred[row] = True
            barred[row, list(tokens)] = False
        return logits.masked_fill(barred, float("-inf"))

    def take(self, tokens: Sequence[int]) -> None:
        """Go on to the tokens (batch,) that were drawn."""
        for row, (node, token) in enumerate(zip(self._nodes, tokens, strict=True)):
            if node:
                self._nodes[row] = node.after(token)
