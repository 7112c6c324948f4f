"""Construction of a learner's batch: advantages, token columns, and replayed rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from anchorgym.envs.plugins import wrong_result
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
from anchorgym.training.learning.rows import TokenRow, all_rows, training_rows
from anchorgym.training.rollout.types import Episode


class KnowsEntropies(Protocol):
    """The part of a `PolicyLearner` that `compute_advantages` needs."""

    def entropies(self, rows: Sequence[TokenRow]) -> FloatArray:
        """Return the entropy of each written token's distribution, (n_tokens,) in nats."""
        ...


@dataclass(frozen=True, slots=True)
class LearnerBatch:
    """The training rows of one update, with the advantages of the episodes' turns."""

    advantages: FloatArray
    """(n_turns,) advantages of all turns of the episodes; turns of 0 may have no row."""
    rows: list[TokenRow]
    """Rows of these episodes; those without an advantage may be left out."""
    replayed: list[TokenRow] = field(default_factory=list)
    """Rows of earlier iterations."""

    @property
    def all_rows(self) -> list[TokenRow]:
        """All rows: those of these episodes, then those of earlier iterations."""
        return [*self.rows, *self.replayed]

    @classmethod
    def joined(cls, batches: Sequence[LearnerBatch]) -> LearnerBatch:
        """Join several batches of one policy, in their order; their groups stay separate."""
        rows: list[TokenRow] = []
        trajectories = groups = 0
        for batch in batches:
            moved = [
                replace(row, trajectory=row.trajectory + trajectories, group=row.group + groups)
                for row in batch.rows
            ]
            trajectories = 1 + max((row.trajectory for row in moved), default=trajectories - 1)
            groups = 1 + max((row.group for row in moved), default=groups - 1)
            rows += moved
        advantages = np.concatenate([batch.advantages for batch in batches])
        return cls(advantages, rows, [row for batch in batches for row in batch.replayed])


def explored(batch: TurnBatch, kind: Novelty, weight: float, visits: Counts) -> TurnBatch:
    """Return a batch with a novelty bonus, and count its visits."""
    if kind == "none":
        return batch
    return replace(batch, bonus=weight * novelty_bonus(batch, kind, visits))


def compute_advantages(
    algorithm: Algorithm,
    state: State,
    learner: KnowsEntropies,
    episodes: Sequence[Episode],
    batch: TurnBatch,
    seed: int,
) -> LearnerBatch:
    """Compute the advantages of episodes, and return them with the training rows.

    Args:
        algorithm: algorithm that computes the advantages.
        state: state of the algorithm, which it changes.
        learner: learner of the policy that has played.
        episodes: episodes to train on.
        batch: batch of their turns, one row a turn.
        seed: seed of the draw of rows from earlier iterations.
    """
    if "texts" in algorithm.needs:
        batch = replace(batch, texts=text_columns(episodes))
    if algorithm.needs & {"tokens", "entropies"}:
        asked = "entropies" in algorithm.needs
        entropies = learner.entropies(all_rows(episodes)) if asked else None
        batch = replace(batch, tokens=token_columns(episodes, entropies))
    advantages = _checked(algorithm, algorithm.advantages(batch, state), len(batch))
    columns = algorithm.token_columns(batch, advantages, state)
    groups = _groups(episodes, batch)
    rows = training_rows(episodes, advantages, columns, algorithm.minibatch_unit, groups)
    if not algorithm.replays:
        return LearnerBatch(advantages, rows)
    return LearnerBatch(advantages, rows, _replayed(algorithm, state, episodes, rows, seed))


def _checked(algorithm: Algorithm, advantages: object, n_turns: int) -> FloatArray:
    """Return advantages as an array, (n_turns,), if they are finite numbers.

    Raises:
        PluginResultError: they are something else.
    """
    wanted = f"a finite number for each of the {n_turns} turns, in an array of shape ({n_turns},)"
    try:
        found = np.asarray(advantages, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise wrong_result(algorithm, "advantages()", wanted, advantages) from error
    if found.shape != (n_turns,) or not np.isfinite(found).all():
        raise wrong_result(algorithm, "advantages()", wanted, advantages)
    return found


def _groups(episodes: Sequence[Episode], batch: TurnBatch) -> list[int]:
    """Return each episode's group in the batch, (n_episodes,); 0 if it has no turn."""
    firsts = np.cumsum([0, *(len(episode.turns) for episode in episodes)])
    group = batch.group.tolist()
    return [
        group[first] if episode.turns else 0
        for episode, first in zip(episodes, firsts.tolist(), strict=False)
    ]


def _replayed(
    algorithm: Algorithm,
    state: State,
    episodes: Sequence[Episode],
    rows: Sequence[TokenRow],
    seed: int,
) -> list[TokenRow]:
    """Let the algorithm draw rows of earlier iterations, and store the present rows."""
    # Only episodes from a task's start count: forks without an advantage are not missed.
    roots = [e.start.origin is None for e in episodes for _ in e.turns]
    missing = len(training_rows(episodes, np.array(roots, np.float64))) - len(rows)
    fresh = [Sample(float(np.mean(np.abs(row.advantages))), row.to_json()) for row in rows]
    drawn = algorithm.replay(fresh, missing, state, seed)
    return [TokenRow(**sample.row) for sample in drawn]


def token_columns(episodes: Sequence[Episode], entropies: FloatArray | None = None) -> TokenColumns:
    """Return the columns of written tokens that algorithms may read, in the batch's order."""
    columns = TokenColumns.from_rows(turn.logprobs for e in episodes for turn in e.turns)
    return columns if entropies is None else replace(columns, entropies=entropies)


def text_columns(episodes: Sequence[Episode]) -> TextColumns:
    """Return the text read in each turn, the goal first, and the action, in the batch's order."""
    turns = [(episode.goal, turn) for episode in episodes for turn in episode.turns]
    return TextColumns(
        tuple(f"{goal}\n{turn.observation}" for goal, turn in turns),
        tuple(turn.action for _, turn in turns),
    )
