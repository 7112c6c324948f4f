"""The report on anchors, against counting by hand and by brute force."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchorgym.gigpo import AnchorReport, anchor_report


def test_by_hand() -> None:
    # Two episodes of one task. The first stands still in b; c and d look alike; a looks two ways.
    report = anchor_report(
        group=[0] * 6,
        trajectory=[0, 0, 0, 1, 1, 1],
        turn=[0, 1, 2, 0, 1, 7],
        anchor=["a", "b", "b", "a", "c", "d"],
        state=["a", "b", "b", "a", "c", "d"],
        text=["hall", "room", "room", "door", "yard", "yard"],
    )
    assert report.singletons == pytest.approx(2 / 6)  # c, d
    assert report.one_trajectory == pytest.approx(4 / 6)  # and b, twice
    assert report.aliased_texts == pytest.approx(2 / 6)  # both yards
    assert report.aliased_states == pytest.approx(2 / 6)  # both visits of a
    assert (report.bands, report.turns_at) == (("1-5", "6-10"), (5, 1))
    assert report.size_at == (pytest.approx((2 + 2 + 2 + 2 + 1) / 5), 1.0)
    assert report.singletons_at == (pytest.approx(0.2), 1.0)
    assert "33.3% of 6 turns are alone" in str(report)


rows = st.lists(
    st.tuples(*(st.integers(0, high) for high in (1, 2, 40, 3, 3, 3))), min_size=1, max_size=30
)


def report_of(turns: list[tuple[int, ...]]) -> AnchorReport:
    group, trajectory, turn, anchor, state, text = zip(*turns, strict=True)
    names = [f"{g}/{t}" for g, t in zip(group, trajectory, strict=True)]
    return anchor_report(group, names, turn, anchor, state, text)


@given(rows)
def test_shares_equal_those_of_comparing_every_pair(turns: list[tuple[int, ...]]) -> None:
    report = report_of(turns)

    def share(holds: Any) -> float:
        return sum(map(holds, range(len(turns)))) / len(turns)

    def others(i: int) -> list[tuple[int, ...]]:
        return [turn for j, turn in enumerate(turns) if j != i and turn[0] == turns[i][0]]

    assert report.singletons == pytest.approx(
        share(lambda i: all(other[3] != turns[i][3] for other in others(i)))
    )
    assert report.one_trajectory == pytest.approx(
        share(lambda i: all(o[1] == turns[i][1] for o in others(i) if o[3] == turns[i][3]))
    )
    assert report.aliased_texts == pytest.approx(
        share(lambda i: any(o[5] == turns[i][5] and o[4] != turns[i][4] for o in others(i)))
    )
    assert report.aliased_states == pytest.approx(
        share(lambda i: any(o[4] == turns[i][4] and o[5] != turns[i][5] for o in others(i)))
    )


@given(rows, rows)
def test_merging_is_as_good_as_looking_at_all_turns(
    one: list[tuple[int, ...]], other: list[tuple[int, ...]]
) -> None:
    apart = [(group + 2, *rest) for group, *rest in other]
    merged = AnchorReport.merged([report_of(one), report_of(other)]).to_json()
    for name, value in report_of([*one, *apart]).to_json().items():
        assert merged[name] == pytest.approx(value)


def test_survives_json_and_holds_for_nothing() -> None:
    report = report_of([(0, 0, 3, 1, 1, 1), (0, 1, 12, 1, 2, 1)])
    assert AnchorReport.from_json(json.loads(json.dumps(report.to_json()))) == report
    assert anchor_report([], [], [], [], [], []).turns == 0
