"""GiGPO over kinds of actions: judge the kind of an action first, then which one was taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from anchorgym.gigpo.algorithm import Need, State
from anchorgym.gigpo.algorithms.gigpo import GiGPO
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.ids import pair_codes
from anchorgym.gigpo.options import Share


@dataclass(frozen=True, kw_only=True)
class ActionGroups(GiGPO):
    """`A(t) = A_E(i) + step_weight * (G(t) + member_weight * (A_S(t) - G(t)))`.

    `A_E` and `A_S` are GiGPO's. `G(t)` is the mean of `A_S` over the turns of the step group whose
    actions are of the same kind (take, go to, ...): what choosing that kind was worth here,
    whichever member was chosen. More turns speak for it than for one action, so it varies less; it
    is wrong by as much as members differ. `member_weight` 1 is GiGPO, 0 judges kinds alone.

    With `credit="factored"` the choice is taken apart, log pi(action) being log pi(kind) + log
    pi(member | kind): the first token of a response, which chooses the kind, gets
    `A_E + step_weight * G`, and the rest `A_E + step_weight * member_weight * (A_S - G)`, each
    factor what came of it alone. For words as tokens; where a first token says no kind, use
    `turn`. A batch that does not name kinds takes every turn for a kind of its own.

    Args:
        member_weight: how much of the difference between members counts.
        credit: whether all tokens of a turn share its advantage, or each factor has its own.
    """

    member_weight: Share = 0.5
    credit: Literal["turn", "factored"] = "turn"

    @property
    def needs(self) -> frozenset[Need]:
        """The lengths of responses, if they are taken apart."""
        return frozenset() if self.credit == "turn" else frozenset({"tokens"})

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        """Episode plus weighted step advantage of each turn, `(n_turns,)`."""
        step = self.step_advantages(batch)
        kind = of_kinds(batch, step)
        shared = kind + self.member_weight * (step - kind)
        return self.episode_advantages(batch) + self.step_weight * shared

    def token_columns(
        self, batch: TurnBatch, advantages: FloatArray, state: State | None = None
    ) -> dict[str, FloatArray]:
        """Advantages of the choice of a kind, and of that of a member."""
        if self.credit == "turn":
            return {}
        tokens = self.tokens_of(batch)
        step, episode = self.step_advantages(batch), self.episode_advantages(batch)
        kind = of_kinds(batch, step)
        first = np.zeros(len(tokens), np.bool_)
        first[tokens.offsets[:-1][tokens.lengths > 0]] = True
        of_kind = tokens.spread(episode + self.step_weight * kind)
        of_member = tokens.spread(episode + self.step_weight * self.member_weight * (step - kind))
        return {"advantages": np.where(first, of_kind, of_member)}


def of_kinds(batch: TurnBatch, values: FloatArray) -> FloatArray:
    """Mean of the values of a step group's turns of one kind, at each of them, `(n_turns,)`."""
    if batch.kind is None or not len(batch):
        return values
    pairs, first = pair_codes(batch.anchor, batch.kind)
    total = np.bincount(pairs, values, len(first))
    return (total / np.bincount(pairs, minlength=len(first)))[pairs]
