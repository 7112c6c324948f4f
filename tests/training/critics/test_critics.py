"""The critic: what it is fitted to, what its advantages are, that it stops and can be kept."""

from __future__ import annotations

import itertools
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from planning_worlds import OPTIONS, Cart
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel, BertTokenizerFast

from anchorgym.agents.planning import PlanningPolicy, ReAdJ, SimulatedPlanner, Verified
from anchorgym.envs.errors import ContractError
from anchorgym.training.critics import (
    CollectConfig,
    CriticConfig,
    CriticError,
    CriticScorer,
    EncoderError,
    HashedNgrams,
    HuggingFaceEncoder,
    PlanCritic,
    PlanTrajectory,
    PlanTurn,
    collect,
    fit_critic,
    rows_of,
)
from anchorgym.training.critics.critic import _descend, _tensors
from anchorgym.training.critics.encoders import encoder_from_json
from anchorgym.training.rollout.planning import play_planned

WAITING = ("wait", "wait")
QUICK = CriticConfig(updates=600, every=50, hidden=64, scale=3.0)


@pytest.fixture(scope="module")
def data() -> list[PlanTrajectory]:
    config = CollectConfig(trajectories=150, turns=8, wandering=3)
    return collect(Cart(max_turns=11), ["cart"], SimulatedPlanner(), config=config, seed=1)


@pytest.fixture(scope="module")
def critic(data: list[PlanTrajectory]) -> PlanCritic:
    return fit_critic(data, WAITING, QUICK)[0]


def turn(plan: tuple[str, ...], reward: float, *rejected: tuple[str, ...]) -> PlanTurn:
    return PlanTurn(np.zeros(1, np.float32), ("", ""), plan, rejected, reward)


def test_rows_are_prefixes_waiting_and_rejected_plans() -> None:
    path = PlanTrajectory("t", (turn(("a", "b"), 0.0, ("c", "d")), turn(("e", "f"), 1.0)))
    assert path.returns(0.5) == [0.5, 1.0]
    rows = [(row.plan, row.value) for row in rows_of(path, 0.5, WAITING, scale=2.0)]
    assert rows == [
        ((), 1.0),
        (("a",), 1.0),
        (("a", "b"), 1.0),
        (("c",), 0.5),
        (("c", "d"), 0.5),
        (WAITING, 0.5),
        ((), 2.0),
        (("e",), 2.0),
        (("e", "f"), 2.0),
        (WAITING, 1.0),
    ]
    assert WAITING not in [row.plan for row in rows_of(path, 0.5, None)]


def test_with_values_of_states_rows_leave_the_luck_of_later_turns_out() -> None:
    turns = (turn(("a", "b"), 0.0, ("c", "d")), turn(("e", "f"), 1.0))
    won = PlanTrajectory("t", turns, won=True)
    assert won.returns(0.5, "success") == [0.5, 1.0]
    assert PlanTrajectory("t", turns).returns(0.5, "success") == [0.0, 0.0]
    rows = rows_of(won, 0.5, WAITING, scale=2.0, aim="success", values=[3.0, 4.0])
    assert [(row.plan, row.value) for row in rows] == [
        ((), 3.0),
        (("a",), 2.0),
        (("a", "b"), 2.0),
        (("c",), 1.5),
        (("c", "d"), 1.5),
        (WAITING, 1.5),
        ((), 4.0),
        (("e",), 2.0),
        (("e", "f"), 2.0),
        (WAITING, 2.0),
    ]
    cut = PlanTrajectory("t", turns, cut=True)
    kept = list(rows_of(cut, 0.5, None, values=[3.0, 4.0]))
    assert [(row.plan, row.value) for row in kept] == [
        ((), 3.0),
        (("a",), 2.0),
        (("a", "b"), 2.0),
    ]


def test_idle_rounds_show_the_value_of_waiting() -> None:
    config = CollectConfig(trajectories=40, turns=8, wandering=3, idle=0.5)
    data = collect(Cart(max_turns=11), ["cart"], SimulatedPlanner(), config=config, seed=1)
    waited = [one.plan == WAITING for path in data for one in path.turns]
    assert 0.4 < np.mean(waited) < 0.6
    assert any(path.won for path in data)
    assert any(path.cut for path in data)
    assert not any(path.won and path.cut for path in data)


def test_an_episode_that_is_won_in_the_last_turn_there_is_was_not_cut() -> None:
    config = CollectConfig(trajectories=12, turns=2, wandering=0, perturbed=2)
    data = collect(Cart(max_turns=2), ["cart"], SimulatedPlanner(), config=config, seed=1)
    ended = {(path.won, path.cut) for path in data}
    assert ended == {(True, False), (False, True)}
    assert all(len(path.turns) == 2 for path in data)
    assert all(
        sum(turn.reward for turn in path.turns) == pytest.approx(1) for path in data if path.won
    )


def test_a_critic_of_bootstrapped_values_orders_plans(data: list[PlanTrajectory]) -> None:
    config = replace(QUICK, targets="bootstrapped", aim="success")
    critic, _ = fit_critic(data, WAITING, config)
    state, sights = np.eye(4, dtype=np.float32)[1], ("", "")
    best, half, none = critic.adv_joint(
        state, sights, [("push", "push"), ("push", "kick"), ("kick", "kick")]
    )
    assert best > half > none
    assert best > 0


def test_collecting_keeps_what_was_played_and_rejected(data: list[PlanTrajectory]) -> None:
    turns = [one for path in data for one in path.turns]
    assert all(len(path.turns) <= 8 for path in data)
    rejected = [plan for one in turns for plan in one.rejected]
    assert rejected
    assert all({"push", "pull"} <= set(plan) for plan in rejected)
    for path in data:
        place = sum(one.reward for one in path.turns) + int(path.turns[0].state.argmax()) / 3
        assert place == pytest.approx(round(3 * place) / 3)
    again = collect(
        Cart(max_turns=11),
        ["cart"],
        SimulatedPlanner(),
        config=CollectConfig(trajectories=5, turns=8, wandering=3),
        seed=1,
    )
    assert [p.returns(0.9) for p in again] == [p.returns(0.9) for p in data[:5]]


def test_a_world_that_stops_too_early_gives_no_data() -> None:
    with pytest.raises(ContractError, match="max_turns"):
        collect(Cart(), ["cart"], SimulatedPlanner())


def test_advantages_order_plans_and_local_ones_sum_to_the_whole(critic: PlanCritic) -> None:
    state, sights = np.eye(4, dtype=np.float32)[1], ("", "")
    plans = [("push", "push"), ("push", "kick"), ("kick", "kick"), ("pull", "pull")]
    joint = critic.adv_joint(state, sights, plans)
    assert list(joint) == sorted(joint, reverse=True)
    assert joint[0] > 0 > joint[-1]
    values = critic.values(state, sights, [(), ("push", "kick"), WAITING])
    gamma = critic.config.gamma
    assert joint[1] == pytest.approx(values[1] - values[2] / gamma, abs=1e-5)
    (first,) = critic.adv_local(state, sights, (), ["push"])
    (second,) = critic.adv_local(state, sights, ("push",), ["kick"])
    assert first + second == pytest.approx(values[1] - values[0], abs=1e-5)


def test_waiting_has_no_advantage(critic: PlanCritic) -> None:
    state = np.eye(4, dtype=np.float32)[0]
    (none,) = critic.adv_joint(state, ("", ""), [WAITING])
    value = critic.values(state, ("", ""), [()])[0]
    assert abs(none) < 0.2 * value


def test_the_fit_stops_when_held_out_episodes_are_no_better_predicted(
    data: list[PlanTrajectory],
) -> None:
    config = CriticConfig(updates=20_000, every=20, patience=3, hidden=64)
    critic, errors = fit_critic(data[:30], WAITING, config)
    assert len(errors) < 1000
    assert errors.index(min(errors)) == len(errors) - 1 - 3
    again, _ = fit_critic(data[:30], WAITING, config)
    state = data[0].turns[0].state
    assert critic.values(state, ("", ""), [("push",)]) == again.values(state, ("", ""), [("push",)])
    with pytest.raises(CriticError, match="two"):
        fit_critic(data[:1], WAITING)


def test_the_weights_that_are_kept_are_those_with_the_least_held_out_error(
    data: list[PlanTrajectory],
) -> None:
    config = CriticConfig(updates=600, every=10, patience=5, hidden=64, learning_rate=0.01)
    critic = PlanCritic(4, 2, WAITING, config)
    seen, held = (_tensors(critic, part) for part in (data[:4], data[4:30]))
    errors = _descend(critic, seen, held, torch.Generator().manual_seed(0))
    assert errors.index(min(errors)) < len(errors) - 1  # it got worse again
    with torch.no_grad():
        error = float(torch.nn.functional.mse_loss(critic.net(held[0])[:, 0], held[1]))
    assert error == min(errors)


def test_a_critic_is_the_same_after_it_was_saved(critic: PlanCritic, tmp_path: Path) -> None:
    critic.save(tmp_path / "kept")
    loaded = PlanCritic.load(tmp_path / "kept")
    assert {path.suffix for path in (tmp_path / "kept").iterdir()} == {".json", ".safetensors"}
    state = np.eye(4, dtype=np.float32)[2]
    plans = list(itertools.product(OPTIONS, OPTIONS))
    before, after = (one.adv_joint(state, ("", ""), plans) for one in (critic, loaded))
    assert (before == after).all()
    with pytest.raises(CriticError, match="features"):
        loaded.values(np.zeros(7, np.float32), ("", ""), [()])
    weights = load_file(tmp_path / "kept" / "critic.safetensors")
    save_file(dict(list(weights.items())[1:]), tmp_path / "kept" / "critic.safetensors")
    for folder in ("kept", "nowhere"):
        with pytest.raises(CriticError, match="holds no critic"):
            PlanCritic.load(tmp_path / folder)


def test_the_usual_settings_are_those_of_the_published_results() -> None:
    assert asdict(CriticConfig()) == {
        "gamma": 0.95,
        "scale": 20.0,
        "wait_keeps_state": True,
        "aim": "success",
        "targets": "bootstrapped",
        "reads": "action",
        "hidden": 256,
        "layers": 1,
        "learning_rate": 1e-3,
        "batch": 256,
        "updates": 3000,
        "every": 100,
        "patience": 5,
        "held_out": 0.15,
    }
    assert asdict(CollectConfig()) == {
        "trajectories": 400,
        "turns": 20,
        "wandering": 9,
        "attempts": 3,
        "perturbed": 3,
        "idle": 0.0,
    }


def test_several_critics_agree_on_a_mean_and_show_their_spread(
    critic: PlanCritic, data: list[PlanTrajectory]
) -> None:
    other, _ = fit_critic(data, WAITING, QUICK, seed=5)
    world = Cart()
    world.reset(seed=0)
    plans = [("push", "push"), ("kick", "pull")]
    alone, second, both = (
        CriticScorer(*critics).joint(world, plans)
        for critics in ((critic,), (other,), (critic, other))
    )
    for one, two, mean in zip(alone, second, both, strict=True):
        assert one.spread == 0.0
        assert mean.advantage == pytest.approx((one.advantage + two.advantage) / 2, abs=1e-5)
        assert mean.spread == pytest.approx(abs(one.advantage - two.advantage) / 2, abs=1e-5)


def test_refusing_by_the_critic_saves_steps(critic: PlanCritic) -> None:
    def steps(loop: ReAdJ | Verified) -> float:
        policy = PlanningPolicy(SimulatedPlanner(0.6), loop)
        starts = [("cart", seed) for seed in range(80)]
        episodes = play_planned(policy, [Cart() for _ in starts], starts)
        return float(np.mean([episode.steps for episode in episodes]))

    assert steps(ReAdJ(CriticScorer(critic))) < steps(Verified()) - 0.3


@given(st.lists(st.text(max_size=40), min_size=1, max_size=5))
def test_hashed_codes_are_of_the_text_alone(texts: list[str]) -> None:
    encoder = HashedNgrams(32)
    codes = encoder.encode(texts)
    assert codes.shape == (len(texts), 32)
    assert np.isfinite(codes).all()
    fresh = encoder_from_json(encoder.to_json())
    for text, code in zip(texts, codes, strict=True):
        assert (fresh.encode([text])[0] == code).all()


def test_hashed_codes_are_the_same_on_every_machine() -> None:
    code = HashedNgrams(16, longest=1).encode(["MOVE red_cube_1"])[0]
    assert np.flatnonzero(code).tolist() == PINNED_PLACES
    move, other = HashedNgrams().encode(["PUT ham cheese", "PUT cheese ham"])
    assert not np.allclose(move, other)


PINNED_PLACES = [3, 6, 9, 11, 15]


def bert(folder: Path) -> Path:
    """Save a BERT of random weights that knows a few words."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "push", "pull", "kick", "wait"]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    BertModel(
        BertConfig(
            vocab_size=len(words),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
        )
    ).save_pretrained(folder)
    return folder


def test_a_hugging_face_encoder_is_frozen_and_can_be_named_again(
    data: list[PlanTrajectory], tmp_path: Path
) -> None:
    encoder = HuggingFaceEncoder(bert(tmp_path / "bert"))
    alone, padded = encoder.encode(["push"])[0], HuggingFaceEncoder(encoder.source)
    assert np.allclose(padded.encode(["push", "kick pull wait"])[0], alone, atol=1e-5)
    config = CriticConfig(updates=20, every=10, reads="sight and action")
    critic, _ = fit_critic(data[:10], WAITING, config, encoder)
    critic.save(tmp_path / "critic")
    loaded = PlanCritic.load(tmp_path / "critic")
    state = np.eye(4, dtype=np.float32)[0]
    for sights in (("push", "kick"), ("wait", "wait")):
        plans = [("push",), ("push", "kick")]
        assert (critic.values(state, sights, plans) == loaded.values(state, sights, plans)).all()
    with pytest.raises(EncoderError, match="no encoder can be loaded"):
        HuggingFaceEncoder(tmp_path / "nowhere")
    with pytest.raises(EncoderError, match="unknown encoder"):
        encoder_from_json({"encoder": "word2vec"})


def test_episodes_in_step_are_those_played_alone() -> None:
    policy = PlanningPolicy(SimulatedPlanner(0.5), Verified())
    starts = [("cart", seed) for seed in range(6)]
    together = play_planned(policy, [Cart() for _ in starts], starts)
    alone = [play_planned(policy, [Cart()], [start])[0] for start in starts]
    assert [e.dialogue.to_json() for e in together] == [e.dialogue.to_json() for e in alone]
    for episode in together:
        assert episode.steps == len(episode.dialogue.rounds) <= 6
        assert episode.won == (episode.reward == pytest.approx(1.0))
