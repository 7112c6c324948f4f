"""Many battles at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from vgc_battles import replayed_log

from anchorgym.envs.errors import OptionError, ResetNeededError
from anchorgym.envs.vgc.actions import second_mask
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.vector import Batch, VGCVectorEnv


@pytest.fixture
def batch(bridge: Bridge) -> Iterator[VGCVectorEnv]:
    batch = VGCVectorEnv(4, bridge=bridge, teams=2)
    yield batch
    batch.close()


def drawn(observations: Batch, preview: NDArray[np.bool_], rng: np.random.Generator) -> NDArray:
    actions = np.zeros((len(preview), 2), np.int64)
    for row, allowed in enumerate(observations["mask"]):
        firsts = np.flatnonzero(allowed[0])
        pairs = [(f, s) for f in firsts for s in np.flatnonzero(second_mask(allowed, int(f)))]
        pairs = [(f, 0) for f in firsts] if preview[row] else pairs
        actions[row] = pairs[int(rng.integers(len(pairs)))]
    return actions


def test_battles_are_played_by_their_masks_and_started_anew(batch: VGCVectorEnv) -> None:
    rng = np.random.default_rng(0)
    observations, infos = batch.reset(seed=1)
    assert observations["tokens"].shape == (8, 13, observations["tokens"].shape[2])
    assert infos["preview"].all()
    endings = 0
    for _ in range(60):
        observations, rewards, terminated, _, infos = batch.step(
            drawn(observations, infos["preview"], rng)
        )
        assert infos["action_valid"].all()
        assert batch.observation_space.contains(observations)
        assert (rewards.reshape(-1, 2).sum(1) == 0).all()
        assert (np.abs(rewards) <= terminated).all()
        endings += int(terminated.sum()) // 2
    assert endings >= 4


def test_a_seed_makes_the_batch(batch: VGCVectorEnv, bridge: Bridge) -> None:
    ends = []
    for _ in range(2):
        rng = np.random.default_rng(0)
        observations, infos = batch.reset(seed=5)
        for _ in range(6):
            observations, *_, infos = batch.step(drawn(observations, infos["preview"], rng))
        ends.append(observations["tokens"])
    assert (ends[0] == ends[1]).all()
    assert replayed_log(bridge, batch.records()[0])


def test_an_action_that_is_not_allowed_is_marked(batch: VGCVectorEnv) -> None:
    batch.reset(seed=1)
    actions = np.zeros((8, 2), np.int64)
    actions[3] = (100, 0)
    *_, infos = batch.step(actions)
    assert infos["action_valid"].tolist() == [row != 3 for row in range(8)]
    assert not infos["preview"].any()


def test_misuse_is_refused(bridge: Bridge) -> None:
    with pytest.raises(OptionError):
        VGCVectorEnv(0, bridge=bridge)
    with pytest.raises(ResetNeededError):
        VGCVectorEnv(1, bridge=bridge).step(np.zeros((2, 2), np.int64))
