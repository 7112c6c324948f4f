"""Estimating costs milliseconds an iteration, and grows with the number of turns.

The bars leave room for a busy machine; `make bench` has the exact ones.
"""

from __future__ import annotations

import time

import pytest
from bench.bench_gigpo import columns, estimate

from anchorgym.gigpo import TokenColumns, TurnBatch, algorithm_names, make_algorithm


def test_an_iteration_takes_milliseconds() -> None:
    assert estimate(columns(6_400)) < 3 * 0.005


def test_linear_in_turns() -> None:
    per_turn = estimate(columns(16_000)) / 16_000
    assert estimate(columns(320_000), rounds=3) / 320_000 < 4 * per_turn
    # A single trajectory costs more rounds of the scan, not more per round.
    assert estimate(columns(160_000, turns=160_000), rounds=3) / 160_000 < 8 * per_turn


@pytest.fixture(scope="module")
def large() -> TurnBatch:
    tokens = TokenColumns.from_rows([[-1.0]] * 64_000, [[1.0]] * 64_000)
    return TurnBatch.from_rows(**columns(64_000), tokens=tokens)


@pytest.mark.parametrize("name", sorted(set(algorithm_names()) - {"read"}))
def test_the_family_is_fast_on_64_000_turns(name: str, large: TurnBatch) -> None:
    # `read` fits a critic, of texts.
    algorithm = make_algorithm(name)
    spent = []
    for _ in range(3):
        begun = time.process_time()
        algorithm.advantages(large, algorithm.initial_state())
        spent.append(time.process_time() - begun)
    assert min(spent) < 3 * 0.1


def test_forks_of_forks_cost_no_more_than_forks() -> None:
    n = 4_000
    chain = {
        "group": [0] * 2 * n,
        "trajectory": [i // 2 for i in range(2 * n)],
        "anchor": range(2 * n),
        "reward": [0.0] * 2 * n,
        "turn": [i // 2 + i % 2 for i in range(2 * n)],
        "parent": [None, None, *(i // 2 - 1 for i in range(2, 2 * n))],
    }
    batch = TurnBatch.from_rows(**chain)  # every trajectory left the second turn of the one before
    for name, options in (("spo", {"mode": "tree"}), ("hgpo", {})):
        algorithm = make_algorithm(name, **options)
        begun = time.process_time()
        algorithm.advantages(batch)
        assert time.process_time() - begun < 0.3
