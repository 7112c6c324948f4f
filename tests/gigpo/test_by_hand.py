"""An example of each method that a reader can work out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from anchorgym.gigpo import TokenColumns, TurnBatch, make_algorithm

ROOT2, ROOT3 = math.sqrt(2), math.sqrt(3)

# One success among three, and a task that was played once.
COLUMNS: dict[str, Any] = {"group": [0, 0, 0, 1], "trajectory": range(4), "anchor": range(4)}
FOUR = TurnBatch.from_rows(
    **COLUMNS, reward=[1, 0, 0, 1], tokens=TokenColumns.from_rows([[-1.0]] * 4)
)


def assert_near(found: Any, *expected: float) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["grpo", "gspo", "reg_grpo", "ssb", "dapo"])
def test_a_third_of_a_group_succeeds(name: str) -> None:
    # Mean 1/3, deviation sqrt((4/9 + 1/9 + 1/9) / 2) = 1/sqrt(3).
    assert_near(make_algorithm(name).advantages(FOUR), 2 / ROOT3, -1 / ROOT3, -1 / ROOT3, 0)


def test_dr_grpo() -> None:
    assert_near(make_algorithm("dr_grpo").advantages(FOUR), 2 / 3, -1 / 3, -1 / 3, 0)


def test_dr_grpo_charges_a_token_the_same_in_long_and_short_trajectories() -> None:
    for n_turns in (1, 20):
        new = torch.zeros(n_turns, requires_grad=True)
        view = _view(new, trajectory=[0] * n_turns, turn=range(n_turns))
        loss, _ = make_algorithm("dr_grpo", length=100).loss(
            view, new, None, None, torch.full_like(new, -1.0)
        )
        (gradient,) = torch.autograd.grad(loss, new)
        assert_near(gradient, *[1 / 100] * n_turns)


def test_rloo() -> None:
    # Against the mean of the others: 1 - 0, 0 - 1/2, 0 - 1/2.
    assert_near(make_algorithm("rloo").advantages(FOUR), 1, -1 / 2, -1 / 2, 0)


def test_reinforce_pp() -> None:
    # Over the batch: mean 1/2, deviation 1/2.
    assert_near(make_algorithm("reinforce_pp").advantages(FOUR), 1, -1, -1, 1)


def test_copo() -> None:
    # Groups score 1/3 and 1: mean 2/3, deviation sqrt(2)/3, so -+ 1/sqrt(2) across them.
    bits = -(math.log2(1 / 3) / 3 + 2 * math.log2(2 / 3) / 3)
    w = 1 / (1 + math.exp(-5 * (bits - 1)))
    assert_near(
        make_algorithm("copo").advantages(FOUR),
        w * 2 / ROOT3 - (1 - w) / ROOT2,
        -w / ROOT3 - (1 - w) / ROOT2,
        -w / ROOT3 - (1 - w) / ROOT2,
        1 / ROOT2,  # agreed with itself: the task alone counts
    )


def test_drpo() -> None:
    algorithm = make_algorithm("drpo")
    assert_near(algorithm.advantages(FOUR), 1, -1, -1, 0)
    # A success of mean log-probability -1 against two failures of -2: the gap is 1.
    new = torch.tensor([-1.0, -2.0, -2.0], requires_grad=True)
    view = _view(new, trajectory=[0, 1, 2])
    labels = torch.tensor([1.0, -1.0, -1.0])
    assert_near(algorithm.loss(view, new, None, None, labels)[0].item(), -1)
    # Every ratio is exp(0.1): exp(0.1) - 1 - 0.1 = 0.0051709 nats, 0.0050709 more than are free.
    view.old_logprobs = view.old_logprobs - 0.1
    held = algorithm.loss(view, new, None, None, labels)[0].item()
    assert_near(held, -1 + 1000 * 0.0050709 * 0.0051709)


def test_drpo_counts_a_clumsy_success_as_one() -> None:
    batch = TurnBatch.from_rows(
        group=[0] * 12,
        trajectory=[0] * 11 + [1],
        anchor=range(12),
        reward=[0] * 10 + [1, 0],
        valid=[False] * 12,
    )
    found = make_algorithm("drpo", invalid_penalty=0.1).advantages(batch)
    assert found.tolist() == [1] * 11 + [-1]


def three_walks() -> TurnBatch:
    """A and b walk from s0 to s1, c from s2 to s1; only a is paid."""
    return TurnBatch.from_rows(
        group=[0] * 6,
        trajectory=["a", "a", "b", "b", "c", "c"],
        anchor=["s0", "s1", "s0", "s1", "s2", "s1"],
        reward=[0, 1, 0, 0, 0, 0],
    )


def test_gigpo() -> None:
    # Episodes 2/3, -1/3, -1/3; in s0 1/2, -1/2; in s1 2/3, -1/3, -1/3.
    found = make_algorithm("gigpo", gamma=1.0, norm="mean").advantages(three_walks())
    assert_near(found, 7 / 6, 4 / 3, -5 / 6, -2 / 3, -1 / 3, -2 / 3)


def test_hgpo() -> None:
    # In s1, after s0: 1/2, -1/2. Weights 2 and 3; what has seen one state has one level.
    found = make_algorithm("hgpo", gamma=1.0).advantages(three_walks())
    after = (2 * 2 / 3 + 3 / 2) / 5, (-2 / 3 - 3 / 2) / 5
    assert_near(found, 1 / 2, after[0], -1 / 2, after[1], 0, -1 / 3)
    # Two values of +-1/2 are 1/sqrt(2) of their deviation; of 1, 0, 0 see above.
    found = make_algorithm("hgpo", gamma=1.0, norm="mean_std").advantages(three_walks())
    after = (2 * 2 / ROOT3 + 3 / ROOT2) / 5, (-2 / ROOT3 - 3 / ROOT2) / 5
    assert_near(found, 1 / ROOT2, after[0], -1 / ROOT2, after[1], 0, -1 / ROOT3)


def test_hgpo_gives_a_fork_the_history_of_what_it_left() -> None:
    # The forks of a and of b go on from s1, a's after s0 and b's after s2: each level-2 pair is
    # a parent and its fork.
    batch = TurnBatch.from_rows(
        group=[0] * 6,
        trajectory=["a", "a", "b", "b", "a'", "b'"],
        anchor=["s0", "s1", "s2", "s1", "s1", "s1"],
        turn=[0, 1, 0, 1, 1, 1],
        reward=[0, 1, 0, 0, 0, 1],
        parent=[None] * 4 + ["a", "b"],
    )
    found = make_algorithm("hgpo", gamma=1.0, history=1).advantages(batch)
    assert_near(found, 0, 1 / 2, 0, -1 / 2, -1 / 2, 1 / 2)


def test_empg() -> None:
    # Entropies 0, 1 and 1 are their own scale; gains e^0, e^-1 and e^-1, over their mean.
    batch = TurnBatch.from_rows(
        group=[0] * 3,
        trajectory=["a", "a", "b"],
        anchor=range(3),
        reward=[0, 1, 0],
        tokens=TokenColumns.from_rows([[-1.0]] * 3, [[0.0], [1.0], [1.0]]),
    )
    e = math.exp(-1)
    gain = 3 / (1 + 2 * e)
    first, last, other = gain / ROOT2 + 0.1 * e, gain * e / ROOT2, -gain * e / ROOT2
    mean = (first + last + other) / 3
    found = make_algorithm("empg").advantages(batch)
    assert_near(found, first - mean, last - mean, other - mean)


def test_hapo_weighs_by_tokens() -> None:
    # Three tokens scored 1 and one scored 0: mean 3/4, deviation sqrt(3)/4.
    batch = TurnBatch.from_rows(
        group=[0, 0],
        trajectory=[0, 1],
        anchor=[0, 0],
        reward=[1, 0],
        tokens=TokenColumns.from_rows([[-1.0] * 3, [-1.0]], [[1.0] * 3, [1.0]]),
    )
    assert_near(make_algorithm("hapo").advantages(batch), 1 / ROOT3, -ROOT3)


def test_xrpo_pays_for_an_unlikely_success() -> None:
    def batch(log_likelihood: float) -> TurnBatch:
        return TurnBatch.from_rows(
            group=[0, 0],
            trajectory=[0, 1],
            anchor=[0, 0],
            reward=[1, 0],
            tokens=TokenColumns.from_rows([[log_likelihood], [-1.0]]),
        )

    algorithm = make_algorithm("xrpo")
    # eta = exp(-1/2): 2.5 (1 - 0.6065) = 0.98 is more than half of the advantage.
    assert_near(algorithm.advantages(batch(-2.0)), 1.5 / ROOT2, -1 / ROOT2)
    # eta = exp(-1/20): 2.5 (1 - 0.9512) = 0.1219 is not.
    assert_near(
        algorithm.advantages(batch(-1.1)), 1 / ROOT2 + 2.5 * (1 - math.exp(-0.05)), -1 / ROOT2
    )
    assert_near(algorithm.advantages(batch(-0.5)), 1 / ROOT2, -1 / ROOT2)  # likelier than the other


def test_dapo_charges_for_long_responses() -> None:
    # Of 10 tokens the last 2 are charged: 8 tokens cost nothing, 9 a half, 10 and more 1.
    batch = TurnBatch.from_rows(
        group=[0] * 3,
        trajectory=range(3),
        anchor=range(3),
        reward=[1] * 3,
        tokens=TokenColumns.from_rows([[-1.0] * n for n in (8, 9, 12)]),
    )
    assert_near(make_algorithm("dapo", max_length=10).advantages(batch), 1, 0, -1)


def test_gspo_clips_the_mean_ratio() -> None:
    for log_ratios, ratio in (([2e-4, 4e-4], math.exp(3e-4)), ([1e-3, 0.0], 1 + 4e-4)):
        new = torch.tensor(log_ratios, dtype=torch.float64, requires_grad=True)
        view = _view(new, trajectory=[0, 0], turn=[0, 0])
        view.old_logprobs = torch.zeros_like(new)
        loss, _ = make_algorithm("gspo").loss(view, new, None, None, torch.ones_like(new))
        assert loss.item() == pytest.approx(-ratio, abs=1e-9)


def test_reg_grpo_regresses() -> None:
    # Log ratios 1 and -1 are predictions of +-1 / sqrt(1 + floor^2); the advantages are +-1/2.
    new = torch.tensor([1.0, -1.0], dtype=torch.float64, requires_grad=True)
    view = _view(new, trajectory=[0, 1])
    view.old_logprobs = torch.zeros_like(new)
    target = torch.tensor([0.5, -0.5], dtype=torch.float64)
    loss, _ = make_algorithm("reg_grpo", floor=0.75).loss(view, new, None, None, target)
    assert_near(loss.item(), (0.5 - 0.8) ** 2)


def test_rae() -> None:
    # Role o scored 1 and 0, role x once 1: two steps of the running mean for o, one for x.
    batch = TurnBatch.from_rows(
        group=[0] * 3, trajectory=range(3), anchor=range(3), reward=[1, 0, 1], role=["o", "o", "x"]
    )
    algorithm = make_algorithm("rae", decay=0.9)
    state = algorithm.initial_state()
    assert_near(algorithm.advantages(batch, state), 1, 0, 1)
    assert state["baselines"] == pytest.approx({"o": 0.19 / 2, "x": 0.1})
    assert_near(algorithm.advantages(batch, state), 1 - 0.095, -0.095, 0.9)


BONUS = np.array([0.9, 0.0, 0.9, 0.0])


@pytest.mark.parametrize("name", ["drpo", "canon", "ngrpo", "xrpo", "copo", "dapo"])
def test_a_bonus_is_learnt_from_and_is_no_success(name: str) -> None:
    tokens = TokenColumns.from_rows([[-3.0], [-1.0], [-1.0], [-1.0]], [[1.0], [2.0], [3.0], [4.0]])
    lost = TurnBatch.from_rows(**COLUMNS, reward=[0] * 4, tokens=tokens)
    explored = replace(lost, bonus=BONUS)
    algorithm: Any = make_algorithm(name)
    assert not algorithm.outcomes(explored).any()
    assert algorithm.scores(explored).tolist() == BONUS.tolist()
    before, after = algorithm.advantages(lost), algorithm.advantages(explored)
    if name == "drpo":  # labels are made of successes alone
        assert not after.any()
        return
    assert after[0] > after[1]
    assert after[0] - after[1] > before[0] - before[1]
    if name == "xrpo":
        assert_near(
            after, *make_algorithm("grpo").advantages(explored)
        )  # nobody succeeded: no extra
    if name == "copo":
        assert algorithm.parts(explored)[0][0] < 0.01  # outcomes agree: hardly any weight


def _view(new: Any, trajectory: Any, turn: Any = None) -> Any:
    owner = torch.tensor(list(trajectory))
    return SimpleNamespace(
        old_logprobs=new.detach().clone(),
        mask=torch.ones(len(new), dtype=torch.bool),
        sequence=owner,
        turn=owner if turn is None else torch.tensor(list(turn)),
        trajectory=owner,
        group=torch.zeros_like(owner),
        columns={},
        totals=None,
    )
