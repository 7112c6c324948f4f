"""Sampling temperatures that depend on the entropy of the next token's distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# The log of no entropy at all has to be a number.
_LEAST_ENTROPY = 1e-6


@dataclass(frozen=True, slots=True)
class AdaptiveTemperature:
    """A temperature that rises where the policy is undecided: `T (1 + strength h)`.

    With `x = log(entropy at T) - centre`, h is `x / above` where x > 0 and `x / below` elsewhere,
    cut at -1 and 1; an `above` or `below` of 0 stands for 1.

    Args:
        strength: largest relative change; below 1.
        centre: log entropy, in nats, at which the temperature is T.
        above, below: distances from the centre at which the change is largest.
    """

    strength: float
    centre: float
    above: float
    below: float

    def of(self, logits: Tensor, temperature: float) -> Tensor:
        """Return the temperature of each row of (batch, n_tokens) logits, (batch,)."""
        import torch  # reading an engine's settings must not need torch

        logprobs = torch.log_softmax(logits / temperature, -1)
        # A forbidden token has probability 0 and a log-probability of minus infinity.
        entropy = -(logprobs.exp() * logprobs.clamp(min=-1e9)).sum(-1)
        x = entropy.clamp(min=_LEAST_ENTROPY).log() - self.centre
        h = torch.where(x > 0, x / (self.above or 1.0), x / (self.below or 1.0)).clamp(-1, 1)
        return temperature * (1 + self.strength * h)
