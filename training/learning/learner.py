"""The policy update: episodes and advantages in, better weights out."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from anchorgym.agents.engines.attention import training_attention
from anchorgym.agents.engines.forward import hidden_states, token_logits
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.envs.errors import AnchorgymError
from anchorgym.gigpo import Algorithm
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.rows import TokenRows, minibatches, training_rows
from anchorgym.training.learning.sequences import (
    TokenBatch,
    TokenSequence,
    choice_mask,
    token_sequences,
)
from anchorgym.training.rollout.types import Episode
from anchorgym.training.run.checkpoints import (
    Tensors,
    load_optimizer,
    load_parameters,
    optimizer_tensors,
    parameters_of,
)


class DivergedError(AnchorgymError, FloatingPointError):
    """Training has left the range of numbers."""


class Learner:
    """Owns the optimizer and, where a divergence is charged, the reference model.

    Args:
        policy: what is trained, in place.
        algorithm: says what a mini-batch minimises.
        config: of the optimizer.
        temperature: that the responses were sampled at.
    """

    def __init__(
        self,
        policy: ModelPolicy,
        algorithm: Algorithm,
        config: LearnerConfig,
        *,
        temperature: float,
    ) -> None:
        self.policy = policy
        self.algorithm = algorithm
        self.config = config
        self.temperature = temperature
        self.version = policy.engine.version
        self.optimizer = torch.optim.AdamW(
            policy.model.parameters(),
            config.learning_rate,
            (0.9, 0.99),
            weight_decay=0.0,
            fused=True,
        )
        self._reference = None
        if algorithm.kl_coef:
            self._reference = copy.deepcopy(policy.model).requires_grad_(False).eval()

    def set_learning_rate(self, rate: float) -> None:
        """Take further steps at this rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def tensors(self) -> dict[str, Tensors]:
        """Return weights, optimizer and reference model, to be kept between two updates."""
        kept = {
            "model": parameters_of(self.policy.model),
            "optimizer": optimizer_tensors(self.optimizer),
        }
        if self._reference is not None:
            kept["reference"] = parameters_of(self._reference)
        return kept

    def resume(self, version: int, tensors: Mapping[str, Tensors]) -> None:
        """Go on from what `tensors` returned after so many updates."""
        self.version = version
        load_parameters(self.policy.model, tensors["model"])
        load_optimizer(self.optimizer, tensors["optimizer"])
        if self._reference is not None:
            load_parameters(self._reference, tensors["reference"])
        self._publish()

    def _publish(self) -> None:
        self.policy.engine.load_weights(parameters_of(self.policy.model), self.version)

    @torch.no_grad()
    def entropies(self, episodes: Sequence[Episode]) -> NDArray[np.float64]:
        """Return the entropy that each written token was drawn with, (n_tokens,).

        It is that of the rollout's own temperature, in nats, among the token's choices; one forward
        pass computes it. Tokens are in the order of episodes and turns.
        """
        rows = [
            row
            for episode in episodes
            for row in token_sequences(episode, [0.0] * len(episode.turns))
        ]
        found: list[NDArray[np.float64]] = [np.zeros(0)] * len(rows)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i].tokens))
        for start in range(0, len(order), self.config.minibatch):
            part = order[start : start + self.config.minibatch]
            tokens = TokenBatch.of([rows[i] for i in part], self._capacity)
            part = [part[i] for i in tokens.order]
            batch = [rows[i] for i in part]
            choices = choice_mask(batch, self.policy.model.config.vocab_size)
            _, entropy = self._score(self.policy.model, tokens, choices)
            ends = np.cumsum([len(row.logprobs) for row in batch])[:-1]
            for i, values in zip(part, np.split(entropy.double().numpy(), ends), strict=True):
                found[i] = values
        return np.concatenate([np.zeros(0), *found])

    def update(
        self,
        episodes: Sequence[Episode],
        advantages: NDArray[np.float64],
        seed: int,
        *,
        columns: Mapping[str, NDArray[np.float64]] | None = None,
        replayed: Sequence[TokenSequence] = (),
    ) -> dict[str, float]:
        """Take the optimizer steps of one iteration.

        Args:
            episodes: what was played.
            advantages: (n_turns,), in the episodes' order.
            seed: of the order of mini-batches.
            columns: (n_tokens,) by name, see `Algorithm.token_columns`.
            replayed: rows of earlier iterations that are trained on too.

        Returns:
            Means of the loss and its statistics over the steps; `rows`, the sequences that had
            a non-zero advantage (the others are left out), and `steps`.
        """
        unit = self.algorithm.minibatch_unit
        rows = [*training_rows(episodes, advantages, columns, unit), *replayed]
        self.policy.model.train()
        rng = random.Random(seed)
        records = [
            self._step(batch)
            for _ in range(self.config.epochs)
            for batch in minibatches(rows, self.config.minibatch, rng, unit)
        ]
        self.policy.model.eval()
        self.version += 1
        self._publish()
        means = {
            key: float(np.mean([record[key] for record in records]))
            for key in (records[0] if records else ())
        }
        rate = self.optimizer.param_groups[0]["lr"]
        return {**means, "learning_rate": rate, "rows": len(rows), "steps": len(records)}

    def _step(self, batch: Sequence[TokenSequence]) -> dict[str, float]:
        tokens = TokenBatch.of(batch, self._capacity)
        batch = [batch[i] for i in tokens.order]
        choices = choice_mask(batch, self.policy.model.config.vocab_size)
        view = TokenRows(batch)
        temperature = view.temperatures(self.temperature)
        logprobs, entropy = self._score(self.policy.model, tokens, choices, temperature)
        reference = None
        if self._reference is not None:
            with torch.no_grad():
                reference, _ = self._score(self._reference, tokens, choices, temperature)
        advantages = torch.tensor([a for row in batch for a in row.advantages])
        loss, statistics = self.algorithm.loss(view, logprobs, entropy, reference, advantages)
        self.optimizer.zero_grad()
        loss.backward()
        if not torch.isfinite(loss):
            raise DivergedError(
                "the loss is no longer finite: lower learner.learning_rate, or raise "
                "algorithm.kl_coef"
            )
        norm = torch.nn.utils.clip_grad_norm_(
            self.policy.model.parameters(), self.config.max_grad_norm
        )
        self.optimizer.step()
        return {"loss": loss.item(), "grad_norm": norm.item(), **statistics.floats()}

    @property
    def _capacity(self) -> int | None:
        return self.policy.max_context if self.config.packing else None

    def _score(
        self,
        model: PreTrainedModel,
        tokens: TokenBatch,
        choices: Tensor | None,
        temperature: float | Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return log-probability and entropy of each written token, row by row: (n_written,).

        Both are of the distribution that was sampled from, at its temperature (one, or that of each
        token as (n_written, 1); by default the rollout's) and among its choices. Padding comes
        last and attention is causal, so it needs no mask.
        """
        if tokens.segments is None:
            with training_attention(model):
                hidden = hidden_states(model, tokens.ids, use_cache=False)
        else:
            hidden = hidden_states(
                model,
                tokens.ids,
                use_cache=False,
                position_ids=tokens.positions,
                attention_mask=tokens.attention_mask(),
            )
        logits = token_logits(model, hidden[:, :-1][tokens.written])
        logits = logits / (self.temperature if temperature is None else temperature)
        if choices is not None:
            logits = logits.masked_fill(~choices, float("-inf"))
        table = functional.log_softmax(logits, -1)
        logprobs = table.gather(1, tokens.ids[:, 1:][tokens.written][:, None])[:, 0]
        finite = table if choices is None else table.masked_fill(~choices, 0.0)
        return logprobs, -(table.exp() * finite).sum(-1)
