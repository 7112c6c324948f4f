"""The red-team experiment of docs/results.md: resumable, one line of results a training.

    python docs/experiments/redteam.py --seeds 0 1 2 3 4 --runs FOLDER

Teams of three on a chain, whose policies pick scripts from a table, are trained in six ways, for as
many matches each:

    coevolved      with attackers that learn too; REINFORCE++ with the public baseline
    leave-one-out  the same; the baseline leaves out the trajectory's own return
    rae            the same, with a moving average a role as baseline (SPIRAL)
    per-agent      the same, each agent compared with itself alone
    no baseline    the same, whitened returns alone
    static         against scripted attackers that do not learn
    clean          with attackers that abstain

Each is then frozen and measured on the 256 tasks of the test panel: against scripted attackers,
against the attacker it grew up with, and against a fresh one that is trained against it. Results
are appended to docs/experiments/redteam.jsonl; a training that is among them is not run again.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anchorgym.agents import Policy, ScriptPolicy
from anchorgym.agents.policy import Session
from anchorgym.envs import make_parallel
from anchorgym.training.redteam import best_attacker, evaluate_teams
from anchorgym.training.reporting import Display
from anchorgym.training.selfplay import Arenas, CoevolveConfig
from anchorgym.training.selfplay.assembly import empty_table
from anchorgym.training.selfplay.coevolution import Coevolution

HERE = Path(__file__).parent
SCRIPTS = ("blatant", "authority", "peer_spoof")
LEARNING_ATTACKERS: dict[str, dict[str, Any]] = {
    "coevolved": {"algorithm": "public_baseline"},
    "leave-one-out": {"algorithm": {"name": "public_baseline", "leave_one_out": True}},
    "rae": {"algorithm": "rae"},
    "per-agent": {"algorithm": "public_baseline", "grouping": "agent"},
    "no baseline": {"algorithm": {"name": "reinforce_pp", "gamma": 1.0}},
}
STATIC_ATTACKERS = {"static": SCRIPTS, "clean": ("abstain",)}


class OneOf:
    """Plays one of several scripts, drawn anew for each episode."""

    engine = None

    def __init__(self, names: tuple[str, ...], seed: int) -> None:
        self._scripts = [ScriptPolicy(name) for name in names]
        self._rng = random.Random(seed)

    def open(self, env: Any, agent: str = "agent") -> Session:
        """Begin an episode."""
        return self._rng.choice(self._scripts).open(env, agent)


def settings(way: str, seed: int, iterations: int) -> CoevolveConfig:
    """Return what a team is trained by."""
    team = LEARNING_ATTACKERS.get(way, LEARNING_ATTACKERS["coevolved"])
    roles: dict[str, Any] = {"attacker": team, "defender": team}
    if way in STATIC_ATTACKERS:
        roles["attacker"] = {"trainable": False}
    return CoevolveConfig.parse(
        {
            "env": {"id": "anchorgym/RedTeam-v0", "schedule": "safety_first"},
            "roles": roles,
            "league": {"bounds": [-10, 10], "zero_sum": False},
            "generations": 1,
            "iterations": iterations,
            "tasks": 32,
            "group_size": 4,
            "payoff_games": 0,
            "seed": seed,
        }
    )


def trained(way: str, seed: int, iterations: int, folder: Path) -> Coevolution:
    """Train a team."""
    folder.mkdir(parents=True)
    makers: dict[str, Callable[[], Policy]] = {}
    if way in STATIC_ATTACKERS:
        names = STATIC_ATTACKERS[way]
        makers["attacker"] = lambda: OneOf(names, seed)
    run = Coevolution(settings(way, seed, iterations), folder, makers, Display(), None)
    for _ in run.generations():
        pass
    return run


def measured(way: str, seed: int, iterations: int, runs: Path) -> dict[str, Any]:
    """Train a team, or take one that needs no training, and measure it."""
    began = time.process_time()
    folder = runs / f"{way.replace(' ', '-')}-s{seed}-{time.time_ns()}"
    attackers: dict[str, Policy] = {name: ScriptPolicy(name) for name in SCRIPTS}
    arenas = Arenas(lambda: make_parallel("anchorgym/RedTeam-v0"))
    if way == "untrained":
        defender: Policy = empty_table(arenas.first)
    elif way == "undefended":
        defender = ScriptPolicy("naive")
    else:
        run = trained(way, seed, iterations, folder)
        defender = run.roles.roles["defender"].policy
        attackers["own"] = run.roles.roles["attacker"].policy
    cost = time.process_time() - began
    attackers["best response"] = best_attacker(
        settings("coevolved", seed + 1000, 1),
        defender,
        folder / "response",
        iterations=iterations // 2,
        seed=seed + 1000,
    )
    tasks = arenas.first.tasks("test")
    found = evaluate_teams(arenas, {way: defender}, attackers, tasks, seed=seed)
    return {
        "cpu_seconds": round(cost, 1),
        "against": {figures.attacker: figures.to_json() for figures in found},
    }


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--runs", type=Path, default=Path("runs/redteam"))
    known = parser.parse_args()
    results = HERE / "redteam.jsonl"
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    done = {(line["way"], line["seed"]) for line in map(json.loads, lines)}
    ways = [*LEARNING_ATTACKERS, *STATIC_ATTACKERS, "untrained", "undefended"]
    for seed in known.seeds:
        for way in ways:
            if (way, seed) in done:
                continue
            found = measured(way, seed, known.iterations, known.runs)
            line = {"way": way, "seed": seed, "iterations": known.iterations, **found}
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
