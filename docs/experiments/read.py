"""ReAd beside its baselines and controls: resumable, one line of results a level and method.

    python docs/experiments/read.py play --critics 0 1 2 --seeds 40 [--levels Y3_G3 …]
    python docs/experiments/read.py table

`play` fits the critics of each level (they are kept in --runs), plays every method with the same
seeds and the same simulated planner, and appends to docs/experiments/read.jsonl as results come;
what is there is not played again. `table` reads that file alone.

The controls are matched to ReAd-J level by level: `random_veto` refuses as often as its critic
did, and `best_of_k` asks as many queries a round, with a vote or with the critic to choose.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from lines import add_line, read_lines
from numpy.typing import NDArray

from anchorgym.agents.planning import (
    BestOfK,
    CoinScorer,
    Loop,
    NoFeedback,
    PlanningPolicy,
    ReAct,
    ReAdJ,
    ReAdS,
    RoCoDialogue,
    SimulatedPlanner,
    Verified,
    central_plan,
    mind_agent,
    reflexion,
)
from anchorgym.envs import make_parallel
from anchorgym.training.critics import (
    CollectConfig,
    CriticConfig,
    CriticScorer,
    PlanCritic,
    collect,
    fit_critic,
)
from anchorgym.training.evaluation.statistics import Interval, bootstrap, difference_interval
from anchorgym.training.rollout.planning import play_planned

HERE = Path(__file__).parent
RESULTS = HERE / "read.jsonl"
READ_J = "read_j"
MEASURES = ("won", "steps", "queries", "scored")
DATA_TURNS = 40
"""Long enough for most episodes of a critic's data to end."""
IDLE = 0.15
"""Share of rounds of a critic's data in which all wait, where time goes on meanwhile."""
CRITIC = CriticConfig(scale=20.0, aim="success", targets="bootstrapped", updates=2000, patience=8)
"""A round that is lost costs 1 where success is near, and less where it is far."""


@dataclass(frozen=True)
class Task:
    """One level of the benchmark.

    Args:
        env: id of a world that can be planned for.
        level: its task.
        cap: environment steps of an episode.
        attempts: plans without success that are asked for in a round, as in RoCoBench.
        wait_keeps_state: whether nothing happens while all wait.
        layout: of a kitchen; its name is the level.
    """

    env: str
    level: str
    cap: int
    attempts: int = 10
    wait_keeps_state: bool = True
    layout: str = ""

    def world(self, turns: int) -> Any:
        """Return the world with a limit of turns."""
        arguments = {"layout": self.layout} if self.layout else {}
        return make_parallel(self.env, max_turns=turns, **arguments)


KITCHENS = [
    Task("anchorgym/OvercookedPlan-v0", name, cap, wait_keeps_state=False, layout=name)
    for name, cap in (("cramped_room", 20), ("forced_coordination", 25))
]
TASKS = [
    *(
        Task("anchorgym/RoCoSweep-v0", level, 15)
        for level in ("Y1_G1", "Y1_G2", "Y2_G2", "Y2_G3", "Y3_G3")
    ),
    *(Task("anchorgym/RoCoSandwich-v0", f"recipe{n}", 15) for n in range(1, 5)),
    *(Task("anchorgym/RoCoSort-v0", f"sort{n}", 15, attempts=15) for n in range(1, 6)),
]

PAPER = {
    "Y1_G1": {"roco": (0.9, 14.4, 6.2), "react": (1, 5.5, 5.5), "central_plan": (0.4, 15.3, 11.2),
              "reflexion": (1, 5, 5), "mind_agent": (1, 5, 5), "read_s": (1, 10.4, 5),
              "read_j": (1, 5.9, 5)},
    "Y1_G2": {"roco": (1, 24.2, 8.9), "react": (1, 8.2, 8.2), "central_plan": (1, 7.8, 7.8),
              "reflexion": (1, 7, 7), "mind_agent": (1, 7.1, 7.1), "read_s": (1, 14.4, 7),
              "read_j": (1, 7.6, 7)},
    "Y2_G2": {"roco": (1, 29.1, 10.6), "react": (1, 10, 10), "central_plan": (0.8, 12.7, 12.7),
              "reflexion": (1, 10.1, 10), "mind_agent": (1, 9.9, 9.8), "read_s": (1, 19.9, 9.4),
              "read_j": (1, 13, 9)},
    "Y2_G3": {"roco": (0.7, 36.7, 13.5), "react": (0.6, 14.4, 13.8),
              "central_plan": (0.2, 14.6, 14.6), "reflexion": (0.7, 14.3, 12.9),
              "mind_agent": (0.7, 13.4, 13.4), "read_s": (0.9, 26.8, 12.2),
              "read_j": (1, 16.4, 11.7)},
    "Y3_G3": {"roco": (0.6, 41.8, 14.7), "react": (0.4, 15.2, 14.9), "central_plan": (0, 15, 15),
              "reflexion": (0.3, 15.1, 14.9), "mind_agent": (0.2, 15.1, 15),
              "read_s": (0.8, 31.4, 14), "read_j": (0.8, 16.4, 13.4)},
    "recipe1": {"roco": (1, 13.2, 4.7), "react": (1, 4, 4), "central_plan": (1, 6.2, 4),
                "reflexion": (1, 5, 4), "mind_agent": (1, 5.1, 4), "read_s": (1, 10.5, 4.2),
                "read_j": (1, 4.3, 4)},
    "recipe3": {"roco": (0.8, 33.7, 11.5), "react": (0.7, 12.9, 10.1),
                "central_plan": (1, 10.2, 8), "reflexion": (0.6, 14.9, 10.8),
                "read_s": (1, 22.1, 8.9)},
    "cramped_room": {"read_j": (0.4, 23.9, 18.9)},
    "forced_coordination": {"read_j": (0.3, 27.2, 24.8)},
}  # fmt: skip
"""SR, NQ and ES of arXiv 2405.14314, with a language model as the planner. In the kitchens no
baseline there ever delivered."""


def plain_loops(task: Task) -> dict[str, Loop]:
    """Return the methods that need no critic."""
    return {
        "no_feedback": NoFeedback(),
        "physical": Verified(task.attempts),
        "react": ReAct(),
        "reflexion": reflexion(task.attempts),
        "central_plan": central_plan(task.attempts),
        "mind_agent": mind_agent(task.attempts),
        "roco": RoCoDialogue(task.attempts),
    }


def critic_loops(
    task: Task, scorer: CriticScorer, seed: int, matched: dict[str, float]
) -> dict[str, Callable[[], Loop]]:
    """Return the methods that need a critic, and the controls that are matched to ReAd-J."""
    read = ReAdJ(scorer, attempts=task.attempts)
    thrifty = replace(read, samples=5, shares=True, recalls=RECALLS)
    return {
        READ_J: lambda: read,
        "read_s": lambda: ReAdS(scorer),
        "random_veto": lambda: replace(read, scorer=CoinScorer(matched["refused"], seed)),
        "best_of_k_vote": lambda: BestOfK(matched["queries"], attempts=task.attempts),
        "best_of_k_critic": lambda: BestOfK(matched["queries"], scorer, task.attempts),
        "read_j_rank5": lambda: replace(read, samples=5),
        "read_j_share": lambda: replace(read, shares=True),
        "read_j_recall": lambda: replace(read, recalls=RECALLS),
        "read_j_thrifty": lambda: thrifty,
    }


RECALLS = 0.3
"""Above this advantage an old plan is used without a query; set beforehand, not tuned."""


def fitted(task: Task, seed: int, runs: Path) -> PlanCritic:
    """Return the critic of a level and seed, from --runs if it is there."""
    folder = runs / "read" / f"{task.level}-s{seed}"
    if folder.exists():
        return PlanCritic.load(folder)
    gathering = CollectConfig(turns=DATA_TURNS, idle=0.0 if task.wait_keeps_state else IDLE)
    world = task.world(DATA_TURNS + gathering.wandering)
    data = collect(world, [task.level], SimulatedPlanner(), config=gathering, seed=10_000 + seed)
    config = replace(CRITIC, wait_keeps_state=task.wait_keeps_state)
    critic, _ = fit_critic(data, world.waiting, config, seed=seed)
    critic.save(folder)
    return critic


def played(task: Task, loop: Loop, seeds: int) -> dict[str, Any]:
    """Play one method on one level: what became of each seed."""
    world = task.world(task.cap)
    policy = PlanningPolicy(SimulatedPlanner(), loop)
    episodes = [play_planned(policy, [world], [(task.level, seed)])[0] for seed in range(seeds)]
    judged = np.array([episode.dialogue.refusal_rate() for episode in episodes]).sum(axis=0)
    return {
        "won": [int(episode.won) for episode in episodes],
        "steps": [episode.steps for episode in episodes],
        "queries": [episode.queries for episode in episodes],
        "scored": [episode.dialogue.scored for episode in episodes],
        "refused": [int(count) for count in judged],
    }


def play(critics: list[int], seeds: int, runs: Path, tasks: Sequence[Task]) -> None:
    """Play what is missing, critic by critic, so that an early end leaves whole tables."""
    done = {(line["level"], line["method"], line["critic"]): line for line in read_lines(RESULTS)}

    def add(task: Task, method: str, critic: int | None, loop: Callable[[], Loop]) -> None:
        if (task.level, method, critic) in done:
            return
        line = {"level": task.level, "method": method, "critic": critic}
        line |= played(task, loop(), seeds)
        done[task.level, method, critic] = line
        add_line(RESULTS, line)

    for task in tasks:
        for method, loop in plain_loops(task).items():
            add(task, method, None, lambda loop=loop: loop)  # type: ignore[misc]
    for seed in critics:
        for task in tasks:
            scorer = CriticScorer(fitted(task, seed, runs))
            matched: dict[str, float] = {}
            for method, make_loop in critic_loops(task, scorer, seed, matched).items():
                add(task, method, seed, make_loop)
                if method == READ_J:
                    matched.update(rates(done[task.level, READ_J, seed]))
    for task in tasks:
        everyone = CriticScorer(*(fitted(task, seed, runs) for seed in critics))
        mean = ReAdJ(everyone, attempts=task.attempts)
        for method, loop in {
            "read_j_mean": mean,
            "read_j_sure": replace(mean, doubt=1.0),
            "read_j_mean_rank5": replace(mean, samples=5),
            "read_j_mean_thrifty": replace(mean, samples=5, shares=True, recalls=RECALLS),
        }.items():
            add(task, method, None, lambda loop=loop: loop)  # type: ignore[misc]


def rates(line: dict[str, Any]) -> dict[str, float]:
    """Return which share of proposals a critic refused, and the queries of a round."""
    refused, judged = line["refused"]
    return {
        "refused": refused / max(1, judged),
        "queries": sum(line["queries"]) / sum(line["steps"]),
    }


Figures = dict[str, NDArray[np.float64]]


def table(tasks: Sequence[Task]) -> dict[str, Figures]:
    """Return, by method and measure, what each level and seed gave, (n_levels * n_seeds,).

    The levels are those that ReAd-J was played on; methods that were not played on all of them
    are left out. Critics are averaged over: those of one level judge the same planner with the
    same seeds.
    """
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for line in read_lines(RESULTS):
        found.setdefault(line["method"], {}).setdefault(line["level"], []).append(line)
    levels = [task.level for task in tasks if task.level in found.get(READ_J, {})]
    return {
        method: {
            measure: np.concatenate(
                [np.mean([line[measure] for line in lines[level]], axis=0) for level in levels]
            )
            for measure in MEASURES
        }
        for method, lines in found.items()
        if levels and set(levels) <= set(lines)
    }


def show(tasks: Sequence[Task]) -> None:
    """Print means with intervals and ReAd-J's paired differences over levels, in Markdown."""
    rows = table(tasks)
    if not rows:
        return
    read = rows[READ_J]
    levels = [task.level for task in tasks if any(_lines(task.level, READ_J))]
    print(f"\nOver {', '.join(levels)}:\n")
    print("| method | SR | ES | NQ | scored | ReAd-J minus it: SR | ES | NQ |")
    print("|---" * 8 + "|")
    for method, figures in rows.items():
        cells = [_plain(bootstrap(figures["won"]), 3)]
        cells += [_plain(bootstrap(figures[name]), 2) for name in ("steps", "queries")]
        cells.append(f"{figures['scored'].mean():.1f}")
        if method != READ_J:
            cells.append(_plain(difference_interval(read["won"] - figures["won"]), 3))
            gains = (bootstrap(read[name] - figures[name]) for name in ("steps", "queries"))
            cells += [_plain(gain, 2) for gain in gains]
        print(f"| {method} | {' | '.join(cells)} |")


def show_paper() -> None:
    """Print our figures beside the paper's, level by level, in Markdown."""
    print("\n| level | method | ours SR / NQ / ES | paper SR / NQ / ES |\n|---|---|---|---|")
    for level, methods in PAPER.items():
        for method, paper in methods.items():
            lines = list(_lines(level, method))
            if lines:
                won, queries, steps = (
                    np.mean([x[name] for x in lines]) for name in ("won", "queries", "steps")
                )
                theirs = " / ".join(map(str, paper))
                print(
                    f"| {level} | {method} | {won:.2f} / {queries:.1f} / {steps:.1f} | {theirs} |"
                )


def _lines(level: str, method: str) -> Iterator[dict[str, Any]]:
    return (x for x in read_lines(RESULTS) if (x["level"], x["method"]) == (level, method))


def _plain(interval: Interval, digits: int) -> str:
    mean, low, high = (f"{value:.{digits}f}" for value in asdict(interval).values())
    return f"{mean} [{low}, {high}]"


def main() -> None:
    """Play what is missing, or print what is there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("play", "table"))
    parser.add_argument("--critics", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where critics are kept")
    parser.add_argument("--levels", nargs="+", help="only these (default: all)")
    known = parser.parse_args()
    if known.what == "play":
        tasks = [t for t in (*TASKS, *KITCHENS) if known.levels is None or t.level in known.levels]
        play(known.critics, known.seeds, known.runs, tasks)
        return
    show(TASKS)
    show(KITCHENS)
    show_paper()


if __name__ == "__main__":
    main()
