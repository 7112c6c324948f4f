"""Cooperating for the human's gain: whose goals count, what is learnt, what stays as it was."""

from __future__ import annotations

import numpy as np
import torch

from anchorgym.envs.overcooked import Kitchen, load_layout
from anchorgym.training.worlds.overcooked import NeuralCook
from anchorgym.training.worlds.overcooked.gain import (
    GOALS,
    MOVE,
    TUNING,
    Gain,
    GainConfig,
    goals_of,
    play_beside,
)
from anchorgym.training.worlds.overcooked.games import Games

CRAMPED = Kitchen(load_layout("cramped_room"))
SMALL = TUNING.model_copy(
    update={"iterations": 2, "games": 8, "ticks": 20, "horizon": 40, "epochs": 2}
)


def small(alpha: float) -> Gain:
    gain = GainConfig(alpha=alpha, primitive=1, passes=1)
    return Gain(NeuralCook(CRAMPED), NeuralCook(CRAMPED), SMALL, gain, seed=0)


def test_goals_are_the_cooks_own_deeds_and_steps() -> None:
    games = Games(CRAMPED, 32, seed=0)
    before = games.batch.state(0)
    experience = games.play(NeuralCook(CRAMPED).net, 60)
    goals = goals_of(experience, games.batch)
    states = [before]
    for tick in range(60):
        state, *effects = CRAMPED.step(states[-1], *experience.actions[tick, 0].tolist())
        for seat in (0, 1):
            walked = state.stances[seat] >> 2 != states[-1].stances[seat] >> 2
            worth = GOALS.get(effects[seat].event, 0.0) + MOVE * walked
            assert goals[tick, 0, seat] == np.float32(worth)
        states.append(state)
    assert (goals >= 3).any()


def test_only_turns_beside_a_human_are_judged_by_its_gain() -> None:
    with_gain, without = small(2.0), small(0.0)
    experience = with_gain.games.play(with_gain.net, 20)
    without.games.play(without.net, 20)
    (found, returns), (task, same) = (
        x.compute_advantages(experience, 0.0) for x in (with_gain, without)
    )
    assert torch.equal(returns, same)
    differs = (found != task).any(0).numpy()
    assert np.array_equal(differs, experience.guests[:, ::-1])


def test_tuning_changes_the_copy_and_neither_the_cook_nor_the_primitive_value() -> None:
    trainer = small(2.0)
    cook = NeuralCook(CRAMPED)
    trainer = Gain(cook, cook, SMALL, GainConfig(primitive=1, passes=1))
    before = {name: weight.clone() for name, weight in cook.net.state_dict().items()}
    primitive = [weight.clone() for weight in trainer.primitive.parameters()]
    for _ in trainer.train():
        pass
    assert all(torch.equal(weight, before[n]) for n, weight in cook.net.state_dict().items())
    assert all(
        torch.equal(a, b) for a, b in zip(primitive, trainer.primitive.parameters(), strict=True)
    )
    assert not torch.equal(trainer.net.actor[0].weight, before["actor.0.weight"])


def test_games_beside_a_human_are_whole_and_change_seats() -> None:
    cook = NeuralCook(CRAMPED)
    found = play_beside(cook, cook, 6, ticks=50)
    assert found.scores.shape == found.goals.shape == (6,)
    assert (found.goals > 0).all()
    again = play_beside(cook, cook, 6, ticks=50)
    assert np.array_equal(found.goals, again.goals)
