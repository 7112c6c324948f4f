"""Estimating costs milliseconds an iteration, and grows with the number of turns.

The bars leave room for a busy machine; `make bench` has the exact ones.
"""

from __future__ import annotations

from bench.bench_gigpo import columns, estimate


def test_an_iteration_takes_milliseconds() -> None:
    assert estimate(columns(6_400)) < 3 * 0.005


def test_linear_in_turns() -> None:
    per_turn = estimate(columns(16_000)) / 16_000
    assert estimate(columns(320_000), rounds=3) / 320_000 < 4 * per_turn
    # A single trajectory costs more rounds of the scan, not more per round.
    assert estimate(columns(160_000, turns=160_000), rounds=3) / 160_000 < 8 * per_turn
