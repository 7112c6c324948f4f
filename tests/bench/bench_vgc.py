"""Random battles: processor time of simulator and Python together, faster beside unchanged."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import psutil
from vgc_battles import REG_I, play_random, starts

from anchorgym.envs.errors import AnchorgymError
from anchorgym.envs.vgc.bridge import Bridge

BATTLES = 300
YOUNG, WARM = 60, 900
"""Battles played before. A process of a training run plays thousands; its code is compiled by and
by, which is part of the cost until then."""
POKE_ENV_BATTLES = 60


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield (what, measured, bar)."""
    try:
        young = cost(("tokens",), YOUNG)
    except AnchorgymError as error:
        yield "VGC battles", str(error)[:60], ""
        return
    yield f"VGC: random battle with tokens, after {YOUNG}", f"{young:.1f} ms of processor", ""
    warm = cost(("tokens",), WARM)
    yield f"VGC: the same after {WARM}", f"{warm:.1f} ms of processor", "<= 30 ms"
    yield _beside_poke_env(young)
    bare, plain = cost((), YOUNG), cost((), YOUNG, plain=True)
    yield "VGC: without tokens", f"{bare:.1f} ms of processor", ""
    yield "VGC: the same, simulator unchanged", f"{plain / bare:.2f} times that", ">= 1.3 times"


def _beside_poke_env(ours: float) -> tuple[str, str, str]:
    what = f"VGC: the first by poke-env's DoublesEnv, after {YOUNG}"
    try:
        from poke_env_battles import cost as of_poke_env
    except ImportError as error:
        return what, str(error), ""
    bridge = Bridge()
    teams = sorted({team for start in starts(bridge, POKE_ENV_BATTLES) for team in start.teams})
    bridge.close()
    theirs = of_poke_env(REG_I, teams, YOUNG, POKE_ENV_BATTLES)
    return what, f"{theirs / ours:.1f} times that", ">= 3.5 times"


def cost(wants: Sequence[str], before: int, *, plain: bool = False) -> float:
    """Return the milliseconds of processor time that a random battle takes after others."""
    bridge = Bridge(plain=plain)
    battles = starts(bridge, before + BATTLES)
    play_random(bridge, battles[:before], wants=wants)
    begun = _used(bridge)
    play_random(bridge, battles[before:], wants=wants)
    spent = _used(bridge) - begun
    bridge.close()
    return 1000 * spent / BATTLES


def _used(bridge: Bridge) -> float:
    node = psutil.Process(bridge.pid).cpu_times()
    return node.user + node.system + time.process_time()
