"""The cloning learner, which trains a language model on demonstrations in this process."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from anchorgym.agents.engines.adapters import has_adapters
from anchorgym.agents.engines.forward import fast_precision, row_states
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.agents.policies.tiny import factor_embedding, fold_embedding
from anchorgym.training.config.sections import CloneConfig
from anchorgym.training.learning.contract import Sizes, SplitError, Statistics, means
from anchorgym.training.learning.demonstrations import DONE, PADDING, READ, Demonstration
from anchorgym.training.learning.gradient_learner import GradientLearner
from anchorgym.training.learning.micro_batches import micro_batches, usual_budget
from anchorgym.training.learning.muon import Muon
from anchorgym.training.learning.scoring import cross_entropies
from anchorgym.training.learning.token_batch import (
    Layout,
    Lines,
    layout_of,
    pad_rows,
    padded_length,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel  # noqa: F401  (ruff does not see it in quotes)

_MAX_GRAD_NORM = 1.0


class CloningLearner(GradientLearner["PreTrainedModel"]):
    """Trains a language model on demonstrations; see `Learner`.

    The loss is the cross-entropy of the expert's tokens plus `observation_weight` times that of
    the tokens that are read. The learning rate warms up, stays constant, and falls to 2 % over the
    last 60 % of the updates. Muon trains the matrices inside the layers, AdamW the embeddings and
    norms: at the same CPU time the loss was 10 to 15 % lower than with AdamW alone. Weights of
    float32 on a CPU that has bfloat16 are multiplied in it.

    A mini-batch with more tokens than `micro_tokens` is taken in parts, with the same gradient up
    to rounding.

    The policy has a factored embedding until `close` folds it. Of a policy with adapters, AdamW
    trains these alone.

    Args:
        policy: policy to train, in place.
        config: settings of the optimizers.
        updates: number of updates of the learning rate schedule.
        seed: seed of the draw of read tokens that are predicted.
        micro_tokens: most tokens of a pass; by default as many as there is memory for.
        packing: whether rows share a line; see `layout_of`.
    """

    def __init__(
        self,
        policy: ModelPolicy,
        config: CloneConfig,
        *,
        updates: int,
        seed: int,
        micro_tokens: int | None = None,
        packing: bool | None = None,
    ) -> None:
        adapted = has_adapters(policy.model)
        if policy.template.name == "tiny" and not adapted:  # whose tokens have kinds and numbers
            factor_embedding(policy)
        super().__init__(policy.model, max_grad_norm=_MAX_GRAD_NORM)
        self.config, self._policy = config, policy
        self._updates, self._seed, self._share = updates, seed, 1.0
        self._budget = micro_tokens or usual_budget(self.model)
        self._packing = packing
        named = list(self.masters.named().items())
        inner = [p for name, p in named if p.dim() == 2 and ".layers." in name]
        if adapted or not config.matrix_learning_rate:
            inner = []
        chosen = {id(p) for p in inner}
        outer = [p for _, p in named if id(p) not in chosen]
        decay = config.weight_decay
        if inner:
            self.optimizers["muon"] = Muon(inner, weight_decay=decay)
        self.optimizers["adamw"] = torch.optim.AdamW(
            outer, betas=(0.9, 0.98), weight_decay=decay, fused=True
        )
        self._rates = {"muon": config.matrix_learning_rate, "adamw": config.learning_rate}

    def close(self) -> None:
        """Restore the policy's plain embedding."""
        fold_embedding(self._policy)
        self.model.eval()

    def set_learning_rate(self, rate: float) -> None:
        """Set the peak rate of AdamW for further steps; Muon's rate is scaled in proportion."""
        self._share = rate / self.config.learning_rate

    def sizes(self, rows: Sequence[Demonstration]) -> Sizes:
        """Return the numbers of imitated and of read tokens of a mini-batch."""
        kinds = [kind for row in rows for kind in row.kinds[1:]]
        return {"done": kinds.count(DONE), "read": kinds.count(READ)}

    def forward_backward(
        self, rows: Sequence[Demonstration], of: Sizes | None = None
    ) -> Statistics:
        """Add the gradient of the cross-entropy; see `Learner.forward_backward`."""
        if of is not None and self.config.observation_share < 1:
            raise SplitError(
                "a share of what is read is drawn from a whole mini-batch: give it whole, or set "
                "clone.observation_share to 1"
            )
        self.model.eval()  # without dropout
        predicted = _Predicted.of(rows, self._looked_at(rows))
        tokens = [row.tokens for row in rows]
        parts = micro_batches(tokens, self._budget, self._layout(tokens))
        if of is None and len(parts) > 1:
            of = predicted.counts()
        losses = [
            self._losses([tokens[i] for i in part], predicted.take(part), of) for part in parts
        ]
        done, read = (sum(of_kind) for of_kind in zip(*losses, strict=True))
        return {
            "loss": done + self.config.observation_weight * read,
            "action_loss": done,
            "observation_loss": read,
        }

    def step(self) -> Statistics:
        """Take a step at the rates of the schedule."""
        share = self._share * _schedule(self.version, self._updates)
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = self._rates[name] * share
        self.version += 1
        return super().step()

    def update(self, rows: Sequence[Demonstration], seed: int) -> Statistics:
        """Take a step for each mini-batch of rows; see `Learner.update`."""
        batches = demonstration_batches(rows, self.config.batch, random.Random(seed))
        records = [{**self.forward_backward(batch), **self.step()} for batch in batches]
        rate = self._rates["adamw"] * self._share
        counts = {"learning_rate": rate, "rows": len(rows), "steps": len(records)}
        return {**means(records), **counts}

    def _losses(
        self, rows: Sequence[Sequence[int]], predicted: _Predicted, of: Sizes | None
    ) -> tuple[float, float]:
        """Go backward; return the losses of the imitated tokens, and of the read ones."""
        lines = Lines.of(rows, self._layout(rows)).to(self.device)
        targets, kinds = (of.to(self.device) for of in (predicted.targets, predicted.kinds))
        chosen = None if predicted.looked_at is None else predicted.looked_at.to(self.device)
        with self._precision():
            hidden = lines.before(row_states(self.model, lines.ids, lines.spans), chosen)
            if chosen is None:
                targets, kinds = targets.flatten(), kinds.flatten()
            else:
                targets, kinds = targets[chosen], kinds[chosen]
            losses = cross_entropies(self.model, hidden, targets)
        n_done, n_read = (None, None) if of is None else (of["done"], of["read"])
        done, read = _mean(losses, kinds == DONE, n_done), _mean(losses, kinds == READ, n_read)
        self._backward(done + self.config.observation_weight * read)
        return done.item(), read.item()

    def _looked_at(self, rows: Sequence[Demonstration]) -> Tensor | None:
        """Return a mask of the tokens to predict, (n_rows, length - 1); None for all tokens."""
        kinds, share = _kinds(rows), self.config.observation_share
        if not self.config.observation_weight:
            return kinds == DONE
        if share == 1:
            return None
        seed = random.Random(f"{self._seed}/read/{self.version}").getrandbits(63)
        drawn = torch.rand(kinds.numel(), generator=torch.Generator().manual_seed(seed)) < share
        return (kinds == DONE) | ((kinds == READ) & drawn.view(kinds.shape))

    def _layout(self, rows: Sequence[Sequence[int]]) -> Layout:
        return layout_of(self.model, rows, self._packing, self._budget)

    def _precision(self) -> AbstractContextManager[Any]:
        if self.dtype == torch.float32 and self.device.type == "cpu":
            return fast_precision()
        return nullcontext()


@dataclass(frozen=True, slots=True)
class _Predicted:
    """What is predicted of some rows, as tensors (n_rows, length - 1)."""

    targets: Tensor
    """The token to predict at each position."""
    kinds: Tensor
    """The kind of that token: DONE, READ, MISTAKE or PADDING."""
    looked_at: Tensor | None
    """Whether it is predicted; None for all."""

    @classmethod
    def of(cls, rows: Sequence[Demonstration], looked_at: Tensor | None) -> _Predicted:
        """Make tensors of rows."""
        targets = pad_rows([row.tokens for row in rows], torch.long)
        for i, row in enumerate(rows):
            for position, token in row.instead.items():
                targets[i, position] = token
        return cls(targets[:, 1:], _kinds(rows), looked_at)

    def counts(self) -> dict[str, int]:
        """Return the numbers of imitated and of read tokens that are predicted."""
        kinds = self.kinds if self.looked_at is None else self.kinds[self.looked_at]
        return {"done": int((kinds == DONE).sum()), "read": int((kinds == READ).sum())}

    def take(self, rows: Sequence[int]) -> _Predicted:
        """Return some of the rows, without the padding that only others need."""
        if list(rows) == list(range(len(self.kinds))):
            return self
        kinds = self.kinds[list(rows)]
        longest = int((kinds != PADDING).sum(1).max()) + 1
        n = padded_length(longest)
        looked_at = None if self.looked_at is None else self.looked_at[list(rows), : n - 1]
        return _Predicted(self.targets[list(rows), : n - 1], kinds[:, : n - 1], looked_at)


def _kinds(rows: Sequence[Demonstration]) -> Tensor:
    return pad_rows([row.kinds for row in rows], torch.long, fill=PADDING)[:, 1:]


def demonstration_batches(
    rows: Sequence[Demonstration], size: int, rng: random.Random
) -> list[list[Demonstration]]:
    """Return mini-batches of rows of about equal length, in random order."""
    ordered = sorted(rows, key=lambda row: len(row.tokens))
    batches = [ordered[i : i + size] for i in range(0, len(ordered), size)]
    rng.shuffle(batches)
    return batches


def _schedule(update: int, updates: int) -> float:
    done = update / updates
    warm = min(1.0, (update + 1) / max(1, min(100, updates // 10)))
    return warm * (1.0 if done < 0.4 else max(0.02, (1 - done) / 0.6))


def _mean(values: Tensor, where: Tensor, count: int | None) -> Tensor:
    total = where.sum().clamp(min=1) if count is None else max(count, 1)
    return (values * where).sum() / total
