"""Noise as a hash: uniform, the same everywhere, and unrelated where seeds differ."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from anchorgym.agents import Sampling
from anchorgym.agents.engines.answering import Request, answer_all
from anchorgym.agents.engines.drawing import draw
from anchorgym.agents.engines.seeding import mix_seed, uniform, uniforms
from anchorgym.agents.engines.table import Table, TableEngine


def test_noise_is_the_same_on_every_machine_and_in_every_version() -> None:
    assert mix_seed(0, "iteration", 3) == 23570781125907657
    assert uniform(0, 0) == (0xE220A8397B1DCDAF >> 11) * 2.0**-53  # the first output of SplitMix64
    assert mix_seed(1) != mix_seed("1")
    assert mix_seed(1, 2) != mix_seed(12) != mix_seed(2, 1)


def test_one_number_is_that_of_the_array() -> None:
    seeds = [0, 1, 2**64 - 1, -3, 2**70 + 5]
    table = uniforms(seeds, 5)
    assert table.tolist() == [[uniform(seed, at) for at in range(5)] for seed in seeds]


@pytest.mark.parametrize("seeds", [range(4000), [mix_seed(7, i, 1) for i in range(4000)]])
def test_numbers_are_uniform_within_and_across_responses(seeds: list[int]) -> None:
    noise = uniforms(seeds, 8)
    assert noise.min() >= 0
    assert noise.max() < 1
    for numbers in (noise[:, 0], noise[:, 7], noise[::8].ravel()):
        counts, _ = np.histogram(numbers, bins=40, range=(0, 1))
        assert chisquare(counts).pvalue > 1e-3
    related = np.corrcoef(np.vstack([noise.T, np.roll(noise[:, 0], 1)]))
    assert np.abs(related - np.eye(9)).max() < 0.06


@pytest.mark.parametrize("noise", [0.0, 0.5, 1 - 2.0**-53])
def test_a_token_without_probability_is_never_drawn(noise: float) -> None:
    logits = torch.full((4, 9), float("-inf"))
    for row, tokens in enumerate(([3], [0, 8], [2, 5], [1, 2, 3, 4, 5, 6, 7])):
        logits[row, tokens] = torch.linspace(-30, 20, len(tokens))
    token, logprob = draw(logits, 1.0, torch.full((4,), noise, dtype=torch.float64))
    assert torch.isfinite(logprob).all()
    assert torch.isfinite(logits.gather(1, token[:, None])).all()


def test_options_of_a_table_are_as_frequent_as_their_probabilities() -> None:
    table = Table()
    for n in range(4):
        table.option(f"option {n}")
    table.logits.data[0, :4] = torch.tensor([0.0, 1.0, -1.0, 0.5])
    n = 4000
    requests = [Request(i, (0, 0, 1, 3), Sampling(1).derived(i)) for i in range(n)]
    chosen = [answer.tokens[0] for answer in answer_all(TableEngine(table), requests).values()]
    expected = torch.softmax(torch.tensor([0.0, 1.0, 0.5]), -1).double().numpy()
    counts = [chosen.count(option) for option in (0, 1, 3)]
    assert chisquare(counts, n * expected / expected.sum()).pvalue > 1e-3
    again = [answer.tokens[0] for answer in answer_all(TableEngine(table), requests[::-1]).values()]
    assert again == chosen[::-1]
