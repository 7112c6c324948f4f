"""The learner that trains a language model in this process."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anchorgym.agents.engines.adapters import has_adapters
from anchorgym.agents.engines.attention import training_attention
from anchorgym.agents.engines.forward import row_states
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.gigpo import Algorithm, Totals
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.contract import (
    LearnerStateError,
    Sizes,
    SplitError,
    Statistics,
    means,
)
from anchorgym.training.learning.gradient_learner import GradientLearner
from anchorgym.training.learning.micro_batches import micro_batches, recomputing, usual_budget
from anchorgym.training.learning.minibatches import (
    FlatTokens,
    minibatches,
    sampling_temperatures,
    totals_of,
)
from anchorgym.training.learning.mismatch import corrected
from anchorgym.training.learning.reference import ReferenceModel, reference_of
from anchorgym.training.learning.rows import TokenRow
from anchorgym.training.learning.scoring import scores
from anchorgym.training.learning.token_batch import Layout, TokenBatch, choice_mask, layout_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_SUMS = ("loss", "policy_loss")
"""Statistics of parts that add up to those of their mini-batch; others are means over tokens."""


class LanguageLearner(GradientLearner["PreTrainedModel"]):
    """Trains a language model, or its adapters alone, with AdamW; see `Learner`.

    Where the engine's log-probabilities are not those of this model, an update corrects for the
    difference; see `mismatch`. A mini-batch with more tokens than `config.micro_tokens` is taken in
    parts, with the same gradient up to rounding. The reference model of a KL penalty is the policy
    as it is now: it is not saved, so a learner that goes on has to be made with the same policy.

    Args:
        policy: policy to train, in place.
        algorithm: algorithm that defines the loss.
        config: settings of the optimizer, and of the memory that it takes.
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
        super().__init__(policy.model, max_grad_norm=config.max_grad_norm)
        self.algorithm, self.config, self.temperature = algorithm, config, temperature
        self.version = policy.engine.version
        self._exact = policy.engine.capabilities.exact_logprobs
        copies = int(bool(algorithm.kl_coef) and not has_adapters(self.model))
        self._budget = config.micro_tokens or usual_budget(self.model, copies)
        self.optimizers["optimizer"] = torch.optim.AdamW(
            self.masters.named().values(),
            config.learning_rate,
            (0.9, 0.99),
            weight_decay=0.0,
            fused=True,
        )
        self._reference: ReferenceModel | None = None
        if algorithm.kl_coef:
            self._reference = reference_of(self.model)

    def entropies(self, rows: Sequence[TokenRow]) -> NDArray[np.float64]:
        """Return the entropy of each written token's distribution, (n_tokens,) in nats."""
        return np.concatenate([np.zeros(0), *self._scored(rows, 1, self.temperature)])

    def sizes(self, rows: Sequence[TokenRow]) -> Sizes:
        """Return the numbers of tokens, rows, turns, trajectories and groups of a mini-batch."""
        return asdict(totals_of(rows))

    def forward_backward(self, rows: Sequence[TokenRow], of: Sizes | None = None) -> Statistics:
        """Accumulate the gradient of the algorithm's loss; see `Learner.forward_backward`."""
        if of is not None and not self.algorithm.divisible:
            raise SplitError(
                f"the loss of {type(self.algorithm).__name__} is no sum over parts of a "
                "mini-batch: give it whole, and lower learner.micro_tokens if it is too large"
            )
        self.model.eval()  # dropout would train other distributions than those that were sampled
        parts = [[rows[i] for i in part] for part in self._parts(rows)]
        if len(parts) == 1:
            return self._whole(rows, of)
        if self.algorithm.divisible and self.algorithm.minibatch_unit == "turn":
            whole = self.sizes(rows) if of is None else of
            return _joined([(self._whole(part, whole), totals_of(part).tokens) for part in parts])
        return self._token_by_token(parts, of)

    def update(self, rows: Sequence[TokenRow], seed: int) -> Statistics:
        """Take the optimizer steps of one update; see `Learner.update`."""
        config, unit, rng = self.config, self.algorithm.minibatch_unit, random.Random(seed)
        rows, mismatch = self._corrected(rows)
        self.drop_gradients()
        records = [
            {**self.forward_backward(batch), **self.step()}
            for _ in range(config.epochs)
            for batch in minibatches(rows, config.minibatch, rng, unit)
        ]
        self.version += 1
        rate = self.optimizers["optimizer"].param_groups[0]["lr"]
        counts = {"learning_rate": rate, "rows": len(rows), "steps": len(records)}
        return {**means(records), **counts, **mismatch}

    def save(self, folder: Path) -> None:
        """Write the state, without the reference model; see `Learner.save`."""
        super().save(folder)
        if self._reference is not None:
            (folder / _REFERENCE).write_text(self._reference.digest() + "\n", encoding="ascii")

    def load(self, folder: Path) -> None:
        """Restore a saved state; see `Learner.load`.

        Raises:
            LearnerStateError: there is none, or it has another reference model.
        """
        if self._reference is not None:
            path = folder / _REFERENCE
            saved = path.read_text(encoding="ascii").strip() if path.exists() else ""
            if saved != self._reference.digest():
                raise LearnerStateError(
                    f"{folder} was trained with another reference model: make the learner with the "
                    "policy that the training began with"
                )
        super().load(folder)

    # Passes ---------------------------------------------------------------------------------

    def _corrected(self, rows: Sequence[TokenRow]) -> tuple[Sequence[TokenRow], Statistics]:
        """Return rows corrected for the mismatch with the engine, and statistics of it."""
        config, how = self.config, self.config.correction
        if how == "auto":
            how = "off" if self._exact else "token"
        if how == "off" or not rows:
            return rows, {}
        own = self._scored(rows, 0)
        limits = {"cap": config.correction_cap, "limit": config.correction_limit}
        return corrected(rows, own, how, **limits, weighable=self.algorithm.weighable)

    @torch.no_grad()
    def _scored(
        self, rows: Sequence[TokenRow], which: int, temperature: float | None = None
    ) -> list[NDArray[np.float64]]:
        """Return log-probability (0) or entropy (1) of each row's written tokens, (n_written,)."""
        found: list[NDArray[np.float64]] = [np.zeros(0)] * len(rows)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i].tokens))
        for start in range(0, len(order), self.config.minibatch):
            some = order[start : start + self.config.minibatch]
            for part in self._parts([rows[i] for i in some]):
                batch = [rows[some[i]] for i in part]
                values = self._score(self.model, batch, temperature)[which]
                ends = np.cumsum([len(row.logprobs) for row in batch])[:-1]
                of_rows = np.split(values.double().cpu().numpy(), ends)
                for i, of_row in zip(part, of_rows, strict=True):
                    found[some[i]] = of_row
        return found

    def _parts(self, rows: Sequence[TokenRow]) -> list[list[int]]:
        tokens = [row.tokens for row in rows]
        return micro_batches(tokens, self._budget, self._layout(rows))

    def _whole(self, rows: Sequence[TokenRow], of: Sizes | None) -> Statistics:
        """Take one pass over all rows of a mini-batch, or of a part of one."""
        view = FlatTokens(rows, self.device, None if of is None else Totals(**of))
        reference = self._referred(rows)
        with self._computing(rows):
            logprobs, entropy = self._score(self.model, rows)
            loss, measured = self.algorithm.loss(
                view, logprobs, entropy, reference, view.advantages
            )
            self._backward(loss)
        return {"loss": loss.item(), **measured.floats()}

    def _token_by_token(self, parts: Sequence[Sequence[TokenRow]], of: Sizes | None) -> Statistics:
        """Take two passes over parts of a mini-batch whose loss is no sum over them.

        The first gives the log-probabilities of all tokens, and the loss its derivative by each of
        them. With these derivatives, the second is a sum over parts.
        """
        rows = list(chain.from_iterable(parts))
        view = FlatTokens(rows, self.device, None if of is None else Totals(**of))
        with torch.no_grad():
            scored = [self._score(self.model, part) for part in parts]
        logprobs, entropy = (torch.cat(of).requires_grad_() for of in zip(*scored, strict=True))
        found = [self._referred(part) for part in parts]
        reference = None if found[0] is None else torch.cat([of for of in found if of is not None])
        loss, measured = self.algorithm.loss(view, logprobs, entropy, reference, view.advantages)
        self._require_finite(loss)
        slopes = torch.autograd.grad(
            loss, (logprobs, entropy), allow_unused=True, materialize_grads=True
        )
        sizes = [len(of_part) for of_part, _ in scored]
        by_part = zip(*(slope.split(sizes) for slope in slopes), strict=True)
        for part, slopes_of_part in zip(parts, by_part, strict=True):
            with self._computing(part):
                outputs = self._score(self.model, part)
                terms = [(o * s).sum() for o, s in zip(outputs, slopes_of_part, strict=True)]
                self._backward(sum(terms[1:], terms[0]))
        return {"loss": loss.item(), **measured.floats()}

    @contextmanager
    def _computing(self, rows: Sequence[TokenRow]) -> Iterator[None]:
        """Keep the model as it is between a forward and its backward pass.

        A row that alone exceeds the budget is computed again going backward.
        """
        again = self.config.recompute
        if again is None:
            again = any(len(row) > self._budget for row in rows)
        with ExitStack() as stack:
            if again:
                stack.enter_context(training_attention(self.model, self._tokens(rows).lines.spans))
                stack.enter_context(recomputing(self.model))
            yield

    def _tokens(self, rows: Sequence[TokenRow]) -> TokenBatch:
        return TokenBatch.of(rows, self._layout(rows))

    def _layout(self, rows: Sequence[TokenRow]) -> Layout:
        tokens = [row.tokens for row in rows]
        return layout_of(self.model, tokens, self.config.packing, self._budget)

    @torch.no_grad()
    def _referred(self, rows: Sequence[TokenRow]) -> Tensor | None:
        """Return the log-probabilities of the reference model, if there is one."""
        if self._reference is None:
            return None
        with self._reference.ready() as model:
            return self._score(model, rows)[0]

    def _score(
        self, model: PreTrainedModel, rows: Sequence[TokenRow], temperature: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return log-probability and entropy of each written token, row by row: (n_written,).

        Both are of the distribution that was sampled from, with its choices and its temperatures,
        or with one temperature for all tokens.
        """
        batch = self._tokens(rows).to(self.device)
        states = row_states(model, batch.lines.ids, batch.lines.spans)
        hidden = batch.lines.before(states, batch.written)
        mask = choice_mask(rows, model.config.vocab_size)
        choices = None if mask is None else mask.to(self.device)
        heat: float | Tensor | None = temperature
        if heat is None:
            heat = sampling_temperatures(rows, self.temperature, self.device)
        return scores(model, hidden, batch.tokens, choices, heat)


_REFERENCE = "reference.txt"
"""File with the digest of the reference model."""


def _joined(parts: Sequence[tuple[Mapping[str, float], int]]) -> Statistics:
    """Return the statistics of a mini-batch from those of its parts and their written tokens."""
    whole = max(1, sum(n for _, n in parts))
    names = parts[0][0]
    return {
        name: sum(values[name] * (1 if name in _SUMS else n / whole) for values, n in parts)
        for name in names
    }
