"""Similar texts form step groups that depend on nothing but the texts."""

from __future__ import annotations

import difflib
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchorgym.gigpo import TurnBatch, advantages, step_groups
from anchorgym.gigpo.errors import TextTypeError
from anchorgym.gigpo.similarity import common_subsequence, similar_components, similarity_ratio

TEXTS = st.text(alphabet="abcé\U0001f600", max_size=12)


def common_by_table(first: str, second: str) -> int:
    table = np.zeros((len(first) + 1, len(second) + 1), int)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            best = max(table[i, j + 1], table[i + 1, j])
            table[i + 1, j + 1] = table[i, j] + 1 if a == b else best
    return int(table[-1, -1])


def partition(codes: Any, texts: list[str]) -> set[frozenset[str]]:
    return {
        frozenset(t for t, c in zip(texts, codes, strict=True) if c == code) for code in set(codes)
    }


def components_by_pairs(texts: list[str], threshold: float) -> set[frozenset[str]]:
    parts = [{text} for text in texts]
    for a, b in itertools.combinations(texts, 2):
        total = len(a) + len(b)
        if (2 * common_by_table(a, b) / total if total else 1.0) >= threshold:
            linked = [part for part in parts if a in part or b in part]
            parts = [part for part in parts if part not in linked] + [set().union(*linked)]
    return {frozenset(part) for part in parts}


@given(TEXTS, TEXTS)
def test_ratio(first: str, second: str) -> None:
    assert common_subsequence(first, second) == common_by_table(first, second)
    assert similarity_ratio(first, second) == similarity_ratio(second, first)
    matcher = difflib.SequenceMatcher(None, first, second, autojunk=False)
    assert similarity_ratio(first, second) >= matcher.ratio()


@settings(max_examples=200)
@given(
    st.lists(TEXTS, unique=True, max_size=8),
    st.sampled_from([0.3, 0.5, 2 / 3, 0.8, 0.9, 1.0]),
    st.randoms(use_true_random=False),
)
def test_components_are_those_of_all_pairs(texts: list[str], threshold: float, random: Any) -> None:
    expected = components_by_pairs(texts, threshold)
    assert partition(similar_components(texts, threshold).tolist(), texts) == expected
    random.shuffle(texts)
    assert partition(similar_components(texts, threshold).tolist(), texts) == expected


CABINET = "You arrive at cabinet 1. The cabinet 1 is open. In it, you see a mug 1, a plate 2"


def test_step_groups() -> None:
    texts = [f"{CABINET}.", f"{CABINET} and a pan 1.", f"{CABINET}!", "Nothing happens."]
    texts += ["Nothing happens", f"{CABINET} and a pan 2."]
    rows: dict[str, Any] = {"group": [0] * 6, "trajectory": range(6), "reward": [0] * 6}
    by_anchor = TurnBatch.from_rows(**rows, anchor=texts)
    by_text = TurnBatch.from_rows(**rows, anchor=[b""] * 6, text=texts)
    for batch in (by_anchor, by_text):
        assert partition(step_groups(batch, 0.95).tolist(), texts) == {
            frozenset({texts[0], texts[2]}),
            frozenset({texts[1], texts[5]}),
            frozenset({texts[3], texts[4]}),
        }
        assert len(set(step_groups(batch, 0.8).tolist())) == 2


@pytest.mark.parametrize("compat", [None, "verl-agent"])
def test_bytes_have_no_similarity(compat: str | None) -> None:
    batch = TurnBatch.from_rows(group=[0], trajectory=[0], anchor=[b"s"], reward=[0])
    assert advantages("gigpo", batch, compat=compat).tolist() == [0.0]
    with pytest.raises(TextTypeError, match="anchors are bytes: give the observations") as raised:
        advantages("gigpo", batch, similarity=0.9, compat=compat)
    assert isinstance(raised.value, TypeError)
