"""The space of free text."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from gymnasium.spaces import Dict, Text, Tuple
from gymnasium.vector.utils import batch_space, iterate
from hypothesis import given
from hypothesis import strategies as st

from anchorgym.envs import Unicode


@given(st.text(max_size=20))
def test_every_well_formed_text_is_inside(text: str) -> None:
    assert text in Unicode(20)


@given(st.text(max_size=10), st.characters(categories=["Cs"]), st.text(max_size=10))
def test_lone_surrogates_are_outside(before: str, surrogate: str, after: str) -> None:
    assert before + surrogate + after not in Unicode(100)


@pytest.mark.parametrize("value", ["abcd", b"abc", 3, None, ["abc"]])
def test_too_long_and_foreign_values_are_outside(value: object) -> None:
    assert value not in Unicode(3)


def test_length_counts_characters_not_bytes() -> None:
    assert "日本語" in Unicode(3)
    assert "" in Unicode(0)


def test_samples_are_inside_and_follow_the_seed() -> None:
    space, other = Unicode(8, seed=1), Unicode(8)
    other.seed(1)
    samples = [space.sample() for _ in range(50)]

    assert all(sample in space for sample in samples)
    assert len(set(samples)) > 20
    assert samples == [other.sample() for _ in range(50)]
    assert Unicode(0).sample() == ""


def test_samples_take_no_mask() -> None:
    with pytest.raises(ValueError, match="mask"):
        Unicode(8).sample(mask=0)  # type: ignore[arg-type]


def test_equal_spaces_are_those_of_one_length() -> None:
    assert Unicode(8, seed=1) == Unicode(8, seed=2)
    assert hash(Unicode(8)) == hash(Unicode(8))
    assert Unicode(8) != Unicode(9)
    assert Unicode(8) != Text(8)
    assert repr(Unicode(8)) == "Unicode(8)"


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        Unicode(-1)


def test_copies_and_pickles_go_on_with_the_same_samples() -> None:
    space = Unicode(30, seed=4)
    space.sample()
    copies = copy.deepcopy(space), pickle.loads(pickle.dumps(space))
    expected = [space.sample() for _ in range(5)]
    for other in copies:
        assert other == space
        assert [other.sample() for _ in range(5)] == expected


def test_samples_go_through_json() -> None:
    space = Unicode(8, seed=0)
    samples = [space.sample() for _ in range(4)]
    assert space.from_jsonable(space.to_jsonable(samples)) == samples


def test_it_is_a_part_of_composite_and_batched_spaces() -> None:
    both: Any = Dict({"chat": Unicode(5), "more": Tuple([Unicode(2)])})
    assert {"chat": "hello", "more": ("ok",)} in both
    assert {"chat": "hello!", "more": ("ok",)} not in both
    assert not both.is_np_flattenable

    batched = batch_space(Unicode(5), 3)
    assert ("a", "bb", "") in batched
    assert list(iterate(batched, ("a", "bb", ""))) == ["a", "bb", ""]
