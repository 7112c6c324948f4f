"""Heterogeneous adaptive policy optimization (HAPO, arXiv 2509.16591): weigh tokens by entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np

from anchorgym.gigpo.algorithm import EntropyTemperature, Need, Promise, State, TokenView
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.normalization import weighted_standardise
from anchorgym.gigpo.options import Share, Within

if TYPE_CHECKING:
    from torch import Tensor

    from anchorgym.gigpo.losses import LossStatistics

# The log of no entropy at all has to be a number.
_LEAST_ENTROPY = 1e-6


@dataclass(frozen=True, kw_only=True)
class HAPO(EpisodeAlgorithm):
    """Temperature, advantage and clip range of a token follow h, its relative log entropy.

        x    = log(entropy) - its 0.8 quantile over the batch's tokens
        h    = x / max x where x > 0, x / |min x| elsewhere; in [-1, 1]
        T'   = T (1 + 0.05 h), with the batch before
        A    = (S_i - mean) / (std + 1e-6), a trajectory counting once a token in its group
        A'   = A (1 + h)
        clip = [1 - 0.2 (1 - h), 1.2] where h <= 0, [0.8, 1 + 0.2 (1 + h)] where h > 0

    Tokens that were decided anyway are drawn colder, learn less, and may become much less likely;
    those at forks in the road are drawn hotter, learn more, and may become much likelier. In a
    task of many turns the tokens are those of all responses, and the trajectory is scored as one.
    The equations are the paper's. (Its code applies the factor of A' only where the ratio is far
    from 1 for h > 0 and near 1 for h <= 0, which at the first step of an update leaves tokens of
    high entropy with A.)
    The first iteration has no batch before it, and draws all tokens at T.

    Args:
        quantile: of log entropy, that divides low from high.
        strength: of the temperature.
    """

    dual_clip: Annotated[float, Within(1, above=True)] | None = None
    quantile: Share = 0.8
    strength: Annotated[float, Within(0, 0.9)] = 0.05

    @property
    def needs(self) -> frozenset[Need]:
        """Entropies."""
        return frozenset({"tokens", "entropies"})

    @property
    def promises(self) -> frozenset[Promise]:
        """Trajectories weigh by their tokens, so sums over trajectories need not be 0."""
        return frozenset({"singleton_zero", "roots_only"})

    def temperature(self, state: State) -> EntropyTemperature | None:
        """By the quantile and the extremes of the batch before."""
        return EntropyTemperature(self.strength, **state) if self.strength and state else None

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Token-weighted standard score of each turn's trajectory, `(n_turns,)`; 0 for forks."""
        roots = self.roots(batch)
        tokens = self.tokens_of(batch)
        length = np.bincount(batch.trajectory, tokens.lengths, batch.n_trajectories)
        if state is not None and len(tokens):
            state.update(self._scale(self._log_entropy(batch)))
        values = weighted_standardise(
            roots.score, roots.group, length[roots.index].astype(np.float64)
        )
        return roots.per_turn(values)

    def token_columns(
        self, batch: TurnBatch, advantages: FloatArray, state: State | None = None
    ) -> dict[str, FloatArray]:
        """`A'` and h of each token."""
        relative = self.relative_entropy(batch)
        spread = self.tokens_of(batch).spread(advantages)
        return {"advantages": spread * (1 + relative), "relative_entropy": relative}

    def relative_entropy(self, batch: TurnBatch) -> FloatArray:
        """h of each token, `(n_tokens,)`."""
        log_entropy = self._log_entropy(batch)
        if not len(log_entropy):
            return log_entropy
        scale = self._scale(log_entropy)
        x = log_entropy - scale["centre"]
        return np.where(x > 0, x / (scale["above"] or 1.0), x / (scale["below"] or 1.0))

    def _log_entropy(self, batch: TurnBatch) -> FloatArray:
        entropies = self.tokens_of(batch).entropies
        return np.log(np.maximum(np.asarray(entropies, np.float64), _LEAST_ENTROPY))

    def _scale(self, log_entropy: FloatArray) -> dict[str, float]:
        centre = float(np.quantile(log_entropy, self.quantile))
        above, below = float(log_entropy.max()) - centre, centre - float(log_entropy.min())
        return {"centre": centre, "above": above, "below": below}

    def loss(
        self,
        view: TokenView,
        logprobs: Tensor,
        entropy: Tensor | None,
        reference: Tensor | None,
        advantages: Tensor,
    ) -> tuple[Tensor, LossStatistics]:
        """PPO's objective with a clip range for each token."""
        relative = view.columns["relative_entropy"]
        changes = {
            # A bound below a ratio of 0 is none.
            "clip_low": (self.clip_low * (1 - relative.clamp(max=0))).clamp(max=1),
            "clip_high": self.clip_high * (1 + relative.clamp(min=0)),
        }
        return self.clipped_loss(view, logprobs, entropy, reference, advantages, **changes)
