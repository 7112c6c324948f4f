"""Conversion of episodes to the columns that algorithms read."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

import numpy as np

from anchorgym.gigpo import AnchorReport, TurnBatch, anchor_report
from anchorgym.training.rollout.types import Episode


def turn_batch(
    episodes: Sequence[Episode],
    anchor: str,
    *,
    forks: bool = False,
    groups: Sequence[Hashable] | None = None,
    roles: Sequence[str] | None = None,
) -> TurnBatch:
    """Return a batch of the episodes' turns, one row a turn.

    Args:
        episodes: episodes of whole groups, so that the parents of forks are included. Each side of
            a match is an episode.
        anchor: key that turns are grouped by, see `anchor_keys`.
        forks: whether the batch has a column of parents, None for episodes that are not forks.
        groups: (n_episodes,) group of each episode; by default the group of its start.
        roles: (n_episodes,) role or agent of each episode; None if there is only one.
    """
    rows = [(n, i, e) for n, e in enumerate(episodes) for i in range(len(e.turns))]
    turns = [episode.turns[i] for _, i, episode in rows]
    compared = [e.start.group for e in episodes] if groups is None else groups
    return TurnBatch.from_rows(
        group=[compared[n] for n, _, _ in rows],
        trajectory=np.array([n for n, _, _ in rows]),
        anchor=[key for e in episodes for key in anchor_keys(e, anchor)],
        turn=np.array([e.first_turn + i for _, i, e in rows], np.int64),
        reward=np.array([turn.reward for turn in turns]),
        valid=np.array([turn.valid for turn in turns]),
        truncated=np.array([e.stop != "terminated" for _, _, e in rows]),
        parent=_parents(episodes) if forks else None,
        kind=[action_kind(turn.action) for turn in turns],
        role=None if roles is None else [roles[n] for n, _, _ in rows],
    )


def action_kind(action: str) -> str:
    """Return the kind of an action: its first word, such as "go" or "search"."""
    word = re.match(r"\W*(\w+)", action)
    return word[1].lower() if word else ""


def anchor_statistics(episodes: Sequence[Episode], anchor: str) -> AnchorReport:
    """Return statistics of the step groups of episodes, see `AnchorReport`."""
    rows = [(n, i, e) for n, e in enumerate(episodes) for i in range(len(e.turns))]
    return anchor_report(
        group=[e.start.group for _, _, e in rows],
        trajectory=[n for n, _, _ in rows],
        turn=[e.first_turn + i for _, i, e in rows],
        anchor=[key for e in episodes for key in anchor_keys(e, anchor)],
        state=[e.turns[i].anchor for _, i, e in rows],
        text=[e.turns[i].observation for _, i, e in rows],
    )


def _parents(episodes: Sequence[Episode]) -> list[int | None]:
    """Return the number of the parent of each turn's episode, (n_turns,)."""
    number = {id(episode): n for n, episode in enumerate(episodes)}
    parents: list[int | None] = []
    for episode in episodes:
        origin = episode.start.origin
        parent = None if origin is None else number[id(origin.parent)]
        parents += [parent] * len(episode.turns)
    return parents


def anchor_keys(episode: Episode, anchor: str) -> list[Hashable]:
    """Return the anchor key of each turn of an episode, (n_turns,).

    Args:
        episode: episode of the turns.
        anchor: "state" for the environment's anchor; "observation" for the observed text;
            "history:k" for the last k observed texts ("history:1" is "observation"), which for a
            fork include its parents' texts.
    """
    if anchor == "state":
        return [turn.anchor for turn in episode.turns]
    if anchor == "observation":
        return [turn.observation for turn in episode.turns]
    length = int(anchor.removeprefix("history:"))
    texts = [turn.observation for turn in episode.history]
    first = episode.first_turn
    return [tuple(texts[max(0, i + 1 - length) : i + 1]) for i in range(first, len(texts))]
