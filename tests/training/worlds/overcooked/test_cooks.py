"""Cooks that learn: what they see, what they are taught, what is kept of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from anchorgym.agents import RandomPolicy
from anchorgym.envs import make_parallel
from anchorgym.envs.errors import OptionError
from anchorgym.envs.overcooked import ACTIONS, Kitchen, State, load_layout
from anchorgym.envs.overcooked.batch import KitchenBatch
from anchorgym.envs.overcooked.codes import Codes
from anchorgym.envs.overcooked.cooks import GreedyCook, play_out
from anchorgym.envs.overcooked.env import COOKS
from anchorgym.training.cli import main
from anchorgym.training.learning.contract import SplitError
from anchorgym.training.rollout.types import Start
from anchorgym.training.selfplay import EnvPool, play_matches
from anchorgym.training.worlds.overcooked import (
    CookError,
    CookNet,
    CookPolicy,
    HumanDataError,
    NeuralCook,
    PPOConfig,
    SelfPlay,
    clone,
    cooks_league,
    draw,
    find_cook,
    fit_of,
    play_pair,
    read_games,
    table,
)
from anchorgym.training.worlds.overcooked.human import HumanGame, divided
from anchorgym.training.worlds.overcooked.ppo import CookLearner, CookRows

CRAMPED = Kitchen(load_layout("cramped_room"))
SMALL = PPOConfig(iterations=3, games=8, ticks=20, horizon=60, epochs=2)


def random_states(kitchen: Kitchen, n: int) -> list[State]:
    rng, state = np.random.default_rng(0), kitchen.start()
    states = []
    for _ in range(n):
        states.append(state)
        state, *_ = kitchen.step(state, *rng.integers(0, 6, 2).tolist())
    return states


@pytest.mark.parametrize("layout", ["cramped_room", "forced_coordination", "counter_circuit"])
def test_states_that_differ_have_different_codes_and_a_partner_sees_them_mirrored(
    layout: str,
) -> None:
    kitchen = Kitchen(load_layout(layout).with_rules(cooking="manual", time=3))
    states = list(dict.fromkeys(random_states(kitchen, 3000)))
    codes = Codes(kitchen).of_states(states)
    assert codes.shape == (len(states), 2, Codes(kitchen).width)
    assert (codes.min(), codes.max()) == (0, 1)
    assert len(np.unique(codes[:, 0], axis=0)) == len(states)
    swapped = [
        state._replace(stances=state.stances[::-1], held=state.held[::-1]) for state in states
    ]
    assert np.array_equal(Codes(kitchen).of_states(swapped), codes[:, ::-1])


def test_a_batch_is_seen_as_its_states_are() -> None:
    batch = KitchenBatch(CRAMPED, 40)
    batch.load(random_states(CRAMPED, 40))
    seen = Codes(CRAMPED).encode(batch.stances, batch.held, batch.counters, batch.pots)
    assert np.array_equal(seen, Codes(CRAMPED).of_states([batch.state(n) for n in range(40)]))


def test_advantages_are_those_of_the_definition_and_go_on_at_a_horizon() -> None:
    config = PPOConfig(games=4, horizon=10, gamma=0.9, gae_lambda=0.8, scale=1.0, shaping=0.0)
    trainer = SelfPlay(CRAMPED, config, seed=0)
    experience = trainer.games.play(trainer.net, 12)
    team = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    experience = experience._replace(rewards=team)
    rewards = np.repeat(team[..., None], 2, -1)
    found, returns = trainer.compute_advantages(experience, 0.0)
    for game in range(4):
        values = experience.values[:, game].numpy()
        ahead = np.zeros(2)
        for tick in reversed(range(12)):
            cut = experience.done[tick, game]
            after = experience.horizon[tick, game] if cut else values[tick + 1]
            delta = rewards[tick, game] + 0.9 * after - values[tick]
            ahead = delta + (0.0 if cut else 0.72 * ahead)
            assert found[tick, game].numpy() == pytest.approx(ahead, abs=1e-5)
    assert torch.allclose(returns, found + experience.values[:-1])
    assert experience.done.any()
    assert (experience.horizon != 0).any()


@pytest.mark.parametrize("dual_clip", [0.0, 1.5])
def test_a_cook_descends_ppos_loss_written_out(dual_clip: float) -> None:
    config = PPOConfig(dual_clip=dual_clip, clip=0.1, entropy=0.03, value=0.4)
    generator = torch.Generator().manual_seed(0)
    net = CookNet(7, 8)
    learner = CookLearner(net, config)
    codes = torch.randn(40, 7, generator=generator)
    actions = torch.randint(6, (40,), generator=generator)
    before = net(codes)[0].gather(-1, actions[:, None])[:, 0].detach()
    before += 0.5 * torch.randn(40, generator=generator)
    advantages, returns = torch.randn(2, 40, generator=generator)
    measured = learner.forward_backward(CookRows(codes, actions, before, advantages, returns))
    found = torch.cat([p.grad.flatten().clone() for p in net.parameters()])
    logs, values = net(codes)
    scaled = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ratio = (logs.gather(-1, actions[:, None])[:, 0] - before).exp()
    kept = torch.minimum(ratio * scaled, ratio.clamp(0.9, 1.1) * scaled)
    if dual_clip:
        kept = torch.where(scaled < 0, torch.maximum(kept, dual_clip * scaled), kept)
    entropy = -(logs.exp() * logs).sum(-1).mean()
    loss = 0.4 * (values - returns).square().mean() - kept.mean() - 0.03 * entropy
    net.zero_grad()
    loss.backward()
    expected = torch.cat([p.grad.flatten() for p in net.parameters()])
    assert measured["loss"] == pytest.approx(loss.item(), abs=1e-6)
    assert (found - expected).abs().max() < 1e-6
    assert measured["clip_fraction"] > 0
    assert (measured["dual_clip_fraction"] > 0) == (dual_clip > 0)
    with pytest.raises(SplitError, match="standardised"):
        learner.forward_backward(CookRows(codes, actions, before, advantages, returns), of={})


def test_cooks_of_before_still_load(tmp_path: Path) -> None:
    cook = NeuralCook(CRAMPED, about={"seed": 0, "ppo": {"lam": 0.95, "iterations": 3}})
    cook.save(tmp_path / "cook")
    assert NeuralCook.load(tmp_path / "cook").about == cook.about


def test_the_same_seed_trains_the_same_cook_and_another_seed_another() -> None:
    def trained(seed: int) -> torch.Tensor:
        trainer = SelfPlay(CRAMPED, SMALL, seed=seed)
        steps = [progress.steps for progress in trainer.train()]
        assert steps == [160, 320, 480]
        return trainer.net.actor[0].weight.detach()

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))


def test_nothing_is_learnt_from_the_turns_of_a_partner() -> None:
    partner = NeuralCook(CRAMPED, greedy=True)
    trainer = SelfPlay(
        CRAMPED, PPOConfig(iterations=1, games=8, ticks=10, partners=1.0), partners=[partner]
    )
    experience = trainer.games.play(trainer.net, 10)
    assert experience.guests.sum(1).tolist() == [1] * 8
    assert experience.guests[:, 0].sum() == 4
    seats = np.argwhere(experience.guests)
    for game, seat in seats:
        codes = experience.codes[:, game, seat].numpy()
        played = experience.actions[:, game, seat].numpy()
        assert np.array_equal(partner.act(codes, np.random.default_rng(0)), played)


@pytest.mark.slow
def test_self_play_reaches_the_greedy_cooks_score_in_cramped_room() -> None:
    trainer = SelfPlay(CRAMPED, PPOConfig(iterations=60))
    for _ in trainer.train():
        pass
    cook = trainer.cook()
    assert play_pair(CRAMPED, (cook, cook), 10).mean() >= 180


def test_a_cook_is_kept_whole_and_refuses_strange_kitchens(tmp_path: Path) -> None:
    cook = NeuralCook(CRAMPED, about={"seed": 3})
    cook.save(tmp_path / "cook")
    again = find_cook(str(tmp_path / "cook"), CRAMPED)
    assert isinstance(again, NeuralCook)
    assert again.about == {"seed": 3}
    codes = cook.codes.of_states(random_states(CRAMPED, 50))[:, 0]
    for reader in (again, NeuralCook.load(tmp_path / "cook")):
        chosen = (one.act(codes, np.random.default_rng(1)) for one in (cook, reader))
        assert np.array_equal(*chosen)
    with pytest.raises(CookError, match="trained in cramped_room"):
        NeuralCook.load(tmp_path / "cook", Kitchen(load_layout("forced_coordination")))
    (tmp_path / "cook" / "cook.json").write_text("{}")
    with pytest.raises(CookError, match="holds no cook"):
        NeuralCook.load(tmp_path / "cook")


def test_a_cook_takes_a_seat_beside_any_other_policy(tmp_path: Path) -> None:
    NeuralCook(CRAMPED, greedy=True).save(tmp_path / "cook")
    assert NeuralCook.is_kept_in(tmp_path / "cook")
    env = make_parallel("anchorgym/Overcooked-v0", max_turns=10)
    seats = {"cook_0": CookPolicy.load(tmp_path / "cook", env), "cook_1": RandomPolicy(0)}
    (match,) = play_matches([seats], EnvPool(lambda: env), [Start("cramped_room", 0, 1)])
    state, cook = CRAMPED.start(), NeuralCook.load(tmp_path / "cook")
    rng = np.random.default_rng(0)
    turns = zip(*(match.sides[agent].turns for agent in COOKS), strict=True)
    for own, other in turns:
        assert own.action == ACTIONS[cook(state, 0, rng)]
        state, *_ = CRAMPED.step(state, ACTIONS.index(own.action), ACTIONS.index(other.action))
    env = make_parallel("anchorgym/Overcooked-v0", actions="mid")
    with pytest.raises(OptionError, match="low-level"):
        CookPolicy.load(tmp_path / "cook", env)


# People -------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["cramped_room", "forced_coordination", "counter_circuit"])
def test_recorded_games_are_games_of_our_engine(reference: Path, layout: str) -> None:
    kitchen = Kitchen(load_layout(layout))
    games = read_games(reference / "data/overcooked/human_train.jsonl.xz", kitchen)
    assert len(games) >= 6
    for game in games:
        followed = sum(
            kitchen.step(state, *actions)[0] == after
            for state, actions, after in zip(
                game.states, game.actions, game.states[1:], strict=False
            )
        )
        # What two people did in one tick was recorded a little apart now and then.
        assert followed >= 0.97 * (len(game.states) - 1)


def test_a_clone_foresees_people_better_than_the_mean_of_their_actions(reference: Path) -> None:
    games = read_games(reference / "data/overcooked/human_train.jsonl.xz", CRAMPED)
    parts = divided(games, "even")
    cook = clone(CRAMPED, parts.shown, parts.kept)
    fit = fit_of(cook, parts.unseen)
    actions = np.concatenate([np.array(game.actions).ravel() for game in parts.unseen])
    shares = np.bincount(actions, minlength=6) / len(actions)
    assert fit.decisions == len(actions)
    assert fit.logprob > (shares * np.log(shares)).sum() + 0.1
    assert fit.accuracy > shares.max() - 0.05  # people mostly stand still


def test_clones_of_two_parts_share_no_game() -> None:
    games = [HumanGame(actions=[(n, n)]) for n in range(8)]
    even, odd, whole = (divided(games, part) for part in ("even", "odd", "all"))
    assert even.unseen == odd.unseen == whole.unseen == games[-2:]
    own = [[*part.shown, *part.kept] for part in (even, odd)]
    assert sorted(game.actions[0][0] for game in own[0] + own[1]) == list(range(6))
    assert len(whole.shown) + len(whole.kept) == 6
    with pytest.raises(HumanDataError, match="at least 6"):
        divided(games[:5])


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "games.jsonl"
    path.write_text('{"layout_name": "cramped_room", "state": "__import__(1)"}\n')
    with pytest.raises(HumanDataError, match="holds no recorded games"):
        read_games(path, CRAMPED)
    path.write_text("")
    with pytest.raises(HumanDataError, match="no game of cramped_room"):
        read_games(path, CRAMPED)


# Pairs --------------------------------------------------------------------------------------


def test_pairs_play_the_games_of_the_scalar_engine() -> None:
    cook = GreedyCook(CRAMPED)
    scores = play_pair(CRAMPED, (cook, cook), 1, ticks=200, seed=5)
    assert scores.tolist() == [play_out(CRAMPED, (cook, cook), ticks=200, seed=5)[1][-1]]


def test_a_league_of_cooks_pays_both_the_teams_score(tmp_path: Path) -> None:
    cooks = {"greedy": GreedyCook(CRAMPED), "net": NeuralCook(CRAMPED)}
    league = cooks_league(CRAMPED, cooks, ticks=150, block=4, folder=tmp_path / "league")
    league.ensure(4)
    pair = league.table.games("greedy", "net")
    assert np.array_equal(pair[:, 0], pair[:, 1])
    assert league.payoff("greedy", "greedy").mean > league.payoff("net", "net").mean
    assert table(league).splitlines()[2].startswith("| greedy | ")
    draw(league, tmp_path / "crossplay.png", "cramped room")
    assert (tmp_path / "crossplay.png").stat().st_size > 5000


def test_the_command_trains_and_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "cook")
    assert main(["overcooked", "train", "--ppo.iterations", "1", "--out", out]) == 0
    assert "CPU seconds" in capsys.readouterr().out
    pair = ["overcooked", "crossplay", f"mine={out}", "random", "--games", "2"]
    assert main([*pair, "--out", str(tmp_path / "pairs")]) == 0
    assert "| mine |" in capsys.readouterr().out
    assert (tmp_path / "pairs/crossplay.png").exists()
    assert main(["overcooked", "crossplay", "gredy"]) == 2
    assert "Did you mean 'greedy'?" in capsys.readouterr().err
    kitchen = ["--layout", "soup_coordination", "--games", "1"]
    assert main(["overcooked", "crossplay", "random", "greedy", *kitchen]) == 0
    assert "| greedy | " in capsys.readouterr().out


def test_a_crossplay_grows_and_is_not_spoilt_by_a_refused_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def pair(*cooks: str, layout: str = "cramped_room") -> int:
        words = [*cooks, "--games", "2", "--layout", layout, "--out", str(tmp_path / "pairs")]
        return main(["overcooked", "crossplay", *words])

    assert pair("random", "nobody") == 2
    assert not (tmp_path / "pairs").exists()
    assert pair("random") == 0
    assert pair("nobody", "random") == 2
    assert pair("me=random", "random") == 0
    assert "| me |" in capsys.readouterr().out
    assert pair("random=greedy") == 2
    assert "as random was random" in capsys.readouterr().err
    assert pair("random", layout="asymmetric_advantages") == 2
    assert "holds games with the settings" in capsys.readouterr().err
