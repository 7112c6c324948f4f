"""Stepping many text environments with one call, beside a raw loop and Gymnasium's vector."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from gymnasium.vector import AutoresetMode, SyncVectorEnv

from anchorgym.envs import Outcome, TextEnv, TextVectorEnv

N_ENVS = 64
STEPS = 40
ROUNDS = 15


class Echo(TextEnv):
    """A world with nothing in it: 500 characters, whatever one does."""

    stochastic = False
    text = "The corridor goes on and on. ".ljust(500, ".")

    def tasks(self, split: str | None = None) -> Sequence[str]:
        return ("echo",)

    def start(self, task: str) -> str:
        return self.text

    def act(self, action: str) -> Outcome:
        return Outcome(self.text)

    def admissible_actions(self) -> tuple[str, ...]:
        return ("walk", "wait")

    def save(self) -> Any:
        return None

    def load(self, state: Any) -> None:
        pass


class Bare(Echo):
    """The same without any bookkeeping: what is left is the cost of the loop."""

    info: ClassVar[dict[str, Any]] = {"anchor": b"-", "admissible_actions": ("walk", "wait")}

    def step(self, action: str) -> Any:
        return self.text, 0.0, False, False, self.info


def rows() -> list[tuple[str, str, str]]:
    """Return (what, measured, bar) for each way of stepping 64 environments."""
    table: list[tuple[str, str, str]] = []
    for world, name, bar in ((Echo, "trivial world", "<= 1.3x"), (Bare, "bare step()", "")):
        raw, ours, stock = _best(world)
        micro = raw / (STEPS * N_ENVS) * 1e6
        table += [
            (f"{name}: raw loop, a step", f"{micro:.2f} us", ""),
            (f"{name}: TextVectorEnv / raw", f"{ours / raw:.2f}x", bar),
            (f"{name}: SyncVectorEnv / raw", f"{stock / raw:.2f}x", "(stock)"),
        ]
    return table


def _best(world: type[TextEnv]) -> list[float]:
    """CPU seconds of each way, interleaved, the best of all rounds."""
    ways = _raw(world), _vector(_ours(world)), _vector(_stock(world))
    best = [float("inf")] * len(ways)
    gc.disable()
    try:
        for _ in range(ROUNDS):
            for i, way in enumerate(ways):
                start = time.process_time()
                for _ in range(STEPS):
                    way()
                best[i] = min(best[i], time.process_time() - start)
            gc.collect()
    finally:
        gc.enable()
    return best


def _raw(world: type[TextEnv]) -> Callable[[], object]:
    envs = [world(max_turns=10**9) for _ in range(N_ENVS)]
    for env in envs:
        env.reset(seed=0)
    actions = ["walk"] * N_ENVS

    def step() -> object:
        return [env.step(action) for env, action in zip(envs, actions, strict=True)]

    return step


def _ours(world: type[TextEnv]) -> Any:
    return TextVectorEnv([lambda: world(max_turns=10**9)] * N_ENVS)


def _stock(world: type[TextEnv]) -> Any:
    makers = [lambda: world(max_turns=10**9)] * N_ENVS
    return SyncVectorEnv(makers, autoreset_mode=AutoresetMode.DISABLED)


def _vector(envs: Any) -> Callable[[], object]:
    envs.reset(seed=0)
    actions = ["walk"] * N_ENVS
    return lambda: envs.step(actions)


if __name__ == "__main__":
    for row in rows():
        print("{:<32} {:>10}  {}".format(*row))
