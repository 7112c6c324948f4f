"""`check_algorithm` passes what keeps its promises, and names each promise that is broken."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from anchorgym.gigpo import (
    Promise,
    State,
    TurnBatch,
    algorithm_names,
    check_algorithm,
    find_algorithm,
)
from anchorgym.gigpo.algorithms.grpo import GRPO
from anchorgym.gigpo.arrays import BoolArray, FloatArray, IntArray
from anchorgym.gigpo.checking.samples import batch_of, lengthened, one_turn_each
from anchorgym.gigpo.errors import AlgorithmCheckError, OptionError

ALL: frozenset[Promise] = frozenset({"zero_sum", "singleton_zero", "per_trajectory", "roots_only"})


@pytest.mark.parametrize("name", algorithm_names())
def test_every_algorithm_keeps_its_promises(name: str) -> None:
    report = check_algorithm(name)
    assert report.ok, report.summary()
    assert json.loads(json.dumps(report.to_json()))["ok"]


def test_a_report_says_what_each_check_is_called_and_what_it_promises() -> None:
    report = check_algorithm("grpo", kl_coef=0.0)
    assert len({result.name for result in report.results}) == len(report.results) == 10
    for result in report.results:
        assert result.name.isidentifier()
        assert " " in result.promise
        assert result.name in report.summary()


def test_without_torch_the_loss_is_not_checked_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    report = check_algorithm("rloo")
    (loss,) = (result for result in report.results if result.name == "loss")
    assert (loss.status, loss.note) == ("skipped", "torch is not installed")
    assert "good turns likelier" in loss.promise
    assert report.ok


def test_a_lengthened_trajectory_comes_to_the_same_turns_later() -> None:
    rows = one_turn_each(np.random.default_rng(0), groups=1, members=3)
    name = rows["trajectory"][1]
    batch, longer = batch_of(rows), batch_of(lengthened(rows, name, 4))
    assert len(longer) == len(batch) + 4
    of = np.flatnonzero(longer.trajectory == longer.trajectory[1])
    last = of[np.argmax(longer.turn[of])]
    assert last == 1  # the turn that was there
    assert len(set(longer.turn[of].tolist())) == 5
    assert longer.reward[of].sum() == batch.reward[1]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("spo", {"mode": "tree"}),
        ("spo", {"values": "forks"}),
        ("spo", {"probability_mask": 0.5}),
        ("canon", {"metric": "length", "mode": "annealed"}),
        ("reinforce_pp", {"variant": "baseline"}),
        ("gigpo", {"norm": "mean", "penalty_in_steps": True, "invalid_penalty": 0.1}),
    ],
)
def test_options_keep_them_too(name: str, options: dict[str, Any]) -> None:
    report = check_algorithm(name, seed=1, **options)
    assert report.ok, report.summary()


def test_what_is_not_claimed_is_not_checked() -> None:
    report = check_algorithm("grpo", stats="turn")
    status = {result.name: result.status for result in report.results}
    assert status["per_trajectory"] == "skipped"
    assert status["zero_sum"] == "passed"
    report.raise_if_failed()


def test_a_class_and_an_instance_are_taken() -> None:
    assert check_algorithm(find_algorithm("rloo"), invalid_penalty=0.1).algorithm == "RLOO"
    assert check_algorithm(find_algorithm("rloo")()).ok
    with pytest.raises(OptionError):
        check_algorithm("gigpo", gamma=2)


@dataclass(frozen=True, kw_only=True)
class Base(GRPO):
    """Promises everything."""

    @property
    def promises(self) -> frozenset[Promise]:
        return ALL


class Narrow(Base):
    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        return super().advantages(batch, state).astype(np.float32)  # type: ignore[return-value]


class Scribbler(Base):
    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        values = super().advantages(batch, state)
        batch.reward[:] = 0
        return values


class Overflowing(Base):
    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        deviation = np.sqrt(np.bincount(batch.group, batch.reward**2)[batch.group])
        return np.where(super().advantages(batch) != 0, batch.reward / deviation, 0.0) * 0


class RowOrdered(Base):
    """Favours the group that comes first."""

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        return super().advantages(batch) * np.where(batch.group == 0, 2.0, 1.0)


class Forgetful(Base):
    """Keeps a set."""

    def initial_state(self) -> State:
        return {"seen": set()}


class NumberKeys(Base):
    """Finds its keys as long as it was not saved."""

    def initial_state(self) -> State:
        return {"seen": {}}

    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        seen = {} if state is None else state["seen"]
        seen[0] = seen.get(0, 0) + 1
        return super().advantages(batch) * seen[0]


SHARED: State = {}


class Shared(Base):
    def initial_state(self) -> State:
        return SHARED


class Overdrawn(Base):
    def allocate(
        self,
        tasks: Sequence[Hashable],
        budget: int,
        state: State,
        played: Sequence[Sequence[float]] = (),
    ) -> IntArray:
        return np.full(len(tasks), budget)


class PerTurnKeep(Base):
    def keep(self, batch: TurnBatch, state: State) -> BoolArray:
        return np.ones(len(batch) + 1, np.bool_)


class Uncentred(Base):
    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        roots = batch.trajectory_group[~batch.trajectory_fork]
        rivals = (np.bincount(roots)[batch.group] > 1) & ~batch.fork
        return np.where(rivals, batch.reward, 0.0)


class Lonely(Base):
    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        roots = batch.trajectory_group[~batch.trajectory_fork]
        lone = (np.bincount(roots)[batch.group] == 1) & ~batch.fork
        return super().advantages(batch) + np.where(lone & (batch.turn > 0), 1.0, 0.0)


class PerTurn(Base):
    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        return GRPO(stats="turn").advantages(batch)


class UphillLoss(Base):
    def loss(self, view: Any, logprobs: Any, entropy: Any, reference: Any, advantages: Any) -> Any:
        return super().loss(view, logprobs, entropy, reference, -advantages)


class DeadLoss(Base):
    def loss(self, view: Any, logprobs: Any, *_: Any) -> Any:
        return super().loss(view, logprobs, None, None, 0 * logprobs.detach())


class CountsForks(Base):
    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        unknown = np.zeros(batch.n_trajectories, np.bool_)
        whole = replace(batch, fork=unknown[batch.trajectory], trajectory_fork=unknown)
        return np.where(batch.fork, 0.0, super().advantages(whole))


class TrainsForks(Base):
    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        return np.where(batch.fork, 0.5, super().advantages(batch))


class Crashing(Base):
    def advantages(self, batch: TurnBatch, state: State | None = None) -> FloatArray:
        if not len(batch):
            raise ZeroDivisionError("no turns")
        return super().advantages(batch)


@pytest.mark.parametrize(
    ("faulty", "check", "seen"),
    [
        (Narrow, "shape", "float32"),
        (Scribbler, "shape", "reward was changed"),
        (Crashing, "shape", "ZeroDivisionError: no turns"),
        (Overflowing, "finite", "nan"),
        (RowOrdered, "row_order", "when the rows were shuffled"),
        (Forgetful, "state", "not JSON"),
        (NumberKeys, "state", "round trip"),
        (Shared, "state", "same object twice"),
        (Overdrawn, "decisions", "allocate gave"),
        (PerTurnKeep, "decisions", "keep gave shape"),
        (UphillLoss, "loss", "good turns less likely"),
        (DeadLoss, "loss", "gradient is 0 everywhere"),
        (Uncentred, "zero_sum", "add up to"),
        (Lonely, "singleton_zero", "without a rival got 1"),
        (PerTurn, "per_trajectory", "7 turns longer"),
        (CountsForks, "roots_only", "without forks in the batch"),
        (TrainsForks, "roots_only", "a turn of a fork got 0.5"),
    ],
)
def test_a_broken_promise_is_named(faulty: type[GRPO], check: str, seen: str) -> None:
    report = check_algorithm(faulty)
    found = [finding for finding in report.findings if finding.check == check]
    assert any(seen in finding.seen for finding in found), report.summary()
    others = {finding.check for finding in report.findings} - {check}
    assert not others, report.summary()
    assert all(finding.remedy for finding in found)
    told = f"(?s){faulty.__name__}: 1 of 10 .*FAILED   {check}"
    with pytest.raises(AlgorithmCheckError, match=told):
        report.raise_if_failed()
