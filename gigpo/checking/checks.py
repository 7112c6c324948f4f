"""The checks of `check_algorithm`: functions that yield what they saw, with a remedy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np

from anchorgym.gigpo.algorithm import Algorithm, State
from anchorgym.gigpo.arrays import FloatArray
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.checking.samples import (
    EXTREME,
    Rows,
    batch_of,
    lengthened,
    one_turn_each,
    sampled,
)
from anchorgym.gigpo.errors import MissingForksError

_ROUNDS = 12
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Fault:
    """What was seen, and what to do about it."""

    seen: str
    remedy: str


@dataclass(frozen=True)
class Trial:
    """An algorithm to check, and the seed of what it is tried on."""

    algorithm: Algorithm
    seed: int

    def rounds(self) -> Iterator[np.random.Generator]:
        """Generators of the rounds of a check."""
        return (np.random.default_rng([self.seed, number]) for number in range(_ROUNDS))

    def advantages(self, batch: TurnBatch) -> FloatArray:
        """The algorithm's advantages of a batch, from a fresh state."""
        return self.algorithm.advantages(batch, self.algorithm.initial_state())


Check = Callable[[Trial], Iterator[Fault]]


def shape(trial: Trial) -> Iterator[Fault]:
    """Advantages are one float64 a turn, and the batch stays as it was."""
    empty = batch_of({name: [] for name in sampled(np.random.default_rng(0))})
    batches = [batch_of(sampled(random, forks=True)) for random in trial.rounds()]
    for batch in [*batches, empty]:
        before = _columns(batch)
        try:
            values = trial.advantages(batch)
        except MissingForksError:
            continue
        if np.shape(values) != (len(batch),) or getattr(values, "dtype", None) != np.float64:
            kind = getattr(values, "dtype", type(values).__name__)
            yield Fault(
                f"{len(batch)} turns gave {kind} of shape {np.shape(values)}",
                "return a float64 array with one value a turn, for no turns too",
            )
        for name, column in _columns(batch).items():
            if not np.array_equal(column, before[name]):
                yield Fault(
                    f"the batch's {name} was changed", "work on a copy: others read the batch too"
                )


def finite(trial: Trial) -> Iterator[Fault]:
    """Every advantage and token column is finite, whatever the rewards."""
    for random in trial.rounds():
        few = random.choice(EXTREME, size=int(random.integers(1, 4)))
        for rows in (
            sampled(random, reward=lambda random, few=few: float(random.choice(few))),  # type: ignore[misc]
            sampled(random, members=1, forks=True),
            sampled(random, reward=lambda random: 10.1),
        ):
            for i in np.flatnonzero(random.random(len(rows["group"])) < 0.3).tolist():
                rows["entropies"][i] = [0.0] * len(rows["entropies"][i])
                rows["logprobs"][i] = [float(random.choice([0.0, -800.0]))] * len(
                    rows["logprobs"][i]
                )
            yield from _not_finite(trial, rows)


def _not_finite(trial: Trial, rows: Rows) -> Iterator[Fault]:
    batch, state = batch_of(rows), trial.algorithm.initial_state()
    remedy = "divide by a deviation only where there is one, and mind sums of huge rewards"
    try:
        with np.errstate(all="ignore"):
            values = trial.algorithm.advantages(batch, state)
            columns = trial.algorithm.token_columns(batch, values, state)
    except MissingForksError:
        return
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        of_group = batch.group == batch.group[wrong[0]]
        rewards = sorted(set(batch.reward[of_group].tolist()))
        yield Fault(
            f"an advantage is {values[wrong[0]]} in a group of rewards {rewards[:6]}", remedy
        )
    n_tokens = len(trial.algorithm.tokens_of(batch)) if columns else 0
    for name, column in columns.items():
        if np.shape(column) != (n_tokens,) or not np.isfinite(column).all():
            yield Fault(
                f"the token column {name!r} has shape {np.shape(column)} for {n_tokens} tokens, or "
                "is not finite",
                remedy,
            )


def row_order(trial: Trial) -> Iterator[Fault]:
    """The order of rows changes nothing, nor do the numbers that ids get."""
    for random in trial.rounds():
        rows = sampled(random, forks=True, reward=lambda random: float(random.normal()))
        order = random.permutation(len(rows["group"])).tolist()
        try:
            before = trial.advantages(batch_of(rows))[order]
            after = trial.advantages(batch_of(rows, order))
        except MissingForksError:
            continue
        apart = np.abs(after - before) > _TOLERANCE * (1 + np.abs(before))
        if apart.any():
            row = int(np.argmax(apart))
            yield Fault(
                f"a turn's advantage went from {before[row]:.6g} to {after[row]:.6g} when the rows "
                "were shuffled",
                "read order from batch.turn (batch.order sorts by it), never from rows or codes",
            )


def state(trial: Trial) -> Iterator[Fault]:
    """The state is JSON, and going on from what was saved is going on."""
    algorithm = trial.algorithm
    if algorithm.initial_state() is algorithm.initial_state():
        yield Fault("initial_state() gives the same object twice", "make a new one in each call")
    kept = algorithm.initial_state()
    loaded: State = {}
    for random in trial.rounds():
        rows = sampled(random, forks=True)
        try:
            loaded = json.loads(json.dumps(kept, allow_nan=False))
        except (TypeError, ValueError) as error:
            yield Fault(f"the state is not JSON: {error}", "keep numbers, strings, lists, dicts")
            return
        try:
            values = algorithm.advantages(batch_of(rows), kept)
            again = algorithm.advantages(batch_of(rows), loaded)
        except MissingForksError:
            continue
        if not np.array_equal(values, again) or _json(kept) != _json(loaded):
            yield Fault(
                "after a round trip through JSON the same batch gave something else",
                "keep everything that advantages depend on in the state (keys become strings in "
                "JSON), and draw nothing at random",
            )


def decisions(trial: Trial) -> Iterator[Fault]:
    """`keep` is one bool a group; `allocate` spends the budget, and no more."""
    algorithm = trial.algorithm
    for random in trial.rounds():
        batch = replace(batch_of(sampled(random)), tokens=None)
        kept = algorithm.keep(batch, algorithm.initial_state())
        if np.shape(kept) != (batch.n_groups,) or getattr(kept, "dtype", None) != np.bool_:
            yield Fault(
                f"keep gave shape {np.shape(kept)} for {batch.n_groups} groups",
                "return one bool for each group code",
            )
        n_tasks, budget = int(random.integers(1, 6)), int(random.integers(1, 40))
        played: list[list[float]] = [[] for _ in range(n_tasks)]
        left = budget
        while left > 0:
            seen = played if any(played) else ()
            shares = np.asarray(
                algorithm.allocate(range(n_tasks), left, algorithm.initial_state(), seen)
            )
            total = int(shares.sum())
            if shares.shape != (n_tasks,) or (shares < 0).any() or not 0 < total <= left:
                yield Fault(
                    f"allocate gave {shares.tolist()} for {n_tasks} tasks and {left} rollouts",
                    "return one count a task, at least one rollout in all and at most the budget",
                )
                break
            left -= total
            for task, share in enumerate(shares.tolist()):
                played[task] += (random.random(share) < 0.5).astype(float).tolist()


def zero_sum(trial: Trial) -> Iterator[Fault]:
    """The advantages of a group of one-turn trajectories add up to 0."""
    for random in trial.rounds():
        batch = batch_of(one_turn_each(random))
        sums = np.bincount(batch.group, trial.advantages(batch))
        if np.abs(sums).max() > _TOLERANCE:
            yield Fault(
                f"a group's advantages add up to {sums[np.abs(sums).argmax()]:.6g}",
                'subtract the mean over the group, or do not promise "zero_sum"',
            )


def singleton_zero(trial: Trial) -> Iterator[Fault]:
    """A lone trajectory that meets no state twice gets exactly 0."""
    for random in trial.rounds():
        values = trial.advantages(batch_of(sampled(random, members=1, states=0)))
        if (values != 0).any():
            yield Fault(
                f"a turn without a rival got {values[values != 0][0]:.6g}",
                'there is nothing to compare it with: give 0, or do not promise "singleton_zero"',
            )


def per_trajectory(trial: Trial) -> Iterator[Fault]:
    """A trajectory that takes more turns to the same end weighs no more on others."""
    for random in trial.rounds():
        rows = one_turn_each(random)
        longer = lengthened(rows, rows["trajectory"][0], 7)
        batch = batch_of(rows)
        before = trial.advantages(batch)
        after = trial.advantages(batch_of(longer))[: len(before)]
        change = np.abs(after - before) * (batch.trajectory != 0)
        if change.max() > _TOLERANCE:
            row = int(change.argmax())
            yield Fault(
                f"a trajectory became 7 turns longer, and a turn of another went from "
                f"{before[row]:.6g} to {after[row]:.6g}",
                'take statistics over trajectories, not turns, or do not promise "per_trajectory"',
            )


def roots_only(trial: Trial) -> Iterator[Fault]:
    """Forks get exactly 0, and change nothing for the trajectories that began at a task's start."""
    for random in trial.rounds():
        rows = sampled(random, forks=True)
        roots = [i for i, parent in enumerate(rows["parent"]) if parent is None]
        values = trial.advantages(batch_of(rows))
        alone = trial.advantages(batch_of(rows, roots))
        forks = np.setdiff1d(np.arange(len(values)), roots)
        if values[forks].any():
            yield Fault(
                f"a turn of a fork got {values[forks][values[forks] != 0][0]:.6g}",
                'take batch.fork out, or do not promise "roots_only"',
            )
        change = np.abs(values[roots] - alone)
        if change.max(initial=0) > _TOLERANCE:
            row = int(change.argmax())
            yield Fault(
                f"a turn's advantage is {alone[row]:.6g} without forks in the batch, and "
                f"{values[roots][row]:.6g} with them",
                "forks were selected, not sampled: leave them out of the statistics of episodes "
                '(EpisodeAlgorithm.roots does), or do not promise "roots_only"',
            )


def loss(trial: Trial) -> Iterator[Fault]:
    """The loss and its gradient are finite, and make good turns likelier, bad ones less so."""
    import torch

    from anchorgym.gigpo.checking.loss_trial import gradient_of

    for random in trial.rounds():
        rows = sampled(random, members=6, forks=True)
        try:
            value, gradient, advantages = gradient_of(trial.algorithm, batch_of(rows))
        except MissingForksError:
            continue
        if not (torch.isfinite(value) and torch.isfinite(gradient).all()):
            yield Fault(
                f"a loss is {float(value)}, or its gradient not finite",
                "mind roots and quotients of 0 where the policy has not moved yet",
            )
        elif float((gradient * advantages).sum()) > _TOLERANCE:
            yield Fault(
                "where the policy has not moved yet, less loss makes good turns less likely",
                "loss is minimised: check its sign",
            )
        elif advantages.any() and not gradient.any():
            yield Fault(
                "there are advantages, and a loss whose gradient is 0 everywhere",
                "have the loss depend on logprobs, with the sign and size of the advantages",
            )


def _columns(batch: TurnBatch) -> dict[str, np.ndarray]:
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: value.copy() for name, value in values.items() if isinstance(value, np.ndarray)}


def _json(state: State) -> str:
    return json.dumps(state, sort_keys=True)
