"""Entropy-modulated policy gradients (EMPG, arXiv 2509.09265): more credit to confident turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from anchorgym.gigpo.algorithm import Need, Promise, State
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.options import NonNegative


@dataclass(frozen=True, kw_only=True)
class EMPG(EpisodeAlgorithm):
    """GRPO's advantage, rescaled turn by turn, and a bonus for turns that lead to clear ones.

        g(t)  = exp(-k H_t) / mean over the batch of exp(-k H)
        A'(t) = A(i) g(t) + zeta exp(-k' H_{t+1})
        A(t)  = A'(t) - mean over the batch of A'

    `H_t` is the mean entropy of the tokens of turn t's response; after a last turn there is no
    bonus. Being re-centred over the batch, a turn of a lone trajectory, or of a group without
    spread, learns from the bonus alone. Forks get 0 and enter no mean. Known from secondary
    sources.

    Args:
        sharpness: k, how much less uncertain turns count.
        clarity: k', how fast the bonus falls with the next turn's entropy.
        bonus: zeta.
        scaling: `min_max` maps the batch's entropies to [0, 1] first, `none` leaves nats.
    """

    sharpness: NonNegative = 1.0
    clarity: NonNegative = 1.0
    bonus: NonNegative = 0.1
    scaling: Literal["min_max", "none"] = "min_max"

    @property
    def needs(self) -> frozenset[Need]:
        """Entropies."""
        return frozenset({"tokens", "entropies"})

    @property
    def promises(self) -> frozenset[Promise]:
        """None of a group: the bonus is centred over the batch."""
        return frozenset({"roots_only"})

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Modulated advantage of each turn, `(n_turns,)`; 0 for forks."""
        base = super().advantages(batch)
        rows = np.flatnonzero(~batch.fork)
        if not len(rows):
            return base
        entropy = self.turn_entropies(batch)
        gain = np.exp(-self.sharpness * (entropy - entropy[rows].min()))
        value = base * gain / gain[rows].mean() + self.bonus * self._clarity(batch, entropy)
        return np.where(batch.fork, 0.0, value - value[rows].mean())

    def turn_entropies(self, batch: TurnBatch) -> FloatArray:
        """`H` of each turn, `(n_turns,)`; forks do not enter its scale."""
        tokens = self.tokens_of(batch)
        entropy = tokens.means(np.asarray(tokens.entropies, np.float64))
        if self.scaling == "none":
            return entropy
        of_roots = entropy[~batch.fork]
        low, high = float(of_roots.min()), float(of_roots.max())
        return (entropy - low) / (high - low) if high - low > 1e-9 else np.zeros(len(entropy))

    def _clarity(self, batch: TurnBatch, entropy: FloatArray) -> FloatArray:
        """`exp(-k' H_{t+1})` of each turn, `(n_turns,)`; 0 at last turns."""
        clear = np.zeros(len(batch))
        trajectory = batch.trajectory[batch.order]
        here = np.flatnonzero(trajectory[1:] == trajectory[:-1])
        following = batch.order[here + 1]
        clear[batch.order[here]] = np.exp(-self.clarity * entropy[following])
        return clear
