"""The policy update against PPO written out token by token."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from model_families import family_model
from small_policies import small_policy
from torch import Tensor
from transformers import PreTrainedModel

from anchorgym.agents import ModelPolicy, Sampling
from anchorgym.agents.engines.answering import answer_apart
from anchorgym.agents.engines.torch_engine import TorchEngine
from anchorgym.envs import make
from anchorgym.gigpo import make_algorithm
from anchorgym.training import EnvPool, Episode, Start, rollout
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.contract import DivergedError, LearnerStateError, require_finite
from anchorgym.training.learning.language_learner import LanguageLearner
from anchorgym.training.learning.rows import TokenRow, training_rows

WORLD = "test/CandidKeyDoor-v0"
TEMPERATURE = 0.7
CLIP, DUAL, ENTROPY = 0.2, 3.0, 0.01


def new_policy() -> ModelPolicy:
    return small_policy(WORLD, tasks=10, max_response=4)


def play(policy: ModelPolicy, n: int = 6) -> list[Episode]:
    """Episodes of different lengths: two of them are cut short."""
    starts = [Start(task, 0, i) for i, task in enumerate(make(WORLD).tasks() * n)][:n]
    long = rollout(
        policy, EnvPool.of(WORLD, max_turns=7), starts[2:], Sampling(4, TEMPERATURE, seed=5)
    )
    short = rollout(
        policy, EnvPool.of(WORLD, max_turns=3), starts[:2], Sampling(4, TEMPERATURE, seed=6)
    )
    return [long[0], *short, *long[1:]]


def noise_of(episodes: Sequence[Episode]) -> np.ndarray:
    return np.random.default_rng(0).normal(size=sum(len(e.turns) for e in episodes)) * 2


def plain_descent(learner: LanguageLearner) -> None:
    """Make an update move the weights by minus the sum of gradients."""
    learner.optimizers["optimizer"] = torch.optim.SGD(learner.model.parameters(), lr=1.0)


def new_learner(policy: ModelPolicy, kl_coef: float = 0.0, **changes: float) -> LanguageLearner:
    algorithm = make_algorithm("grpo", kl_coef=kl_coef, entropy_coef=ENTROPY)
    config = LearnerConfig(**{"minibatch": 100, "max_grad_norm": 1e9, **changes})
    return LanguageLearner(policy, algorithm, config, temperature=TEMPERATURE)


def update(
    learner: LanguageLearner, episodes: Sequence[Episode], advantages: np.ndarray, seed: int = 0
) -> dict[str, float]:
    """Train once on the rows of episodes."""
    return learner.update(training_rows(episodes, advantages), seed)


def shift(policy: ModelPolicy, size: float = 0.02) -> None:
    """Move the weights away from those that the episodes were sampled with."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator)


def weights(policy: ModelPolicy) -> Tensor:
    return torch.cat([p.detach().flatten().clone() for p in policy.model.parameters()])


def gradients(policy: ModelPolicy) -> Tensor:
    return torch.cat([p.grad.flatten() for p in policy.model.parameters()])


def slow_loss(
    model: PreTrainedModel,
    reference: PreTrainedModel,
    episodes: Sequence[Episode],
    advantages: Sequence[float],
    kl_coef: float,
) -> Tensor:
    """Read every token after the one before it, one episode and one token at a time."""
    terms: list[Tensor] = []
    values = iter(advantages)
    for episode in episodes:
        transcript: list[int] = []
        for turn in episode.turns:
            advantage = next(values)
            transcript += turn.context
            for token, old in zip(turn.response, turn.logprobs, strict=True):
                ids = torch.tensor([transcript])
                table = torch.log_softmax(model(ids).logits[0, -1] / TEMPERATURE, -1)
                with torch.no_grad():
                    known = torch.log_softmax(reference(ids).logits[0, -1] / TEMPERATURE, -1)
                ratio = torch.exp(table[token] - old)
                bounded = ratio.clamp(1 - CLIP, 1 + CLIP)
                term = torch.maximum(-advantage * ratio, -advantage * bounded)
                if advantage < 0 and term > -advantage * DUAL:
                    term = torch.tensor(-advantage * DUAL)
                entropy = -(table.exp() * table).sum()
                gap = known[token] - table[token]
                terms.append(term - ENTROPY * entropy + kl_coef * (gap.exp() - gap - 1))
                transcript.append(token)
    return torch.stack(terms).mean()


@pytest.mark.parametrize("kl_coef", [0.0, 0.5])
def test_loss_and_gradient_equal_ppo_token_by_token(kl_coef: float) -> None:
    policy, reference = new_policy(), new_policy()
    episodes = play(policy)
    advantages = noise_of(episodes)
    learner = new_learner(policy, kl_coef)  # the reference is what the policy is now
    shift(policy)
    slow = slow_loss(policy.model, reference.model, episodes, advantages.tolist(), kl_coef)
    slow.backward()
    expected, before = gradients(policy), weights(policy)
    plain_descent(learner)
    statistics = update(learner, episodes, advantages)
    assert statistics["loss"] == pytest.approx(slow.item(), abs=2e-5)
    assert statistics["clip_fraction"] > 0
    assert (statistics["reference_kl"] > 0) == (kl_coef > 0)
    assert torch.allclose(before - weights(policy), expected, atol=2e-5)


def test_order_of_episodes_and_padding_do_not_change_the_gradient() -> None:
    def step(reverse: bool, seed: int) -> Tensor:
        policy = new_policy()
        episodes = play(policy)
        sizes = np.cumsum([len(e.turns) for e in episodes])[:-1]
        parts = list(zip(episodes, np.split(noise_of(episodes), sizes), strict=True))
        parts = parts[::-1] if reverse else parts
        learner = new_learner(policy)
        plain_descent(learner)
        before = weights(policy)
        update(learner, [e for e, _ in parts], np.concatenate([a for _, a in parts]), seed)
        return weights(policy) - before

    assert torch.allclose(step(False, 0), step(True, 7), atol=1e-5)


def test_every_episode_is_in_one_minibatch_of_each_epoch() -> None:
    policy = new_policy()
    episodes = play(policy, 7)
    learner = new_learner(policy, minibatch=2, epochs=3)
    statistics = update(learner, episodes, noise_of(episodes))
    assert (statistics["rows"], statistics["steps"]) == (7, 3 * 4)


def test_episodes_without_advantage_are_left_out() -> None:
    policy, alone = new_policy(), new_policy()
    episodes = play(policy)
    advantages = noise_of(episodes)
    first = len(episodes[0].turns)
    advantages[first:] = 0
    statistics = update(new_learner(policy), episodes, advantages)
    assert (statistics["rows"], statistics["steps"]) == (1, 1)
    update(new_learner(alone), episodes[:1], advantages[:first])
    assert torch.allclose(weights(policy), weights(alone), atol=1e-6)


def test_nothing_moves_where_no_turn_has_an_advantage() -> None:
    policy = new_policy()
    before = weights(policy)
    episodes = play(policy)
    statistics = update(new_learner(policy), episodes, 0 * noise_of(episodes))
    assert (statistics["rows"], statistics["steps"]) == (0, 0)
    assert torch.equal(weights(policy), before)


def test_good_responses_become_likelier_and_bad_ones_less_likely() -> None:
    policy = new_policy()
    episodes = play(policy)
    good = np.repeat([i % 2 == 0 for i in range(len(episodes))], [len(e.turns) for e in episodes])
    learner = new_learner(policy, learning_rate=1e-3)
    for seed in range(5):
        update(learner, episodes, np.where(good, 1.0, -1.0), seed)
    new = scores(policy, episodes, TEMPERATURE)
    old = [sum(turn.logprobs) for episode in episodes for turn in episode.turns]
    assert np.mean((new - old)[good]) > 0 > np.mean((new - old)[~good])


def test_tokens_are_scored_at_the_temperature_they_were_sampled_at() -> None:
    policy = new_policy()
    episodes = play(policy)
    statistics = update(new_learner(policy), episodes, noise_of(episodes))
    assert statistics["approximate_kl"] == pytest.approx(0, abs=1e-6)
    assert statistics["clip_fraction"] == 0


def scores(policy: ModelPolicy, episodes: Sequence[Episode], temperature: float) -> np.ndarray:
    """Log-probability of each turn's response."""
    found = []
    for episode in episodes:
        transcript: list[int] = []
        for turn in episode.turns:
            transcript += turn.context
            ids = torch.tensor([[*transcript, *turn.response]])
            with torch.no_grad():
                logits = policy.model(ids).logits[0, len(transcript) - 1 : -1]
            table = torch.log_softmax(logits / temperature, -1)
            picked = table.gather(1, torch.tensor(turn.response)[:, None])
            found.append(picked.sum().item())
            transcript += turn.response
    return np.array(found)


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("family", ["gpt2", "granite", "gemma2", "mistral", "gpt-oss"])
def test_a_first_step_starts_from_the_logprobs_that_were_sampled(
    family: str, packing: bool
) -> None:
    model = family_model(family)  # that of GPT-2 has dropout
    engine = TorchEngine(model, (2,))
    policy = SimpleNamespace(model=model, engine=engine, max_context=64)
    prompts = [[5, 9, 11], list(range(3, 33))]
    written = answer_apart(engine, [(tokens, Sampling(6, 1.0)) for tokens in prompts], "test")
    rows = [
        TokenRow(
            [*prompt, *answer.tokens],
            [*[False] * len(prompt), *[True] * len(answer.tokens)],
            list(answer.logprobs),
            [1.0] * len(answer.tokens),
            [()] * len(answer.tokens),
            [0] * len(answer.tokens),
        )
        for prompt, answer in zip(prompts, written, strict=True)
    ]
    algorithm = make_algorithm("grpo", kl_coef=0.0, entropy_coef=0.0)
    learner = LanguageLearner(policy, algorithm, LearnerConfig(packing=packing), temperature=1.0)
    assert learner.forward_backward(rows)["loss"] == pytest.approx(-1.0, abs=1e-5)


def test_a_loss_that_is_no_number_stops_the_update_before_the_weights_are_lost() -> None:
    policy = new_policy()
    episodes = play(policy)
    learner, before = new_learner(policy, 0.1), weights(policy)
    advantages = noise_of(episodes)
    advantages[3] = np.nan
    with pytest.raises(DivergedError, match=r"no longer finite: lower learner\.learning_rate"):
        update(learner, episodes, advantages)
    assert torch.equal(weights(policy), before)
    update(learner, episodes, noise_of(episodes))
    assert weights(policy).isfinite().all()


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_a_statistic_that_is_no_number_is_named(wrong: float) -> None:
    finite = {"loss": 1.0, "entropy": 0.0}
    assert require_finite(finite, object()) == finite
    with pytest.raises(DivergedError, match=r"object reports entropy = (nan|-?inf): lower"):
        require_finite({"loss": 1.0, "entropy": wrong}, object())


def test_a_learner_that_goes_on_keeps_the_reference_it_began_with(tmp_path: Path) -> None:
    """A resumed run is held to the policy of its beginning, not to that of its checkpoint."""
    policy = new_policy()
    episodes = play(policy)
    rows = training_rows(episodes, noise_of(episodes))
    learner = new_learner(policy, kl_coef=0.5, learning_rate=0.01)
    for seed in range(2):
        learner.update(rows, seed)
    learner.save(tmp_path / "state")
    assert "reference" not in {path.stem for path in (tmp_path / "state").glob("*.safetensors")}
    again = new_learner(new_policy(), kl_coef=0.5, learning_rate=0.01)
    again.load(tmp_path / "state")
    held = learner.forward_backward(rows)
    assert held["reference_kl"] > 1e-4
    assert again.forward_backward(rows) == held
    moved = new_learner(policy, kl_coef=0.5, learning_rate=0.01)
    with pytest.raises(LearnerStateError, match="another reference model"):
        moved.load(tmp_path / "state")
