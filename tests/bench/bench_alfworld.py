"""ALFWorld beside the stock engine: steps, resets, memory, and finding the official games.

The stock engine and the official games are measured where they are at hand: the games in the
folder that ALFWORLD_DATA names, the engine by `pip install 'anchorgym[textworld]'`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

import anchorgym.envs
from anchorgym.envs.alfworld import ALFWorldEnv
from anchorgym.envs.alfworld.data import DATA_VARIABLE, GAME_FILE, OfficialGames
from anchorgym.envs.alfworld.export import export_game

ENV = "anchorgym/ALFWorld-v0"
TASKS = tuple(
    f"train/{kind}/{seed}"
    for seed, kind in enumerate(
        ("pick_heat_then_place_in_recep", "look_at_obj_in_light", "pick_two_obj_and_place")
    )
)
STOCK_STEPS = 15
REPEATS = 300
ROUNDS = 3
PLAY = 5000
OFFICIAL = os.environ.get(DATA_VARIABLE)
"""Read before the stock engine is imported, which sets it to a folder of its own."""
Row = tuple[str, str, str]


def rows() -> list[Row]:
    """Return (what, measured, bar)."""
    return [*_beside_stock(), *_alone(), *_memory(), *_index()]


def _beside_stock() -> list[Row]:
    """Play the same commands in both engines by turns; the best of all rounds counts."""
    try:
        textworld = importlib.import_module("textworld")
        stock = importlib.import_module("alfworld.agents.environment.alfred_tw_env")
    except ImportError:
        return [("stock engine", "not installed", "")]
    table = []
    with tempfile.TemporaryDirectory() as folder:
        for task in TASKS:
            path = Path(folder, GAME_FILE)
            path.write_text(json.dumps(export_game(task)))
            infos = textworld.EnvInfos(won=True, admissible_commands=True)
            theirs = textworld.start(str(path), infos, wrappers=[stock.AlfredDemangler()])
            ours = _make(max_turns=10**9)
            commands = _commands(ours, task, STOCK_STEPS)
            resets, steps = _race(ours, task, theirs, commands)
            theirs.close()
            name = task.split("/")[1]
            table.append((f"{name}: reset, times faster", f"{resets:,.0f}", ">= 10,000"))
            table.append((f"{name}: step, times faster", f"{steps:,.0f}", ">= 10,000"))
    return table


def _race(ours: ALFWorldEnv, task: str, theirs: Any, commands: Sequence[str]) -> tuple[float, ...]:
    def reset() -> None:
        for _ in range(REPEATS):
            ours.reset(options={"task": task})

    def play(step: Callable[[str], object], times: int) -> None:
        for _ in range(times):
            for command in commands:
                step(command)

    best = [float("inf")] * 4
    for _ in range(ROUNDS):
        times = (
            _time(theirs.reset),
            _time(lambda: play(theirs.step, 1)),
            _time(reset) / REPEATS,
            _time(lambda: play(ours.step, REPEATS)) / REPEATS,
        )
        best = [min(pair) for pair in zip(best, times, strict=True)]
    return best[0] / best[2], best[1] / best[3]


def _alone() -> list[Row]:
    env = _make(max_turns=10**9)
    commands = [_commands(env, task, PLAY) for task in TASKS]
    best = float("inf")
    for _ in range(5):
        total = 0.0
        for task, script in zip(TASKS, commands, strict=True):
            env.reset(options={"task": task})
            total += _time(lambda script=script: [env.step(c) for c in script])  # type: ignore[misc]
        best = min(best, total)
    rate = len(TASKS) * PLAY / best
    return [("steps a CPU second, full info", f"{rate:,.0f}", ">= 100,000")]


def _memory() -> list[Row]:
    tasks = _make().tasks()
    gc.collect()
    process = psutil.Process()
    before = process.memory_info().rss
    live = []
    for i in range(1000):
        env = _make()
        _commands(env, tasks[i], 30)
        live.append(env)
    gc.collect()
    grown = (process.memory_info().rss - before) / 2**20
    return [("1,000 live environments, each its own game", f"{grown:.0f} MiB", "< 200 MiB")]


def _index() -> list[Row]:
    if not OFFICIAL:
        return [("index of the official games", f"{DATA_VARIABLE} is not set", "")]
    with tempfile.TemporaryDirectory() as cache:
        before = os.environ.get("ANCHORGYM_CACHE")
        os.environ["ANCHORGYM_CACHE"] = cache
        try:
            times = [
                _elapsed(lambda: OfficialGames(Path(OFFICIAL)).tasks("train")) for _ in range(2)
            ]
        finally:
            if before is None:
                del os.environ["ANCHORGYM_CACHE"]
            else:
                os.environ["ANCHORGYM_CACHE"] = before
    return [
        ("index of the train games, first time", f"{times[0]:.2f} s", "seconds"),
        ("index of the train games, remembered", f"{times[1]:.2f} s", ""),
    ]


def _make(**kwargs: Any) -> ALFWorldEnv:
    """Make the environment with generated games, whatever data there is."""
    data = os.environ.pop(DATA_VARIABLE, None)
    try:
        env = anchorgym.envs.make(ENV, **kwargs)
    finally:
        if data is not None:
            os.environ[DATA_VARIABLE] = data
    assert isinstance(env, ALFWorldEnv)
    return env


def _commands(env: ALFWorldEnv, task: str, turns: int) -> list[str]:
    """Play at random and return what was played."""
    rng = random.Random(task)
    _, info = env.reset(options={"task": task})
    script = []
    for _ in range(turns):
        script.append(rng.choice(info["admissible_actions"]))
        *_, info = env.step(script[-1])
    return script


def _time(action: Callable[[], object]) -> float:
    """Return the CPU seconds that an action takes."""
    start = time.process_time()
    action()
    return time.process_time() - start


def _elapsed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    for row in rows():
        print("{:<48} {:>16}  {}".format(*row))
