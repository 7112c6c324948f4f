"""The critic that reads: what it is fitted to, what it tells apart, what it remembers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from anchorgym.gigpo import TextColumns, TurnBatch, make_algorithm
from anchorgym.gigpo.algorithms.read import ReAd
from anchorgym.gigpo.errors import LengthMismatchError, MissingColumnError


def one_turn(rewards: dict[tuple[str, str], list[float]]) -> TurnBatch:
    """Return episodes of one turn: by observation and action, what they were paid."""
    rows = [(seen, done, paid) for (seen, done), each in rewards.items() for paid in each]
    seen, done, paid = zip(*rows, strict=True)
    n = len(rows)
    return TurnBatch.from_rows(
        group=[0] * n, trajectory=range(n), anchor=seen, reward=paid, texts=TextColumns(seen, done)
    )


def algorithm(**options: Any) -> ReAd:
    made = make_algorithm("read", **options)
    assert isinstance(made, ReAd)
    return made


def test_an_action_is_judged_against_the_others_in_its_state() -> None:
    batch = one_turn({("a door", "open"): [1.0] * 8, ("a door", "wait"): [0.0] * 8})
    assert batch.texts is not None
    judged = algorithm(ridge=0.01).critic_advantages(batch, batch.texts, {})
    assert judged[:8] == pytest.approx(0.5, abs=0.05)
    assert judged[8:] == pytest.approx(-0.5, abs=0.05)


def test_states_with_lines_in_common_are_compared_though_their_anchors_differ() -> None:
    shown = {
        (f"the door is shut\nit is hour {hour}", action): [float(action == "open")]
        for hour in range(12)
        for action in ("open", "wait")
    }
    state: dict[str, Any] = {}
    algorithm().advantages(one_turn(shown), state)
    fresh = one_turn(
        {
            ("the door is shut\nit is hour 99", "open"): [0.0],
            ("the door is shut\nit is hour 99", "wait"): [0.0],
        }
    )
    assert fresh.texts is not None
    judged = algorithm(ridge=1e6).critic_advantages(fresh, fresh.texts, state)
    assert judged[0] > judged[1] + 0.5


def test_what_is_remembered_is_json_and_held_by_the_ridge() -> None:
    batch = one_turn({("a door", "open"): [1.0, 1.0], ("a door", "wait"): [0.0, 0.0]})
    state: dict[str, Any] = {}
    judge = algorithm(ridge=100.0)
    first = np.abs(judge.critic_advantages(batch, batch.texts, state)).max()  # type: ignore[arg-type]
    again = np.abs(judge.critic_advantages(batch, batch.texts, state)).max()  # type: ignore[arg-type]
    assert first < again < 0.5
    assert json.loads(json.dumps(state)) == state


def test_without_weight_it_is_grpo_and_the_critics_term_has_unit_size() -> None:
    batch = one_turn({("a door", "open"): [1.0, 0.0, 1.0], ("a wall", "wait"): [0.0, 0.5]})
    grpo = make_algorithm("grpo").advantages(batch)
    assert np.array_equal(algorithm(critic_weight=0.0).advantages(batch, {}), grpo)
    term = algorithm(critic_weight=2.0).advantages(batch, {}) - grpo
    assert np.sqrt(np.mean(term**2)) == pytest.approx(2.0)


def test_a_batch_without_texts_is_refused() -> None:
    batch = TurnBatch.from_rows(group=[0], trajectory=[0], anchor=[0], reward=[1.0])
    with pytest.raises(MissingColumnError, match="TextColumns"):
        algorithm().advantages(batch, {})
    with pytest.raises(LengthMismatchError):
        TextColumns(("a",), ())


def test_rewards_of_any_size_are_judged_alike() -> None:
    def judged(size: float) -> Any:
        paid = {("a door", "open"): [size] * 3, ("a door", "wait"): [0.0, size, 0.0]}
        return algorithm(critic_weight=1.0).advantages(one_turn(paid), {})

    assert judged(1e200) == pytest.approx(judged(1.0), rel=1e-4)


def test_a_batch_after_one_of_huge_rewards_is_judged_in_numbers() -> None:
    paid = {("a door", "open"): [1.0] * 3, ("a door", "wait"): [0.0, 1.0, 0.0]}
    huge = {key: [1e200 * reward for reward in rewards] for key, rewards in paid.items()}
    made, state = algorithm(critic_weight=1.0), {}
    made.advantages(one_turn(huge), state)
    found = made.advantages(one_turn(paid), state)
    assert np.isfinite(found).all()
    assert found.any()
