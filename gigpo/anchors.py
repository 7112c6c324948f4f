"""Step groups: the turns of a group that were taken in the same state."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from anchorgym.gigpo.arrays import IntArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.errors import TextTypeError
from anchorgym.gigpo.ids import first_rows
from anchorgym.gigpo.similarity import similar_components


def step_groups(batch: TurnBatch, similarity: float | None = None) -> IntArray:
    """Code of each turn's step group, `(n_turns,)`; a step group never crosses groups.

    Args:
        batch: the turns.
        similarity: None compares anchors exactly. A threshold in (0, 1] compares texts instead
            (the batch's `text`, or its anchors if they are strings): step groups are then the
            connected components of texts that are alike, see `anchorgym.gigpo.similarity`.

    Raises:
        TextTypeError: similarity was asked for and there is no text.
    """
    if similarity is None:
        return batch.anchor
    codes, texts = text_column(batch)
    used, dense = np.unique(codes, return_inverse=True)
    owner = batch.group[first_rows(dense, len(used))]
    merged = np.empty(len(used), np.int64)
    n_merged = 0
    # Codes are numbered group by group, so the texts of a group are neighbours.
    starts = np.flatnonzero(np.diff(owner, prepend=-1)).tolist()
    for start, end in itertools.pairwise([*starts, len(used)]):
        parts = similar_components([texts[code] for code in used[start:end]], similarity)
        merged[start:end] = n_merged + parts
        n_merged += int(parts.max()) + 1
    return merged[dense]


def text_column(batch: TurnBatch) -> tuple[IntArray, Sequence[str]]:
    """Codes of (group, text), `(n_turns,)`, and the text of each code."""
    if batch.text is not None:
        return batch.text, batch.text_ids
    texts = [anchor for anchor in batch.anchor_ids if isinstance(anchor, str)]
    if len(texts) != len(batch.anchor_ids):
        kinds = sorted({type(a).__name__ for a in batch.anchor_ids if not isinstance(a, str)})
        raise TextTypeError(
            f"similarity compares text, and anchors are {', '.join(kinds)}: give the observations "
            "as text=[...] to TurnBatch.from_rows, or similarity=None"
        )
    return batch.anchor, texts


def by_first_appearance(codes: IntArray) -> IntArray:
    """The same partition with its parts numbered in the order of their first rows, `(n,)`."""
    if not len(codes):
        return codes
    _, dense = np.unique(codes, return_inverse=True)
    rank = np.argsort(np.argsort(first_rows(dense, int(dense.max()) + 1)))
    return rank[dense].astype(np.int64, copy=False)
