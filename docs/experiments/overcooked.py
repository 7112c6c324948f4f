"""Cooks that learn, in one kitchen: resumable, one line of results a run.

    python docs/experiments/overcooked.py play --data FILE --seeds 0 1 2 3 4
    python docs/experiments/overcooked.py crossplay --data FILE
    python docs/experiments/overcooked.py table

`play` trains a cook by self-play, clones people from two halves of the recorded games in FILE,
tunes the cook beside the first clone (for the task alone, and for the human's gain as well), and
plays each beside both clones, and beside itself. Cooks are kept in --runs. `crossplay` pairs cooks
of all kinds and draws docs/crossplay.png. Results go to docs/experiments/overcooked.jsonl.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from lines import add_line, read_lines
from numpy.typing import NDArray

from anchorgym.envs.overcooked import Kitchen, load_layout
from anchorgym.envs.overcooked.cooks import Cook, make_cook
from anchorgym.training.evaluation.statistics import bootstrap
from anchorgym.training.worlds.overcooked import (
    NeuralCook,
    SelfPlay,
    clone,
    cooks_league,
    draw,
    fit_of,
    play_pair,
    read_games,
    table,
)
from anchorgym.training.worlds.overcooked.gain import Gain, GainConfig, play_beside
from anchorgym.training.worlds.overcooked.human import divided

HERE = Path(__file__).parent
RESULTS = HERE / "overcooked.jsonl"
GAMES = 64
HUMANS = {"partner": "even", "held out": "odd"}
"""The clone that agents are tuned beside, and the one that they are measured with, by its games."""
WAYS = {"as trained": None, "task alone": 0.0, "human's gain": 2.0}
"""How a cook is tuned: by the weight of the human's gain."""


def kept(folder: Path, kitchen: Kitchen, make: Callable[[], NeuralCook]) -> NeuralCook:
    """Return the cook of a folder, made if it is not there."""
    if not folder.exists():
        make().save(folder)
    return NeuralCook.load(folder, kitchen)


def trained(kitchen: Kitchen, seed: int, runs: Path) -> NeuralCook:
    """Return the cook that self-play of a seed leads to."""

    def make() -> NeuralCook:
        trainer = SelfPlay(kitchen, seed=seed)
        for _ in trainer.train():
            pass
        return trainer.cook()

    return kept(runs / f"{kitchen.layout.name}-s{seed}", kitchen, make)


def cloned(kitchen: Kitchen, data: Path, part: str, runs: Path) -> NeuralCook:
    """Return a clone of people, and note how well it foresees games that it was not shown."""

    def make() -> NeuralCook:
        parts = divided(read_games(data, kitchen), part)  # type: ignore[arg-type]
        cook = clone(kitchen, parts.shown, parts.kept)
        add_line(
            RESULTS,
            {
                "what": "clone",
                "layout": kitchen.layout.name,
                "part": part,
                "games": len(parts.shown),
                **fit_of(cook, parts.unseen)._asdict(),
            },
        )
        return cook

    return kept(runs / f"{kitchen.layout.name}-human-{part}", kitchen, make)


def tuned(
    cook: NeuralCook, human: NeuralCook, alpha: float | None, seed: int, runs: Path
) -> NeuralCook:
    """Return a cook that was tuned beside a human; None leaves it as it is."""
    if alpha is None:
        return cook

    def make() -> NeuralCook:
        trainer = Gain(cook, human, gain=GainConfig(alpha=alpha), seed=seed)
        for _ in trainer.train():
            pass
        return trainer.cook()

    folder = runs / f"{cook.kitchen.layout.name}-s{seed}-tuned-{alpha:g}"
    return kept(folder, cook.kitchen, make)


def play(kitchen: Kitchen, data: Path, seeds: list[int], runs: Path) -> None:
    """Do what is missing, seed by seed."""
    layout = kitchen.layout.name
    done = {(x["layout"], x["seed"], x["way"]) for x in results("gain")}
    humans = {name: cloned(kitchen, data, part, runs) for name, part in HUMANS.items()}
    for seed in seeds:
        for way, alpha in WAYS.items():
            if (layout, seed, way) in done:
                continue
            began = time.process_time()
            cook = tuned(trained(kitchen, seed, runs), humans["partner"], alpha, seed, runs)
            seconds = time.process_time() - began
            line: dict[str, Any] = {"what": "gain", "layout": layout, "seed": seed, "way": way}
            line["seconds"] = round(seconds)
            line["itself"] = play_pair(kitchen, (cook, cook), GAMES // 4, seed=seed).tolist()
            for name, human in humans.items():
                beside = play_beside(cook, human, GAMES, seed=1000 + seed)
                goals = beside.goals.round(2).tolist()
                line[name] = {"scores": beside.scores.tolist(), "goals": goals}
            add_line(RESULTS, line)


def crossplay(kitchen: Kitchen, data: Path, seeds: list[int], runs: Path, games: int) -> None:
    """Pair cooks of all kinds, print the table and draw it."""
    cooks: dict[str, Cook] = {
        name: make_cook(name, kitchen) for name in ("random", "greedy", "planner")
    }
    cooks["human clone"] = cloned(kitchen, data, "odd", runs)
    for seed in seeds:
        cooks[f"self-play {seed}"] = trained(kitchen, seed, runs)
    league = cooks_league(kitchen, cooks, folder=runs / f"{kitchen.layout.name}-league")
    league.ensure(games)
    print(table(league))
    name = kitchen.layout.name.replace("_", " ")
    draw(league, HERE.parent / "crossplay.png", f"{name}, 400 ticks, {games} games a pair")
    add_line(RESULTS, {"what": "crossplay", "layout": kitchen.layout.name, "table": table(league)})


def results(what: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of results of a kind."""
    yield from (line for line in read_lines(RESULTS) if line["what"] == what)


def show_clones() -> None:
    """Print how well clones foresee people, in Markdown."""
    print("| clone | games shown | log-likelihood | accuracy | decisions |")
    print("|---" * 5 + "|")
    for x in results("clone"):
        print(
            f"| {x['layout']}, {x['part']} | {x['games']} | {x['logprob']:.3f} | "
            f"{x['accuracy']:.3f} | {x['decisions']} |"
        )


def show_gains() -> None:
    """Print what tuning has brought, over seeds, in Markdown."""
    print("| kitchen | human | cook | team's score | gain | human's goals | gain |")
    print("|---" * 7 + "|")
    found = {(x["layout"], x["way"], x["seed"]): x for x in results("gain")}
    for layout, human, way in itertools.product({key[0]: 0 for key in found}, HUMANS, WAYS):
        seeds = sorted(key[2] for key in found if key[:2] == (layout, way))
        cells = []
        for measure in ("scores", "goals"):
            after, before = (
                np.array([np.mean(found[layout, of, seed][human][measure]) for seed in seeds])
                for of in (way, "as trained")
            )
            cells += [_plain(after), _plain(after - before)]
        print(f"| {layout} | {human} | {way} | {' | '.join(cells)} |")


def _plain(values: NDArray[np.float64]) -> str:
    interval = bootstrap(values)
    return f"{interval.mean:.1f} [{interval.low:.1f}, {interval.high:.1f}]"


def main() -> None:
    """Do what is missing, or print what is there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("play", "crossplay", "table"))
    parser.add_argument("--data", type=Path, help="recorded games")
    parser.add_argument("--layout", default="cramped_room")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--games", type=int, default=40, help="of a pair in crossplay")
    parser.add_argument("--runs", type=Path, default=Path("runs/cooks"), help="where cooks are")
    known = parser.parse_args()
    if known.what == "table":
        show_clones()
        return show_gains()
    if known.data is None:
        parser.error("--data names the file of recorded games")
    kitchen = Kitchen(load_layout(known.layout))
    known.runs.mkdir(parents=True, exist_ok=True)
    if known.what == "play":
        return play(kitchen, known.data, known.seeds, known.runs)
    return crossplay(kitchen, known.data, known.seeds, known.runs, known.games)


if __name__ == "__main__":
    main()
