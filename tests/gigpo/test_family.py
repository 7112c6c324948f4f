"""Each advantage against a slow transcription of its formula, on random ragged batches."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from anchorgym.gigpo import Sample, TokenColumns, TurnBatch, make_algorithm
from anchorgym.gigpo.checking.samples import Rows, batch_of, sampled

Turns = list[dict[str, Any]]
PENALTY = 0.1


class Slow:
    """A batch as lists of turns, for formulas written with loops."""

    def __init__(self, rows: Rows) -> None:
        count = len(rows["group"])
        self.turns = [{name: column[i] for name, column in rows.items()} for i in range(count)]
        self.of: dict[str, Turns] = defaultdict(list)
        for turn in sorted(self.turns, key=lambda turn: turn["turn"]):
            self.of[turn["trajectory"]].append(turn)
        self.group = {name: turns[0]["group"] for name, turns in self.of.items()}
        self.roots = [name for name, turns in self.of.items() if turns[0]["parent"] is None]

    def reward(self, turn: dict[str, Any], charge: Callable[[dict[str, Any]], float]) -> float:
        return turn["reward"] - (0 if turn["valid"] else PENALTY) - charge(turn)

    def score(self, name: str, charge: Any = lambda turn: 0.0) -> float:
        return sum(self.reward(turn, charge) for turn in self.of[name])

    def outcome(self, name: str) -> float:
        return sum(turn["reward"] for turn in self.of[name])

    def togo(self, name: str, gamma: float) -> list[float]:
        total, found = 0.0, []
        for turn in reversed(self.of[name]):
            total = self.reward(turn, lambda turn: 0.0) + gamma * total
            found.insert(0, total)
        return found

    def groups(self) -> Iterator[list[str]]:
        for group in sorted({self.group[name] for name in self.roots}):
            yield [name for name in self.roots if self.group[name] == group]

    def before(self, name: str) -> Turns:
        """What a fork's parents took before it began."""
        first = self.of[name][0]
        if first["parent"] is None:
            return []
        taken = [*self.before(first["parent"]), *self.of[first["parent"]]]
        return [turn for turn in taken if turn["turn"] < first["turn"]]

    def forks_at(self, name: str, number: int) -> list[str]:
        """The forks that left a trajectory where it took the turn of this number."""
        return [
            fork
            for fork, turns in self.of.items()
            if turns[0]["parent"] == name and turns[0]["turn"] == number
        ]

    def tokens(self, name: str, column: str) -> list[float]:
        return [value for turn in self.of[name] for value in turn[column]]

    def spread(self, values: dict[str, float]) -> list[float]:
        return [values.get(turn["trajectory"], 0.0) for turn in self.turns]


def standard(scores: list[float]) -> list[float]:
    mean = sum(scores) / len(scores)
    if max(scores) - min(scores) < 1e-12:
        return [0.0] * len(scores)
    deviation = math.sqrt(sum((s - mean) ** 2 for s in scores) / (len(scores) - 1))
    return [(s - mean) / (deviation + 1e-6) for s in scores]


def grouped(estimate: Callable[[Slow, list[str]], list[float]]) -> Callable[[Slow], list[float]]:
    """Make an estimate of turns out of one of the trajectories of a group."""

    def of_turns(slow: Slow) -> list[float]:
        values: dict[str, float] = {}
        for names in slow.groups():
            values |= dict(zip(names, estimate(slow, names), strict=True))
        return slow.spread(values)

    return of_turns


def dr_grpo(slow: Slow, names: list[str]) -> list[float]:
    scores = [slow.score(name) for name in names]
    return [s - sum(scores) / len(scores) for s in scores]


def rloo(slow: Slow, names: list[str]) -> list[float]:
    scores = [slow.score(name) for name in names]
    if len(names) == 1:
        return [0.0]
    return [s - (sum(scores) - s) / (len(scores) - 1) for s in scores]


def grpo(slow: Slow, names: list[str]) -> list[float]:
    return standard([slow.score(name) for name in names])


def dapo(slow: Slow, names: list[str]) -> list[float]:
    def charge(turn: dict[str, Any]) -> float:  # max_length = 3, of which the last 2 are charged
        n = len(turn["logprobs"])
        return 0.0 if n <= 1 else min((n - 1) / 2, 1.0)

    return standard([slow.score(name, charge) for name in names])


def ngrpo(slow: Slow, names: list[str]) -> list[float]:
    return standard([*(slow.score(name) for name in names), 1.0])[:-1]


def canon(mu: float, metric: str) -> Callable[[Slow, list[str]], list[float]]:
    def estimate(slow: Slow, names: list[str]) -> list[float]:
        def measure(name: str) -> float:
            values = slow.tokens(name, "entropies")
            return len(values) if metric == "length" else sum(values) / max(len(values), 1)

        if len(names) == 1:
            return [0.0]
        scores = {name: slow.score(name) for name in names}
        ranked = sorted(names, key=measure)
        low, high = ranked[: len(names) // 2], ranked[len(names) // 2 :]
        mean_low = sum(scores[name] for name in low) / len(low)
        mean_high = sum(scores[name] for name in high) / len(high)
        if len(set(scores.values())) == 1:
            return [0.0] * len(names)
        return [
            mu * (scores[n] - (mean_low if n in high else mean_high))
            + (1 - mu) * (scores[n] - (mean_high if n in high else mean_low))
            for n in names
        ]

    return estimate


def hapo(slow: Slow, names: list[str]) -> list[float]:
    copies = [slow.score(name) for name in names for _ in slow.tokens(name, "logprobs")]
    if not copies or max(copies) - min(copies) < 1e-12:
        return [0.0] * len(names)
    mean, deviation = np.mean(copies), np.std(copies)
    written = [bool(slow.tokens(name, "logprobs")) for name in names]
    values = [(slow.score(name) - mean) / (deviation + 1e-6) for name in names]
    return [float(v) if wrote else 0.0 for v, wrote in zip(values, written, strict=True)]


def drpo(slow: Slow, names: list[str]) -> list[float]:
    won = [slow.outcome(name) > 0 for name in names]
    return [(1.0 if w else -1.0) if len(set(won)) == 2 else 0.0 for w in won]


def xrpo(slow: Slow, names: list[str]) -> list[float]:
    def likelihood(name: str) -> float:
        values = slow.tokens(name, "logprobs")
        return sum(values) / max(len(values), 1)

    mean = sum(map(likelihood, names)) / len(names)
    found = []
    for name, value in zip(names, grpo(slow, names), strict=True):
        eta = math.exp(likelihood(name) - mean)
        if slow.outcome(name) > 0 and value > 0:
            value += min(max(2.5 * (1 - eta), 0), 0.5 * value)
        found.append(value)
    return found


def copo(slow: Slow) -> list[float]:
    groups = list(slow.groups())
    means = [sum(slow.score(name) for name in names) / len(names) for names in groups]
    across = standard(means) if len(means) > 1 else [0.0]
    values: dict[str, float] = {}
    for names, of_group in zip(groups, across, strict=True):
        outcomes = [slow.outcome(name) for name in names]
        shares = [outcomes.count(o) / len(outcomes) for o in set(outcomes)]
        bits = -sum(share * math.log2(share) for share in shares)
        for name, local in zip(names, grpo(slow, names), strict=True):
            weight = 1 / (1 + math.exp(-5 * (bits - 1))) if local else 0.0
            values[name] = weight * local + (1 - weight) * of_group
    return slow.spread(values)


def reinforce_pp(baseline: bool) -> Callable[[Slow], list[float]]:
    def estimate(slow: Slow) -> list[float]:
        value: dict[int, float] = {}
        copies: list[float] = []
        for names in slow.groups():
            mean = sum(slow.score(name) for name in names) / len(names)
            for name in names:
                for turn, togo in zip(slow.of[name], slow.togo(name, 0.9), strict=True):
                    value[id(turn)] = togo - (mean if baseline else 0)
                    copies += [value[id(turn)]] * len(turn["logprobs"])
        centre, deviation = np.mean(copies), np.std(copies)
        return [
            (value[id(turn)] - centre) / (deviation + 1e-6)
            if id(turn) in value and turn["logprobs"]
            else 0.0
            for turn in slow.turns
        ]

    return estimate


def hgpo(slow: Slow) -> list[float]:
    clusters: dict[Any, list[float]] = defaultdict(list)
    member: dict[int, list[tuple[Any, float]]] = {}
    for name, turns in slow.of.items():
        before = slow.before(name)
        anchors = [turn["anchor"] for turn in [*before, *turns]]
        for t, togo in enumerate(slow.togo(name, 0.95)):
            seen = anchors[: len(before) + t + 1]
            keys = [(slow.group[name], k, tuple(seen[-k:])) for k in (1, 2, 3) if len(seen) >= k]
            member[id(turns[t])] = [(key, togo) for key in keys]
            for key in keys:
                clusters[key].append(togo)
    result = []
    for turn in slow.turns:
        levels = [togo - sum(clusters[key]) / len(clusters[key]) for key, togo in member[id(turn)]]
        levels = [0.0 if abs(a) < 1e-9 else a for a in levels]
        weights = [k + 2 if a else 0 for k, a in enumerate(levels)]
        total = sum(w * a for w, a in zip(weights, levels, strict=True))
        result.append(total / sum(weights) if any(weights) else 0.0)
    return result


def empg(slow: Slow) -> list[float]:
    mean = {id(t): sum(t["entropies"]) / max(len(t["entropies"]), 1) for t in slow.turns}
    of_roots = [mean[id(t)] for name in slow.roots for t in slow.of[name]]
    low, high = min(of_roots), max(of_roots)
    scaled = {key: (value - low) / (high - low) for key, value in mean.items()}
    base: dict[str, float] = {}
    for names in slow.groups():
        base |= dict(zip(names, grpo(slow, names), strict=True))
    gains = [math.exp(-scaled[id(t)]) for name in slow.roots for t in slow.of[name]]
    value: dict[int, float] = {}
    for name in slow.roots:
        turns = slow.of[name]
        for i, turn in enumerate(turns):
            gain = math.exp(-scaled[id(turn)]) / (sum(gains) / len(gains))
            bonus = math.exp(-scaled[id(turns[i + 1])]) if i + 1 < len(turns) else 0.0
            value[id(turn)] = base[name] * gain + 0.1 * bonus
    centre = sum(value.values()) / len(value)
    return [value[id(turn)] - centre if id(turn) in value else 0.0 for turn in slow.turns]


def spo_anchors(slow: Slow) -> list[float]:
    visits: dict[Any, dict[str, float]] = defaultdict(dict)
    for name, turns in slow.of.items():
        for turn, togo in zip(turns, slow.togo(name, 1.0), strict=True):
            visits[slow.group[name], turn["anchor"]].setdefault(name, togo)
    start = {}
    for names in slow.groups():
        start[slow.group[names[0]]] = sum(slow.score(name) for name in names) / len(names)
    found: dict[int, float] = {}
    for name, turns in slow.of.items():
        cuts = []
        for t, turn in enumerate(turns):
            met = visits[slow.group[name], turn["anchor"]]
            if t == 0 and name in slow.roots:
                cuts.append((0, start[slow.group[name]]))
            elif t == 0 or len(met) >= 3:
                cuts.append((t, sum(met.values()) / len(met)))
        cuts.append((len(turns), 0.0))
        for (first, before), (end, after) in itertools.pairwise(cuts):
            paid = sum(slow.reward(turn, lambda turn: 0.0) for turn in turns[first:end])
            for turn in turns[first:end]:
                found[id(turn)] = paid + after - before
    return [found[id(turn)] for turn in slow.turns]


def credited(
    slow: Slow, cuts: Callable[[str], dict[int, float]], names: Iterable[str]
) -> list[float]:
    """Each segment's rewards and what its state's value gained; `cuts` values turns by place."""
    found: dict[int, float] = {}
    for name in names:
        turns, valued = slow.of[name], cuts(name)
        for (first, before), (end, after) in itertools.pairwise(
            [*sorted(valued.items()), (len(turns), 0.0)]
        ):
            paid = sum(slow.reward(turn, lambda turn: 0.0) for turn in turns[first:end])
            found |= {id(turn): paid + after - before for turn in turns[first:end]}
    return [found.get(id(turn), 0.0) for turn in slow.turns]


def mean_of(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known)


def spo_forks(slow: Slow) -> list[float]:
    def cuts(name: str) -> dict[int, float]:
        valued = {}
        for place, turn in enumerate(slow.of[name]):
            if forks := slow.forks_at(name, turn["turn"]):
                valued[place] = mean_of(slow.score(fork) for fork in forks)
        group = [other for other in slow.roots if slow.group[other] == slow.group[name]]
        return {**valued, 0: mean_of(slow.score(other) for other in group)}

    return credited(slow, cuts, slow.roots)


def spo_tree(slow: Slow) -> list[float]:
    def branch(name: str, place: int) -> float:
        """What is earned from a place on, up to the next node, and what that is worth."""
        turns, paid = slow.of[name], 0.0
        for i in range(place, len(turns)):
            if i > place and slow.forks_at(name, turns[i]["turn"]):
                return paid + node(name, i)
            paid += slow.reward(turns[i], lambda turn: 0.0)
        return paid

    def node(name: str, place: int) -> float:
        forks = slow.forks_at(name, slow.of[name][place]["turn"])
        return mean_of([branch(name, place), *(whole(fork) for fork in forks)])

    def whole(name: str) -> float:
        forked = slow.forks_at(name, slow.of[name][0]["turn"])
        return node(name, 0) if forked else branch(name, 0)

    def cuts(name: str) -> dict[int, float]:
        turns = slow.of[name]
        valued = {
            place: node(name, place)
            for place, turn in enumerate(turns)
            if slow.forks_at(name, turn["turn"])
        }
        parent = turns[0]["parent"]
        if parent is not None:
            numbers = [turn["turn"] for turn in slow.of[parent]]
            start = node(parent, numbers.index(turns[0]["turn"]))
        else:
            group = [other for other in slow.roots if slow.group[other] == slow.group[name]]
            start = mean_of(whole(other) for other in group)
        return {0: start, **valued}

    return credited(slow, cuts, slow.of)


def gigpo(slow: Slow) -> list[float]:
    returns = {
        id(turn): (sum(0.95 ** (j - i) * t["reward"] for j, t in enumerate(turns) if j >= i))
        for turns in slow.of.values()
        for i, turn in enumerate(turns)
    }
    cells: dict[Any, Turns] = defaultdict(list)
    for turn in slow.turns:
        cells[turn["group"], turn["anchor"]].append(turn)
    steps = {}
    for turns in cells.values():
        many = len(turns) > 1
        values = standard([returns[id(turn)] for turn in turns]) if many else [0.0]
        steps |= {id(turn): value for turn, value in zip(turns, values, strict=True)}
    episodes = grouped(lambda slow, names: grpo(slow, names) if len(names) > 1 else [0.0])(slow)
    return [a + steps[id(turn)] for a, turn in zip(episodes, slow.turns, strict=True)]


def canon_annealed(slow: Slow) -> list[float]:
    mu = 1 - mean_of(min(max(slow.outcome(name), 0.0), 1.0) for name in slow.roots)
    return grouped(canon(mu, "entropy"))(slow)


def rae(slow: Slow) -> list[float]:
    # The second batch of two that are the same: the first has moved the baselines from 0.
    played: dict[str, list[float]] = defaultdict(list)
    for name in slow.roots:
        played[slow.of[name][0]["role"]].append(slow.score(name))
    baseline = {}
    for role, scores in played.items():
        baseline[role] = 0.0
        for _ in scores:
            baseline[role] = 0.95 * baseline[role] + 0.05 * mean_of(scores)
    return slow.spread(
        {name: slow.score(name) - baseline[slow.of[name][0]["role"]] for name in slow.roots}
    )


CASES: list[tuple[str, dict[str, Any], Callable[[Slow], list[float]]]] = [
    ("grpo", {}, grouped(grpo)),
    ("dr_grpo", {}, grouped(dr_grpo)),
    ("rloo", {}, grouped(rloo)),
    ("gspo", {}, grouped(grpo)),
    ("reg_grpo", {}, grouped(grpo)),
    ("ssb", {}, grouped(grpo)),
    ("dapo", {"max_length": 3, "overlong_share": 2 / 3}, grouped(dapo)),
    ("ngrpo", {}, grouped(ngrpo)),
    ("canon", {}, grouped(canon(1.0, "entropy"))),
    ("canon", {"mode": "intra"}, grouped(canon(0.0, "entropy"))),
    ("hapo", {}, grouped(hapo)),
    ("drpo", {}, grouped(drpo)),
    ("xrpo", {}, grouped(xrpo)),
    ("copo", {}, copo),
    ("reinforce_pp", {"gamma": 0.9}, reinforce_pp(False)),
    ("reinforce_pp", {"gamma": 0.9, "variant": "baseline"}, reinforce_pp(True)),
    ("hgpo", {}, hgpo),
    ("empg", {}, empg),
    ("spo", {"samples": 3}, spo_anchors),
    ("spo", {"values": "forks"}, spo_forks),
    ("spo", {"mode": "tree"}, spo_tree),
    ("gigpo", {}, gigpo),
    ("canon", {"mode": "annealed"}, canon_annealed),
    ("rae", {}, rae),
]


@pytest.mark.parametrize(
    ("name", "options", "slow"), CASES, ids=[f"{name} {options}" for name, options, _ in CASES]
)
def test_transcription(name: str, options: dict[str, Any], slow: Any) -> None:
    for seed in range(15):
        random = np.random.default_rng(seed)
        rows = sampled(random, groups=4, members=6, turns=4, forks=True)
        algorithm = make_algorithm(name, invalid_penalty=PENALTY, **options)
        state = algorithm.initial_state()
        if name == "rae":
            algorithm.advantages(batch_of(rows), state)
        found = algorithm.advantages(batch_of(rows), state)
        np.testing.assert_allclose(found, slow(Slow(rows)), rtol=1e-9, atol=1e-9)
        assert (found != 0).any()


def test_canon_by_length() -> None:
    algorithm = make_algorithm("canon", metric="length", invalid_penalty=PENALTY)
    for seed in range(15):
        random = np.random.default_rng(seed)
        rows = sampled(random, groups=4, members=6, turns=4, forks=True)
        # No trajectory is as long as another, so that halves have no ties.
        names = list(dict.fromkeys(rows["trajectory"]))
        extra = dict(zip(names, (100 * random.permutation(len(names))).tolist(), strict=True))
        for i, name in enumerate(rows["trajectory"]):
            rows["logprobs"][i] = rows["entropies"][i] = [1.0] * (1 + extra.pop(name, 0))
        found = algorithm.advantages(batch_of(rows))
        expected = grouped(canon(1.0, "length"))(Slow(rows))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_canon_anneals_with_success_and_shares_ties() -> None:
    # Lengths 1, 2, 2, 3: the two of length 2 are half low, half high. Scores 1, 0, 1, 0.
    batch = TurnBatch.from_rows(
        group=[0] * 4,
        trajectory=range(4),
        anchor=range(4),
        reward=[1, 0, 1, 0],
        tokens=TokenColumns.from_rows([[-1.0]] + [[-1.0] * 2] * 2 + [[-1.0] * 3]),
    )
    # mean_L = (1 + 0/2 + 1/2) / 2 = 3/4 and mean_H = (0/2 + 1/2 + 0) / 2 = 1/4.
    inter = make_algorithm("canon", metric="length").advantages(batch)
    np.testing.assert_allclose(inter, [0.75, -0.5, 0.5, -0.75])
    intra = make_algorithm("canon", metric="length", mode="intra").advantages(batch)
    np.testing.assert_allclose(intra, [0.25, -0.5, 0.5, -0.25])
    annealed = make_algorithm("canon", metric="length", mode="annealed").advantages(batch)
    np.testing.assert_allclose(annealed, (inter + intra) / 2)  # half of the batch succeeded


def test_rae_reads_its_baselines_before_it_moves_them() -> None:
    columns: dict[str, Any] = {"group": [0] * 3, "anchor": [0] * 3, "trajectory": range(3)}
    batch = TurnBatch.from_rows(**columns, reward=[1, 0, 1], role=["x", "x", "o"])
    algorithm = make_algorithm("rae")
    state = algorithm.initial_state()
    assert algorithm.advantages(batch, state).tolist() == [1, 0, 1]
    # x scored 1/2 on average, twice: 1 - 0.95^2 = 0.0975 of it. o scored 1 once: 0.05 of it.
    assert state["baselines"] == pytest.approx({"x": 0.0975 / 2, "o": 0.05})
    assert algorithm.advantages(batch, state).tolist() == pytest.approx([0.95125, -0.04875, 0.95])


def test_hapo_scales_entropies_and_remembers_the_scale() -> None:
    entropies = np.exp([[0.0], [1.0], [2.0], [3.0], [5.0]])
    batch = TurnBatch.from_rows(
        group=[0] * 5,
        trajectory=range(5),
        anchor=range(5),
        reward=[1, 0, 0, 0, 1],
        tokens=TokenColumns.from_rows([[-1.0]] * 5, entropies),
    )
    algorithm: Any = make_algorithm("hapo")
    state = algorithm.initial_state()
    assert algorithm.temperature(state) is None
    values = algorithm.advantages(batch, state)
    # log entropies 0 ... 5: their 0.8 quantile lies 1/5 of the way from 3 to 5.
    assert state == pytest.approx({"centre": 3.4, "above": 1.6, "below": 3.4})
    columns = algorithm.token_columns(batch, values, state)
    relative = [-1, -2.4 / 3.4, -1.4 / 3.4, -0.4 / 3.4, 1]
    np.testing.assert_allclose(columns["relative_entropy"], relative)
    np.testing.assert_allclose(columns["advantages"], values * (1 + np.array(relative)))
    assert algorithm.temperature(state).strength == 0.05


def test_ssb_refills_by_size_of_advantage_and_forgets() -> None:
    algorithm = make_algorithm("ssb", capacity=3, max_age=2)
    state = algorithm.initial_state()
    fresh = [Sample(w, {"n": n}) for n, w in enumerate([0.0, 1.0, 2.0, 3.0, 4.0])]
    assert list(algorithm.replay(fresh, 9, state, seed=0)) == []  # nothing was stored before
    assert [item["row"]["n"] for item in state["samples"]] == [2, 3, 4]
    counts = np.zeros(5)
    for seed in range(300):
        (one,) = algorithm.replay([], 1, {"samples": list(state["samples"])}, seed)
        counts[one.row["n"]] += 1
    np.testing.assert_allclose(counts[2:] / 300, [2 / 9, 3 / 9, 4 / 9], atol=0.09)
    assert len(algorithm.replay([], 9, state, seed=0)) == 3
    assert len(algorithm.replay([], 9, state, seed=0)) == 3
    assert list(algorithm.replay([], 9, state, seed=0)) == []  # older than two iterations
