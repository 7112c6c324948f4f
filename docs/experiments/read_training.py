"""ReAd's critic as a signal for the learner, beside GRPO and GiGPO: resumable, a line a run.

    python docs/experiments/read_training.py play --seeds 0 1 2 3 4
    python docs/experiments/read_training.py table

The robots of a level of sort cubes share one table, which learns from nothing by playing with
itself; runs of one seed begin alike and meet the same draws. A line of read_training.jsonl holds
the share of matches won in each iteration. `table` draws docs/read-training.png too.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from lines import add_line, read_lines
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anchorgym.training.evaluation.statistics import Interval, bootstrap
from anchorgym.training.selfplay import CoevolveConfig, coevolve

HERE = Path(__file__).parent
RESULTS = HERE / "read_training.jsonl"
ALGORITHMS = ("grpo", "gigpo", "read")
LEVELS = ("sort3", "sort5")
ITERATIONS = 60
LAST = 10
"""Iterations at the end over which success is averaged."""
COLOURS = ("#8a8f98", "#d9730d", "#2563a8")


def config(level: str, algorithm: str, seed: int) -> CoevolveConfig:
    """Return the settings of a run; only the algorithm differs between those of a seed."""
    return CoevolveConfig.parse(
        {
            "env": {"id": "anchorgym/RoCoSort-v0", "level": level},
            "roles": {
                "robots": {
                    "agents": ["*"],
                    "algorithm": {"name": algorithm, "kl_coef": 0.0, "entropy_coef": 0.0},
                }
            },
            "league": {"zero_sum": False, "bounds": [0.0, 1.0]},
            "generations": 1,
            "iterations": ITERATIONS,
            "tasks": 2,
            "group_size": 8,
            "payoff_games": 0,
            "seed": seed,
        }
    )


def played(level: str, algorithm: str, seed: int) -> dict[str, Any]:
    """Train once: what was won in each iteration."""
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        for _ in coevolve(config(level, algorithm, seed), Path(folder, "run")):
            pass
        lines = Path(folder, "run", "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    won = [record["won"] for record in records if record["phase"] == "train"]
    turns = [record["turns"] for record in records if record["phase"] == "train"]
    seconds = round(time.process_time() - began)
    run = {"level": level, "algorithm": algorithm, "seed": seed, "seconds": seconds}
    return {**run, "won": won, "turns": turns}


def play(seeds: list[int]) -> None:
    """Do the runs that are missing, seed by seed."""
    done = {(x["level"], x["algorithm"], x["seed"]) for x in read_lines(RESULTS)}
    for seed, level, algorithm in itertools.product(seeds, LEVELS, ALGORITHMS):
        if (level, algorithm, seed) in done:
            continue
        line = played(level, algorithm, seed)
        add_line(RESULTS, line)


def show() -> None:
    """Print success over seeds and what ReAd gains, paired by seed, in Markdown."""
    found = {
        (x["level"], x["algorithm"], x["seed"]): np.array(x["won"]) for x in read_lines(RESULTS)
    }
    print(f"| level | algorithm | last {LAST} | all | ReAd minus it: last {LAST} | all |")
    print("|---" * 6 + "|")
    for level, algorithm in itertools.product(LEVELS, ALGORITHMS):
        seeds = sorted(s for at, of, s in found if (at, of) == (level, algorithm))
        own = [found[level, algorithm, seed] for seed in seeds]
        read = [found.get((level, "read", seed)) for seed in seeds]
        if not own or any(curve is None for curve in read):
            continue
        cells = [_cell([won[-LAST:].mean() for won in own]), _cell([won.mean() for won in own])]
        for part in (slice(-LAST, None), slice(None)):
            gains = [b[part].mean() - a[part].mean() for a, b in zip(own, read, strict=True)]
            cells.append("" if algorithm == "read" else _cell(gains))
        print(f"| {level} | {algorithm} | {' | '.join(cells)} |")


def draw(picture: Path) -> None:
    """Draw the means over seeds, with a band from the least to the most successful of them."""
    figure = Figure(figsize=(10, 4), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    lines = read_lines(RESULTS)
    for axis, level in zip(figure.subplots(1, len(LEVELS), sharey=True), LEVELS, strict=True):
        for algorithm, colour in zip(ALGORITHMS, COLOURS, strict=True):
            won = [x["won"] for x in lines if (x["level"], x["algorithm"]) == (level, algorithm)]
            x = np.arange(1, ITERATIONS + 1)
            axis.fill_between(x, np.min(won, axis=0), np.max(won, axis=0), color=colour, alpha=0.15)
            axis.plot(x, np.mean(won, axis=0), color=colour, lw=2, label=algorithm)
        axis.set(title=f"RoCoSort, {level}", xlabel="iteration", ylim=(-0.03, 1.03))
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, loc="lower right")
    figure.axes[0].set_ylabel("matches won in training")
    figure.savefig(picture)


def _cell(values: list[float]) -> str:
    array: NDArray[np.float64] = np.array(values)
    interval: Interval = bootstrap(array)
    return f"{interval.mean:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def main() -> None:
    """Do what is missing, or print what is there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("play", "table"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    known = parser.parse_args()
    if known.what == "play":
        play(known.seeds)
    else:
        show()
        draw(HERE.parent / "read-training.png")


if __name__ == "__main__":
    main()
