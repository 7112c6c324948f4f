"""Columns of turn batches of any make, for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

REWARDS = st.one_of(
    st.sampled_from([0.0, 1.0, 10.0, -0.1]),
    st.floats(-1e3, 1e3, allow_subnormal=False),
    st.sampled_from([1e300, -1e300, 1e-300, 5e-324, 10.1]),
)


@st.composite
def columns(draw: st.DrawFn, rewards: st.SearchStrategy[float] = REWARDS) -> dict[str, Any]:
    lengths = draw(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), max_size=4))
    rows: dict[str, Any] = {
        k: [] for k in ["group", "trajectory", "anchor", "reward", "valid", "turn"]
    }
    for group, members in enumerate(lengths):
        for member, length in enumerate(members):
            for turn in range(length):
                rows["group"].append(group)
                rows["trajectory"].append((group, member))
                rows["anchor"].append(draw(st.sampled_from("abc")))
                rows["reward"].append(draw(rewards))
                rows["valid"].append(draw(st.booleans()))
                rows["turn"].append(turn)
    return rows
