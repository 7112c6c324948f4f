"""WebShop: steps, queries, large catalogues, memory."""

from __future__ import annotations

import gc
import itertools
import os
import random
import tempfile
import time
from pathlib import Path

import psutil

import anchorgym.envs
from anchorgym.envs.webshop import SearchIndex, WebShopEnv
from anchorgym.envs.webshop.generator import generated_product
from anchorgym.envs.webshop.shop import generated_shop

ENV = "anchorgym/WebShop-v0"
LARGE = 100_000
QUERIES = 300
STEPS = 20_000
GROUP = 8
"""Episodes of a task, as trainers play them."""
EPISODES = 10_000
SETTLED = 4_000
"""Episodes after which the caches are nearly full."""
Row = tuple[str, str, str]


def rows() -> list[Row]:
    """Return (what, measured, bar)."""
    return [*_stepping(), *_small(), *_large(), *_memory()]


def _stepping() -> list[Row]:
    """Click about at random; what a search costs is measured by itself."""
    table = []
    for observation in ("text", "text_rich", "html"):
        env, rng, spent, steps = _make(observation=observation), random.Random(0), 0.0, 0
        episodes = itertools.count()
        while steps < 2 * STEPS:
            if steps < STEPS:  # the caches fill
                spent = 0.0
            _, info = env.reset(seed=next(episodes) // GROUP)
            *_, info = env.step(f"search[{info['goal']}]")
            ended = False
            while not ended:
                clicks = [a for a in info["admissible_actions"] if a != "click[back to search]"]
                action = rng.choice(clicks)
                start = time.process_time()
                _, _, ended, cut, info = env.step(action)
                spent += time.process_time() - start
                steps, ended = steps + 1, ended or cut
        bar = ">= 20,000" if observation == "text" else ""
        table.append((f"steps a CPU second, {observation}", f"{STEPS / spent:,.0f}", bar))
    return table


def _small() -> list[Row]:
    shop = generated_shop(1000, 0)
    start = time.process_time()
    index = SearchIndex.build(shop.product(row).indexed_text for row in range(1000))
    built = time.process_time() - start
    return [
        ("index of 1,000 products, CPU seconds", f"{built:.2f}", ""),
        ("query at 1,000 products, CPU ms", f"{_per_query(index):.3f}", "<= 0.3"),
    ]


def _large() -> list[Row]:
    start = time.process_time()
    texts = [generated_product(0, row).indexed_text for row in range(LARGE)]
    made = time.process_time()
    index = SearchIndex.build(texts)
    built = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder))
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 2**20
        before = time.process_time()
        mapped = SearchIndex.load(Path(folder))
        loaded = time.process_time() - before
        spent = _per_query(mapped)
    return [
        (f"{LARGE:,} products made, CPU seconds", f"{made - start:.1f}", ""),
        (f"index of {LARGE:,} products, CPU seconds", f"{built - made:.1f}", ""),
        (f"index of {LARGE:,} products, on disk", f"{size:.0f} MiB", ""),
        (f"index of {LARGE:,} products mapped, CPU ms", f"{loaded * 1000:.1f}", ""),
        (f"query at {LARGE:,} products, CPU ms", f"{spent:.2f}", ""),
    ]


def _per_query(index: SearchIndex) -> float:
    """Return the CPU milliseconds of a query; the words are known, the queries are not."""
    env = _make()
    goals = [env.shop.goal(task).instruction for task in env.tasks()[:QUERIES]]
    for goal in goals:
        index.rank(goal)
    start = time.process_time()
    for goal in goals:
        index.rank(goal)
    return (time.process_time() - start) / len(goals) * 1000


def _memory() -> list[Row]:
    env, rng, process = _make(), random.Random(0), psutil.Process()
    before = 0
    for episode in range(EPISODES):
        if episode == SETTLED:
            gc.collect()
            before = process.memory_info().rss
        _, info = env.reset(seed=episode)
        *_, info = env.step(f"search[{' '.join(rng.sample(info['goal'].split(), 4))}]")
        for _ in range(4):
            actions = [a for a in info["admissible_actions"] if "<" not in a]
            *_, info = env.step(rng.choice(actions) if actions else "")
    gc.collect()
    grown = (process.memory_info().rss - before) / 2**20
    what = f"memory grown from episode {SETTLED:,} to {EPISODES:,}"
    return [(what, f"{grown:.1f} MiB", "< 10 MiB")]


def _make(**kwargs: str) -> WebShopEnv:
    """Make the environment with generated products, whatever data there are."""
    data = os.environ.pop("WEBSHOP_DATA", None)
    try:
        env = anchorgym.envs.make(ENV, **kwargs)
    finally:
        if data is not None:
            os.environ["WEBSHOP_DATA"] = data
    assert isinstance(env, WebShopEnv)
    return env


if __name__ == "__main__":
    for row in rows():
        print("{:<52} {:>16}  {}".format(*row))
