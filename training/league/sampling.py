"""Whom to train against: chances of opponents, past and present.

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
"""How opponents are weighted by w, the share that the learner wins against them.

uniform: all alike; hard: (1 - w)^2, those that win; even: w (1 - w), those of like strength."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How opponents are drawn.

    The newest alone (`latest=1`) is self-play, which cycles in games like rock, paper, scissors.
    """

    weighting: Weighting = "hard"
    latest: float | None = 0.35
    """The chance of the newest opponent; what is left is shared by those before it. None: the
    newest is weighted as one among all."""

    def __post_init__(self) -> None:
        if self.weighting not in ("uniform", "hard", "even"):
            raise LeagueError(f"weighting is uniform, hard or even, not {self.weighting!r}")
        if self.latest is not None and not 0 <= self.latest <= 1:
            raise LeagueError(f"latest is a share from 0 to 1 or None, not {self.latest}")

    def chances(self, wins: ArrayLike) -> FloatArray:
        """Return the chance of each opponent.

        Args:
            wins: (n_opponents,) the share in [0, 1] that the learner wins against each; the
                newest opponent is the last.

        Returns:
            (n_opponents,) finite and adding up to 1, whatever the shares.
        """
        shares = np.asarray(wins, dtype=np.float64)
        if shares.ndim != 1 or not len(shares):
            raise LeagueError(f"there is nobody to draw from: wins has shape {shares.shape}")
        if self.latest is None or len(shares) == 1:
            return prioritised(shares, self.weighting)
        past = (1 - self.latest) * prioritised(shares[:-1], self.weighting)
        return np.append(past, self.latest)


OPENAI_FIVE = Sampling("uniform", latest=0.8)
"""80 % the newest, 20 % all past ones alike."""
FICTITIOUS = Sampling("uniform", latest=None)
"""All alike: fictitious self-play."""


def prioritised(wins: ArrayLike, weighting: Weighting = "hard") -> FloatArray:
    """Return chances of opponents by how the learner fares against each.

    Where the weights are all 0 (every opponent is beaten always or, when even ones are preferred,
    always or never) the published formula divides by 0: all opponents are alike then.

    Args:
        wins: (n_opponents,) shares in [0, 1].
        weighting: see `Weighting`.
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
