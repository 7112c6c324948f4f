"""GiGPO on battles, with forks of running battles as anchor groups.

GRPO plays groups of whole battles from one start and compares their payoffs. GiGPO here spends some
of these turns on forks: a state of a battle is restored several times, so that several choices in
the same state are played to the end, and the step advantage compares exactly these. Both methods
get the same number of battle turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from anchorgym.envs.vgc.arena import Contender, Finished, Fixture, play
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.knowledge import knowledge
from anchorgym.envs.vgc.records import BattleRecord, SavedBattle, seed_of
from anchorgym.gigpo import TurnBatch, make_algorithm
from anchorgym.training.config.general import RunConfig
from anchorgym.training.config.run_folders import claimed
from anchorgym.training.evaluation.statistics import difference_interval
from anchorgym.training.run.checkpoints import Checkpoint
from anchorgym.training.run.display import Display
from anchorgym.training.run.metrics import MetricsLog
from anchorgym.training.run.recovery import Recovery, Written
from anchorgym.training.run.threads import tensor_threads
from anchorgym.training.worlds.vgc.config import BattleConfig, PPOConfig
from anchorgym.training.worlds.vgc.contenders import (
    battle_starts,
    contender,
    newest_policy,
    team_source,
)
from anchorgym.training.worlds.vgc.learner import BattleLearner, BattleRows
from anchorgym.training.worlds.vgc.match_runner import MatchRunner
from anchorgym.training.worlds.vgc.network import BattleNet
from anchorgym.training.worlds.vgc.policy import Choice, TokenPlayer, load_policy, save_policy

_Wanted = tuple[int, BattleRecord | SavedBattle, int | None, int]
"""Group, start, parent and first decision of a battle to play."""
Way = Literal["grpo", "gigpo"]
WAYS: tuple[Way, ...] = ("grpo", "gigpo")
_DUAL_CLIP = 3.0
"""Bound on the probability ratio for negative advantages."""


class GroupConfig(RunConfig):
    """Settings of training by groups of battles against a fixed opponent."""

    battle: BattleConfig = BattleConfig(teams=16)
    start: str
    """Folder of the initial policy."""
    foe: str = "heuristic"
    """Opponent of all battles."""
    turns: int = Field(40_000, ge=1)
    """Greatest number of battle turns of the training."""
    groups: int = Field(6, ge=1)
    """Number of starts of battles in each update."""
    group_size: int = Field(8, ge=2)
    """Number of battles from each start, under GRPO."""
    roots: int = Field(4, ge=2)
    """Number of whole battles from each start, under GiGPO; forks take the rest of the turns."""
    forks: int = Field(4, ge=1)
    """Number of forks from one state, which form an anchor group with the root's battle."""
    learning_rate: float = Field(1e-4, gt=0)
    """Learning rate of Adam."""
    epochs: int = Field(2, ge=1)
    """Number of passes over the decisions of an update."""
    minibatch: int = Field(512, ge=1)
    """Number of decisions in each optimizer step."""

    @property
    def ppo(self) -> PPOConfig:
        """Settings of the learner."""
        return PPOConfig(
            learning_rate=self.learning_rate, epochs=self.epochs, minibatch=self.minibatch
        )


@dataclass(frozen=True, slots=True)
class _Root:
    """A whole battle, or a fork of one."""

    group: int
    parent: int | None
    first: int
    """Number of the first own decision, counted from the start of the whole battle."""
    choices: Sequence[Choice]
    payoff: float
    record: BattleRecord
    seat: int


class Groups:
    """Plays groups of battles and trains a network on them.

    Args:
        net: network to train, in place.
        config: settings of the training.
        way: method, "grpo" or "gigpo".
        bridge: bridge to the simulator, which runs the battles.
    """

    def __init__(self, net: BattleNet, config: GroupConfig, way: Way, bridge: Bridge) -> None:
        self.net, self.config, self.way, self.bridge = net, config, way, bridge
        self.known = knowledge(config.battle.format)
        self.algorithm = make_algorithm(way, gamma=1.0) if way == "gigpo" else make_algorithm(way)
        self.foe = contender(config.foe, self.known, bridge)
        self.starts: Iterator[BattleRecord] = battle_starts(
            team_source(config.battle), config.battle, config.seed
        )
        self.learner = BattleLearner(net, config.ppo, dual_clip=_DUAL_CLIP)
        self.state = self.algorithm.initial_state()
        self.turns = 0
        """Number of battle turns so far."""
        self.done = 0
        """Number of updates so far."""
        self._rng = np.random.default_rng(config.seed)

    def to_json(self) -> dict[str, Any]:
        """Return the state of the training as JSON values, but for that of the learner."""
        generator = self._rng.bit_generator.state
        return {
            "done": self.done,
            "turns": self.turns,
            "algorithm": self.state,
            "generator": generator,
        }

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint, whose part `learner` is that of the learner."""
        state = saved.state
        self.done, self.turns, self.state = state["done"], state["turns"], state["algorithm"]
        self._rng.bit_generator.state = state["generator"]
        self.learner.load(saved.part("learner"))
        self.starts = islice(self.starts, self.done * self.config.groups, None)

    def update(self) -> dict[str, float]:
        """Play the groups of an update and train on them; return statistics."""
        config = self.config
        whole = config.group_size if self.way == "grpo" else config.roots
        starts = list(islice(self.starts, config.groups))
        wanted: list[_Wanted] = [
            (g, start, None, 0) for g, start in enumerate(starts) for _ in range(whole)
        ]
        played = self._play(wanted)
        if self.way == "gigpo":
            played += self._play(self._forks(played))
        advantages = self.algorithm.advantages(batch_of(played), self.state)
        measured = {}
        if advantages.any():
            measured = self.learner.update(rows_of(played, advantages), self._rng)
        self.done += 1
        roots = [one.payoff for one in played if one.parent is None]
        judged = float((advantages != 0).mean())
        return {**measured, "payoff": float(np.mean(roots)), "judged": judged, "turns": self.turns}

    def _play(self, wanted: Sequence[_Wanted]) -> list[_Root]:
        """Play battles from starts and saved states: (group, start, parent, first decision)."""
        player = TokenPlayer(self.net.eval(), self.known, keeping=True)
        seeds = self._rng.integers(2**31, size=len(wanted)).tolist()
        fixtures = []
        for (group, start, _, _), seed in zip(wanted, seeds, strict=True):
            players: tuple[Contender, Contender]
            players = (player, self.foe) if group % 2 == 0 else (self.foe, player)
            # Each battle of a group needs its own seed, or all forks would be equal.
            chance = seed_of(np.random.default_rng(seed).integers(2**16, size=4).tolist())
            fixtures.append(Fixture(start, players, seed, chance))
        found = sorted(play(self.bridge, fixtures), key=lambda finished: finished.game)
        return [self._root(wanted[one.game], one, player) for one in found]

    def _root(self, wanted: _Wanted, one: Finished, player: TokenPlayer) -> _Root:
        group, _, parent, first = wanted
        seat = group % 2
        self.turns += one.turns
        choices = player.take(one.game, seat)
        return _Root(group, parent, first, choices, one.payoff(seat), one.record, seat)

    def _forks(self, roots: Sequence[_Root]) -> list[_Wanted]:
        """Choose states to fork, at the cost of about as many turns as GRPO would take."""
        config = self.config
        budget = config.group_size - config.roots  # battles of each group that forks replace
        wanted: list[_Wanted] = []
        for group in range(config.groups):
            members = [i for i, root in enumerate(roots) if root.group == group]
            left = float(budget)
            while left > 0:
                parent = members[int(self._rng.integers(len(members)))]
                steps = _own_steps(roots[parent])
                if len(steps) < 2:
                    break
                number = int(self._rng.integers(1, len(steps)))
                saved = _state_at(self.bridge, roots[parent].record, steps[number])
                wanted += [(group, saved, parent, number)] * config.forks
                left -= config.forks * (1 - number / len(steps))
        return wanted


def rows_of(played: Sequence[_Root], advantages: NDArray[np.float64]) -> BattleRows:
    """Return the decisions with a non-zero advantage; `advantages` are (n_turns,)."""
    choices = [choice for one in played for choice in one.choices]
    nonzero = np.flatnonzero(advantages)
    return BattleRows.of([choices[i] for i in nonzero.tolist()], advantages[nonzero])


def batch_of(played: Sequence[_Root]) -> TurnBatch:
    """Return the batch that the algorithms read, with one row a decision.

    The whole battles of a group share their first state, and a fork shares one with its parent; any
    other state has an anchor of its own.
    """
    columns: dict[str, Any] = {
        name: [] for name in ("group", "trajectory", "anchor", "turn", "reward", "parent")
    }
    for number, one in enumerate(played):
        last = len(one.choices) - 1
        for i in range(len(one.choices)):
            owner = number if i else -1 if one.parent is None else one.parent
            columns["group"].append(one.group)
            columns["trajectory"].append(number)
            columns["anchor"].append((owner, one.first + i))
            columns["turn"].append(one.first + i)
            columns["reward"].append(one.payoff if i == last else 0.0)
            columns["parent"].append(one.parent)
    return TurnBatch.from_rows(**columns)


def _own_steps(root: _Root) -> list[int]:
    """Return the steps of a battle's record in which the learner decided."""
    return [i for i, step in enumerate(root.record.steps) if step.choices[root.seat] is not None]


def _state_at(bridge: Bridge, record: BattleRecord, step: int) -> SavedBattle:
    """Return the state of a battle before a step."""
    until = BattleRecord(
        record.format, record.seed, record.teams, record.open_sheets, record.steps[:step]
    )
    number, _ = bridge.resume(until)
    saved = bridge.save(number)
    bridge.discard([number])
    return saved


def train_groups(
    config: GroupConfig, way: Way, folder: Path, display: Display | None = None
) -> Path:
    """Train the initial policy until the turns are used up; return the policy's folder.

    An interrupted training in the folder is continued, with the same result as without a stop.

    Raises:
        ConfigError: the folder holds a training with other settings, or files of somebody else.
    """
    claim = claimed(config, folder, f"training by {way}", resume=True)
    with claim, tensor_threads(config.threads):
        if not (folder / "policy").is_dir():
            _train_groups(config, way, folder, display or Display(None))
    return folder / "policy"


def _train_groups(config: GroupConfig, way: Way, folder: Path, display: Display) -> None:
    recovery = Recovery(folder, Written(), config.checkpoint)
    net, format = load_policy(newest_policy(Path(config.start)))
    bridge, log = Bridge(), MetricsLog(folder / "metrics.jsonl")
    groups = Groups(net, config, way, bridge)
    if recovery.saved:
        groups.restore(recovery.saved)
    try:
        with display.phase(way, config.turns, groups.turns):
            while groups.turns < config.turns:
                if recovery.due():
                    recovery.save(groups.to_json(), {"learner": groups.learner})
                found = groups.update()
                log.write("train", update=groups.done, **found)
    finally:
        log.close()
        bridge.close()
    save_policy(net, format, folder / "policy")


def compare(
    config: GroupConfig, folder: Path, *, games: int, display: Display | None = None
) -> dict[str, Any]:
    """Train with both methods, and evaluate each on the same battles against the same opponent.

    Returns:
        Mean payoffs of the initial policy and of both methods, and their paired difference.
    """
    known, payoffs = knowledge(config.battle.format), dict[str, NDArray[np.float64]]()
    folders: dict[str, str] = {
        way: str(train_groups(config, way, folder / way, display)) for way in WAYS
    }
    bridge = Bridge()
    try:
        runner = MatchRunner(config.battle, bridge, known)
        for name, where in [("start", config.start), *folders.items()]:
            payoffs[name] = runner.play(where, config.foe, games, 10_000 + config.seed)
    finally:
        bridge.close()
    # Both seats of a start count as one observation.
    gained = (payoffs["gigpo"] - payoffs["grpo"]).reshape(-1, 2).mean(1) / 2
    found = difference_interval(gained)
    return {
        "payoffs": {name: float(values.mean()) for name, values in payoffs.items()},
        "gigpo_minus_grpo": [found.mean, found.low, found.high],
    }
