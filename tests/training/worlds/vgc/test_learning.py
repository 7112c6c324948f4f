"""Learning: advantages, cloning, populations that go on after an interruption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from vgc_battles import REG_I, play_random, starts

from anchorgym.envs.errors import DataError
from anchorgym.envs.vgc.actions import read_pair
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.knowledge import Knowledge, knowledge
from anchorgym.training.config.run_folders import RunExistsError
from anchorgym.training.config.section import ConfigError
from anchorgym.training.worlds.vgc.cloning import clone_battles
from anchorgym.training.worlds.vgc.config import CloneBattlesConfig, PopulationConfig, PPOConfig
from anchorgym.training.worlds.vgc.learner import BattleLearner, BattleRows
from anchorgym.training.worlds.vgc.logs import read_logs
from anchorgym.training.worlds.vgc.policy import Batch, Choice, load_policy, new_net, scores
from anchorgym.training.worlds.vgc.populations import train_population
from anchorgym.training.worlds.vgc.ppo import Trajectory, advantages, learn_from

SMALL = {"width": 16, "layers": 1, "heads": 2, "hidden": 16}


@pytest.fixture(scope="module")
def known(simulator: None) -> Knowledge:
    return knowledge(REG_I)


@pytest.fixture(scope="module")
def clone(simulator: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    config = CloneBattlesConfig.parse(
        {"battle": {"teams": 2}, "net": SMALL, "battles": 12, "epochs": 4, "teacher": "max-power"}
    )
    fits = list(clone_battles(config, folder))
    assert fits[-1].loss < fits[0].loss
    assert (
        list(clone_battles(config, folder, resume=True)) == fits
    )  # a finished clone is not trained again
    return folder


def choice(value: float) -> Choice:
    return Choice(np.zeros((1, 1), np.int16), np.zeros((2, 107), np.int8), (0, 0), 0.0, value)


def test_advantages_are_those_of_the_definition() -> None:
    trajectory = Trajectory([choice(0.1), choice(0.4), choice(-0.2)], 1.0)
    deltas = [0.3, -0.6, 1.2]
    gains, returns = advantages(trajectory, 0.5)
    expected = [0.3 - 0.3 + 0.3, -0.6 + 0.6, 1.2]
    assert gains.tolist() == pytest.approx(expected, abs=1e-6)
    assert returns.tolist() == pytest.approx([0.4, 0.4, 1.0], abs=1e-6)
    assert advantages(trajectory, 0.0)[0].tolist() == pytest.approx(deltas, abs=1e-6)
    assert advantages(trajectory, 1.0)[1].tolist() == pytest.approx([1.0] * 3, abs=1e-6)


def test_what_wins_becomes_likelier(clone: Path, known: Knowledge) -> None:
    shown = np.load(clone / "demonstrations" / "0000.npz")
    rows = [
        Choice(shown["tokens"][i], shown["masks"][i], tuple(shown["pairs"][i]), 0.0, 0.0)
        for i in range(40)
    ]
    net = new_net(known)
    before = scores(net, Batch.of(rows))[0].detach()
    for row, logprob in zip(rows, before.tolist(), strict=True):
        row.logprob = logprob
    learner = BattleLearner(net, PPOConfig(learning_rate=1e-3))
    trajectories = [Trajectory(rows[:20], 1.0), Trajectory(rows[20:], -1.0)]
    told = learn_from(learner, trajectories, 0)
    after = scores(net, Batch.of(rows))[0].detach()
    assert (after - before)[:20].mean() > 0 > (after - before)[20:].mean()
    assert told["payoff"] == 0
    frozen = scores(net, Batch.of(rows))[0].tolist()
    learn_from(learner, [], 1)
    assert scores(net, Batch.of(rows))[0].tolist() == frozen


def test_decisions_in_parts_are_the_minibatch(clone: Path, known: Knowledge) -> None:
    shown, rng = np.load(clone / "demonstrations" / "0000.npz"), np.random.default_rng(0)
    choices = [
        Choice(shown["tokens"][i], shown["masks"][i], tuple(shown["pairs"][i]), -2.0, 0.0)
        for i in range(30)
    ]
    rows = BattleRows.of(choices, rng.normal(size=30), rng.normal(size=30))
    gradients = []
    for parts in ([range(30)], [range(11), range(11, 30)]):
        learner = BattleLearner(new_net(known), PPOConfig())
        for part in parts:
            sizes = learner.sizes(rows) if len(parts) > 1 else None
            learner.forward_backward(rows.take(torch.tensor(list(part))), of=sizes)
        found = [p.grad.flatten() for p in learner.model.parameters() if p.grad is not None]
        gradients.append(torch.cat(found))
    assert (gradients[0] - gradients[1]).abs().max() < 1e-6


def settings(clone: Path, **more: object) -> PopulationConfig:
    return PopulationConfig.parse(
        {
            "battle": {"teams": 2},
            "start": str(clone),
            "rounds": 2,
            "updates": 2,
            "battles": 2,
            "games": 2,
            "ppo": {"warm_up": 1},
            **more,
        }
    )


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("method", ["self-play", "double-oracle"])
def test_a_population_goes_on_as_if_nothing_had_happened(
    clone: Path, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(clone, method=method, checkpoint={"seconds": 0})
    whole = train_population(config, tmp_path / "whole")
    assert 1 <= len(whole.history) <= 2  # a double oracle ends where a response gains nothing

    updates = 0
    update = BattleLearner.update

    def dies(self: BattleLearner, *args: object, **more: object) -> dict[str, float]:
        nonlocal updates
        updates += 1
        if updates == 2:
            raise KeyboardInterrupt
        return update(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(BattleLearner, "update", dies)
    with pytest.raises(KeyboardInterrupt):
        train_population(config, tmp_path / "cut")
    monkeypatch.setattr(BattleLearner, "update", update)
    with pytest.raises(RunExistsError, match="--resume"):
        train_population(config, tmp_path / "cut")
    resumed = train_population(config, tmp_path / "cut", resume=True)
    assert resumed.history == whole.history
    for name in (f"player-{number + 1}" for number in range(len(whole.history))):
        nets = [load_policy(tmp_path / run / "players" / name)[0] for run in ("whole", "cut")]
        one, other = (net.state_dict() for net in nets)
        assert all((one[key] == other[key]).all() for key in one)
    with pytest.raises(ConfigError, match="other settings"):
        train_population(settings(clone, method=method, seed=1), tmp_path / "cut", resume=True)


@pytest.mark.usefixtures("small_blocks")
def test_an_exploiter_is_measured_against_its_target(clone: Path, tmp_path: Path) -> None:
    config = settings(clone, method="exploiter", target="random", updates=1, games=2)
    monkey = train_population(config, tmp_path)
    assert monkey.games_played() == 2
    gain = monkey.history[-1]["gains"]["player"]
    assert -1 <= gain["low"] <= gain["mean"] <= gain["high"] <= 1


def any_switch(choice: int) -> int:
    return 1 if 1 <= choice <= 6 else choice


def test_logs_say_what_was_chosen(bridge: Bridge, known: Knowledge, tmp_path: Path) -> None:
    """Logs of our own battles, of which we know what was chosen.

    Team sheets are open: without them a log does not say in which order the moves stand. In which
    order those in the back stand it never says, so that one switch is as good as another here.
    """
    shown_teams = [replace(start, open_sheets=True) for start in starts(bridge, 5)]
    played = play_random(bridge, shown_teams)
    agree = told = 0
    for number, record in enumerate(played.records):
        battle, _ = bridge.resume(record)
        log = bridge.log(battle)
        (tmp_path / f"{number}.log").write_text("\n".join(log), encoding="utf-8")
        found = bridge.read_log(REG_I, log)
        written = {
            (seat, *map(any_switch, pair))
            for step in record.steps
            for seat, text in enumerate(step.choices)
            if text and (pair := read_pair(text))
        }
        for decision in found:
            one, two = decision["pair"]
            if -1 in (one, two) or decision["legal"][1] == [0]:
                continue
            told += 1
            agree += (decision["seat"], any_switch(one), any_switch(two)) in written
    assert told > 30
    assert agree / told > 0.85  # a move whose aim has fainted is seen to strike another
    shown = read_logs(tmp_path, REG_I, bridge).shown
    assert len(shown) > told
    assert set(np.unique(shown.payoffs)) <= {-1.0, 0.0, 1.0}
    assert (shown.payoffs != 0).any()
    for half in (0, 1):
        chosen = shown.pairs[:, half]
        rows = np.flatnonzero(chosen >= 0)
        assert shown.masks[rows, half, chosen[rows]].all()


def test_folders_without_logs_are_refused(bridge: Bridge, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no battle")
    with pytest.raises(DataError, match="holds no log"):
        read_logs(tmp_path, REG_I, bridge)
    with pytest.raises(DataError, match="no folder"):
        read_logs(tmp_path / "nowhere", REG_I, bridge)
