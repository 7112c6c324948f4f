"""Measurement of a run of `anchorgym selfplay anchorgym/RedTeam-v0`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anchorgym.agents.policies.base import Policy
from anchorgym.agents.policies.model import load_policy
from anchorgym.agents.policies.scripted import ScriptPolicy
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.envs import make_parallel
from anchorgym.training.config.section import ConfigError
from anchorgym.training.evaluation.statistics import Interval
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.run.components import find_factory
from anchorgym.training.run.display import Display
from anchorgym.training.run.reading import read_metrics
from anchorgym.training.selfplay.assembly import empty_table, world_arguments
from anchorgym.training.selfplay.config import read_coevolve_config
from anchorgym.training.selfplay.players import Players, scripted
from anchorgym.training.worlds.redteam.evaluation import evaluate_teams, figures_of, play_panel
from anchorgym.training.worlds.redteam.report import RedTeamReport
from anchorgym.training.worlds.redteam.responding import best_attacker

SCRIPTS = ("blatant", "authority", "peer_spoof")
"""Scripted attackers against which every team is measured."""
_GENERATIONS = 6
"""Most generations in the cross-play."""


def measure_run(
    folder: Path,
    *,
    tasks: int | None,
    response: int,
    seed: int = 0,
    split: str = "test",
    topologies: Sequence[str] = (),
    scratch: Path | None = None,
    display: Display | None = None,
) -> RedTeamReport:
    """Measure the last team of a run, beside an undefended and an untrained team.

    Args:
        folder: folder of the run.
        tasks: number of tasks of the panel; None for all.
        response: training iterations of a fresh attacker against each team; 0 trains none.
        seed: seed of all random draws.
        split: split of the tasks.
        topologies: topologies to measure on; by default that of the training.
        scratch: folder for the training of fresh attackers, which goes on where it was interrupted
            if the folder is given again.
        display: progress display.

    Raises:
        ConfigError: the folder holds no red-team run.
        OptionError: there is no such topology.
    """
    display = display or Display()
    run = RunOfTeams(folder)
    panel = run.panel(split, tasks)
    rooms = [run.envs_of(topology) for topology in topologies] or [run.envs]
    teams, attackers = run.teams(), run.attackers()
    found = evaluate_teams(rooms, teams, attackers, panel, seed=seed)
    if response and scratch is not None:
        with display.phase("responses", len(teams)) as shown:
            for name, team in teams.items():
                fresh = best_attacker(
                    run.config,
                    team,
                    scratch / run.digest(name, response, seed),
                    iterations=response,
                    seed=seed + 1000,
                    begin=run.beginner,
                )
                found += evaluate_teams(rooms, {name: team}, {"fresh": fresh}, panel, seed=seed)
                shown.step(name)
    order = list(teams)
    found.sort(key=lambda of: order.index(of.team))
    cross_play = _cross_play(run, panel, seed)
    return RedTeamReport(found, cross_play, _entropies(folder))


class RunOfTeams:
    """The players of a red-team run.

    Args:
        folder: folder of the run.

    Raises:
        ConfigError: the folder holds no red-team run, or no finished generation.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, read_coevolve_config(folder)
        self.envs = self.envs_of()
        if not hasattr(self.envs.first, "attackers"):
            raise ConfigError(
                f"{folder} holds a run of {self.config.env.id}, which has no attackers"
            )
        self.generations = _generations(folder)
        self._engine = find_factory(self.config)
        self._players = Players(
            folder / "players", lambda role: self._table(), self._frozen, self._table, self._engine
        )

    def envs_of(self, topology: str | None = None) -> EnvPool[Any]:
        """Return environments like those of the training, with another topology if given."""
        other = {} if topology is None else {"topology": topology}
        arguments = {**world_arguments(self.config), **other}
        return EnvPool(lambda: make_parallel(self.config.env.id, **arguments))

    def panel(self, split: str, tasks: int | None) -> Sequence[str]:
        """Return the first tasks of a split.

        Raises:
            ConfigError: the tasks contain no attack.
        """
        world = self.envs.first
        panel: Sequence[str] = world.tasks(split)[:tasks]
        if not any(world.task_type(task).startswith("attack") for task in panel):
            raise ConfigError(f"the first {tasks} tasks of {split} hold no attack: measure on more")
        return panel

    def attacker(self, generation: int) -> Policy:
        """Return the attackers' policy after a generation."""
        return self._players.get(f"attacker {generation}")

    def team(self, generation: int) -> Policy:
        """Return the team's policy after a generation."""
        return self._players.get(f"defender {generation}")

    def teams(self) -> dict[str, Policy]:
        """Return the teams to measure: baselines, and the last team of the run."""
        last = self.generations[-1]
        begun = "cloned" if (self.folder / "start" / "defender").exists() else "untrained"
        return {
            "undefended": ScriptPolicy("naive"),
            begun: self.team(0),
            f"generation {last}": self.team(last),
        }

    def attackers(self) -> dict[str, Policy]:
        """Return the attackers against which every team is measured."""
        scripts: dict[str, Policy] = {name: ScriptPolicy(name) for name in SCRIPTS}
        return {**scripts, "own": self.attacker(self.generations[-1])}

    def digest(self, team: str, response: int, seed: int) -> str:
        """Return a name for the training of a fresh attacker against a team."""
        learnt = (self.folder / "metrics.jsonl").read_bytes()
        about = [str(self.folder.resolve()), self.config.model_dump_json(), team, response, seed]
        return hashlib.sha256(json.dumps(about).encode() + learnt).hexdigest()[:16]

    def beginner(self) -> Policy:
        """Return the initial policy of a fresh attacker, which is that of the run's attackers."""
        kept = self.folder / "start" / "attacker"
        if not kept.exists():
            return self._table()
        if not TabularPolicy.is_kept_in(kept):
            return load_policy(kept, engine=self._engine)
        table = self._table()
        table.load(kept)
        return table

    def _table(self) -> TabularPolicy:
        return empty_table(self.envs.first)

    def _frozen(self, role: str) -> Policy | None:
        """Return the script of an untrained role, else None."""
        settings = self.config.roles.get(role)
        return scripted(settings.policy.name, self.config.seed) if settings else None


def _cross_play(run: RunOfTeams, panel: Sequence[str], seed: int) -> dict[str, dict[str, Interval]]:
    """Return attack success of attackers (rows) against teams (columns), by generation."""

    def success(row: int, column: int) -> Interval:
        sides = run.attacker(row), run.team(column)
        records = play_panel(run.envs, *sides, panel, seed=seed)
        return figures_of("", "", records).measures["attack_success"]

    return {
        f"attacker {row}": {f"team {column}": success(row, column) for column in run.generations}
        for row in run.generations
    }


def transcripts(folder: Path, n: int, *, split: str = "test", seed: int = 0) -> list[str]:
    """Return episodes of the last team and its attacker as readable text."""
    if n < 1:
        return []
    run = RunOfTeams(folder)
    last = run.generations[-1]
    panel = run.envs.first.tasks(split)[:n]
    records = play_panel(run.envs, run.attacker(last), run.team(last), panel, seed=seed)
    return [record.transcript() for record in records]


def _generations(folder: Path) -> Sequence[int]:
    """Return the generations to measure, the first and the last included."""
    names = (folder / "players").glob("defender-*")
    numbers = sorted(int(p.name.partition("-")[2]) for p in names if p.name[9:].isdigit())
    if not numbers:
        raise ConfigError(f"{folder}/players holds no team: let a generation come to its end")
    if len(numbers) <= _GENERATIONS:
        return numbers
    steps = [round(i * (len(numbers) - 1) / (_GENERATIONS - 1)) for i in range(_GENERATIONS)]
    return [numbers[i] for i in steps]


def _entropies(folder: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for line in read_metrics(folder / "metrics.jsonl"):
        if line.get("entropy") is not None:
            found[line["role"]] = line["entropy"]
    return found
