"""Sampling of opponents, past and present, for training.

Sources: 80 % current and 20 % past is OpenAI Five's (Berner et al. 2019); prioritised fictitious
self-play and its two weightings are AlphaStar's (Vinyals et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from anchorgym.training.league.rules import FloatArray, LeagueError

Weighting = Literal["uniform", "hard", "even"]
"""Weighting of opponents by w, the learner's share of wins against them.

uniform: equal weights; hard: (1 - w)^2, which prefers opponents that win; even: w (1 - w), which
prefers opponents of similar strength."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """The distribution from which opponents are drawn.

    With the newest alone (`latest=1`) it is self-play, which cycles in rock, paper, scissors.
    """

    weighting: Weighting = "hard"
    latest: float | None = 0.35
    """Probability of the newest opponent; earlier ones share the rest. None weights the newest like
    all others."""

    def __post_init__(self) -> None:
        if self.weighting not in ("uniform", "hard", "even"):
            raise LeagueError(f"weighting is uniform, hard or even, not {self.weighting!r}")
        if self.latest is not None and not 0 <= self.latest <= 1:
            raise LeagueError(f"latest is a share from 0 to 1 or None, not {self.latest}")

    def chances(self, wins: ArrayLike) -> FloatArray:
        """Return the probability of each opponent.

        Args:
            wins: (n_opponents,) the learner's share of wins against each, in [0, 1]; the newest
                opponent is the last.

        Returns:
            (n_opponents,) finite probabilities that add up to 1.
        """
        shares = np.asarray(wins, dtype=np.float64)
        if shares.ndim != 1 or not len(shares):
            raise LeagueError(f"there is nobody to draw from: wins has shape {shares.shape}")
        if self.latest is None or len(shares) == 1:
            return prioritised(shares, self.weighting)
        past = (1 - self.latest) * prioritised(shares[:-1], self.weighting)
        return np.append(past, self.latest)


OPENAI_FIVE = Sampling("uniform", latest=0.8)
"""OpenAI Five's sampling: 80 % the newest opponent, 20 % a uniform draw of past ones."""
FICTITIOUS = Sampling("uniform", latest=None)
"""Fictitious self-play: a uniform draw of all opponents."""


def prioritised(wins: ArrayLike, weighting: Weighting = "hard") -> FloatArray:
    """Return the probabilities of opponents by the learner's results against them.

    If all weights are 0 (the learner always wins or, with "even", always or never), the published
    formula divides by 0: the distribution is then uniform.

    Args:
        wins: (n_opponents,) the learner's share of wins against each, in [0, 1].
        weighting: weighting of opponents, see `Weighting`.
    """
    shares = np.asarray(wins, dtype=np.float64)
    if not (np.isfinite(shares).all() and (shares >= 0).all() and (shares <= 1).all()):
        raise LeagueError(f"shares of games won are numbers in [0, 1], not {shares}")
    if weighting == "uniform":
        weights = np.ones_like(shares)
    else:
        weights = (1 - shares) ** 2 if weighting == "hard" else shares * (1 - shares)
    total = weights.sum()
    if total < 1e-12:
        return np.full(len(shares), 1 / len(shares))
    return np.asarray(weights / total, dtype=np.float64)
