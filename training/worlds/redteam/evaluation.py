"""Evaluation of teams on attacks, harmless notes and clean tasks, with intervals over tasks."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from anchorgym.agents.policies.base import Policy
from anchorgym.envs.redteam import Record, measures
from anchorgym.training.evaluation.statistics import Interval, bootstrap, share_interval
from anchorgym.training.rollout.drivers import SamplingRule
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.play import play_matches
from anchorgym.training.rollout.types import Start
from anchorgym.training.selfplay.league_games import reseed

_WAVE = 128
"""Most episodes that are played together."""
SHARES = (
    "attack_success",
    "contagion",
    "utility_clean",
    "utility_noted",
    "utility_attacked",
    "over_refusal",
    "detection",
)
"""Measures that are shares, in the order of the tables."""


@dataclass(frozen=True, slots=True)
class TeamFigures:
    """The results of a team against one attacker on a panel.

    Attributes:
        team, attacker: names of both.
        measures: mean and 95 % interval over tasks, by measure (see `envs.redteam.measures`).
        cells: attack success by goal, surface and topology: (key, mean, episodes).
        diversity: measures of the diversity of the attacks.
        strategies: counts of the most frequent attacks, without their requests.
    """

    team: str
    attacker: str
    measures: dict[str, Interval]
    cells: list[tuple[tuple[str, ...], float, int]]
    diversity: dict[str, float]
    strategies: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return all results as JSON values."""
        return asdict(self)


def play_panel(
    envs: EnvPool[Any],
    attacker: Policy,
    defender: Policy,
    tasks: Sequence[str],
    *,
    seed: int = 0,
    temperature: float = 1.0,
) -> list[Record]:
    """Play tasks with one policy on each side; return the records, task by task.

    Args:
        envs: pool of red-team environments.
        attacker, defender: policies of all attackers and of all defenders.
        tasks: ids of the tasks.
        seed: seed of the world's randomness and of the sampling.
        temperature: sampling temperature; 0 is greedy.
    """
    world, rng = envs.first, random.Random(f"{seed}/panel")
    seats = {**dict.fromkeys(world.attackers, attacker), **dict.fromkeys(world.defenders, defender)}
    for policy in (attacker, defender):
        reseed(policy, rng)
    records: list[Record] = []
    sampling = SamplingRule(temperature)
    for first in range(0, len(tasks), _WAVE):
        starts = [
            Start(task, i, rng.getrandbits(31)) for i, task in enumerate(tasks[first:][:_WAVE])
        ]
        seeded = replace(sampling, seed=rng.getrandbits(62))
        matches = play_matches([seats] * len(starts), envs, starts, sampling=seeded)
        ends = [match.infos[world.defenders[0]]["record"] for match in matches]
        records += [Record.from_json(end) for end in ends]
    return records


def figures_of(team: str, attacker: str, records: Sequence[Record]) -> TeamFigures:
    """Compute the results of a team from records."""
    found: dict[str, Interval] = {}
    for name in (*SHARES, "verifications"):
        by_task = measures.values(records, name)
        means = np.array([np.mean(values) for values in by_task.values()])
        if not len(means):
            continue
        binary = name in SHARES and np.isin(means, (0, 1)).all()
        found[name] = share_interval(means) if binary else bootstrap(means)
    cells = [(key, mean.value, mean.n) for key, mean in measures.table(records).items()]
    most = dict(list(measures.strategies(records).items())[:10])
    return TeamFigures(team, attacker, found, cells, asdict(measures.diversity(records)), most)


def evaluate_teams(
    envs: EnvPool[Any] | Sequence[EnvPool[Any]],
    teams: Mapping[str, Policy],
    attackers: Mapping[str, Policy],
    tasks: Sequence[str],
    *,
    seed: int = 0,
) -> list[TeamFigures]:
    """Evaluate every team against every attacker, on the same tasks and seeds.

    Args:
        envs: pool of red-team environments, or several pools, such as one for each topology, over
            which results are pooled.
        teams, attackers: policies by name.
        tasks: ids of the tasks, which all environments have.
        seed: seed of the worlds' randomness and of the sampling.
    """
    rooms = [envs] if isinstance(envs, EnvPool) else envs
    return [
        figures_of(
            team,
            name,
            [r for room in rooms for r in play_panel(room, attacker, defender, tasks, seed=seed)],
        )
        for team, defender in teams.items()
        for name, attacker in attackers.items()
    ]
