"""Training rows: the tokens that were sampled are the tokens that are trained on."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from hypothesis import given
from hypothesis import strategies as st
from small_policies import small_policy
from torch import Tensor
from transformers import LlamaConfig

from anchorgym.agents import ModelPolicy, Sampling
from anchorgym.envs import make
from anchorgym.gigpo import make_algorithm
from anchorgym.training import EnvPool, Episode, Start, rollout
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.language_learner import LanguageLearner
from anchorgym.training.learning.micro_batches import micro_batches
from anchorgym.training.learning.rows import TokenRow, episode_rows, training_rows
from anchorgym.training.learning.token_batch import Layout, TokenBatch, choice_mask, layout_of

WORLD = "test/CandidKeyDoor-v0"
TEMPERATURE = 0.8
FORMS = {
    "transcript": {},
    "transcript with actions": {"shows_actions": "all"},
    "transcript with new actions": {"shows_actions": "new"},
    "window": {"form": "window", "shows_actions": "all"},
    "constrained transcript": {"constrained": True},
    "constrained window": {"form": "window", "constrained": True, "history": 1},
}


def policy_of(form: str) -> ModelPolicy:
    return small_policy(WORLD, tasks=10, max_response=4).with_prompt(**FORMS[form])


def play(policy: ModelPolicy, n: int, turns: int = 6) -> list[Episode]:
    panel = make(WORLD).tasks()
    starts = [Start(panel[i % len(panel)], i % len(panel), i) for i in range(n)]
    sampling = Sampling(4, TEMPERATURE, seed=5)
    return rollout(policy, EnvPool.of(WORLD, max_turns=turns), starts, sampling)


def learner_of(policy: ModelPolicy, **config: object) -> LanguageLearner:
    algorithm = make_algorithm("grpo", kl_coef=0.0, entropy_coef=0.01)
    return LanguageLearner(policy, algorithm, LearnerConfig(**config), temperature=TEMPERATURE)  # type: ignore[arg-type]


def ones(episodes: list[Episode]) -> np.ndarray:
    return np.ones(sum(len(e.turns) for e in episodes))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("packing", [False, True])
def test_what_was_sampled_is_what_is_trained(form: str, packing: bool) -> None:
    policy = policy_of(form)
    check_fidelity(policy, play(policy, 24), packing)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_what_was_sampled_is_what_is_trained_in_a_thousand_episodes(form: str) -> None:
    policy = policy_of(form)
    for _ in range(8):
        check_fidelity(policy, play(policy, 125), packing=False)


def check_fidelity(policy: ModelPolicy, episodes: list[Episode], packing: bool) -> None:
    """Compare what the engine sampled with what the learner would train on, token by token."""
    rows = training_rows(episodes, ones(episodes))
    sampled = [token for e in episodes for turn in e.turns for token in turn.response]
    marked = [
        token
        for row in rows
        for token, written in zip(row.tokens, row.written, strict=True)
        if written
    ]
    assert marked == sampled
    logprobs = [p for e in episodes for turn in e.turns for p in turn.logprobs]
    assert [p for row in rows for p in row.logprobs] == logprobs
    choices = choice_mask(rows, policy.model.config.vocab_size)
    assert (choices is not None) == policy.constrained
    with torch.no_grad():
        again, _ = learner_of(policy, packing=packing)._score(policy.model, rows)
    before = torch.tensor([p for row in rows for p in row.logprobs])
    assert (again - before).abs().max() < 1e-5


def gradient(form: str, *, packing: bool, apart: bool = False) -> Tensor:
    """Gradient of one update on episodes that were played before the weights moved on."""
    policy = policy_of(form)
    episodes = play(policy, 9)
    advantages = np.random.default_rng(0).normal(size=len(ones(episodes)))
    if apart:
        episodes, advantages = one_row_a_turn(episodes, advantages)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter += 0.01 * torch.randn(parameter.shape, generator=generator)
    learner = learner_of(policy, minibatch=10_000, max_grad_norm=1e9, packing=packing)
    learner.forward_backward(training_rows(episodes, advantages))
    return torch.cat([p.grad.flatten() for p in policy.model.parameters()])


def one_row_a_turn(
    episodes: list[Episode], advantages: np.ndarray
) -> tuple[list[Episode], np.ndarray]:
    """Unpack transcripts: each turn's response after all that was read and written before it."""
    out = []
    for episode in episodes:
        before: tuple[int, ...] = ()
        for turn in episode.turns:
            context = (*before, *turn.context)
            before = (*context, *turn.response)
            alone = type(turn)("", b"", context, True, turn.response, turn.logprobs, turn.allowed)
            out.append(Episode(episode.start, "", [alone]))
    return out, advantages


@pytest.mark.parametrize("form", ["transcript", "window", "constrained window"])
def test_packing_changes_no_gradient(form: str) -> None:
    difference = gradient(form, packing=True) - gradient(form, packing=False)
    assert difference.abs().max() < 1e-5


def test_a_transcript_has_the_gradient_of_its_turns_apart() -> None:
    together = gradient("transcript", packing=False)
    apart = gradient("transcript", packing=False, apart=True)
    assert together.abs().max() > 1e-3
    assert (together - apart).abs().max() < 1e-5


def test_a_window_is_a_row_a_turn_and_a_transcript_one_an_episode() -> None:
    window, transcript = policy_of("window"), policy_of("transcript")
    for episode in play(window, 6):
        assert len(list(episode_rows(episode, [1.0] * len(episode.turns)))) == len(episode.turns)
        assert all(turn.restart for turn in episode.turns)
    for episode in play(transcript, 6):
        (row,) = episode_rows(episode, [1.0] * len(episode.turns))
        assert len(row) == sum(len(t.context) + len(t.response) for t in episode.turns)


@given(
    st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=60), min_size=1),
    st.integers(1, 300),
    st.sampled_from([Layout(), Layout(packed=True), Layout(packed=True, sharing=True)]),
)
def test_parts_of_a_minibatch_hold_every_row_once_within_the_budget(
    rows: list[list[int]], budget: int, layout: Layout
) -> None:
    parts = micro_batches(rows, budget, layout)
    assert sorted(i for part in parts for i in part) == list(range(len(rows)))
    for part in parts:
        some = [TokenRow(rows[i], [False] * len(rows[i])) for i in part]
        assert len(part) == 1 or TokenBatch.of(some, layout).lines.ids.numel() <= budget
    if len(parts) == 1:
        assert parts[0] == list(range(len(rows)))  # in the order that they came in


@given(
    st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=60), min_size=1), st.integers(1, 300)
)
def test_a_layout_that_is_chosen_by_itself_keeps_the_budget(
    rows: list[list[int]], budget: int
) -> None:
    model = SimpleNamespace(config=LlamaConfig(head_dim=64), device=torch.device("cpu"))
    parts = micro_batches(rows, budget, layout_of(model, rows, None, budget))
    for part in parts:
        some = [rows[i] for i in part]
        assert len(part) == 1 or layout_of(model, some, None, budget).size(some) <= budget
