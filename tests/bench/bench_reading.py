"""What is imported, parsed and read again: importing, responses, messages, recorded episodes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from anchorgym.agents import ExpertPolicy, parse_tagged
from anchorgym.envs.redteam.language import read
from anchorgym.training import EnvPool, evaluate
from anchorgym.training.inspect.replay import Replayer
from anchorgym.training.inspect.trajectories import episode_record, write_trajectories

TAGS = ("<think>", "</think>", "<action>", "</action>")
UNITS = (*TAGS, "<", "<think><action>", "<action>x", "</action><", "a", "<think></think>", " ")
MESSAGES = ("answer" + " " * 4000 + "x;", "call a " * 600, ";" * 4000)
WORLD = "anchorgym/ALFWorld-v0"
ROUNDS = 5
Row = tuple[str, str, str]


def rows() -> Iterator[Row]:
    """Yield (what, measured, bar)."""
    for package, bar in (("envs", "< 0.3 s"), ("gigpo", ""), ("agents", "")):
        seconds = min(_importing(package) for _ in range(ROUNDS))
        yield f"importing anchorgym.{package}, beyond Python itself", f"{seconds:.2f} s", bar
    texts = [(unit * (10**6 // len(unit) + 1))[: 10**6] for unit in UNITS]
    slowest = max(_best(lambda text=text: parse_tagged(text)) for text in texts)  # type: ignore[misc]
    yield "a response of 1,000,000 characters, the slowest", f"{slowest * 1e3:.1f} ms", "< 5 ms"
    slowest = max(_best(lambda text=text: read(text)) for text in MESSAGES)  # type: ignore[misc]
    yield "a red-team message of 4,000 characters", f"{slowest * 1e3:.1f} ms", "< 200 ms"
    yield "verifying 1,000 recorded episodes", f"{_verifying():.1f} CPU s", "< 10 CPU s"


def _importing(package: str) -> float:
    """Seconds of a new process that imports a package, less those of one that imports nothing."""
    times = []
    for code in (f"import anchorgym.{package}", "pass"):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - start)
    return times[0] - times[1]


def _verifying() -> float:
    """CPU seconds for executing episodes of an expert again."""
    envs = EnvPool.of(WORLD)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "episodes.jsonl")
        records: list[object] = []
        evaluate(
            ExpertPolicy(),
            envs,
            split="valid_seen",
            tasks=100,
            observe=lambda done: records.extend(episode_record(episode) for episode in done),
        )
        header = {"format": 1, "env": WORLD, "arguments": {}, "purpose": "evaluate"}
        write_trajectories(path, header, records * 10)  # type: ignore[arg-type]
        start = time.process_time()
        verified = Replayer().verify(path)
        seconds = time.process_time() - start
    assert verified.episodes == 1000
    return seconds


def _best(call: Callable[[], object]) -> float:
    """Least CPU seconds of a call."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return min(seconds)
