"""A loss on the tokens of a batch, for `check_algorithm`: the only part of it that needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from anchorgym.gigpo.algorithm import Algorithm, Totals
from anchorgym.gigpo.batch import TurnBatch


@dataclass(frozen=True)
class BatchTokens:
    """All response tokens of a batch as one mini-batch; see `TokenView`."""

    old_logprobs: Tensor
    mask: Tensor
    sequence: Tensor
    turn: Tensor
    trajectory: Tensor
    group: Tensor
    columns: Mapping[str, Tensor]
    totals: Totals | None = None


def gradient_of(algorithm: Algorithm, batch: TurnBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Return the loss where the policy has not moved, its gradient, and the tokens' advantages.

    Entropy and reference are left out: it is the policy term that is asked for.
    """
    state = algorithm.initial_state()
    values = algorithm.advantages(batch, state)
    columns = {
        name: torch.as_tensor(column)
        for name, column in algorithm.token_columns(batch, values, state).items()
    }
    tokens = batch.tokens
    assert tokens is not None
    turn = torch.as_tensor(tokens.turn)
    advantages = columns.pop("advantages", torch.as_tensor(values)[turn])
    old = torch.as_tensor(tokens.logprobs)
    trajectory = torch.as_tensor(batch.trajectory)[turn]
    group = torch.as_tensor(batch.group)[turn]
    view = BatchTokens(
        old, torch.ones_like(old, dtype=torch.bool), trajectory, turn, trajectory, group, columns
    )
    logprobs = old.clone().requires_grad_()
    loss, _ = algorithm.loss(view, logprobs, None, None, advantages)
    (gradient,) = torch.autograd.grad(loss, logprobs)
    return loss.detach(), gradient, advantages
