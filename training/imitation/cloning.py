"""Behaviour cloning of a teacher, with mistakes to recover from."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from anchorgym.agents.engines.attention import training_attention
from anchorgym.agents.engines.forward import fast_precision, hidden_states, token_logits
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.agents.policies.tiny import factor_embedding, fold_embedding
from anchorgym.training.config.sections import CloneConfig
from anchorgym.training.imitation.demonstrations import DONE, MISTAKE, READ, Demonstration
from anchorgym.training.learning.muon import Muon
from anchorgym.training.learning.sequences import pad_rows
from anchorgym.training.run.checkpoints import (
    Tensors,
    load_optimizer,
    load_parameters,
    optimizer_tensors,
    parameters_of,
)

_CORRECTED = 3
"""One row in so many is a corrected episode."""
_TURNS = 8
"""What an episode is taken to have at least, where each turn is a row."""
_LOOKAHEAD = 16
"""Batches of a pool: they are drawn together and sorted by length, so that little is padded."""


@dataclass(frozen=True, slots=True)
class CloneStep:
    """What one update saw."""

    update: int
    action_loss: float
    observation_loss: float
    tokens: int


class Cloning:
    """The training of a clone, pool by pool.

    The loss is the cross-entropy of the expert's tokens plus `observation_weight` times that of
    everything read. The learning rate warms up, stays, and falls to 2 % over the last 60 %. Between
    two pools, `tensors` and `done` are all that is needed to go on as if nothing had happened.

    As a context manager it gives the policy a factored embedding, and folds it at the end.

    Args:
        policy: is trained in place.
        demonstrations: of a pool, named by its number; without end.
        config: of the optimizer.
        updates: how many optimizer steps.
        seed: of the order of batches.
        corrections: gives so many corrected episodes of the policy for a pool; from
            `corrections_from` on they are every third row.
    """

    def __init__(
        self,
        policy: ModelPolicy,
        demonstrations: Callable[[int], Iterator[Demonstration]],
        config: CloneConfig,
        *,
        updates: int,
        seed: int,
        corrections: Callable[[int, int], list[Demonstration]] | None = None,
    ) -> None:
        self.done = 0
        """Updates that were taken."""
        self._policy, self._config, self._updates, self._seed = policy, config, updates, seed
        self._demonstrations, self._corrections = demonstrations, corrections
        self._optimizers: list[tuple[torch.optim.Optimizer, float]] = []

    def __enter__(self) -> Cloning:
        if self._policy.template.name == "tiny":  # its words have kinds and numbers
            factor_embedding(self._policy)
        self._optimizers = _optimizers(self._policy, self._config)
        self._policy.model.train()
        return self

    def __exit__(self, *_: object) -> None:
        fold_embedding(self._policy)
        self._policy.model.eval()

    def pool(self) -> Iterator[CloneStep]:
        """Draw the next pool and train on it, one yield an update."""
        number = self.done // _LOOKAHEAD
        rng = random.Random(f"{self._seed}/clone/{number}")
        batches = _batches(self._draw(number), self._config.batch, rng)
        for batch in batches[: self._updates - self.done]:
            yield self._update(batch)

    def tensors(self) -> dict[str, Tensors]:
        """Return weights and optimizers, to be kept between two pools."""
        optimizers = {
            type(optimizer).__name__.lower(): optimizer_tensors(optimizer)
            for optimizer, _ in self._optimizers
        }
        return {"model": parameters_of(self._policy.model), **optimizers}

    def resume(self, done: int, tensors: Mapping[str, Tensors]) -> None:
        """Go on from what `tensors` returned after so many updates."""
        self.done = done
        load_parameters(self._policy.model, tensors["model"])
        for optimizer, _ in self._optimizers:
            load_optimizer(optimizer, tensors[type(optimizer).__name__.lower()])

    def _draw(self, number: int) -> list[Demonstration]:
        n = self._config.batch * _LOOKAHEAD
        own: list[Demonstration] = []
        if self._corrections and self.done >= self._config.corrections_from * self._updates:
            wanted = n // _CORRECTED
            rows_each = _TURNS if self._policy.form == "window" else 1
            own = self._corrections(number, max(1, wanted // rows_each))
            if len(own) > wanted:
                own = random.Random(f"{self._seed}/own/{number}").sample(own, wanted)
        return [*own, *itertools.islice(self._demonstrations(number), n - len(own))]

    def _update(self, batch: Sequence[Demonstration]) -> CloneStep:
        for optimizer, rate in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * _schedule(self.done, self._updates)
            optimizer.zero_grad()
        draw = torch.Generator().manual_seed(
            random.Random(f"{self._seed}/read/{self.done}").getrandbits(63)
        )
        action_loss, observation_loss = _losses(
            self._policy, batch, self._config.observation_share, draw
        )
        loss = action_loss + self._config.observation_weight * observation_loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._policy.model.parameters(), 1.0)
        for optimizer, _ in self._optimizers:
            optimizer.step()
        self.done += 1
        n = sum(len(row.tokens) for row in batch)
        return CloneStep(self.done, action_loss.item(), observation_loss.item(), n)


def _optimizers(
    policy: ModelPolicy, config: CloneConfig
) -> list[tuple[torch.optim.Optimizer, float]]:
    """Muon for the matrices between the layers, AdamW for embeddings and norms, with their rates.

    At the same CPU time Muon's loss was 10 to 15 % lower than AdamW's alone.
    """
    named = list(policy.model.named_parameters())
    inner = [p for name, p in named if p.dim() == 2 and ".layers." in name]
    chosen = {id(p) for p in inner}
    outer = [p for _, p in named if id(p) not in chosen]
    decay = config.weight_decay
    return [
        (Muon(inner, weight_decay=decay), config.matrix_learning_rate),
        (
            torch.optim.AdamW(outer, betas=(0.9, 0.98), weight_decay=decay, fused=True),
            config.learning_rate,
        ),
    ]


def _batches(
    pool: Sequence[Demonstration], size: int, rng: random.Random
) -> list[list[Demonstration]]:
    pool = sorted(pool, key=lambda row: len(row.tokens))
    batches = [pool[i : i + size] for i in range(0, len(pool), size)]
    rng.shuffle(batches)
    return batches


def _schedule(update: int, updates: int) -> float:
    done = update / updates
    warm = min(1.0, (update + 1) / max(1, min(100, updates // 10)))
    return warm * (1.0 if done < 0.4 else max(0.02, (1 - done) / 0.6))


def _losses(
    policy: ModelPolicy, batch: Sequence[Demonstration], read_share: float, draw: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return the losses of what is done, and of a share of what is read."""
    ids = pad_rows([row.tokens for row in batch], torch.long)
    kinds = pad_rows([row.kinds for row in batch], torch.long, fill=MISTAKE)[:, 1:].flatten()
    targets = ids.clone()
    for i, row in enumerate(batch):
        for position, token in row.instead.items():
            targets[i, position] = token
    targets = targets[:, 1:].flatten()
    with training_attention(policy.model), fast_precision():
        hidden = hidden_states(policy.model, ids, use_cache=False)[:, :-1].flatten(0, 1)
        if read_share < 1:
            drawn = torch.rand(len(kinds), generator=draw) < read_share
            looked_at = (kinds == DONE) | ((kinds == READ) & drawn)
            hidden, targets, kinds = hidden[looked_at], targets[looked_at], kinds[looked_at]
        logits = token_logits(policy.model, hidden)
    losses = functional.cross_entropy(logits, targets, reduction="none")
    return _mean(losses, kinds == DONE), _mean(losses, kinds == READ)


def _mean(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / where.sum().clamp(min=1)
