"""The cloning learner, which trains a language model on demonstrations in this process."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from anchorgym.agents.engines.forward import fast_precision, row_states, token_logits
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.agents.policies.tiny import factor_embedding, fold_embedding
from anchorgym.training.config.sections import CloneConfig
from anchorgym.training.learning.contract import Sizes, SplitError, Statistics, means
from anchorgym.training.learning.demonstrations import DONE, MISTAKE, READ, Demonstration
from anchorgym.training.learning.devices import (
    DtypeName,
    autocast,
    resolve_device,
    resolve_dtype,
)
from anchorgym.training.learning.gradient_learner import GradientLearner
from anchorgym.training.learning.muon import Muon
from anchorgym.training.learning.token_batch import pad_rows

if TYPE_CHECKING:
    from transformers import PreTrainedModel  # noqa: F401  (ruff does not see it in quotes)

_MAX_GRAD_NORM = 1.0


class CloningLearner(GradientLearner["PreTrainedModel"]):
    """Trains a language model on demonstrations; see `Learner`.

    The loss is the cross-entropy of the expert's tokens plus `observation_weight` times that of
    the tokens that are read. The learning rate warms up, stays constant, and falls to 2 % over the
    last 60 % of the updates. Muon trains the matrices inside the layers, AdamW the embeddings and
    norms: at the same CPU time the loss was 10 to 15 % lower than with AdamW alone. With dtype
    float32, a CPU that has bfloat16 still computes products in it.

    The policy has a factored embedding until `close` folds it.

    Args:
        policy: policy to train, in place.
        config: settings of the optimizers.
        updates: number of updates of the learning rate schedule.
        seed: seed of the draw of read tokens that are predicted.
        device: name of the device, see `resolve_device`.
        dtype: data type of matrix products.
    """

    def __init__(
        self,
        policy: ModelPolicy,
        config: CloneConfig,
        *,
        updates: int,
        seed: int,
        device: str = "auto",
        dtype: DtypeName = "float32",
    ) -> None:
        if policy.template.name == "tiny":  # only its tokens have kinds and numbers
            factor_embedding(policy)
        super().__init__(
            policy.model,
            device=resolve_device(device),
            dtype=resolve_dtype(dtype),
            max_grad_norm=_MAX_GRAD_NORM,
        )
        self.config, self._policy = config, policy
        self._updates, self._seed, self._share = updates, seed, 1.0
        named = list(self.model.named_parameters())
        inner = [p for name, p in named if p.dim() == 2 and ".layers." in name]
        chosen = {id(p) for p in inner}
        outer = [p for _, p in named if id(p) not in chosen]
        decay = config.weight_decay
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
        self.model.train()
        done, read = self._losses(rows, of)
        loss = done + self.config.observation_weight * read
        self._backward(loss)
        return {
            "loss": loss.item(),
            "action_loss": done.item(),
            "observation_loss": read.item(),
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

    def _losses(self, rows: Sequence[Demonstration], of: Sizes | None) -> tuple[Tensor, Tensor]:
        """Return the losses of the imitated tokens, and of a share of the read tokens."""
        ids = pad_rows([row.tokens for row in rows], torch.long)
        kinds = pad_rows([row.kinds for row in rows], torch.long, fill=MISTAKE)[:, 1:].flatten()
        targets = ids.clone()
        for i, row in enumerate(rows):
            for position, token in row.instead.items():
                targets[i, position] = token
        targets = targets[:, 1:].flatten().to(self.device)
        drawn = self._looked_at(kinds)
        ids, kinds = ids.to(self.device), kinds.to(self.device)
        with self._precision():
            hidden = row_states(self.model, ids)[:, :-1].flatten(0, 1)
            if drawn is not None:
                drawn = drawn.to(self.device)
                hidden, targets, kinds = hidden[drawn], targets[drawn], kinds[drawn]
            logits = token_logits(self.model, hidden)
        losses = functional.cross_entropy(logits, targets, reduction="none")
        n_done, n_read = (None, None) if of is None else (of["done"], of["read"])
        return _mean(losses, kinds == DONE, n_done), _mean(losses, kinds == READ, n_read)

    def _looked_at(self, kinds: Tensor) -> Tensor | None:
        """Return a mask of the tokens to predict, (n_tokens,); None for all tokens."""
        share = self.config.observation_share
        if share == 1:
            return None
        seed = random.Random(f"{self._seed}/read/{self.version}").getrandbits(63)
        drawn = torch.rand(len(kinds), generator=torch.Generator().manual_seed(seed)) < share
        return (kinds == DONE) | ((kinds == READ) & drawn)

    def _precision(self) -> AbstractContextManager[Any]:
        if self.dtype == torch.float32 and self.device.type == "cpu":
            return fast_precision()
        return autocast(self.device, self.dtype)


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
