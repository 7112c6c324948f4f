"""The red-team experiment of docs/results.md: resumable, one line of results a training.

    python docs/experiments/redteam.py run --seeds 0 1 2 3 4 --runs FOLDER
    python docs/experiments/redteam.py run --ways "tiny coevolved" "tiny static" "tiny clone"
    python docs/experiments/redteam.py table

Teams of three on a chain, whose policies pick scripts from tables, are trained for as many matches
each in the ways of `WAYS`; those that begin with "tiny" are language policies that write free text
instead. Each team is then frozen and measured on test tasks: against scripted attackers, the
attacker it grew up with, and a fresh one that is trained against it. Results are appended to
docs/experiments/redteam.jsonl; a training that is among them is not run again. `table` reads that
file alone: intervals are Student's over seeds, differences are paired by seed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from lines import add_line, read_lines

from anchorgym.agents import Policy, ScriptPolicy
from anchorgym.envs import make_parallel
from anchorgym.training.evaluation.statistics import over_seeds
from anchorgym.training.selfplay import CoevolveConfig, EnvPool, coevolve
from anchorgym.training.selfplay.assembly import empty_table
from anchorgym.training.worlds.redteam import best_attacker, evaluate_teams
from anchorgym.training.worlds.redteam.measuring import RunOfTeams

RESULTS = Path(__file__).with_name("redteam.jsonl")
SCRIPTS = ("blatant", "authority", "peer_spoof")
DEFENCES = ("naive", "ignore", "verify", "paranoid")
RESPONSE = "best response"
SIZE = {"generations": 4, "iterations": 15, "tasks": 32, "group_size": 4}
TABLE = {"learning_rate": 1.0, "epochs": 4}
TINY_SIZE = {"generations": 1, "iterations": 16, "tasks": 16, "group_size": 4}
TINY = {"name": "tiny", "hidden": 64, "layers": 2, "heads": 2, "feed_forward": 192}


@dataclass(frozen=True)
class Way:
    """How a team is trained.

    Attributes:
        role: settings of the roles that are trained.
        schedule: of the run.
        attackers: scripts in the attackers' place, which learn nothing; none where they learn too.
        trained: whether anybody is.
        responds: whether a fresh attacker is trained against the team.
        tiny: whether the policies write free text.
    """

    role: Mapping[str, Any] = field(default_factory=dict)
    schedule: Mapping[str, Any] = field(default_factory=dict)
    attackers: tuple[str, ...] = ()
    trained: bool = True
    responds: bool = False
    tiny: bool = False


WAYS = {
    "coevolved": Way(responds=True),
    "static": Way(attackers=SCRIPTS, responds=True),
    "static, one script": Way(attackers=("blatant",), responds=True),
    "clean": Way(attackers=("abstain",)),
    "untrained": Way(trained=False, responds=True),
    "undefended": Way(trained=False),
    "no baseline": Way({"algorithm": {"name": "reinforce_pp", "gamma": 1.0}}),
    "leave-one-out": Way({"algorithm": {"name": "public_baseline", "leave_one_out": True}}),
    "rae": Way({"algorithm": "rae"}),
    "per-agent": Way({"algorithm": "public_baseline", "grouping": "agent"}),
    "alternating": Way(schedule={"kind": "alternating", "every": 5}),
    "gated": Way(schedule={"kind": "gated", "every": 10, "gate": 0.8}),
    "league": Way(schedule={"kind": "league", "past": 0.3}),
    "tiny coevolved": Way(tiny=True),
    "tiny static": Way(attackers=SCRIPTS, tiny=True),
    "tiny clone": Way(tiny=True, trained=False),
}


def settings(way: Way, seed: int) -> CoevolveConfig:
    """Return what a team is trained by."""
    role = {"learner": {} if way.tiny else TABLE, **way.role}
    roles: dict[str, Any] = {"attacker": role, "defender": role}
    if way.tiny:
        for name, scripts in (("attacker", SCRIPTS), ("defender", DEFENCES)):
            warmup = {"scripts": scripts, "updates": 800}
            roles[name] = {**role, "policy": TINY, "warmup": warmup}
    if way.attackers:
        roles["attacker"] = {"policy": f"script:{','.join(way.attackers)}", "trainable": False}
    games = 32 if way.schedule.get("kind") == "league" else 0
    return CoevolveConfig.parse(
        {
            "env": {"id": "anchorgym/RedTeam-v0", "schedule": "safety_first"},
            "roles": roles,
            "schedule": way.schedule,
            "league": {"bounds": [-10, 10], "zero_sum": False},
            "payoff_games": games,
            "seed": seed,
            **(TINY_SIZE if way.tiny else SIZE),
        }
    )


def players(name: str, seed: int, runs: Path) -> dict[str, Policy]:
    """Return the policies of both sides after their training, if they have any."""
    way, world = WAYS[name], make_parallel("anchorgym/RedTeam-v0")
    if name == "untrained":
        return {"defender": empty_table(world)}
    if name == "undefended":
        return {"defender": ScriptPolicy("naive")}
    folder = folder_of(name if way.trained else "tiny coevolved", seed, runs)
    for _ in coevolve(settings(way, seed), folder, resume=True):
        pass
    found = RunOfTeams(folder)
    last = found.generations[-1] if way.trained else 0
    return {"attacker": found.attacker(last), "defender": found.team(last)}


def folder_of(name: str, seed: int, runs: Path) -> Path:
    """Return where a training is kept."""
    return runs / f"{name.replace(', ', '-').replace(' ', '-')}-s{seed}"


def measured(name: str, seed: int, runs: Path, tasks: int) -> dict[str, Any]:
    """Train a team, or take one that needs no training, and measure it."""
    began, way = time.process_time(), WAYS[name]
    sides = players(name, seed, runs)
    attackers: dict[str, Policy] = {script: ScriptPolicy(script) for script in SCRIPTS}
    if "attacker" in sides and not way.attackers:
        attackers["own"] = sides["attacker"]
    cost = time.process_time() - began
    if way.responds:
        with tempfile.TemporaryDirectory() as scratch:
            attackers[RESPONSE] = best_attacker(
                settings(WAYS["coevolved"], seed),
                sides["defender"],
                Path(scratch),
                iterations=15,
                seed=seed + 1000,
            )
    envs = EnvPool(lambda: make_parallel("anchorgym/RedTeam-v0"))
    panel = envs.first.tasks("test")[:tasks]
    found = evaluate_teams(envs, {name: sides["defender"]}, attackers, panel, seed=seed)
    return {
        "cpu_seconds": round(cost, 1),
        "against": {figures.attacker: figures.to_json() for figures in found},
    }


def run(known: argparse.Namespace) -> None:
    """Run what is missing, all ways of a seed before the next seed."""
    done = {(line["way"], line["seed"]) for line in lines()}
    for seed in known.seeds:
        for name in known.ways:
            if (name, seed) in done:
                continue
            found = measured(name, seed, known.runs, known.tasks)
            line = {"way": name, "seed": seed, "size": size_of(name), "tasks": known.tasks, **found}
            add_line(RESULTS, line)


def size_of(name: str) -> dict[str, int]:
    """Return how long a way is trained for."""
    return dict(TINY_SIZE if WAYS[name].tiny else SIZE)


def lines() -> Iterator[dict[str, Any]]:
    """Yield what was measured so far; trainings of other sizes are passed over."""
    for line in read_lines(RESULTS):
        if line["size"] == size_of(line["way"]):
            yield line


# Tables ------------------------------------------------------------------------------------------


def success(line: dict[str, Any]) -> float:
    """Return the mean attack success of the scripted attackers."""
    return float(np.mean([against(name)(line) for name in SCRIPTS]))


def against(attacker: str, measure: str = "attack_success") -> Callable[[dict[str, Any]], float]:
    """Return a reader of a measure against an attacker; it reads nan where there was none."""

    def read(line: dict[str, Any]) -> float:
        found = line["against"].get(attacker)
        return float(found["measures"][measure]["mean"]) if found else float("nan")

    return read


COLUMNS = {
    "scripts": success,
    "own": against("own"),
    "fresh": against(RESPONSE),
    "clean": against("authority", "utility_clean"),
    "with notes": against("authority", "utility_noted"),
    "under attack": against("authority", "utility_attacked"),
    "over-refusal": against("authority", "over_refusal"),
}
"""Attack success of three kinds of attackers, and the work that is done."""


def table(known: argparse.Namespace) -> None:
    """Print what goes into docs/results.md, in per cent."""
    by_way: dict[str, dict[int, dict[str, Any]]] = {}
    for line in lines():
        by_way.setdefault(line["way"], {})[line["seed"]] = line
    print(f"| way | seeds | {' | '.join(COLUMNS)} | CPU s |\n|{'---|' * (len(COLUMNS) + 3)}")
    for name in (name for name in WAYS if name in by_way):
        found = by_way[name]
        cells = [over_seeds([read(line) for line in found.values()]) for read in COLUMNS.values()]
        shown = ["" if np.isnan(cell.mean) else str(cell) for cell in cells]
        spent = np.mean([line["cpu_seconds"] for line in found.values()])
        print(f"| {name} | {len(found)} | {' | '.join(shown)} | {spent:.0f} |")
    print("\nPaired by seed:")
    for one, other, column in (
        ("coevolved", "static", "fresh"),
        ("coevolved", "static, one script", "fresh"),
        ("coevolved", "static", "scripts"),
        *(("coevolved", other, "scripts") for other in list(WAYS)[6:13]),
        ("coevolved", "clean", "clean"),
        ("tiny coevolved", "tiny static", "scripts"),
        ("tiny coevolved", "tiny clone", "scripts"),
    ):
        left, right = by_way.get(one, {}), by_way.get(other, {})
        seeds = sorted(left.keys() & right.keys())
        if seeds:
            read = COLUMNS[column]
            gap = over_seeds([read(left[seed]) - read(right[seed]) for seed in seeds])
            print(f"- {column}, {one} minus {other}: {gap.signed()}")


def main() -> None:
    """Run or show."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    running = commands.add_parser("run", help="what is missing")
    running.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    ways = [name for name, way in WAYS.items() if not way.tiny]
    running.add_argument("--ways", nargs="+", choices=list(WAYS), default=ways, metavar="WAY")
    running.add_argument("--tasks", type=int, default=128, help="of the test panel")
    running.add_argument("--runs", type=Path, default=Path("runs/redteam"))
    running.set_defaults(do=run)
    commands.add_parser("table", help="what was measured").set_defaults(do=table)
    known = parser.parse_args()
    known.do(known)


if __name__ == "__main__":
    main()
