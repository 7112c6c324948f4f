"""Group sequence policy optimization (GSPO, arXiv 2507.18071): one ratio for each response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from anchorgym.gigpo.algorithm import TokenView
from anchorgym.gigpo.episodes import EpisodeAlgorithm
from anchorgym.gigpo.options import NonNegative, Within

if TYPE_CHECKING:
    from torch import Tensor

    from anchorgym.gigpo.losses import LossStatistics


@dataclass(frozen=True, kw_only=True)
class GSPO(EpisodeAlgorithm):
    """GRPO's advantage, and the ratio of a whole response, clipped as one.

        ratio(t) = exp(mean over the response's tokens of (log pi - log pi_old))
        loss     = mean over responses of max(-A ratio, -A clip(ratio, 1 - 3e-4, 1 + 4e-4))

    A response is a turn's, whatever context it shares with others. The mean inside the exponent
    matters: the ratio of unnormalised sequence probabilities leaves any clip range, or vanishes,
    within some tokens.
    """

    clip_low: Annotated[float, Within(0, 1)] = 3e-4
    clip_high: NonNegative = 4e-4
    dual_clip: Annotated[float, Within(1, above=True)] | None = None

    def loss(
        self,
        view: TokenView,
        logprobs: Tensor,
        entropy: Tensor | None,
        reference: Tensor | None,
        advantages: Tensor,
    ) -> tuple[Tensor, LossStatistics]:
        """The clipped objective with a ratio, and a mean, for each turn's response."""
        turn = view.turn
        changes = {
            "ratio_unit": turn,
            "sequence": turn,
            "aggregate": "sequence_mean",
            "denominator": None if view.totals is None else view.totals.turns,
        }
        return self.clipped_loss(view, logprobs, entropy, reference, advantages, **changes)
