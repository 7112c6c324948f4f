"""The learner that trains a language model in this process."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from anchorgym.agents.engines.forward import row_states, token_logits
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.gigpo import Algorithm, Totals
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.contract import Sizes, SplitError, Statistics, means
from anchorgym.training.learning.devices import autocast, resolve_device, resolve_dtype
from anchorgym.training.learning.gradient_learner import GradientLearner
from anchorgym.training.learning.minibatches import FlatTokens, minibatches, totals_of
from anchorgym.training.learning.rows import TokenRow
from anchorgym.training.learning.tensors import (
    Tensors,
    load_parameters,
    load_tensors,
    parameters_of,
)
from anchorgym.training.learning.token_batch import TokenBatch, choice_mask

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class LanguageLearner(GradientLearner["PreTrainedModel"]):
    """Trains a language model with AdamW; see `Learner`.

    Args:
        policy: policy to train, in place.
        algorithm: algorithm that defines the loss.
        config: settings of optimizer, device and data type.
        temperature: sampling temperature of the responses.
    """

    def __init__(
        self,
        policy: ModelPolicy,
        algorithm: Algorithm,
        config: LearnerConfig,
        *,
        temperature: float,
    ) -> None:
        super().__init__(
            policy.model,
            device=resolve_device(config.device),
            dtype=resolve_dtype(config.dtype),
            max_grad_norm=config.max_grad_norm,
        )
        self.algorithm, self.config, self.temperature = algorithm, config, temperature
        self.version = policy.engine.version
        self._capacity = policy.max_context if config.packing else None
        self.optimizers["optimizer"] = torch.optim.AdamW(
            self.model.parameters(),
            config.learning_rate,
            (0.9, 0.99),
            weight_decay=0.0,
            fused=True,
        )
        self._reference = None
        if algorithm.kl_coef:
            self._reference = copy.deepcopy(self.model).requires_grad_(False).eval()

    @torch.no_grad()
    def entropies(self, rows: Sequence[TokenRow]) -> NDArray[np.float64]:
        """Return the entropy of each written token's distribution, (n_tokens,) in nats."""
        found: list[NDArray[np.float64]] = [np.zeros(0)] * len(rows)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i].tokens))
        for start in range(0, len(order), self.config.minibatch):
            part = order[start : start + self.config.minibatch]
            tokens = TokenBatch.of([rows[i] for i in part], self._capacity)
            part = [part[i] for i in tokens.order]
            batch = [rows[i] for i in part]
            _, entropy = self._score(self.model, tokens, self._choices(batch), self.temperature)
            ends = np.cumsum([len(row.logprobs) for row in batch])[:-1]
            for i, values in zip(part, np.split(entropy.double().cpu().numpy(), ends), strict=True):
                found[i] = values
        return np.concatenate([np.zeros(0), *found])

    def sizes(self, rows: Sequence[TokenRow]) -> Sizes:
        """Return the numbers of tokens, rows, turns, trajectories and groups of a mini-batch."""
        return asdict(totals_of(rows))

    def forward_backward(self, rows: Sequence[TokenRow], of: Sizes | None = None) -> Statistics:
        """Accumulate the gradient of the algorithm's loss; see `Learner.forward_backward`."""
        if of is not None and not self.algorithm.divisible:
            raise SplitError(
                f"the loss of {type(self.algorithm).__name__} is no sum over parts of a "
                "mini-batch: give it whole, and lower learner.minibatch if it is too large"
            )
        self.model.eval()  # dropout would train other distributions than those that were sampled
        tokens = TokenBatch.of(rows, self._capacity)
        batch = [rows[i] for i in tokens.order]
        choices = self._choices(batch)
        view = FlatTokens(batch, self.device, None if of is None else Totals(**of))
        temperature = view.temperatures(self.temperature)
        logprobs, entropy = self._score(self.model, tokens, choices, temperature)
        reference = None
        if self._reference is not None:
            with torch.no_grad():
                reference, _ = self._score(self._reference, tokens, choices, temperature)
        loss, measured = self.algorithm.loss(view, logprobs, entropy, reference, view.advantages)
        self._backward(loss)
        return {"loss": loss.item(), **measured.floats()}

    def update(self, rows: Sequence[TokenRow], seed: int) -> Statistics:
        """Take the optimizer steps of one update; see `Learner.update`."""
        config, unit, rng = self.config, self.algorithm.minibatch_unit, random.Random(seed)
        self.drop_gradients()
        records = [
            {**self.forward_backward(batch), **self.step()}
            for _ in range(config.epochs)
            for batch in minibatches(rows, config.minibatch, rng, unit)
        ]
        self.version += 1
        rate = self.optimizers["optimizer"].param_groups[0]["lr"]
        counts = {"learning_rate": rate, "rows": len(rows), "steps": len(records)}
        return {**means(records), **counts}

    def load(self, folder: Path) -> None:
        """Restore a saved state; see `Learner.load`."""
        super().load(folder)
        if self._reference is not None:
            load_parameters(self._reference, load_tensors(folder, "reference"))

    def _others(self) -> Mapping[str, Tensors]:
        if self._reference is None:
            return {}
        return {"reference": parameters_of(self._reference)}

    def _choices(self, rows: Sequence[TokenRow]) -> Tensor | None:
        """Return a mask of the allowed tokens at each written token, or None; see `choice_mask`."""
        mask = choice_mask(rows, self.model.config.vocab_size)
        return None if mask is None else mask.to(self.device)

    def _score(
        self,
        model: PreTrainedModel,
        tokens: TokenBatch,
        choices: Tensor | None,
        temperature: float | Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return logprob and entropy of each written token, row by row: (n_written,).

        Both are of the distribution that was sampled from, with its temperature (one number, or
        (n_written, 1)) and its allowed choices.
        """
        tokens = tokens.to(self.device)
        with autocast(self.device, self.dtype):
            hidden = row_states(model, tokens.ids, tokens.positions)
            logits = token_logits(model, hidden[:, :-1][tokens.written])
        logits = logits / temperature
        if choices is not None:
            logits = logits.masked_fill(~choices, float("-inf"))
        table = functional.log_softmax(logits, -1)
        logprobs = table.gather(1, tokens.ids[:, 1:][tokens.written][:, None])[:, 0]
        finite = table if choices is None else table.masked_fill(~choices, 0.0)
        return logprobs, -(table.exp() * finite).sum(-1)
