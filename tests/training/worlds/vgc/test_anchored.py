"""GiGPO on battles: which decisions are compared, and that forks begin where they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vgc_battles import REG_I

from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.knowledge import knowledge
from anchorgym.envs.vgc.records import BattleRecord
from anchorgym.gigpo import make_algorithm
from anchorgym.training.worlds import vgc
from anchorgym.training.worlds.vgc.anchored import (
    GroupConfig,
    Groups,
    _Root,
    batch_of,
    train_groups,
)
from anchorgym.training.worlds.vgc.network import Size
from anchorgym.training.worlds.vgc.policy import Choice, new_net, save_policy

RECORD = BattleRecord(REG_I, (1, 2, 3, 4), ("", ""))


def test_what_is_exported_is_there() -> None:
    assert vgc.train_groups is train_groups
    assert all(hasattr(vgc, name) for name in vgc.__all__)


def battle(n: int, payoff: float, *, parent: int | None = None, first: int = 0) -> _Root:
    one = Choice(np.zeros((1, 1), np.int16), np.zeros((2, 107), np.int8), (0, 0))
    return _Root(0, parent, first, [one] * n, payoff, RECORD, 0)


def test_choices_in_one_state_are_compared_with_each_other_alone() -> None:
    """Two whole battles, and two forks of the first that begin at its second decision."""
    played = [
        battle(3, -1.0),
        battle(2, 1.0),
        battle(2, 1.0, parent=0, first=1),
        battle(1, -1.0, parent=0, first=1),
    ]
    algorithm = make_algorithm("gigpo", gamma=1.0, norm="mean", step_weight=1.0)
    gains = algorithm.advantages(batch_of(played))
    whole, other, won, lost = gains[:3], gains[3:5], gains[5:7], gains[7:]
    step = 4 / 3  # of the winning fork over the mean of -1, 1 and -1
    # The episode's term counts whole battles alone; both begin alike, which is a state too.
    assert won.tolist() == pytest.approx([step, 0])
    assert lost.tolist() == pytest.approx([-2 / 3])
    assert whole.tolist() == pytest.approx([-1 - 1, -1 - 2 / 3, -1])
    assert other.tolist() == pytest.approx([1 + 1, 1])
    assert make_algorithm("grpo").advantages(batch_of(played[:2])).sum() != 0


def test_an_update_of_forks_plays_from_states_that_were_reached(
    bridge: Bridge, tmp_path: Path
) -> None:
    known = knowledge(REG_I)
    net = new_net(known, Size(width=16, layers=1, heads=2, hidden=16))
    save_policy(net, REG_I, tmp_path)
    config = GroupConfig.parse(
        {"start": str(tmp_path), "foe": "random", "groups": 2, "group_size": 4, "roots": 2}
    )
    groups = Groups(net, config, "gigpo", bridge)
    starts = [next(groups.starts) for _ in range(2)]
    roots = groups._play([(g, start, None, 0) for g, start in enumerate(starts) for _ in "ab"])
    forks = groups._play(groups._forks(roots))
    assert forks
    for fork in forks:
        assert fork.parent is not None
        parent = roots[fork.parent]
        assert fork.group == parent.group
        assert 0 < fork.first < len(parent.choices)
        shared = parent.choices[fork.first]
        assert (fork.choices[0].tokens == shared.tokens).all()
        assert (fork.choices[0].mask == shared.mask).all()
    found = groups.update()
    assert groups.turns > 0
    assert 0 < found["judged"] <= 1
