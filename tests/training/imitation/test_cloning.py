"""Behaviour cloning: what is imitated, what is only read, and what is shown."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence

import pytest
import torch
import worlds
from hypothesis import given
from hypothesis import strategies as st
from small_policies import small_policy
from torch import Tensor
from torch.nn import functional

from anchorgym.agents import ModelPolicy, build_tiny, build_tokenizer
from anchorgym.agents.policies.tiny import factor_embedding, fold_embedding
from anchorgym.envs import ExpertKind, make, register
from anchorgym.envs.errors import NoExpertError
from anchorgym.training import ConfigError, EnvPool
from anchorgym.training.config.sections import CloneConfig
from anchorgym.training.imitation.cloning import CloneStep, Cloning
from anchorgym.training.imitation.dagger import Corrections
from anchorgym.training.imitation.demonstrations import demonstrations
from anchorgym.training.imitation.teachers import find_teacher, near_miss, sample_words
from anchorgym.training.learning.demonstrations import DONE, MISTAKE, READ, Demonstration

WORLD = "test/CandidKeyDoor-v0"
ALF = "anchorgym/ALFWorld-v0"


@register("test/OpenDoor-v0", max_turns=5)
class OpenDoor(worlds.CandidKeyDoor):
    """A door that is open from the start."""

    def start(self, task: str) -> str:
        observation = super().start(task)
        self.open = True
        return observation


def new_policy(seed: int = 0) -> ModelPolicy:
    return small_policy(WORLD, tasks=10, seed=seed, max_response=8)


def shown(env_id: str, n: int, *, noise: float = 0.3, seed: int = 0, **limits: int) -> list:
    env = make(env_id)
    teacher, _ = find_teacher(env)
    policy = new_policy()
    limits = {"max_tokens": 10_000, **limits}
    rows = demonstrations(env, env.tasks(), teacher, policy, noise=noise, seed=seed, **limits)
    return list(itertools.islice(rows, n))


def one_update(
    policy: ModelPolicy, row: Demonstration, observation_weight: float = 0.3
) -> CloneStep:
    """Train once on a batch of one row."""
    config = CloneConfig(batch=1, observation_weight=observation_weight)
    (step,) = clone(policy, itertools.repeat(row), config, updates=1)
    return step


def clone(
    policy: ModelPolicy,
    rows: Iterator[Demonstration],
    config: CloneConfig,
    updates: int,
    seed: int = 0,
) -> list[CloneStep]:
    """Train on the first rows, pool by pool."""
    steps = []
    with Cloning(policy, lambda _: rows, config, updates=updates, seed=seed) as cloning:
        while cloning.done < updates:
            steps += cloning.pool()
    return steps


def weights(policy: ModelPolicy) -> Tensor:
    return torch.cat([p.detach().flatten() for p in policy.model.parameters()])


def ending(kind: int, token: int) -> Demonstration:
    """A transcript whose last two tokens are of one kind."""
    return Demonstration([3, 7, 8, 5, 9, 1, token, token], [READ] * 4 + [DONE] * 2 + [kind] * 2)


def test_losses_are_the_mean_cross_entropy_of_actions_and_of_what_is_read() -> None:
    policy = new_policy()
    row = Demonstration([3, 7, 5, 9, 1, 3, 8, 5, 10, 1], [0, 0, 0, 1, 1, 0, 0, 0, 2, 2])
    ids = torch.tensor([row.tokens])
    with torch.no_grad():
        logits = policy.model(ids).logits[0, :-1]
    each = functional.cross_entropy(logits, ids[0, 1:], reduction="none").tolist()
    step = one_update(policy, row)
    assert step.action_loss == pytest.approx((each[2] + each[3]) / 2, rel=0.02)
    read = [each[i] for i in (0, 1, 4, 5, 6)]
    assert step.observation_loss == pytest.approx(sum(read) / 5, rel=0.02)
    assert step.tokens == 10


def test_mistakes_are_neither_imitated_nor_counted_as_read() -> None:
    one, other = new_policy(), new_policy()
    assert one_update(one, ending(MISTAKE, 10)) == one_update(other, ending(MISTAKE, 11))
    assert torch.equal(weights(one), weights(other))


def test_where_a_mistake_begins_the_right_token_is_imitated() -> None:
    row = Demonstration([], [])
    row.read([3, 7, 5])
    row.write([9, 10, 11, 1], [9, 12, 1])
    row.write([9, 1], [9, 1])
    assert row.tokens == [3, 7, 5, 9, 10, 11, 1, 9, 1]
    assert row.kinds == [READ] * 3 + [DONE] * 2 + [MISTAKE] * 2 + [DONE] * 2
    assert row.instead == {4: 12}
    ids = torch.tensor([row.tokens])
    policy = new_policy()
    with torch.no_grad():
        logits = policy.model(ids).logits[0, :-1]
    right = torch.tensor([7, 5, 9, 12, 11, 1, 9, 1])
    each = functional.cross_entropy(logits, right, reduction="none").tolist()
    expected = (each[2] + each[3] + each[6] + each[7]) / 4
    assert one_update(policy, row).action_loss == pytest.approx(expected, rel=0.02)


def test_what_the_teacher_does_is_imitated() -> None:
    one, other = new_policy(), new_policy()
    first, second = one_update(one, ending(DONE, 10)), one_update(other, ending(DONE, 11))
    assert first.action_loss != second.action_loss
    assert first.observation_loss == second.observation_loss


def test_what_is_read_counts_by_the_observation_weight() -> None:
    def moved(weight: float) -> bool:
        one, other = new_policy(), new_policy()
        one_update(one, ending(READ, 10), weight)
        one_update(other, ending(READ, 11), weight)
        return not torch.equal(weights(one), weights(other))

    assert moved(0.3)
    assert not moved(0.0)


def test_a_share_of_what_is_read_is_predicted_and_all_that_is_done() -> None:
    row = Demonstration([3, 7, 8, 9] * 50 + [5, 9, 1], [READ] * 200 + [DONE] * 3)
    whole = one_update(new_policy(), row)
    config = CloneConfig(batch=1, observation_share=0.5)
    (half,) = clone(new_policy(), itertools.repeat(row), config, updates=1)
    (again,) = clone(new_policy(), itertools.repeat(row), config, updates=1)
    (other,) = clone(new_policy(), itertools.repeat(row), config, updates=1, seed=1)
    assert half == again
    assert half.action_loss == pytest.approx(whole.action_loss, rel=1e-4)
    assert half.observation_loss != other.observation_loss
    assert half.observation_loss == pytest.approx(whole.observation_loss, rel=0.05)


def test_cloning_repeats_under_its_seed() -> None:
    def losses(seed: int) -> list[float]:
        rows = iter(shown(WORLD, 64))
        steps = clone(new_policy(), rows, CloneConfig(batch=4), updates=4, seed=seed)
        return [step.action_loss for step in steps]

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_no_updates_leave_a_policy_as_it_was() -> None:
    policy = new_policy()
    before = weights(policy).clone()
    assert clone(policy, iter(()), CloneConfig(), updates=0) == []
    assert torch.equal(weights(policy), before)


def test_a_clone_that_is_cut_short_is_a_whole_policy() -> None:
    policy = new_policy()
    names = policy.model.state_dict().keys()
    rows = itertools.repeat(ending(DONE, 9))
    with Cloning(policy, lambda _: rows, CloneConfig(batch=2), updates=9, seed=0) as cloning:
        next(cloning.pool())
    assert policy.model.state_dict().keys() == names
    assert policy.model.get_output_embeddings().weight is policy.model.get_input_embeddings().weight


def test_folding_the_embedding_back_keeps_the_logits() -> None:
    policy = new_policy()
    factor_embedding(policy)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    ids = torch.arange(12)[None]
    with torch.no_grad():
        factored = policy.model(ids).logits
        fold_embedding(policy)
        assert torch.allclose(policy.model(ids).logits, factored, atol=1e-5)


def test_tokens_of_a_kind_and_of_a_number_learn_together() -> None:
    texts = [f"a {thing} {n} lies here" for thing in ("mug", "pen") for n in (1, 2, 3)] * 5
    policy = build_tiny(build_tokenizer(texts, texts), hidden=16, layers=1, heads=2, kv_heads=1)
    ids = policy.tokenizer.get_vocab()
    before = policy.model.get_input_embeddings().weight.detach().clone()
    factor_embedding(policy)
    policy.model.get_input_embeddings().weight[ids[" mug 2"]].sum().backward()
    with torch.no_grad():
        for parameter in policy.model.parameters():
            if parameter.grad is not None:
                parameter -= parameter.grad
    fold_embedding(policy)
    moved = (policy.model.get_input_embeddings().weight - before).abs().sum(1) > 1e-6
    assert moved[ids[" mug 1"]]
    assert moved[ids[" pen 2"]]
    assert not moved[ids[" pen 1"]]


def test_demonstrations_repeat_under_their_seed() -> None:
    assert shown(WORLD, 20, seed=3) == shown(WORLD, 20, seed=3)
    assert shown(WORLD, 20, seed=3) != shown(WORLD, 20, seed=4)


def test_without_noise_nothing_is_a_mistake() -> None:
    kinds = {kind for row in shown(WORLD, 20, noise=0.0) for kind in row.kinds}
    assert kinds == {READ, DONE}


def test_a_third_of_the_demonstrations_are_clean_and_the_others_make_mistakes() -> None:
    rows = shown(ALF, 150, noise=0.3)
    with_mistakes = sum(bool(row.instead) for row in rows) / len(rows)
    assert 0.45 < with_mistakes < 0.67
    assert all(DONE in row.kinds for row in rows)


def test_every_token_is_of_one_kind_and_actions_are_whole() -> None:
    template = new_policy().template
    for row in shown(WORLD, 20):
        assert len(row.tokens) == len(row.kinds)
        for read, part in itertools.groupby(
            zip(row.tokens, row.kinds, strict=True), key=lambda pair: pair[1] == READ
        ):
            tokens = [token for token, _ in part]
            if not read:
                assert tokens[-1] == template.eos_id
                assert tokens == template.response(template.parse(tokens).action)


def test_long_demonstrations_are_left_out() -> None:
    lengths = [len(row.tokens) for row in shown(WORLD, 40)]
    limit = sorted(lengths)[20]
    assert max(lengths) > limit
    assert max(len(row.tokens) for row in shown(WORLD, 40, max_tokens=limit)) <= limit


def test_where_every_demonstration_is_too_long_one_is_told_so() -> None:
    with pytest.raises(ConfigError, match=r"clone\.max_tokens"):
        shown(WORLD, 1, max_tokens=10)


def test_episodes_that_begin_won_show_nothing() -> None:
    with pytest.raises(ConfigError, match="empty"):
        shown("test/OpenDoor-v0", 1)


NAMES = st.sampled_from(["mug", "desk", "shelf"])
ACTIONS = st.one_of(
    st.builds("take {} {} from {} {}".format, NAMES, st.integers(1, 30), NAMES, st.integers(1, 9)),
    st.builds("examine {}".format, NAMES),
)


def numbers(action: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", action)]


@given(ACTIONS, st.lists(ACTIONS, max_size=4), st.lists(ACTIONS, max_size=4), st.integers(0, 999))
def test_a_near_miss_is_another_number_or_an_action_of_now_or_a_turn_ago(
    action: str, admissible: Sequence[str], earlier: Sequence[str], seed: int
) -> None:
    wrong = near_miss(action, admissible, earlier, random.Random(seed))
    assert wrong == near_miss(action, admissible, earlier, random.Random(seed))
    if wrong in (*admissible, *earlier, action):
        return
    assert re.sub(r"\d+", "#", wrong) == re.sub(r"\d+", "#", action)
    changes = [abs(a - b) for a, b in zip(numbers(wrong), numbers(action), strict=True) if a != b]
    assert len(changes) == 1
    assert 1 <= changes[0] <= 2
    assert min(numbers(wrong)) >= 1


def test_near_misses_come_in_their_shares() -> None:
    rng = random.Random(0)
    drawn = [near_miss("take mug 5", ["now"], ["before"], rng) for _ in range(4000)]
    assert sum(d.startswith("take mug") for d in drawn) / 4000 == pytest.approx(0.5, abs=0.03)
    assert drawn.count("before") / 4000 == pytest.approx(0.2, abs=0.03)
    assert drawn.count("now") / 4000 == pytest.approx(0.3, abs=0.03)


@register("test/Lost-v0", max_turns=12)
class Lost(worlds.GuidedKeyDoor):
    """A world whose expert knows no way from the west."""

    def expert_action(self, kind: ExpertKind = "honest") -> str:
        if self.at < 2 and self.key != 0:
            raise NoExpertError("there is no way from here")
        return super().expert_action("full")


def test_an_episode_in_which_the_teacher_is_lost_is_left_out() -> None:
    rows = shown("test/Lost-v0", 60, noise=0.5)
    assert len(rows) == 60
    env = make("test/Lost-v0")
    teacher, _ = find_teacher(env)
    assert len(list(sample_words(env, env.tasks(), teacher, 40))) in range(20, 40)
    policy = new_policy()
    corrections = Corrections(
        policy, EnvPool.of("test/Lost-v0"), env.tasks(), teacher, share=0.9, max_tokens=500
    )
    assert corrections.draw(12, "seed")
