"""Groups by design: forks begin where their parents were, cost what they may, and judge nobody."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from hypothesis import given, settings
from hypothesis import strategies as st
from small_policies import small_policy

from anchorgym.agents import ExpertPolicy, Policy, RandomPolicy, Sampling, TorchEngine
from anchorgym.agents.engines.temperature import AdaptiveTemperature
from anchorgym.envs.errors import ContractError
from anchorgym.gigpo import make_algorithm
from anchorgym.training import ConfigError, EnvPool, Episode, Start, TrainConfig, Turn, rollout
from anchorgym.training.learning.columns import anchor_keys, turn_batch
from anchorgym.training.learning.rows import episode_rows
from anchorgym.training.learning.token_batch import choice_mask
from anchorgym.training.rollout.fork_store import ForkStore
from anchorgym.training.rollout.strategies import make_strategy
from anchorgym.training.rollout.strategies.budget import Budget
from anchorgym.training.rollout.strategies.choosing import Uncertain, value_variance
from anchorgym.training.rollout.strategies.hints import HintedPolicy, mask_hints
from anchorgym.training.rollout.types import Origin
from anchorgym.training.run.components import assemble

WINDY, DOORS, ERRANDS = "test/WindyCorridor-v0", "test/KeyDoor-v0", "test/Errands-v0"
LIMIT = 12


def designed(
    policy: Policy, env_id: str, seed: int = 0, tasks: int = 2, **design: Any
) -> list[list[Episode]]:
    """Roll out groups by a strategy, as an iteration does."""
    config = TrainConfig.parse({"env": env_id, "rollout": {"group_size": 6, **design}})
    gym = EnvPool.of(env_id, max_turns=LIMIT)
    algorithm = make_algorithm("gigpo")
    strategy = make_strategy(config, algorithm, {}, limit=LIMIT, solve=lambda _: [])
    panel = gym.first.tasks()
    sampling = Sampling(getattr(policy, "max_response", 8), 1.0)
    with ForkStore() as store:
        return strategy.play(
            [panel[n % len(panel)] for n in range(tasks)],
            0,
            random.Random(seed),
            lambda starts: rollout(policy, gym, starts, sampling, store=store),
        )


def forks_of(groups: Sequence[Sequence[Episode]]) -> list[tuple[Episode, Origin]]:
    return [(e, e.start.origin) for group in groups for e in group if e.start.origin is not None]


DESIGNS: dict[str, dict[str, Any]] = {
    "rarest": {"strategy": "fork", "roots": 3, "siblings": 2},
    "uncertain": {"strategy": "fork", "roots": 2, "siblings": 3, "fork_from": "uncertain"},
    "tree": {"strategy": "tree", "branching": (2, 3, 2)},
}


@settings(max_examples=15, deadline=None)
@given(
    design=st.sampled_from(sorted(DESIGNS)),
    env_id=st.sampled_from([WINDY, DOORS]),
    seed=st.integers(0, 10**6),
    turns=st.none() | st.integers(0, 200),
)
def test_forks_begin_in_their_parents_states_and_never_cost_more_than_they_may(
    design: str, env_id: str, seed: int, turns: int | None
) -> None:
    groups = designed(RandomPolicy(seed), env_id, seed, **DESIGNS[design], fork_turns=turns)
    forks = forks_of(groups)
    roots = [e for group in groups for e in group if e.start.origin is None]
    spent = sum(len(fork.turns) for fork, _ in forks)
    mean = sum(len(root.turns) for root in roots) / len(roots)
    assert spent <= (round((2 * 6 - len(roots)) * mean) if turns is None else turns)
    for fork, origin in forks:
        taken = origin.parent.turns[len(origin.lived)]
        assert (fork.turns[0].anchor, fork.turns[0].observation) == (
            taken.anchor,
            taken.observation,
        )
        assert len(fork.history) == fork.first_turn + len(fork.turns) <= LIMIT
        assert fork.stop != "turns" or len(fork.history) == LIMIT
        assert fork.start.group == origin.parent.start.group


@pytest.mark.parametrize("design", DESIGNS)
def test_turns_that_may_be_taken_are_taken(design: str) -> None:
    groups = designed(RandomPolicy(1), DOORS, **DESIGNS[design], fork_turns=150)
    left = 150 - sum(len(fork.turns) for fork, _ in forks_of(groups))
    assert left < LIMIT or design == "tree"  # a tree has no more nodes


def test_siblings_do_not_share_their_chance() -> None:
    class Walker(RandomPolicy):
        def choose(self, *_: object) -> str:
            return "walk"

    groups = designed(
        Walker(0),
        WINDY,
        tasks=1,
        strategy="tree",
        branching=(2, 20),
        segment_turns=1,
        fork_turns=400,
    )
    ways = {tuple(turn.observation for turn in fork.turns) for fork, _ in forks_of(groups)}
    assert len(ways) > 3


def test_a_world_that_does_not_come_back_is_named() -> None:
    gym = EnvPool.of(WINDY, max_turns=LIMIT)
    with ForkStore() as store:
        (parent,) = rollout(
            RandomPolicy(0), gym, [Start("length 6", 0, 1)], Sampling(), store=store
        )
        parent.turns[3].anchor = b"elsewhere"
        fork = Start("length 6", 0, 2, Origin(parent, 3))
        with pytest.raises(ContractError, match=r"turn 3 .*anchorgym check"):
            rollout(RandomPolicy(0), gym, [fork], Sampling(), store=store)
    with pytest.raises(ValueError, match="ForkStore"):
        rollout(RandomPolicy(0), gym, [fork], Sampling())


def test_a_fork_is_restored_and_takes_no_turn_to_get_there(monkeypatch: Any) -> None:
    gym = EnvPool.of(WINDY, max_turns=LIMIT)
    taken = []
    step = type(gym.first).step

    def counted(self: Any, action: Any) -> Any:
        taken.append(action)
        return step(self, action)

    monkeypatch.setattr(type(gym.first), "step", counted)
    with ForkStore() as store:
        (parent,) = rollout(
            RandomPolicy(0), gym, [Start("length 6", 0, 1)], Sampling(), store=store
        )
        starts = [Start("length 6", 0, 2, Origin(parent, 3))] * 2
        forks = rollout(RandomPolicy(0), gym, starts, Sampling(), store=store)
        again = Start("length 6", 0, 3, Origin(forks[0], 4))
        (nested,) = rollout(RandomPolicy(0), gym, [again], Sampling(), store=store)
    played = [parent, *forks, nested]
    assert len(taken) == sum(len(episode.turns) for episode in played)
    assert nested.turns[0].anchor == forks[0].turns[1].anchor


@pytest.mark.parametrize("name", ["grpo", "rloo", "ngrpo", "gigpo", "copo"])
@pytest.mark.parametrize("design", DESIGNS)
def test_forks_leave_the_statistics_of_episodes_alone(name: str, design: str) -> None:
    options = {"step_weight": 0.0} if name == "gigpo" else {}
    groups = designed(RandomPolicy(3), DOORS, seed=3, tasks=4, **DESIGNS[design])
    whole = [episode for group in groups for episode in group]
    roots = [episode for episode in whole if episode.start.origin is None]
    assert len({episode.score for episode in roots}) == 2
    algorithm = make_algorithm(name, **options)
    state = algorithm.initial_state()
    with_forks = algorithm.advantages(turn_batch(whole, "state", forks=True), dict(state))
    alone = algorithm.advantages(turn_batch(roots, "state"), dict(state))
    of_roots = np.repeat(
        [episode.start.origin is None for episode in whole], [len(e.turns) for e in whole]
    )
    np.testing.assert_array_equal(with_forks[of_roots], alone)
    assert not with_forks[~of_roots].any()


def test_forks_meet_their_parents_in_step_groups_also_by_history() -> None:
    groups = designed(RandomPolicy(5), DOORS, **DESIGNS["rarest"])
    for anchor in ("state", "observation", "history:3"):
        for fork, origin in forks_of(groups):
            parents = anchor_keys(origin.parent, anchor)
            assert anchor_keys(fork, anchor)[0] == parents[len(origin.lived)]
    whole = [episode for group in groups for episode in group]
    batch = turn_batch(whole, "state", forks=True)
    assert (np.bincount(batch.anchor) > 1).mean() > 0.5
    assert make_algorithm("gigpo").advantages(batch)[batch.fork].any()


@pytest.mark.parametrize(("mode", "design"), [("tree", "tree"), ("chain", "rarest")])
def test_segments_are_valued_by_forks_that_were_played(mode: str, design: str) -> None:
    groups = designed(RandomPolicy(3), DOORS, seed=3, tasks=4, **DESIGNS[design])
    batch = turn_batch([e for group in groups for e in group], "state", forks=True)
    spo = make_algorithm("spo", mode=mode, values="forks")
    assert np.count_nonzero(spo.advantages(batch))
    roots = [e for group in groups for e in group if e.start.origin is None]
    # An iteration in which nothing could be forked is no error.
    assert np.count_nonzero(spo.advantages(turn_batch(roots, "state", forks=True)))


@pytest.mark.parametrize("form", ["transcript", "window"])
@pytest.mark.parametrize("design", DESIGNS)
def test_what_forks_have_written_is_scored_as_it_was_sampled(design: str, form: str) -> None:
    policy = small_policy(DOORS, tasks=10, max_response=4, form=form, constrained=True)
    groups = designed(policy, DOORS, **DESIGNS[design])
    forks = forks_of(groups)
    assert len(forks) > 5
    for fork, origin in forks:
        own = fork.turns[0].context
        parents = origin.parent.turns[len(origin.lived)].context
        assert own[-min(len(own), len(parents)) :] == parents[-min(len(own), len(parents)) :]
        for row in episode_rows(fork, [0.0] * len(fork.turns)):
            tokens, written = torch.tensor([row.tokens]), torch.tensor(row.written)[1:]
            with torch.no_grad():
                logits = policy.model(input_ids=tokens).logits[0, :-1][written]
            choices = choice_mask([row], logits.shape[1])
            assert choices is not None
            table = torch.log_softmax(logits.masked_fill(~choices, float("-inf")), -1)
            scored = table.gather(1, tokens[0, 1:][written][:, None])[:, 0]
            assert torch.allclose(scored, torch.tensor(row.logprobs), atol=1e-5)
    assert isinstance(policy.engine, TorchEngine)
    assert policy.engine._transcripts == {}  # nothing is left behind


def test_keys_and_values_of_a_prefix_are_a_cache() -> None:
    """Forks write the same, whether what they have in common is kept or read anew."""
    read = dict.fromkeys((True, False), 0)  # tokens, of forks alone

    def play(forget: bool) -> list[list[tuple[int, ...]]]:
        policy = small_policy(DOORS, tasks=10, max_response=4)
        gym = EnvPool.of(DOORS, max_turns=LIMIT)
        with ForkStore() as store:
            starts = [Start("key here", 0, i) for i in range(3)]
            roots = rollout(policy, gym, starts, sampling, store=store)
            if forget:
                policy.engine.load_weights(policy.model.state_dict(), 0)
            engine: Any = policy.engine
            reads = engine._read

            def counted(chunks: list[list[int]], *others: Any) -> Any:
                read[forget] += sum(map(len, chunks))
                return reads(chunks, *others)

            engine._read = counted
            starts = [Start("key here", 0, 9, Origin(root, k)) for root in roots for k in (1, 4, 7)]
            forks = rollout(policy, gym, starts, sampling, store=store)
        return [[turn.response for turn in fork.turns] for fork in forks]

    sampling = Sampling(4, 0.0)
    assert play(True) == play(False)
    assert read[True] > read[False] > 0


def test_variance_of_a_value_by_hand() -> None:
    # One visit that won, in a group of which half did: (.25 + 0 + 1/2 * .25) / 4.
    assert value_variance([1.0], 0.5, 0.25) == pytest.approx(0.09375)
    # A second that lost: (.25 + .5 + 0) / 9. Where all are equal, nothing is uncertain.
    assert value_variance([1.0, 0.0], 0.5, 0.25) == pytest.approx(1 / 12)
    assert value_variance([0.0], 0.0, 0.0) == 0.0


def test_states_that_are_equally_uncertain_come_in_random_order() -> None:
    turns = [Turn("a text", bytes([place])) for place in range(6)]
    group = [Episode(Start("task"), "", turns)]
    ranked = Uncertain(lambda episode: [turn.anchor for turn in episode.turns])
    orders = [[o.turn for o in ranked([group], random.Random(seed))] for seed in range(8)]
    assert all(sorted(order) == [1, 2, 3, 4, 5] for order in orders)
    assert len({tuple(order) for order in orders}) > 4


def test_rare_states_come_first() -> None:
    groups = designed(RandomPolicy(2), DOORS, tasks=1, **DESIGNS["rarest"], fork_turns=3 * LIMIT)
    roots = [episode for episode in groups[0] if episode.start.origin is None]
    reached: dict[bytes, set[int]] = {}
    for n, root in enumerate(roots):
        for turn in root.turns:
            reached.setdefault(turn.anchor, set()).add(n)
    first, *_ = forks_of(groups)
    least = min(len(by) for by in reached.values())
    assert len(reached[first[0].turns[0].anchor]) == least


# Hints ----------------------------------------------------------------------------------------


def test_hints_are_given_to_groups_that_score_nothing_and_to_no_others() -> None:
    config = TrainConfig.parse(
        {"env": ERRANDS, "rollout": {"group_size": 3, "hints": "masked", "hint_episodes": 2}}
    )
    gym = EnvPool.of(ERRANDS, max_turns=LIMIT)
    tasks = gym.first.tasks()[:2]

    def play(starts: Sequence[Start]) -> list[Episode]:
        class Half(ExpertPolicy):
            """Wins the first task and stands still in the second."""

            def choose(self, env: Any, *rest: Any) -> str:
                return super().choose(env, *rest) if env.task == tasks[0] else "west"

        return rollout(Half(), gym, starts, Sampling())

    strategy = make_strategy(
        config, make_algorithm("grpo"), {}, limit=LIMIT, solve=lambda asked: [6] * len(asked)
    )
    won, lost = strategy.play(tasks, 0, random.Random(0), play)
    assert [episode.start.hint for episode in won] == [0, 0, 0]
    assert [episode.start.hint for episode in lost] == [0, 0, 0, 3, 3]


@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_hinted_turns_are_the_experts_and_the_rest_is_the_policys(
    masked: bool, adaptive: bool
) -> None:
    policy = small_policy(ERRANDS, tasks=10, max_response=5)
    gym = EnvPool.of(ERRANDS, max_turns=LIMIT)
    task = gym.first.tasks()[3]
    (expert,) = rollout(ExpertPolicy(), gym, [Start(task)], Sampling())
    starts = [Start(task, 0, i, hint=2) for i in range(4)]
    hinted = HintedPolicy(policy, iter([2] * 4))
    rule = AdaptiveTemperature(strength=0.5, centre=1.0, above=0.5, below=2.0)
    episodes = rollout(hinted, gym, starts, Sampling(5, 1.0, rule if adaptive else None))
    if masked:
        mask_hints(episodes)
    for episode in episodes:
        assert [t.action for t in episode.turns[:2]] == [t.action for t in expert.turns[:2]]
        (row,) = episode_rows(episode, [1.0] * len(episode.turns))
        tokens = torch.tensor([row.tokens])
        with torch.no_grad():
            logits = policy.model(input_ids=tokens).logits[0, :-1][torch.tensor(row.written)[1:]]
        assert len(row.temperatures) == (len(row.logprobs) if adaptive else 0)
        table = torch.log_softmax(logits / torch.tensor(row.temperatures or [1.0])[:, None], -1)
        written = tokens[0, 1:][torch.tensor(row.written)[1:]]
        scored = table.gather(1, written[:, None])[:, 0]
        given = 0 if masked else sum(len(t.response) for t in episode.turns[:2])
        assert row.logprobs[:given] == [0.0] * given
        assert set(row.turns) == set(range(2 if masked else 0, len(episode.turns)))
        sampled = torch.tensor(row.logprobs[given:])
        assert torch.allclose(scored[given:], sampled, atol=1e-5)


# Settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rollout": {"strategy": "fork", "roots": 9}}, "roots must be from 2 to group_size = 8"),
        ({"rollout": {"strategy": "tree", "branching": [1, 2]}}, r"branching\[0\] must be from 2"),
        ({"algorithm": {"name": "spo", "mode": "tree"}}, "rollout.strategy: spo"),
        ({"env": DOORS, "rollout": {"hints": "masked"}}, "has no honest expert"),
    ],
)
def test_designs_that_cannot_be_played_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        assemble(TrainConfig.parse({"env": ERRANDS, **changes}))


def test_forks_are_started_as_long_as_the_turns_cover_their_greatest_length() -> None:
    parent = SimpleNamespace(start=Start("task", 0, 0))
    origins: Any = [SimpleNamespace(turn=turn, parent=parent) for turn in (4, 2, 7)]
    budget, rng = Budget(4, 10), random.Random(0)
    for left, turns in ((9, [4, 7]), (14, [4, 2]), (17, [4, 2, 7]), (2, [])):
        starts = budget.affordable(origins, left, rng)
        assert [start.origin.turn for start in starts if start.origin] == turns
