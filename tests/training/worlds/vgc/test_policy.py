"""The token policy: what it may choose, what it keeps, and that it comes back from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from vgc_battles import REG_I, starts

from anchorgym.envs.errors import DataError
from anchorgym.envs.vgc.actions import legal_pairs, second_mask
from anchorgym.envs.vgc.arena import Asked, Fixture, play
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.knowledge import Knowledge, knowledge
from anchorgym.training.worlds.vgc import network
from anchorgym.training.worlds.vgc.policy import (
    Batch,
    Choice,
    TokenPlayer,
    load_policy,
    new_net,
    save_policy,
    scores,
)


@pytest.fixture(scope="module")
def known(simulator: None) -> Knowledge:
    return knowledge(REG_I)


@pytest.fixture(scope="module")
def rows(bridge: Bridge, known: Knowledge) -> list[Choice]:
    """Return decisions of an untrained policy, in which it has to have chosen what is allowed."""

    class Checking(TokenPlayer):
        def choose(self, asked: list[Asked]) -> list[tuple[int, int]]:  # type: ignore[override]
            pairs = super().choose(asked)
            for one, pair in zip(asked, pairs, strict=True):
                legal = one.told["legal"]
                assert legal is not None
                assert pair in set(legal_pairs(legal))
            return pairs

    player = Checking(new_net(known), known, keeping=True)
    for one in play(
        bridge, [Fixture(s, (player, player), i) for i, s in enumerate(starts(bridge, 10))]
    ):
        assert not one.refused
    return [row for kept in player.kept.values() for row in kept]


def test_masks_are_those_of_single_decisions(rows: list[Choice]) -> None:
    masks = torch.from_numpy(np.stack([row.mask for row in rows]))
    preview = torch.tensor([row.tokens[0, 1] == 0 for row in rows])
    assert 0 < int(preview.sum()) < len(rows)
    rng = np.random.default_rng(0)
    firsts = [int(rng.choice(np.flatnonzero(row.mask[0]))) for row in rows]
    found = network.second_mask(masks, torch.tensor(firsts), preview)
    for row, first, allowed, at_preview in zip(rows, firsts, found, preview, strict=True):
        if not at_preview:
            assert (allowed.numpy() == second_mask(row.mask, first)).all()
        else:
            assert allowed.nonzero().tolist() == [[0]]


def test_what_was_drawn_has_the_probability_that_was_kept(
    known: Knowledge, rows: list[Choice]
) -> None:
    logprob, entropy, value = scores(new_net(known), Batch.of(rows))
    assert logprob.tolist() == pytest.approx([row.logprob for row in rows], abs=1e-4)
    assert value.tolist() == pytest.approx([row.value for row in rows], abs=1e-4)
    assert (entropy >= -1e-6).all()


def test_the_order_of_a_batch_changes_nothing(known: Knowledge, rows: list[Choice]) -> None:
    net = new_net(known)
    one, *_ = scores(net, Batch.of(rows[:9]))
    other, *_ = scores(net, Batch.of(rows[:9][::-1]))
    assert one.tolist() == pytest.approx(other.flip(0).tolist(), abs=1e-5)


def test_a_policy_comes_back_from_its_folder(
    known: Knowledge, rows: list[Choice], tmp_path: Path
) -> None:
    net = new_net(known, network.Size(width=32, layers=1, heads=2, hidden=16), seed=3)
    save_policy(net, REG_I, tmp_path / "policy")
    loaded, format = load_policy(tmp_path / "policy")
    assert format == REG_I
    batch = Batch.of(rows[:6])
    assert scores(net, batch)[0].tolist() == scores(loaded, batch)[0].tolist()
    with pytest.raises(DataError, match="no battle policy"):
        load_policy(tmp_path)
    about = tmp_path / "policy" / "policy.json"
    about.write_text(about.read_text().replace('"layout": "', '"layout": "0'))
    with pytest.raises(DataError, match="other tokens"):
        load_policy(tmp_path / "policy")


def test_damage_in_the_features_is_the_formula_s(known: Knowledge, rows: list[Choice]) -> None:
    """An immune target is dealt nothing, and a move without power does nothing."""
    net = new_net(known)
    tokens = torch.from_numpy(np.stack([row.tokens for row in rows])).long()
    match = net.matchups(tokens[:, 0], tokens[:, 1:])
    share, factor = match[..., 0], match[..., 4]
    assert (factor <= -1.5).any()
    assert (share[factor <= -1.5] == 0).all()
    power = net.move_table[net.columns.moves(tokens[:, 1:3])][..., 0]
    assert (power == 0).any()
    assert (share[power == 0] == 0).all()
    assert (share > 0).float().mean() > 0.1
