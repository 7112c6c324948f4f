"""The battle experiment of docs/results.md: resumable, one line of results a part.

    python docs/experiments/vgc.py run [--runs FOLDER] [--reduced] [--parts PART …]
    python docs/experiments/vgc.py table

A clone of the heuristic player is improved by reinforcement learning on team sets of 1, 4, 16 and
64, under self-play, fictitious play and the double oracle. All meet on the one team that everybody
trained on, and on the 72 unseen teams. A part that is among the results is not run again, and a
training that was interrupted goes on. `--reduced` trains less: an hour on one core.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

from lines import add_line, read_lines
from rich.console import Console

from anchorgym.training.evaluation.statistics import over_seeds
from anchorgym.training.run.display import Display
from anchorgym.training.worlds.vgc.anchored import GroupConfig, compare
from anchorgym.training.worlds.vgc.cloning import clone_battles
from anchorgym.training.worlds.vgc.config import BattleConfig, CloneBattlesConfig, PopulationConfig
from anchorgym.training.worlds.vgc.evaluating import evaluate_league
from anchorgym.training.worlds.vgc.populations import train_population
from anchorgym.training.worlds.vgc.report import draw

HERE = Path(__file__).parent
RESULTS = HERE / "vgc.jsonl"
PARTS = ("clone", "train", "evaluate", "gigpo")
SIZES = (1, 4, 16, 64)
METHODS = ("self-play", "fictitious-play", "double-oracle")
SHORT = {"self-play": "sp", "fictitious-play": "fp", "double-oracle": "do"}
VGC_BENCH = {
    "seen team, 1-team agent against 4, 16, 64": "69.9, 74.0, 69.8",
    "72 unseen teams, 64-team agent against 1, 4, 16": "66.9, 57.8, 56.4",
}
"""Self-play agents cloned from 700,000 human battles, 100 games a cell, without intervals."""


class Plan:
    """How much is trained and played."""

    def __init__(self, reduced: bool) -> None:
        self.name = "reduced" if reduced else "full"
        everywhere = METHODS[:1] if reduced else METHODS
        self.trainings = [(method, size) for size in SIZES for method in everywhere]
        if reduced:
            self.trainings += [(method, 16) for method in METHODS[1:]]
        self.clone = {"battles": 2000, "epochs": 8} if reduced else {"battles": 3000, "epochs": 10}
        self.rounds, self.updates, self.battles = (2, 20, 64) if reduced else (4, 40, 96)
        self.games = 64 if reduced else 96
        self.group_seeds = (0, 1, 2, 3, 4)
        self.group_turns = 6000 if reduced else 40_000


def clone(plan: Plan, runs: Path, display: Display) -> dict[str, Any]:
    """Clone the heuristic player."""
    config = CloneBattlesConfig.parse({"battle": {"teams": 64}, **plan.clone})
    fits = list(clone_battles(config, runs / "clone", display=display, resume=True))
    return {"settings": config.model_dump(), "accuracy": fits[-1].accuracy}


def train(plan: Plan, runs: Path, display: Display, method: str, size: int) -> dict[str, Any]:
    """Improve the clone on a team set."""
    config = PopulationConfig.parse(
        {
            "battle": {"teams": size},
            "method": method,
            "start": str(runs / "clone"),
            "rounds": plan.rounds,
            "updates": plan.updates,
            "battles": plan.battles,
            "games": plan.games,
        }
    )
    league = train_population(
        config, runs / f"{SHORT[method]}-{size}", display=display, resume=True
    )
    settings = config.model_dump(exclude={"start"})
    return {"settings": settings, "rounds": [found["nash_conv"] for found in league.history]}


def evaluate(plan: Plan, runs: Path, display: Display) -> dict[str, Any]:
    """Have everybody meet on the team that all have seen, and on unseen ones."""
    players = {name: name for name in ("random", "max-power", "heuristic")}
    players["clone"] = str(runs / "clone")
    for method, size in plan.trainings:
        name = f"{SHORT[method]}-{size}"
        players[name] = str(runs / name)
    found = evaluate_league(
        players, BattleConfig(teams=1), runs / "evaluation", games=plan.games, display=display
    )
    draw(found, HERE.parent / "vgc.png")
    return {"splits": [result.to_json() for result in found]}


def gigpo(plan: Plan, runs: Path, display: Display, seed: int) -> dict[str, Any]:
    """Train with GRPO and with GiGPO on forks, at equal battle turns, from the same clone."""
    config = GroupConfig.parse(
        {"start": str(runs / "clone"), "turns": plan.group_turns, "seed": seed}
    )
    found = compare(config, runs / f"gigpo-{seed}", games=4 * plan.games, display=display)
    return {"seed": seed, "settings": config.model_dump(exclude={"start"}), **found}


def run(known: argparse.Namespace) -> None:
    """Run what is missing."""
    plan, display = Plan(known.reduced), Display(Console())
    jobs: list[tuple[str, Any]] = []
    if "clone" in known.parts:
        jobs.append(("clone", partial(clone, plan, known.runs, display)))
    if "train" in known.parts:
        for method, size in plan.trainings:
            part = f"train {SHORT[method]}-{size}"
            work = partial(train, plan, known.runs, display, method, size)
            jobs.append((part, work))
    if "evaluate" in known.parts:
        jobs.append(("evaluate", partial(evaluate, plan, known.runs, display)))
    if "gigpo" in known.parts:
        for seed in plan.group_seeds:
            jobs.append((f"gigpo {seed}", partial(gigpo, plan, known.runs, display, seed)))
    done = {(line["plan"], line["part"]) for line in read_lines(RESULTS)}
    for part, work in jobs:
        if (plan.name, part) in done:
            continue
        began = time.process_time()
        found = work()
        seconds = round(time.process_time() - began, 1)
        line = {"plan": plan.name, "part": part, "python_cpu_seconds": seconds, **found}
        add_line(RESULTS, line)


def table() -> None:
    """Print what goes into docs/results.md."""
    for line in read_lines(RESULTS):
        if line["part"] == "clone":
            print(f"clone ({line['plan']}): held-out accuracy {line['accuracy']:.3f}\n")
        if line["part"] == "evaluate":
            for split in line["splits"]:
                _print_split(split)
    groups = [line["payoffs"] for line in read_lines(RESULTS) if line["part"].startswith("gigpo")]
    for one, other in (("gigpo", "grpo"), ("gigpo", "start"), ("grpo", "start")) if groups else ():
        gap = over_seeds([(found[one] - found[other]) / 2 for found in groups])
        print(f"games won, {one} minus {other}, {len(groups)} seeds: {gap.signed()}\n")
    print("VGC-Bench's figures (share of games that the row wins, %)")
    for what, figures in VGC_BENCH.items():
        print(f"  {what}: {figures}")


def _print_split(split: dict[str, Any]) -> None:
    names = split["players"]
    print(f"{split['split']} teams, {split['games']} games\n")
    print("| | " + " | ".join(names) + " | Elo | alpha-rank |")
    print("|---" * (len(names) + 3) + "|")
    for name, row, one in zip(names, split["shares"], split["standings"], strict=True):
        cells = [_cell(cell) for cell in row]
        rating = "{:+.0f} [{:+.0f}, {:+.0f}]".format(*one["elo"])
        print(f"| {name} | {' | '.join(cells)} | {rating} | {one['alpha_rank']:.2f} |")
    print()


def _cell(cell: list[float] | None) -> str:
    return "" if cell is None else "{:.0f} [{:.0f}, {:.0f}]".format(*(100 * x for x in cell))


def main() -> None:
    """Run or print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="run what is missing")
    runs.add_argument("--runs", type=Path, default=Path("runs/vgc"))
    runs.add_argument("--reduced", action="store_true")
    runs.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    commands.add_parser("table", help="print the results")
    known = parser.parse_args()
    run(known) if known.command == "run" else table()


if __name__ == "__main__":
    main()
