"""Statistics of step groups: how many turns are alone, by depth, and which states look alike."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from anchorgym.gigpo.arrays import FloatArray, IntArray
from anchorgym.gigpo.ids import factorise, pair_codes

_BANDS = (5, 10, 20, 30)
"""Turn numbers at which bands of depth end; the last is open."""


@dataclass(frozen=True)
class AnchorReport:
    """How turns fall into step groups, over groups of trajectories.

    Attributes:
        turns: the number of turns.
        singletons: share of turns that no other turn of their group shares the anchor with.
        one_trajectory: share of turns whose anchor only their own trajectory has met: a trajectory
            that stands still is in company of itself alone.
        depths: `(n_depths,)` first turn of each band of depth, from 0.
        turns_at: `(n_depths,)` turns of each band.
        size_at: `(n_depths,)` mean size of their step groups.
        singletons_at: `(n_depths,)` share of singletons among them.
        aliased_texts: share of turns whose text was also shown in another state of their group: a
            policy that sees the text alone cannot tell them apart.
        aliased_states: share of turns whose state was also shown as another text: grouping by text
            keeps apart what is the same.
    """

    turns: int
    singletons: float
    one_trajectory: float
    depths: tuple[int, ...]
    turns_at: tuple[int, ...]
    size_at: tuple[float, ...]
    singletons_at: tuple[float, ...]
    aliased_texts: float
    aliased_states: float

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> AnchorReport:
        """Read what `to_json` returned."""
        lists: dict[str, Any] = {k: tuple(v) for k, v in values.items() if isinstance(v, list)}
        return cls(**{**values, **lists})

    @classmethod
    def merged(cls, reports: Sequence[AnchorReport]) -> AnchorReport:
        """Return one report of the turns of several; a turn counts the same in all of them."""
        turns = np.array([report.turns for report in reports], np.float64)
        depths = sorted({depth for report in reports for depth in report.depths})

        def mean(name: str) -> float:
            values = np.array([getattr(report, name) for report in reports])
            return float(values @ turns / max(turns.sum(), 1))

        def mean_at(name: str) -> tuple[float, ...]:
            total = dict.fromkeys(depths, 0.0)
            for report in reports:
                rows = zip(report.depths, report.turns_at, getattr(report, name), strict=True)
                for depth, count, value in rows:
                    total[depth] += count * value
            return tuple(total[depth] / at[depth] for depth in depths)

        at = dict.fromkeys(depths, 0)
        for report in reports:
            for depth, count in zip(report.depths, report.turns_at, strict=True):
                at[depth] += count
        return cls(
            turns=int(turns.sum()),
            singletons=mean("singletons"),
            one_trajectory=mean("one_trajectory"),
            depths=tuple(depths),
            turns_at=tuple(at[depth] for depth in depths),
            size_at=mean_at("size_at"),
            singletons_at=mean_at("singletons_at"),
            aliased_texts=mean("aliased_texts"),
            aliased_states=mean("aliased_states"),
        )

    def __str__(self) -> str:
        lines = [
            f"{self.singletons:.1%} of {self.turns:,} turns are alone in their step group, "
            f"{self.one_trajectory:.1%} in company of their own trajectory at most",
            f"{self.aliased_texts:.1%} show a text that another state shows too, "
            f"{self.aliased_states:.1%} are in a state that shows another text too",
            "turn      " + "".join(f"{band:>9}" for band in self.bands),
            "step group" + "".join(f"{size:>9.1f}" for size in self.size_at),
            "alone     " + "".join(f"{share:>9.1%}" for share in self.singletons_at),
        ]
        return "\n".join(lines)

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands of depth, counted from 1."""
        ends = dict(zip((0, *_BANDS), _BANDS, strict=False))
        return tuple(f"{first + 1}-{ends.get(first, '')}" for first in self.depths)


def anchor_report(
    group: Sequence[Hashable],
    trajectory: Sequence[Hashable],
    turn: Sequence[int],
    anchor: Sequence[Hashable],
    state: Sequence[Hashable],
    text: Sequence[Hashable],
) -> AnchorReport:
    """Return statistics of the step groups of turns; each column is `(n_turns,)`.

    Args:
        group: of trajectories that are compared.
        trajectory: unique over groups.
        turn: its number since the task's start, from 0.
        anchor: what turns are grouped by.
        state: the world's key of the state in which the turn was taken.
        text: what was shown there.
    """
    groups, trajectories, depth = _codes(group), _codes(trajectory), np.asarray(turn, np.int64)
    anchors = pair_codes(groups, _codes(anchor))[0]
    states, texts = (pair_codes(groups, _codes(column))[0] for column in (state, text))
    size = _counts(anchors)
    alone = (size == 1).astype(np.float64)
    band = np.searchsorted(_BANDS, depth, side="right")
    used = np.flatnonzero(np.bincount(band)) if len(depth) else np.zeros(0, np.int64)
    starts = (0, *_BANDS)
    return AnchorReport(
        turns=len(depth),
        singletons=_share(alone),
        one_trajectory=_share(_distinct(anchors, trajectories) == 1),
        depths=tuple(starts[b] for b in used),
        turns_at=tuple(int((band == b).sum()) for b in used),
        size_at=tuple(float(size[band == b].mean()) for b in used),
        singletons_at=tuple(float(alone[band == b].mean()) for b in used),
        aliased_texts=_share(_distinct(texts, states) > 1),
        aliased_states=_share(_distinct(states, texts) > 1),
    )


def _codes(ids: Sequence[Hashable]) -> IntArray:
    return factorise(list(ids))[0]


def _counts(codes: IntArray) -> IntArray:
    """How many rows have each row's code, `(n,)`."""
    return np.bincount(codes)[codes] if len(codes) else codes


def _distinct(outer: IntArray, inner: IntArray) -> IntArray:
    """How many values of `inner` occur with each row's value of `outer`, `(n,)`."""
    if not len(outer):
        return outer
    _, first = pair_codes(outer, inner)
    return np.bincount(outer[first], minlength=int(outer.max()) + 1)[outer]


def _share(of: IntArray | FloatArray | np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    return float(np.mean(of)) if len(of) else 0.0
