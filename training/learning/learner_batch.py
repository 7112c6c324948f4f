"""What an algorithm makes of episodes: advantages, columns of tokens, and rows of the past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from anchorgym.gigpo import (
    Algorithm,
    Sample,
    State,
    TextColumns,
    TokenColumns,
    TurnBatch,
    novelty_bonus,
)
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.gigpo.novelty import Counts, Novelty
from anchorgym.training.learning.rows import training_rows
from anchorgym.training.learning.sequences import TokenSequence
from anchorgym.training.rollout.types import Episode


class KnowsEntropies(Protocol):
    """A learner, as far as algorithms ask for more than advantages."""

    def entropies(self, episodes: Sequence[Episode]) -> FloatArray:
        """Return the entropy that each written token was drawn with, (n_tokens,)."""
        ...


@dataclass(frozen=True, slots=True)
class LearnerBatch:
    """What is trained on: episodes, and what the algorithm says of their turns and tokens."""

    episodes: list[Episode]
    advantages: FloatArray
    """(n_turns,)"""
    columns: dict[str, FloatArray] = field(default_factory=dict)
    """(n_tokens,) by name."""
    replayed: list[TokenSequence] = field(default_factory=list)
    """Rows of earlier iterations."""

    @classmethod
    def joined(cls, lessons: Sequence[LearnerBatch]) -> LearnerBatch:
        """Return several lessons of one policy as one, in their order."""
        return cls(
            [episode for lesson in lessons for episode in lesson.episodes],
            np.concatenate([lesson.advantages for lesson in lessons]),
            {
                name: np.concatenate([lesson.columns[name] for lesson in lessons])
                for name in lessons[0].columns
            },
            [row for lesson in lessons for row in lesson.replayed],
        )


def explored(batch: TurnBatch, kind: Novelty, weight: float, visits: Counts) -> TurnBatch:
    """Return a batch with a bonus for novelty; its visits are counted."""
    if kind == "none":
        return batch
    return replace(batch, bonus=weight * novelty_bonus(batch, kind, visits))


def compute_advantages(
    algorithm: Algorithm,
    state: State,
    learner: KnowsEntropies,
    episodes: list[Episode],
    batch: TurnBatch,
    seed: int,
) -> LearnerBatch:
    """Have an algorithm judge episodes.

    Args:
        algorithm: judges.
        state: what it remembers; it changes it.
        learner: of the policy that has played.
        episodes: that are learnt from.
        batch: their turns.
        seed: of what is drawn from earlier iterations.
    """
    if "texts" in algorithm.needs:
        batch = replace(batch, texts=text_columns(episodes))
    if algorithm.needs & {"tokens", "entropies"}:
        asked = "entropies" in algorithm.needs
        entropies = learner.entropies(episodes) if asked else None
        batch = replace(batch, tokens=token_columns(episodes, entropies))
    advantages = algorithm.advantages(batch, state)
    columns = algorithm.token_columns(batch, advantages, state)
    lesson = LearnerBatch(episodes, advantages, columns)
    if not algorithm.replays:
        return lesson
    return replace(lesson, replayed=_replayed(algorithm, state, lesson, seed))


def _replayed(
    algorithm: Algorithm, state: State, lesson: LearnerBatch, seed: int
) -> list[TokenSequence]:
    """Have the algorithm draw rows of earlier iterations, and store those of this one."""
    unit = algorithm.minibatch_unit
    rows = training_rows(lesson.episodes, lesson.advantages, lesson.columns, unit)
    # What was sampled from a task's start should teach; a fork that does not is not missed.
    roots = [e.start.origin is None for e in lesson.episodes for _ in e.turns]
    missing = len(training_rows(lesson.episodes, np.array(roots, np.float64))) - len(rows)
    fresh = [Sample(float(np.mean(np.abs(row.advantages))), row.to_json()) for row in rows]
    drawn = algorithm.replay(fresh, missing, state, seed)
    return [TokenSequence(**sample.row) for sample in drawn]


def token_columns(episodes: Sequence[Episode], entropies: FloatArray | None = None) -> TokenColumns:
    """Return what algorithms may know of the tokens that were written, in the batch's order."""
    columns = TokenColumns.from_rows(turn.logprobs for e in episodes for turn in e.turns)
    return columns if entropies is None else replace(columns, entropies=entropies)


def text_columns(episodes: Sequence[Episode]) -> TextColumns:
    """Return what was read, the goal first, and done in each turn, in the batch's order."""
    turns = [(episode.goal, turn) for episode in episodes for turn in episode.turns]
    return TextColumns(
        tuple(f"{goal}\n{turn.observation}" for goal, turn in turns),
        tuple(turn.action for _, turn in turns),
    )
