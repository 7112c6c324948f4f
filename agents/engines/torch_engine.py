"""The engine that runs a Hugging Face model in this process."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from anchorgym.agents.engines.attention import decoding_attention
from anchorgym.agents.engines.contract import (
    Capabilities,
    EngineError,
    Generation,
    Sampling,
    WeightSource,
)
from anchorgym.agents.engines.drawing import Choices, draw, nucleus
from anchorgym.agents.engines.factories import EngineOptionError, ServedModel
from anchorgym.agents.engines.forward import hidden_states, position_limit, token_logits
from anchorgym.agents.engines.kv_cache import SlotCache
from anchorgym.agents.engines.reading import blocks, most_tokens, shared_beginnings
from anchorgym.agents.engines.responses import Responses
from anchorgym.agents.engines.seeding import uniforms
from anchorgym.agents.engines.trie import Trie
from anchorgym.agents.engines.weights import check_version, put_weights

_PIECE_COST = 64
"""Fixed cost of a forward pass, as a number of tokens."""
_WORTH = 10**9
"""Multiplications by weights a token for which rows of keys and values are moved."""


def _piece(lengths: Sequence[int]) -> int:
    """Return how many tokens of each chunk the first of two forward passes reads."""
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

    Each session keeps its keys and values between turns, so only new tokens are computed. One
    `poll` answers, in one batch, the open requests with equal sampling settings. The keys and
    values are a cache: they can be dropped at any time and are computed again from the transcript.
    When the last session is freed, the cache starts over, so that results never depend on earlier
    rollouts.

    Args:
        model: a causal language model on any device; its weights are used in place.
        eos_ids: tokens that close a response.
        max_batch: most sessions that are answered together, to bound memory.
    """

    capabilities = Capabilities(
        constrained_decoding=True,
        per_token_temperature=True,
        nucleus=True,
        shared_forks=True,
        exact_logprobs=True,
    )

    def __init__(
        self,
        model: PreTrainedModel,
        eos_ids: Sequence[int],
        *,
        max_batch: int = 256,
    ) -> None:
        self.model = model
        self.eos_ids = tuple(eos_ids)
        self.max_batch = max_batch
        self._version = 0
        self._limit = position_limit(model.config)
        self._n_parameters = sum(weight.numel() for weight in model.parameters())
        self._cache = SlotCache(model)
        self._transcripts: dict[Hashable, list[int]] = {}
        self._waiting: dict[Hashable, tuple[Sampling, Trie | None]] = {}

    @property
    def version(self) -> int:
        """Version of the weights; see `Engine.version`."""
        return self._version

    @property
    def waiting(self) -> int:
        """Number of open requests."""
        return len(self._waiting)

    def submit(
        self,
        session: Hashable,
        tokens: Sequence[int],
        sampling: Sampling,
        allowed: Trie | None = None,
    ) -> None:
        """Append tokens to a session and ask for a response; see `Engine.submit`.

        Raises:
            EngineError: the session has no tokens to continue, more tokens than the model has
                positions for, or an open request.
        """
        self._require_idle(session)
        before = len(self._transcripts.get(session, ()))
        if not before and not tokens:
            raise EngineError(f"session {session!r} was given no tokens to go on from")
        length = before + len(tokens) + sampling.max_tokens
        if self._limit is not None and length > self._limit:
            raise EngineError(
                f"{length} tokens with the response, but the model has positions for {self._limit}"
            )
        self._transcripts.setdefault(session, []).extend(tokens)
        self._waiting[session] = sampling, allowed

    def append(self, session: Hashable, tokens: Sequence[int]) -> None:
        """Append tokens to a session; they are read at its next request.

        Raises:
            EngineError: the session has an open request.
        """
        self._require_idle(session)
        self._transcripts.setdefault(session, []).extend(tokens)

    def poll(self, timeout: float | None = None) -> list[tuple[Hashable, Generation]]:
        """Answer at most `max_batch` open requests that are sampled like the oldest one."""
        if not self._waiting:
            return []
        if not self._cache.fits(self.model):  # it was moved to another device, or cast
            self._cache = SlotCache(self.model)
        first, _ = next(iter(self._waiting.values()))
        keys = [key for key, (how, _) in self._waiting.items() if _alike(how, first)]
        keys = keys[: self.max_batch]
        if self._moves_rows and len(keys) * self._n_parameters >= _WORTH:
            self._cache.bring_forward(keys)
        keys.sort(key=self._cache.row)
        asked = [self._waiting.pop(key) for key in keys]
        answers = list(zip(keys, self._generate(keys, asked), strict=True))
        for key, generation in answers:
            self._transcripts[key].extend(generation.tokens)
        return answers

    def cancel(self, session: Hashable) -> None:
        """Drop the open request of a session, and keep its prompt."""
        self._waiting.pop(session, None)

    def free(self, session: Hashable) -> None:
        """Forget a session and reuse its row of the cache."""
        self._waiting.pop(session, None)
        self._transcripts.pop(session, None)
        self._cache.free(session)
        if not self._transcripts:
            self._cache = SlotCache(self.model)

    def fork(self, session: Hashable, twin: Hashable, length: int | None = None) -> None:
        """Open a session with the transcript of another, and with its keys and values.

        Keys and values of a token do not depend on later tokens, so they are valid for any prefix.

        Raises:
            EngineError: there is no such session, it has an open request, it is shorter than
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
        """Move a session's keys and values aside, so that batches of other sessions have no gaps.

        Raises:
            EngineError: the session has an open request.
        """
        self._require_idle(session)
        self._cache.shelve(session)

    def load_weights(self, source: WeightSource, version: int) -> None:
        """Replace the weights in place; open sessions are read again at their next request.

        Raises:
            StaleWeightsError: the engine has a newer version.
            WeightsError: these are not weights of the model.
        """
        check_version(self._version, version)
        put_weights(self.model, source)
        self._version = version
        self._cache = SlotCache(self.model)

    def _unread(self, session: Hashable) -> list[int]:
        """Return the tokens that a session has yet to read; its last token is always one."""
        transcript = self._transcripts[session]
        known = self._cache.length(session)
        if known == len(transcript):
            known -= 1
            self._cache.shorten(session, known)
        return transcript[known:]

    def _require_idle(self, session: Hashable) -> None:
        if session in self._waiting:
            raise EngineError(f"session {session!r} already waits for a response")

    @torch.inference_mode()
    def _generate(
        self, keys: list[Hashable], asked: list[tuple[Sampling, Trie | None]]
    ) -> list[Generation]:
        sampling, tries = asked[0][0], [trie for _, trie in asked]
        logits = token_logits(self.model, self._read_all(keys, sampling.max_tokens))
        choices = Choices(tries) if any(tries) else None
        noise = uniforms([how.seed for how, _ in asked], sampling.max_tokens)
        draws = torch.from_numpy(noise).to(logits.device)
        responses = Responses(len(keys), (*self.eos_ids, *sampling.stop_ids), logits.device)
        for step in range(sampling.max_tokens):
            if choices is not None:
                logits = choices.restrict(logits)
            temperature: float | Tensor = sampling.temperature
            heat: Tensor | None = None
            if sampling.adaptive is not None and temperature:
                heat = sampling.adaptive.of(logits, sampling.temperature)
                temperature = heat[:, None]
            if sampling.top_p < 1 and sampling.temperature:
                logits = nucleus(logits, temperature, sampling.top_p)
            token, logprob = draw(logits, temperature, draws[responses.rows, step])
            if choices is not None:
                choices.take(token.tolist())
            responses.add(token, logprob, heat)
            if step + 1 == sampling.max_tokens or not responses.running.any():
                break
            if choices is None and (kept := self._unfinished(keys, responses.running)):
                keys, token = [keys[i] for i in kept], token[kept]
                responses.keep(kept)
                self._cache.select(keys, room=sampling.max_tokens - step)
            hidden = self._forward(token[:, None])
            logits = token_logits(self.model, hidden[:, 0])
            self._cache.advance(responses.running.long())
        return responses.generations(self._version, None if choices is None else choices.allowed)

    def _unfinished(self, keys: Sequence[Hashable], running: Tensor) -> list[int]:
        """Return the sessions to go on with, in the order of their rows; none for all of them.

        Sessions that are finished are left out, where computing them costs more than bringing the
        others to the front.
        """
        if not self._moves_rows:
            return []
        kept = [i for i, goes_on in enumerate(running.tolist()) if goes_on]
        finished = len(keys) - len(kept)
        if 4 * finished < len(keys) or finished * self._n_parameters < _WORTH:
            return []
        self._cache.bring_forward([keys[i] for i in kept])
        return sorted(kept, key=lambda i: self._cache.row(keys[i]))

    @property
    def _moves_rows(self) -> bool:
        """Whether moving keys and values is cheap beside computing; a GPU has rows to spare."""
        return self.model.device.type == "cpu" and self._n_parameters * self.max_batch >= _WORTH

    def _read_all(self, keys: list[Hashable], room: int) -> Tensor:
        """Read what each session has yet to read; return the hidden state (batch, width) after it.

        Sessions that begin alike read their common beginning once, and few sessions are read
        together, so that what is computed of them fits into memory.
        """
        fresh = {key: self._transcripts[key] for key in keys if not self._cache.length(key)}
        shared = shared_beginnings(fresh, self._n_parameters)
        hidden: dict[Hashable, Tensor] = {}
        for wave in ([k for k in keys if k not in shared], [k for k in keys if k in shared]):
            for key in wave:
                if key in shared:
                    leader, length = shared[key]
                    self._cache.fork(leader, key, length)
            chunks = [self._unread(key) for key in wave]
            for block in blocks([len(chunk) for chunk in chunks], most_tokens(self.model)):
                some = [wave[i] for i in block]
                states = self._read([chunks[i] for i in block], some, room)
                if len(some) == len(keys):
                    self._cache.select(keys, room=room)
                    return states
                hidden.update(zip(some, states, strict=True))
        self._cache.select(keys, room=room)
        return torch.stack([hidden[key] for key in keys])

    def _read(self, chunks: list[list[int]], keys: list[Hashable], room: int) -> Tensor:
        """Read a chunk into each session; return the hidden state (batch, width) after each.

        Few chunks are long: to save padding, the tokens beyond the end of most chunks are read in
        a second forward pass of the long chunks alone.
        """
        left, rows, device = list(chunks), list(range(len(chunks))), self.model.device
        last: Tensor | None = None
        while rows:
            size = _piece([len(left[row]) for row in rows])
            pieces = [left[row][:size] for row in rows]
            lengths = torch.tensor([len(piece) for piece in pieces], device=device)
            padded = [[*piece, *[0] * (size - len(piece))] for piece in pieces]
            ids = torch.tensor(padded, dtype=torch.long, device=device)
            longest = max(len(left[row]) for row in rows)
            self._cache.select([keys[row] for row in rows], room=longest + room)
            hidden = self._forward(ids)[torch.arange(len(rows), device=device), lengths - 1]
            self._cache.advance(lengths)
            if last is None:
                last = hidden
            else:
                last[rows] = hidden
            left = [chunk[size:] for chunk in left]
            rows = [row for row in rows if left[row]]
        assert last is not None
        return last

    def _forward(self, ids: Tensor) -> Tensor:
        positions = self._cache.positions(ids.shape[1])
        with decoding_attention(self.model, positions):
            return hidden_states(
                self.model,
                ids,
                position_ids=positions,
                past_key_values=self._cache,
                use_cache=True,
            )


def _alike(one: Sampling, other: Sampling) -> bool:
    """Whether two requests can be sampled in one batch; only their seeds may differ."""
    return replace(one, seed=0) == replace(other, seed=0)


@dataclass(frozen=True)
class TorchFactory:
    """Makes engines that run the model in this process.

    Args:
        max_batch: most sessions that are answered together, to bound memory.

    Raises:
        EngineOptionError: `max_batch` is not a positive number.
    """

    max_batch: int = 256

    def __post_init__(self) -> None:
        if not isinstance(self.max_batch, int) or self.max_batch < 1:
            raise EngineOptionError(
                "max_batch", f"max_batch must be a number of at least 1, got {self.max_batch!r}"
            )

    @property
    def capabilities(self) -> Capabilities:
        """The engine's capabilities beyond sampling."""
        return TorchEngine.capabilities

    def make(self, served: ServedModel) -> TorchEngine:
        """Return an engine that shares the weights of `served.model`."""
        return TorchEngine(served.model, served.eos_ids, max_batch=self.max_batch)
