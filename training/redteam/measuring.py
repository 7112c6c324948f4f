"""Measures a run of `anchorgym selfplay anchorgym/RedTeam-v0`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anchorgym.agents.policy import Policy, ScriptPolicy
from anchorgym.envs import make_parallel
from anchorgym.training.config import ConfigError
from anchorgym.training.redteam.evaluation import evaluate_teams, figures_of, play_panel
from anchorgym.training.redteam.report import RedTeamReport
from anchorgym.training.redteam.responding import best_attacker
from anchorgym.training.reporting import Display
from anchorgym.training.selfplay.assembly import empty_table, world_arguments
from anchorgym.training.selfplay.config import read_coevolve_config
from anchorgym.training.selfplay.matches import Arenas
from anchorgym.training.selfplay.players import Players
from anchorgym.training.statistics import Interval

SCRIPTS = ("blatant", "authority", "peer_spoof")
"""Attackers that every team is measured against."""
_GENERATIONS = 6
"""Of the cross-play, at most."""


def measure_run(
    folder: Path,
    *,
    tasks: int | None,
    response: int,
    seed: int = 0,
    split: str = "test",
    scratch: Path | None = None,
    display: Display | None = None,
) -> RedTeamReport:
    """Measure the last team of a run, beside the undefended and the untrained one.

    Args:
        folder: of the run.
        tasks: of the panel; None for all.
        response: iterations that a fresh attacker is trained for, against each team; 0 for none.
        seed: of everything that is drawn.
        split: of the tasks.
        scratch: an empty folder for the training of fresh attackers.
        display: for people.

    Raises:
        ConfigError: the folder holds no red-team run.
    """
    display = display or Display()
    config = read_coevolve_config(folder)
    arenas = Arenas(lambda: make_parallel(config.env.id, **world_arguments(config)))
    world = arenas.first
    if not hasattr(world, "attackers"):
        raise ConfigError(f"{folder} holds a run of {config.env.id}, which has no attackers")
    panel = world.tasks(split)[:tasks]
    if not any(world.task_type(task).startswith("attack") for task in panel):
        raise ConfigError(f"the first {tasks} tasks of {split} hold no attack: measure on more")
    generations = _generations(folder)
    players = _players(folder, world)
    last = generations[-1]
    teams: dict[str, Policy] = {
        "undefended": ScriptPolicy("naive"),
        "untrained": players.get("defender 0"),
        f"generation {last}": players.get(f"defender {last}"),
    }
    attackers: dict[str, Policy] = {name: ScriptPolicy(name) for name in SCRIPTS}
    attackers["own"] = players.get(f"attacker {last}")
    found = evaluate_teams(arenas, teams, attackers, panel, seed=seed)
    if response and scratch is not None:
        with display.phase("responses", len(teams)) as shown:
            for number, (name, team) in enumerate(teams.items()):
                fresh = best_attacker(
                    config, team, scratch / f"{number}", iterations=response, seed=seed + 1000
                )
                records = play_panel(arenas, fresh, team, panel, seed=seed)
                found.append(figures_of(name, "fresh", records))
                shown.step(name)
    cross_play = _cross_play(arenas, players, generations, panel, seed)
    return RedTeamReport(found, cross_play, _entropies(folder))


def _cross_play(
    arenas: Arenas, players: Players, generations: Sequence[int], panel: Sequence[str], seed: int
) -> dict[str, dict[str, Interval]]:
    """Return attack success of attackers (rows) against teams (columns) of generations."""

    def success(row: int, column: int) -> Interval:
        sides = players.get(f"attacker {row}"), players.get(f"defender {column}")
        records = play_panel(arenas, *sides, panel, seed=seed)
        return figures_of("", "", records).measures["attack_success"]

    return {
        f"attacker {row}": {f"team {column}": success(row, column) for column in generations}
        for row in generations
    }


def transcripts(folder: Path, n: int, *, split: str = "test", seed: int = 0) -> list[str]:
    """Return episodes of the last team and its attacker as text for people."""
    if n < 1:
        return []
    config = read_coevolve_config(folder)
    arenas = Arenas(lambda: make_parallel(config.env.id, **world_arguments(config)))
    world, last = arenas.first, _generations(folder)[-1]
    players = _players(folder, world)
    sides = players.get(f"attacker {last}"), players.get(f"defender {last}")
    panel = world.tasks(split)[:n]
    return [record.transcript() for record in play_panel(arenas, *sides, panel, seed=seed)]


def _players(folder: Path, world: Any) -> Players:
    """Return the players of a run, whose policies are tables unless their folders say otherwise."""
    return Players(
        folder / "players",
        lambda role: empty_table(world),
        lambda role: None,
        lambda: empty_table(world),
    )


def _generations(folder: Path) -> Sequence[int]:
    """Return the generations of a run that are measured, first and last among them."""
    names = (folder / "players").glob("defender-*")
    numbers = sorted(int(p.name.partition("-")[2]) for p in names if p.name[9:].isdigit())
    if not numbers:
        raise ConfigError(f"{folder}/players holds no team: let a generation come to its end")
    if len(numbers) <= _GENERATIONS:
        return numbers
    steps = [round(i * (len(numbers) - 1) / (_GENERATIONS - 1)) for i in range(_GENERATIONS)]
    return [numbers[i] for i in steps]


def _entropies(folder: Path) -> dict[str, float]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    found: dict[str, float] = {}
    for line in map(json.loads, lines):
        if line.get("entropy") is not None:
            found[line["role"]] = line["entropy"]
    return found
