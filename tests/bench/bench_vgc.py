"""Random battles: processor time of simulator and Python together, faster beside unchanged."""

from __future__ import annotations

import time
from collections.abc import Sequence

import psutil
from vgc_battles import REG_I, play_random, starts

from anchorgym.envs.errors import AnchorgymError
from anchorgym.envs.vgc.bridge import Bridge

BATTLES = 300
WARM_UP = 300
"""Battles after which the simulator is compiled; a process of a training run plays thousands."""
POKE_ENV_BATTLES = 60


def rows() -> list[tuple[str, str, str]]:
    """Return lines of (what, measured, bar)."""
    try:
        full, bare, plain = (cost(("tokens",)), cost(()), cost((), plain=True))
    except AnchorgymError as error:
        return [("VGC battles", str(error)[:60], "")]
    return [
        ("VGC: random battle, tokens of both players", f"{full:.1f} ms of processor", "<= 30 ms"),
        *_beside_poke_env(full),
        ("VGC: the same without tokens", f"{bare:.1f} ms of processor", ""),
        ("VGC: the same, simulator unchanged", f"{plain / bare:.2f} times that", ">= 1.3 times"),
    ]


def _beside_poke_env(ours: float) -> list[tuple[str, str, str]]:
    what = "VGC: the same by poke-env's DoublesEnv"
    try:
        from poke_env_battles import cost as of_poke_env
    except ImportError as error:
        return [(what, str(error), "")]
    bridge = Bridge()
    teams = sorted({team for start in starts(bridge, POKE_ENV_BATTLES) for team in start.teams})
    bridge.close()
    theirs = of_poke_env(REG_I, teams, POKE_ENV_BATTLES)
    return [(what, f"{theirs / ours:.1f} times that", ">= 3.5 times")]


def cost(wants: Sequence[str], *, plain: bool = False) -> float:
    """Return the milliseconds of processor time that a random battle takes."""
    bridge = Bridge(plain=plain)
    battles = starts(bridge, WARM_UP + BATTLES)
    play_random(bridge, battles[:WARM_UP], wants=wants)
    before = _used(bridge)
    play_random(bridge, battles[WARM_UP:], wants=wants)
    spent = _used(bridge) - before
    bridge.close()
    return 1000 * spent / BATTLES


def _used(bridge: Bridge) -> float:
    node = psutil.Process(bridge.pid).cpu_times()
    return node.user + node.system + time.process_time()
