"""The clipped loss against a transcription of its equations, token by token."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from anchorgym.gigpo import make_algorithm, ppo_loss
from anchorgym.gigpo.errors import OptionError
from anchorgym.gigpo.losses import kl_estimate, regularised


def token_loss(token: dict[str, float], options: dict[str, Any]) -> Any:
    new, advantage = token["logprobs"], token["advantages"]
    ratio = math.exp(new - token["old_logprobs"])
    bounded = min(max(ratio, 1 - options["clip_low"]), 1 + options["clip_high"])
    loss = max(-advantage * ratio, -advantage * bounded)
    if options["dual_clip"] is not None and advantage < 0:
        loss = min(loss, -advantage * options["dual_clip"])
    difference = token["reference_logprobs"] - new
    divergence = {
        "k1": -difference,
        "k2": difference**2 / 2,
        "k3": math.exp(difference) - 1 - difference,
    }[options["kl"]]
    return loss - options["entropy_coef"] * token["entropy"] + options["kl_coef"] * divergence


def tokens(n: int = 60) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)

    def draw() -> torch.Tensor:
        return torch.randn(n, generator=generator, dtype=torch.float64)

    new = -draw().abs()
    return {
        "logprobs": new,
        "old_logprobs": new + draw(),
        "advantages": draw().round(),
        "mask": draw() > -0.5,
        "sequence": torch.arange(n) // 7,
        "entropy": draw().abs(),
        "reference_logprobs": new + 0.5 * draw(),
    }


@pytest.mark.parametrize("aggregate", ["token_mean", "sequence_mean"])
@pytest.mark.parametrize("kl", ["k1", "k2", "k3"])
@pytest.mark.parametrize("dual_clip", [None, 1.5, 3.0])
def test_transcription(aggregate: Any, kl: Any, dual_clip: float | None) -> None:
    options: dict[str, Any] = {"clip_low": 0.2, "clip_high": 0.28, "dual_clip": dual_clip}
    options |= {"kl": kl, "kl_coef": 0.3, "entropy_coef": 0.2}
    given = tokens()
    loss, _ = ppo_loss(**given, aggregate=aggregate, **options)
    by_sequence: dict[int, list[float]] = {}
    for row in range(60):
        if given["mask"][row]:
            names = ("logprobs", "old_logprobs", "advantages", "entropy", "reference_logprobs")
            values = {name: float(given[name][row]) for name in names}
            by_sequence.setdefault(row // 7, []).append(token_loss(values, options))
    losses = list(by_sequence.values())
    if aggregate == "token_mean":
        losses = [[value for values in losses for value in values]]
    expected = sum(sum(values) / len(values) for values in losses) / len(losses)
    assert float(loss) == pytest.approx(expected, rel=1e-12)


def test_gradient_by_hand() -> None:
    # dL/dlogp is -A ratio / n, or 0 where a bound decides: below, above, and by the dual clip.
    ratio = torch.tensor([1.1, 1.5, 0.5, 1.5, 5.0, 0.5], dtype=torch.float64)
    advantages = torch.tensor([2.0, 2.0, 2.0, -2.0, -2.0, -2.0], dtype=torch.float64)
    logprobs = ratio.log().requires_grad_()
    loss, statistics = ppo_loss(logprobs, torch.zeros(6, dtype=torch.float64), advantages)
    (gradient,) = torch.autograd.grad(loss, logprobs)
    expected = torch.tensor([-2.2, 0.0, -1.0, 3.0, 0.0, 0.0], dtype=torch.float64) / 6
    torch.testing.assert_close(gradient, expected)
    assert float(statistics.clip_fraction) == pytest.approx(2 / 6)
    assert float(statistics.dual_clip_fraction) == pytest.approx(1 / 6)


def test_gradient_of_the_k3_term() -> None:
    logprobs = torch.tensor([-1.0], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([-2.0], dtype=torch.float64)
    kl_estimate(logprobs, reference).sum().backward()
    assert logprobs.grad is not None
    assert float(logprobs.grad) == pytest.approx(1 - math.exp(-1))


def test_masked_tokens_have_no_effect() -> None:
    given = tokens()
    hidden = ~given["mask"]
    loss, _ = ppo_loss(**given)
    for name in ("logprobs", "old_logprobs", "advantages", "entropy", "reference_logprobs"):
        given[name] = given[name].masked_fill(hidden, math.nan)
    given["logprobs"].requires_grad_()
    poisoned, _ = ppo_loss(**given)
    poisoned.backward()
    torch.testing.assert_close(poisoned, loss)
    assert given["logprobs"].grad is not None
    assert (given["logprobs"].grad[hidden] == 0).all()
    assert given["logprobs"].grad.isfinite().all()


def test_no_token_counts() -> None:
    given = tokens()
    given["mask"][:] = False
    given["logprobs"].requires_grad_()
    for aggregate in ("token_mean", "sequence_mean"):
        loss, statistics = ppo_loss(**given, aggregate=aggregate)
        loss.backward()
        assert loss.item() == 0.0
        assert set(statistics.floats().values()) == {0.0}


def test_a_sequence_of_which_no_token_counts_is_none() -> None:
    """The mean over sequences is that over those which say something."""
    given = tokens()
    given["mask"][given["sequence"] == 3] = False
    given["mask"][given["sequence"] == 8] = False  # the last
    loss, _ = ppo_loss(**given, aggregate="sequence_mean")
    rest = {name: tensor[given["mask"]] for name, tensor in given.items()}
    expected, _ = ppo_loss(**rest, aggregate="sequence_mean")
    torch.testing.assert_close(loss, expected)
    means = [
        ppo_loss(**{name: tensor[rest["sequence"] == one] for name, tensor in rest.items()})[0]
        for one in (0, 1, 2, 4, 5, 6, 7)
    ]
    torch.testing.assert_close(loss, torch.stack(means).mean())


@pytest.mark.parametrize("kl", ["k1", "k2", "k3"])
def test_a_policy_term_of_ones_own_is_regularised_like_ppos(kl: Any) -> None:
    given = tokens()
    names = ("mask", "entropy", "reference_logprobs")
    policy_loss = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)
    loss, statistics = regularised(
        policy_loss,
        given["logprobs"],
        given["old_logprobs"],
        **{name: given[name] for name in names},
        entropy_coef=0.2,
        kl_coef=0.3,
        kl=kl,
        denominator=30,
    )
    mask = given["mask"]
    divergence = kl_estimate(given["logprobs"], given["reference_logprobs"], kl)[mask]
    expected = 5.0 - 0.2 * given["entropy"][mask].sum() / 30 + 0.3 * divergence.sum() / 30
    assert float(loss.detach()) == pytest.approx(float(expected))
    assert torch.autograd.grad(loss, policy_loss)[0] == 1.0
    assert float(statistics.policy_loss) == 5.0
    assert not statistics.policy_loss.requires_grad
    assert float(statistics.reference_kl) == pytest.approx(float(divergence.mean()), rel=1e-6)


@pytest.mark.parametrize("aggregate", ["token_mean", "sequence_mean"])
def test_parts_add_up_to_the_whole(aggregate: Any) -> None:
    given = tokens()
    whole, _ = ppo_loss(**given, aggregate=aggregate)
    counted = given["sequence"][given["mask"]]
    total = len(counted) if aggregate == "token_mean" else len(counted.unique())
    parts = [
        ppo_loss(
            **{name: tensor[part] for name, tensor in given.items()},
            aggregate=aggregate,
            denominator=total,
        )[0]
        for part in (slice(0, 28), slice(28, 60))  # between sequences
    ]
    torch.testing.assert_close(sum(parts), whole)


def test_far_off_ratios_stay_finite() -> None:
    logprobs = torch.tensor([0.0, -800.0], requires_grad=True)
    other = torch.tensor([-800.0, 0.0])
    loss, statistics = ppo_loss(
        logprobs, other, torch.tensor([-1.0, 1.0]), dual_clip=None, reference_logprobs=other
    )
    loss.backward()
    assert loss.isfinite()
    assert logprobs.grad is not None
    assert logprobs.grad.isfinite().all()
    assert all(math.isfinite(value) for value in statistics.floats().values())


def test_on_policy_statistics() -> None:
    given = tokens()
    given["old_logprobs"] = given["logprobs"]
    _, statistics = ppo_loss(**given)
    counted = given["mask"]
    assert float(statistics.approximate_kl) == 0.0
    assert float(statistics.clip_fraction) == 0.0
    assert float(statistics.policy_loss) == pytest.approx(
        -float(given["advantages"][counted].mean())
    )
    assert float(statistics.entropy) == pytest.approx(float(given["entropy"][counted].mean()))
    assert not statistics.policy_loss.requires_grad


def test_unknown_choices() -> None:
    given = tokens()
    with pytest.raises(OptionError, match="'token_mean', 'sequence_mean'"):
        ppo_loss(**(given | {"aggregate": "mean"}))
    with pytest.raises(OptionError, match="'k1', 'k2', 'k3'"):
        ppo_loss(**(given | {"kl": "k4"}))
    given.pop("sequence")
    with pytest.raises(OptionError, match="needs sequence"):
        ppo_loss(**given, aggregate="sequence_mean")


def test_an_algorithms_loss_uses_its_options() -> None:
    given = tokens()
    view: Any = SimpleNamespace(
        totals=None, **{k: given[k] for k in ("old_logprobs", "mask", "sequence")}
    )
    algorithm = make_algorithm("gigpo", clip_low=0.1, kl_coef=0.5, aggregate="sequence_mean")
    loss, _ = algorithm.loss(
        view,
        given["logprobs"],
        given["entropy"],
        given["reference_logprobs"],
        given["advantages"],
    )
    expected, _ = ppo_loss(**given, clip_low=0.1, kl_coef=0.5, aggregate="sequence_mean")
    assert float(loss) == float(expected)
