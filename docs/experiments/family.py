"""The family of algorithms on one reduced ALFWorld job: resumable, one line of results a run.

    python docs/experiments/family.py run --seeds 0 1 2 3 4
    python docs/experiments/family.py run --seeds 0 --only grpo gigpo --minutes 30
    python docs/experiments/family.py run --job main --only grpo gigpo
    python docs/experiments/family.py table
    python docs/experiments/family.py draw

All runs of a seed go on from one clone, which is made once and kept among the runs. What ran is
appended to docs/experiments/family.jsonl as it comes, and is not run again; a run that was
interrupted goes on where it was. `--minutes` begins no further run after so long.

The reduced job is small so that every algorithm can be given five seeds: 0.3 million parameters,
episodes of 30 turns, eight iterations of eight tasks and eight episodes. `--job main` is the
default job of `anchorgym train`. Success is measured on tasks of valid_unseen, on which nothing is
chosen: greedily in the turns of the job, and sampled in all that the world gives.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from lines import add_line, read_lines
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from scipy import stats

from anchorgym.agents.policies.model import load_policy
from anchorgym.gigpo import algorithm_names
from anchorgym.training import EnvPool, RunFinishedError, TrainConfig, evaluate, train

RESULTS = Path(__file__).with_suffix(".jsonl")
PICTURE = Path(__file__).parents[1] / "family.png"
WORLD = "anchorgym/ALFWorld-v0"
PANEL = "valid_unseen"
Settings = dict[str, Any]

JOBS: dict[str, Settings] = {
    "reduced": {
        "env": {"id": WORLD, "max_turns": 30},
        "policy": {"hidden": 96, "layers": 2, "feed_forward": 288, "vocabulary_tasks": 300},
        "clone": {"updates": 800},
        "rollout": {"iterations": 8, "tasks": 8, "group_size": 8},
        "learner": {"minibatch": 8},
        "evaluation": {"validation_tasks": 150},
    },
    "main": {
        "env": {"id": WORLD},
        "rollout": {"iterations": 6},
        "evaluation": {"validation_tasks": 200},
    },
}
"""By name: what differs from the defaults. The curve's panel is the exam's, measured at the
beginning, half-way and at the end, so that the policy measured last is the last."""

WAYS: dict[str, Settings] = {
    **{name: {"algorithm": {"name": name}} for name in algorithm_names()},
    "dapo, six iterations": {"algorithm": {"name": "dapo"}, "rollout": {"iterations": 6}},
    "gigpo, observation anchors": {"algorithm": {"name": "gigpo", "anchor": "observation"}},
    "gigpo, history anchors": {"algorithm": {"name": "gigpo", "anchor": "history:3"}},
    "gigpo, fork": {"algorithm": {"name": "gigpo"}, "rollout": {"strategy": "fork"}},
    "gigpo, uncertain fork": {
        "algorithm": {"name": "gigpo"},
        "rollout": {"strategy": "fork", "fork_from": "uncertain"},
    },
    "gigpo, tree": {"algorithm": {"name": "gigpo"}, "rollout": {"strategy": "tree"}},
    "spo, tree": {
        "algorithm": {"name": "spo", "mode": "tree"},
        "rollout": {"strategy": "tree"},
    },
    "spo, forks": {
        "algorithm": {"name": "spo", "values": "forks"},
        "rollout": {"strategy": "fork", "siblings": 4},
    },
    "gigpo, adaptive": {"algorithm": {"name": "gigpo"}, "rollout": {"strategy": "adaptive"}},
}
"""What is compared, by name. Groups that DAPO drops are drawn again, so that it takes the turns of
eight iterations in six."""


CLONE = "clone"
"""What all ways of a seed begin from."""


def settings(job: str, seed: int, way: Settings, start: Path | None) -> TrainConfig:
    """Return the settings of a run: of the clone that others begin from, where `start` is None."""
    base = {section: dict(values) for section, values in JOBS[job].items()}
    for section, values in way.items():
        base[section] = {**base.get(section, {}), **values}
    iterations = base["rollout"]["iterations"]
    base["evaluation"] |= {"split": PANEL, "validation_split": PANEL, "tasks": 1}
    base["evaluation"]["every"] = -(-iterations // 2)
    base["rollout"]["record_every"] = 0
    if start is None:
        base["rollout"]["iterations"] = 0
    else:
        base["policy"], base["clone"] = {"name": str(start)}, {"updates": 0}
    return TrainConfig.parse({**base, "seed": seed})


def finished(config: TrainConfig, folder: Path) -> Path:
    """Bring a run to its end, wherever it is."""
    with contextlib.suppress(RunFinishedError):
        train(config, folder, Console(), resume=True)
    return folder


def cloned(job: str, seed: int, runs: Path) -> Path:
    """Return the policy that all ways of a seed go on from."""
    return finished(settings(job, seed, {}, None), runs / f"{job}-clone-s{seed}") / "policy"


def greedily(job: str, policy: Path) -> dict[str, float]:
    """Measure a policy as the curve does: greedy, in the turns of the job."""
    env = JOBS[job]["env"]
    worlds = EnvPool.of(WORLD, **{name: value for name, value in env.items() if name != "id"})
    tasks = JOBS[job]["evaluation"]["validation_tasks"]
    return asdict(evaluate(load_policy(policy), worlds, split=PANEL, tasks=tasks).success)


def sampling(job: str, policy: Path) -> dict[str, float]:
    """Measure a policy at temperature 1, in all turns that the world gives."""
    tasks = JOBS[job]["evaluation"]["validation_tasks"]
    played = evaluate(load_policy(policy), WORLD, split=PANEL, tasks=tasks, temperature=1.0)
    return asdict(played.success)


def measured(job: str, name: str, seed: int, runs: Path) -> dict[str, Any]:
    """Run one way with one seed, and return its line of results."""
    clone = cloned(job, seed, runs)
    if name == CLONE:
        line = {"job": job, "way": name, "seed": seed}
        return {**line, "greedy": {"0": greedily(job, clone)}, "sampled": sampling(job, clone)}
    stem = name.replace(", ", "-").replace(" ", "-")
    folder = finished(settings(job, seed, WAYS[name], clone), runs / f"{job}-{stem}-s{seed}")
    records = [json.loads(line) for line in (folder / "metrics.jsonl").open(encoding="utf-8")]
    steps = [record for record in records if record["phase"] == "train"]
    curve = [record for record in records if record["phase"] == "validate"]
    cost = json.loads((folder / "result.json").read_text(encoding="utf-8"))["cpu_seconds"]
    return {
        "job": job,
        "way": name,
        "seed": seed,
        "settings": WAYS[name],
        "iterations": len(steps),
        "greedy": {str(point["iteration"]): point["success"] for point in curve},
        "sampled": sampling(job, folder / "policy"),
        "training_success": [round(step["success"], 4) for step in steps],
        "zero_advantage": float(np.mean([step["zero_advantage"] for step in steps])),
        "turns": sum(step["environment_turns"] for step in steps),
        "tokens": sum(step["generated_tokens"] for step in steps),
        "cpu_seconds": {phase: round(spent, 1) for phase, spent in cost.items()},
    }


def run(job: str, seeds: Sequence[int], names: Sequence[str], runs: Path, minutes: float) -> None:
    """Run what is missing, all ways of a seed before those of the next; the clone comes first."""
    begun = time.monotonic()
    for seed in seeds:
        for name in (CLONE, *names):
            if (job, name, seed) in {(r["job"], r["way"], r["seed"]) for r in read_lines(RESULTS)}:
                continue
            if time.monotonic() - begun > 60 * minutes:
                return
            found = measured(job, name, seed, runs)
            add_line(RESULTS, found)


# The table ------------------------------------------------------------------------------------


def greedy(line: dict[str, Any]) -> float:
    """Greedy success at the end."""
    return float(line["greedy"][max(line["greedy"], key=int)]["mean"])


def half_way(line: dict[str, Any]) -> float:
    """Greedy success at half budget."""
    return float(line["greedy"][sorted(line["greedy"], key=int)[1]]["mean"])


def sampled(line: dict[str, Any]) -> float:
    """Sampled success at the end."""
    return float(line["sampled"]["mean"])


def learning_seconds(line: dict[str, Any]) -> float:
    """CPU seconds of playing and learning, without evaluations."""
    left_out = ("evaluation", "checkpoints", "vocabulary", "clone")
    return sum(s for phase, s in line["cpu_seconds"].items() if phase not in left_out)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of paired seeds and the half width of its 95 % interval (Student's t)."""
    n = len(values)
    if n < 2:
        return float(np.mean(values)), math.inf
    width = stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n)
    return float(np.mean(values)), float(width)


def difference(
    lines: Iterable[dict[str, Any]],
    base: dict[int, dict[str, Any]],
    of: Callable[[dict[str, Any]], float],
) -> list[float]:
    """Return the differences to the base, seed by seed where both ran."""
    return [of(line) - of(base[line["seed"]]) for line in lines if line["seed"] in base]


def percent(values: Sequence[float], sign: str = "") -> str:
    """Write a mean with its interval in per cent."""
    if not values:
        return ""
    mean, width = interval(values)
    spread = "" if math.isinf(width) else f" ± {100 * width:.1f}"
    return f"{100 * mean:{sign}.1f}{spread}"


def table(job: str) -> str:
    """Return what is known of a job as Markdown."""
    lines = [line for line in read_lines(RESULTS) if line["job"] == job]
    base = {line["seed"]: line for line in lines if line["way"] == "grpo"}
    rows = [
        "| | seeds | greedy | minus clone | minus grpo | sampled | minus clone | minus grpo "
        "| half-way | CPU s | turns | tokens | zero advantage |",
        "|" + "---|" * 13,
    ]
    clones = {line["seed"]: line for line in lines if line["way"] == CLONE}
    first = [percent([of(line) for line in clones.values()]) for of in (greedy, sampled)]
    rows.append(f"| clone | {len(clones)} | {first[0]} | | | {first[1]} |{' |' * 7}")
    known = {line["way"] for line in lines}
    for name in [name for name in WAYS if name in known]:
        of = [line for line in lines if line["way"] == name]
        other = [] if name == "grpo" else of
        cells = [
            name,
            str(len(of)),
            percent([greedy(line) for line in of]),
            percent(difference(of, clones, greedy), "+"),
            percent(difference(other, base, greedy), "+"),
            percent([sampled(line) for line in of]),
            percent(difference(of, clones, sampled), "+"),
            percent(difference(other, base, sampled), "+"),
            percent([half_way(line) for line in of]),
            f"{np.mean([learning_seconds(line) for line in of]):.0f}",
            f"{np.mean([line['turns'] for line in of]):,.0f}",
            f"{np.mean([line['tokens'] for line in of]):,.0f}",
            f"{100 * np.mean([line['zero_advantage'] for line in of]):.0f} %",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def draw(job: str, picture: Path) -> None:
    """Draw what each way has gained over its clones, sampled and greedy, with 95 % intervals."""
    lines = [line for line in read_lines(RESULTS) if line["job"] == job]
    clones = {line["seed"]: line for line in lines if line["way"] == CLONE}
    ways = {name: [line for line in lines if line["way"] == name] for name in WAYS}
    gains = {
        name: [interval(difference(of, clones, measure)) for measure in (sampled, greedy)]
        for name, of in ways.items()
        if of
    }
    names = sorted(gains, key=lambda name: gains[name][0][0])
    figure = Figure(figsize=(9, 1.6 + 0.22 * len(names)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for side, (axis, title) in enumerate(zip(panels, ("sampled", "greedy"), strict=True)):
        for height, name in enumerate(names):
            mean, width = (100 * value for value in gains[name][side])
            colour = "#d9730d" if name == "grpo" else "#2563a8"
            axis.errorbar(mean, height, xerr=width, fmt="o", ms=4, color=colour, elinewidth=1)
        axis.axvline(0, color="#8a8f98", lw=1)
        axis.axvline(100 * gains["grpo"][side][0], color="#d9730d", lw=1, ls=":")
        axis.set(title=f"{title} success, points above the clone")
        axis.grid(axis="x", alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), names, fontsize=8)
    figure.savefig(picture)


def main() -> None:
    """Run what is missing, print the table, or draw it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=("run", "table", "draw"))
    parser.add_argument("--job", choices=tuple(JOBS), default="reduced")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--only", nargs="+", choices=tuple(WAYS), default=tuple(WAYS))
    parser.add_argument("--runs", type=Path, default=Path("runs/family"), help="where runs go")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin none after so long")
    known = parser.parse_args()
    if known.command == "table":
        print(table(known.job))
    elif known.command == "draw":
        draw(known.job, PICTURE)
    else:
        run(known.job, known.seeds, known.only, known.runs, known.minutes)


if __name__ == "__main__":
    main()
