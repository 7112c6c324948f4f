"""The losses of the family against slow transcriptions, and samplers and trees by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from anchorgym.gigpo import TokenColumns, TurnBatch, make_algorithm
from anchorgym.gigpo.algorithms import algorithm_names
from anchorgym.gigpo.algorithms.xrpo import information, quantile
from anchorgym.gigpo.errors import MissingColumnError, MissingForksError, UnknownParentError

LENGTHS = [3, 1, 4, 2, 5, 1, 2, 3]
TURNS_OF = [0, 0, 1, 2, 2, 3, 4, 5]  # the trajectory of each turn
GROUPS_OF = [0, 0, 0, 1, 1, 1]  # the group of each trajectory


def tokens(advantage_of: list[float], seed: int = 0, moved: float = 0.3) -> Any:
    """Ragged tokens of eight turns of six trajectories of two groups."""
    generator = torch.Generator().manual_seed(seed)
    turn = torch.repeat_interleave(torch.arange(len(LENGTHS)), torch.tensor(LENGTHS))
    trajectory = torch.tensor(TURNS_OF)[turn]
    old = -torch.rand(len(turn), generator=generator, dtype=torch.float64)
    new = old + moved * torch.randn(len(turn), generator=generator, dtype=torch.float64)
    view: Any = SimpleNamespace(
        old_logprobs=old,
        mask=torch.ones(len(turn), dtype=torch.bool),
        sequence=trajectory,
        turn=turn,
        trajectory=trajectory,
        group=torch.tensor(GROUPS_OF)[trajectory],
        columns={},
        totals=None,
    )
    advantages = torch.tensor(advantage_of, dtype=torch.float64)[trajectory]
    return view, new.requires_grad_(), advantages


def loss_of(name: str, view: Any, new: Any, advantages: Any, **options: Any) -> float:
    algorithm = make_algorithm(name, **options)
    loss, _ = algorithm.loss(view, new, None, None, advantages)
    (gradient,) = torch.autograd.grad(loss, new)
    assert gradient.isfinite().all()
    return float(loss.detach())


def by(index: Any, values: Any) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for i, value in zip(index.tolist(), values.tolist(), strict=True):
        found.setdefault(i, []).append(value)
    return found


ADVANTAGES = [1.0, -0.5, -0.5, 2.0, -1.0, 0.0]


def clipped(ratio: float, advantage: float, low: float, high: float) -> float:
    bounded = min(max(ratio, 1 - low), 1 + high)
    return max(-advantage * ratio, -advantage * bounded)


def test_dr_grpo_divides_by_a_constant() -> None:
    view, new, advantages = tokens(ADVANTAGES)
    ratios = (new - view.old_logprobs).exp().tolist()
    terms = [clipped(r, a, 0.2, 0.2) for r, a in zip(ratios, advantages.tolist(), strict=True)]
    found = loss_of("dr_grpo", view, new, advantages, length=10, dual_clip=None)
    assert found == pytest.approx(sum(terms) / (len(GROUPS_OF) * 10))


def test_gspo_has_one_ratio_a_response() -> None:
    view, new, advantages = tokens(ADVANTAGES, moved=3e-4)
    mean = {t: sum(v) / len(v) for t, v in by(view.turn, new - view.old_logprobs).items()}
    terms = [
        clipped(math.exp(mean[t]), ADVANTAGES[TURNS_OF[t]], 3e-4, 4e-4) for t in range(len(LENGTHS))
    ]
    assert loss_of("gspo", view, new, advantages) == pytest.approx(sum(terms) / len(terms))


def test_hapo_clips_each_token_in_its_own_range() -> None:
    view, new, advantages = tokens(ADVANTAGES)
    relative = torch.linspace(-1, 1, len(new), dtype=torch.float64)
    view.columns = {"relative_entropy": relative}
    terms = []
    ratios = (new - view.old_logprobs).exp().tolist()
    for ratio, a, h in zip(ratios, advantages.tolist(), relative.tolist(), strict=True):
        low = 0.2 * (1 - h) if h <= 0 else 0.2
        high = 0.2 * (1 + h) if h > 0 else 0.2
        terms.append(clipped(ratio, a, low, high))
    found = loss_of("hapo", view, new, advantages)
    assert found == pytest.approx(sum(terms) / len(terms))


def test_hapo_adds_the_divergence_from_a_reference() -> None:
    view, new, advantages = tokens(ADVANTAGES)
    view.columns = {"relative_entropy": torch.linspace(-1, 1, len(new), dtype=torch.float64)}
    reference = view.old_logprobs - 0.5
    algorithm = make_algorithm("hapo", kl="k2", kl_coef=0.3)
    alone, _ = algorithm.loss(view, new, None, None, advantages)
    held, statistics = algorithm.loss(view, new, None, reference, advantages)
    divergence = float(((reference - new) ** 2 / 2).mean().detach())
    assert float((held - alone).detach()) == pytest.approx(0.3 * divergence)
    assert float(statistics.reference_kl) == pytest.approx(divergence)


def test_copo_clips_both_parts() -> None:
    view, new, advantages = tokens(ADVANTAGES)
    local, across = advantages * 0.7, -0.4 + 0 * advantages
    view.columns = {"local": local, "across": across}
    ratios = (new - view.old_logprobs).exp().tolist()
    terms = [
        clipped(r, a, 0.2, 0.2) + clipped(r, b, 0.2, 0.2)
        for r, a, b in zip(ratios, local.tolist(), across.tolist(), strict=True)
    ]
    found = loss_of("copo", view, new, advantages, dual_clip=None)
    assert found == pytest.approx(sum(terms) / len(terms))


def test_copo_counts_entropy_and_divergence_once_and_reports_both_parts() -> None:
    view, new, advantages = tokens(ADVANTAGES)
    view.columns = {"local": 0.7 * advantages, "across": -0.4 + 0 * advantages}
    entropy, reference = torch.full_like(new, 1.5), new.detach() + 0.2
    algorithm = make_algorithm("copo", entropy_coef=0.1, kl="k1", kl_coef=0.3)
    alone, _ = algorithm.loss(view, new, None, None, advantages)
    whole, statistics = algorithm.loss(view, new, entropy, reference, advantages)
    assert float(statistics.policy_loss) == pytest.approx(float(alone))
    assert float(whole) == pytest.approx(float(alone) - 0.1 * 1.5 + 0.3 * -0.2)


@pytest.mark.parametrize("name", algorithm_names())
def test_factors_of_advantages_weigh_tokens_where_an_algorithm_says_so(name: str) -> None:
    view, new, advantages = tokens(ADVANTAGES)
    relative = torch.linspace(-1, 1, len(new), dtype=torch.float64)
    view.columns = {"relative_entropy": relative, "local": 0.7 * advantages, "across": -advantages}
    weights = torch.rand(len(new), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    whole, part, rest = (
        loss_of(name, view, new, advantages * w)
        for w in (torch.ones_like(weights), weights, 1 - weights)
    )
    assert (part + rest == pytest.approx(whole)) is make_algorithm(name).weighable


def test_drpo_tells_successes_from_failures() -> None:
    labels = [1.0, 1.0, -1.0, 1.0, -1.0, -1.0]
    view, new, advantages = tokens(labels)
    s = {i: sum(v) / len(v) for i, v in by(view.trajectory, new).items()}
    length = {i: len(v) for i, v in by(view.trajectory, new).items()}
    per_group = []
    for group in (0, 1):
        members = [i for i in range(6) if GROUPS_OF[i] == group]
        lost = [s[i] for i in members if labels[i] < 0]
        failures = 10 * math.log(sum(math.exp(x / 10) for x in lost) / len(lost))
        won = [i for i in members if labels[i] > 0]
        w = [math.exp((1 - length[i] / 20) / 0.1) for i in won]
        total = sum(wi * (s[i] - failures) for wi, i in zip(w, won, strict=True))
        per_group.append(total / sum(w))
    moved = (new - view.old_logprobs).tolist()
    divergence = sum(math.exp(d) - 1 - d for d in moved) / len(moved)
    for beta, delta in ((0, 1e-4), (1000, 1e-4), (1000, divergence + 1)):
        options = {"max_length": 20, "beta": beta, "delta": delta}
        price = max(beta * (divergence - delta), 0) * divergence
        found = loss_of("drpo", view, new, advantages, **options)
        assert found == pytest.approx(price - sum(per_group) / 2)


def test_reg_grpo_regresses_log_ratios() -> None:
    view, new, advantages = tokens(ADVANTAGES)
    rho = {i: sum(v) for i, v in by(view.trajectory, new - view.old_logprobs).items()}
    errors = []
    for group in (0, 1):
        members = [i for i in range(6) if GROUPS_OF[i] == group]
        mean = sum(rho[i] for i in members) / len(members)
        variance = sum((rho[i] - mean) ** 2 for i in members) / len(members)
        for i in members:
            errors.append((ADVANTAGES[i] - (rho[i] - mean) / math.sqrt(variance + 1e-4)) ** 2)
    assert loss_of("reg_grpo", view, new, advantages) == pytest.approx(sum(errors) / 6)


def test_xrpo_sends_rollouts_where_they_inform() -> None:
    table = {1: 12.706, 2: 4.303, 3: 3.182, 5: 2.571, 10: 2.228, 30: 2.042}
    for degrees, exact in table.items():
        assert quantile(degrees) == pytest.approx(exact, rel=2e-3)
    # s = 1/2 and n = 4: 3.182 / 2 / 2 - 2.776 / 2 / sqrt(5).
    assert information(4, 0.5) == pytest.approx(0.7955 - 0.6208, abs=2e-3)
    algorithm = make_algorithm("xrpo", explore=0.0, rounds=1)
    assert algorithm.allocate("abc", 20, {}).tolist() == [4, 4, 4]
    assert algorithm.allocate("abc", 20, {}, [[], [], []]).tolist() == [4, 4, 4]
    played = [[0.0] * 4, [0.0, 1.0, 0.0, 1.0], [1.0] * 4]
    assert algorithm.allocate("abc", 8, {}, played).tolist() == [0, 8, 0]
    shared = make_algorithm("xrpo", explore=5.0, rounds=2).allocate("abc", 8, {}, played)
    assert shared.sum() == 4  # the first of two rounds
    assert shared.min() > 0  # nobody is forgotten


def test_xrpo_allocates_like_its_formula() -> None:
    for seed in range(10):
        random = np.random.default_rng(seed)
        played = [
            (random.random(int(random.integers(2, 9))) < random.random()).astype(float).tolist()
            for _ in range(5)
        ]
        explore, budget = float(random.choice([0.0, 0.1, 1.0])), int(random.integers(1, 30))
        counts, total = [len(scores) for scores in played], sum(map(len, played))

        def half_width(n: int, scores: list[float]) -> float:
            return float(t_quantile(n - 1)) * float(np.std(scores, ddof=1)) / math.sqrt(n)

        for _ in range(budget):
            gain = [
                half_width(n, scores)
                - half_width(n + 1, scores)
                + explore * math.sqrt(math.log(1 + total) / n)
                for n, scores in zip(counts, played, strict=True)
            ]
            counts[max(range(5), key=lambda task: (gain[task], -task))] += 1
        found = make_algorithm("xrpo", explore=explore, rounds=1, base=2).allocate(
            range(5), budget, {}, played
        )
        done = total - 2 * 5  # a single round: all that is left
        assert found.sum() == min(budget, done + budget)
        apart = np.abs(found - (np.array(counts) - [len(scores) for scores in played]))
        assert apart.max() <= 1, (found, counts)  # the quantile is exact to 2 in a thousand


def test_xrpo_plays_all_of_a_budget_that_its_rounds_do_not_divide() -> None:
    algorithm = make_algorithm("xrpo", rounds=3, explore=1.0)
    played = [[0.0, 1.0, 0.0, 1.0] for _ in range(3)]
    budget, rounds = 8, []
    while budget:
        shares = algorithm.allocate("abc", budget, {}, played).tolist()
        for scores, share in zip(played, shares, strict=True):
            scores += [1.0] * share
        rounds.append(sum(shares))
        budget -= sum(shares)
    assert rounds == [3, 3, 2]


def t_quantile(degrees: int) -> float:
    return float(stats.t.ppf(0.975, degrees))


def test_ngrpo_by_hand() -> None:
    columns: dict[str, Any] = {"group": [0, 0, 1, 1, 2, 2], "anchor": [0] * 6}
    batch = TurnBatch.from_rows(**columns, trajectory=range(6), reward=[0, 0, 1, 1, 1, 0])
    algorithm = make_algorithm("ngrpo")
    assert algorithm.keep(batch, {}).tolist() == [True, False, True]
    # {0, 0, 1}: mean 1/3, deviation sqrt(1/3). {1, 0, 1}: mean 2/3, the same deviation.
    unit = 1 / math.sqrt(3)
    expected = [-unit, -unit, 0, 0, unit, -2 * unit]
    np.testing.assert_allclose(algorithm.advantages(batch), expected, rtol=1e-5)


def test_dapo_keeps_groups_whose_outcomes_differ() -> None:
    batch = TurnBatch.from_rows(
        group=[0, 0, 1, 1], trajectory=range(4), anchor=[0] * 4, reward=[0, 1, 1, 1]
    )
    assert make_algorithm("dapo").keep(batch, {}).tolist() == [True, False]


def tree() -> dict[str, Any]:
    """A trajectory of three turns, two forks that left it at turn 1, and one that left a fork.

    a: s0 s1 s2 -> 1        b from a at s1 -> 0, c from a at s1: 0, then at s3 d left it -> 1
    """
    return {
        "group": [0] * 8,
        "trajectory": ["a", "a", "a", "b", "c", "c", "d", "e"],
        "anchor": ["s0", "s1", "s2", "s1", "s1", "s3", "s3", "s0"],
        "turn": [0, 1, 2, 1, 1, 2, 2, 0],
        "reward": [0, 0, 1, 0, 0, 0, 1, 0],
        "parent": [None, None, None, "a", "a", "a", "c", None],
    }


def test_spo_tree_by_hand() -> None:
    batch = TurnBatch.from_rows(**tree())
    # V(s3) = (0 + 1) / 2. V(s1) = (1 + 0 + 1/2) / 3 = 1/2. V(s0) = (1/2 + 0) / 2, over a and e.
    expected = [0.25, 0.5, 0.5, -0.5, 0.0, -0.5, 0.5, -0.25]
    np.testing.assert_allclose(make_algorithm("spo", mode="tree").advantages(batch), expected)


def test_spo_tree_with_two_nodes_on_one_trajectory() -> None:
    batch = TurnBatch.from_rows(
        group=[0] * 6,
        trajectory=["a", "a", "a", "b", "c", "e"],
        anchor=["s0", "s1", "s2", "s1", "s2", "s0"],
        turn=[0, 1, 2, 1, 2, 0],
        reward=[2, 0, 1, 0, 0, 0],
        parent=[None, None, None, "a", "a", None],
    )
    # V(s2) = (1 + 0) / 2, over a and c. V(s1) = (V(s2) + 0) / 2, over a and b.
    # V(s0) = (2 + V(s1) + 0) / 2, over a and e.
    expected = [2 + 0.25 - 1.125, 0.5 - 0.25, 1 - 0.5, -0.25, -0.5, -1.125]
    np.testing.assert_allclose(make_algorithm("spo", mode="tree").advantages(batch), expected)


def test_spo_chain_of_forks_by_hand() -> None:
    batch = TurnBatch.from_rows(**tree())
    # V(s1) = (0 + 0) / 2 from b and c; V(s0) = (1 + 0) / 2 from a and e. Forks are not judged.
    expected = [-0.5, 1, 1, 0, 0, 0, 0, -0.5]
    chain = make_algorithm("spo", values="forks")
    np.testing.assert_allclose(chain.advantages(batch), expected)


def test_spo_says_what_it_misses() -> None:
    rows = tree()
    no_forks = TurnBatch.from_rows(**{k: v[:3] for k, v in rows.items() if k != "parent"})
    for options in ({"mode": "tree"}, {"values": "forks"}):
        with pytest.raises(MissingForksError, match="parent="):
            make_algorithm("spo", **options).advantages(no_forks)
    with pytest.raises(UnknownParentError, match="no trajectory of the batch has that id"):
        TurnBatch.from_rows(**{**rows, "parent": [None] * 7 + ["z"]})
    late = TurnBatch.from_rows(**{**rows, "turn": [0, 1, 2, 9, 1, 2, 2, 0]})
    with pytest.raises(UnknownParentError, match="row 3 begins a fork at turn 9"):
        make_algorithm("spo", mode="tree").advantages(late)


def test_spo_masks_tokens_that_had_no_alternative() -> None:
    batch = TurnBatch.from_rows(
        group=[0, 0],
        trajectory=[0, 1],
        anchor=[0, 0],
        reward=[1, 0],
        tokens=TokenColumns.from_rows([[math.log(0.95), math.log(0.5)], [math.log(0.2)]]),
    )
    algorithm = make_algorithm("spo", probability_mask=0.9)
    columns = algorithm.token_columns(batch, algorithm.advantages(batch))
    assert columns["advantages"].tolist() == [0.0, 0.5, -0.5]


def test_an_algorithm_says_which_column_it_misses() -> None:
    batch = TurnBatch.from_rows(group=[0], trajectory=[0], anchor=[0], reward=[0])
    with pytest.raises(MissingColumnError, match="EMPG reads the entropies and tokens"):
        make_algorithm("empg").advantages(batch)


def test_tokens_follow_their_rows() -> None:
    columns = TokenColumns.from_rows([[-1.0, -2.0], [], [-3.0]], [[1.0, 2.0], [], [3.0]])
    batch = TurnBatch.from_rows(
        group=[0] * 3, trajectory=range(3), anchor=[0] * 3, reward=[0] * 3, tokens=columns
    )
    taken = batch.take([2, 1, 0]).tokens
    assert taken is not None
    assert taken.offsets.tolist() == [0, 1, 1, 3]
    assert taken.logprobs.tolist() == [-3.0, -1.0, -2.0]
    assert taken.means(taken.entropies).tolist() == [3.0, 0.0, 1.5]
