"""ReAd (arXiv 2405.14314): credit each turn by the advantage that a learned critic gives it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import numpy as np

from anchorgym.gigpo.algorithm import Need, Promise, State
from anchorgym.gigpo.algorithms.grpo import GRPO
from anchorgym.gigpo.arrays import LARGEST, FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.columns import TextColumns
from anchorgym.gigpo.errors import MissingColumnError
from anchorgym.gigpo.options import NonNegative, Share, Within
from anchorgym.gigpo.returns import returns_to_go


@dataclass(frozen=True, kw_only=True)
class ReAd(GRPO):
    """`A(t) = A_E(i) + critic_weight * A_C(t) / F`; `A_E` is GRPO's.

    `A_C(t) = Q(s, a) - V(s)` of a critic that is fitted to the discounted returns-to-go of the
    batch: the local advantage of ReAd, of an agent that says nothing of the others. Q is linear in
    hashed words, and so can be fitted exactly in an instant: the lines of the observation, the
    words of the action, and every pair of both; V is Q without the action. Both are fitted at once,
    as rows with an action and without it. Beside other states than GiGPO's equal ones, the critic
    compares states that have lines in common. F is the root mean square of `A_C` in the batch.

    The critic is remembered: ridge regression pulls it to what it was before the batch, and to 0
    at first.

    Args:
        gamma: discount of the returns.
        critic_weight: weight of the critic's term.
        ridge: how strongly the critic is held, in turns of evidence.
        width: places that words are hashed to.
    """

    gamma: Share = 0.95
    critic_weight: NonNegative = 1.0
    ridge: Annotated[float, Within(0, above=True)] = 10.0
    width: Annotated[int, Within(1)] = 512

    @property
    def needs(self) -> frozenset[Need]:
        """The texts of the turns."""
        return frozenset({"texts"})

    @property
    def promises(self) -> frozenset[Promise]:
        """None: a critic generalises over trajectories and groups."""
        return frozenset()

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Episode plus weighted critic advantage of each turn, `(n_turns,)`.

        Raises:
            MissingColumnError: the batch has no texts.
        """
        if batch.texts is None:
            raise MissingColumnError(
                "ReAd reads observations and actions: give texts=TextColumns(observations, "
                "actions) to TurnBatch.from_rows"
            )
        judged = self.critic_advantages(batch, batch.texts, {} if state is None else state)
        largest = np.abs(judged).max(initial=0.0)
        if largest:
            unit = judged / largest
            judged = unit / np.sqrt(np.mean(unit * unit))
        return self.episode_advantages(batch) + self.critic_weight * judged

    def critic_advantages(self, batch: TurnBatch, texts: TextColumns, state: State) -> FloatArray:
        """`Q(s, a) - V(s)` of each turn, `(n_turns,)`, after the critic was fitted to the batch."""
        returns = returns_to_go(batch, self.gamma, self.rewards(batch) - self.penalties(batch))
        blind, seeing = self.features(texts)
        scale = max(np.abs(returns).max(initial=0.0), np.finfo(np.float64).tiny)
        before = np.asarray(state.get("weights") or np.zeros(self.width)) / scale
        rows = np.concatenate([blind, seeing])
        errors = np.concatenate([returns, returns]) / scale - rows @ before
        matrix = rows.T @ rows + self.ridge * np.eye(self.width)
        weights = before + np.linalg.solve(matrix, rows.T @ errors)
        with np.errstate(over="ignore"):  # beyond what is kept, an infinity is as good
            state["weights"] = np.clip(weights * scale, -LARGEST, LARGEST).tolist()
        judged: FloatArray = (seeing - blind) @ weights
        return judged

    def features(self, texts: TextColumns) -> tuple[FloatArray, FloatArray]:
        """Features of each turn without its action and with it, `(n_turns, width)` each."""
        blind = np.zeros((len(texts), self.width))
        seeing = np.zeros_like(blind)
        pairs = zip(texts.observations, texts.actions, strict=True)
        for row, (observation, action) in enumerate(pairs):
            lines = [line for line in observation.splitlines() if line]
            words = [f"do {action}", *action.split()]
            blind[row] = _hashed(("", *lines), self.width)
            crossed = (f"{line}\n{word}" for line in ["", *lines] for word in words)
            seeing[row] = blind[row] + _hashed(tuple(crossed), self.width)
        return blind, seeing


@lru_cache(maxsize=1 << 14)
def _hashed(words: tuple[str, ...], width: int) -> Any:
    """Add each word to, or take it from, a place that its hash names; of unit length."""
    code = np.zeros(width)
    for word in words:
        number = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
        code[(number >> 1) % width] += 1 - 2 * (number & 1)
    return code / np.sqrt(len(words))
