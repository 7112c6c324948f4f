"""The same random battles through poke-env's `DoublesEnv` and a local Showdown server."""

from __future__ import annotations

import logging
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from gymnasium.spaces import Box
from poke_env import ServerConfiguration
from poke_env.environment import DoublesEnv
from poke_env.teambuilder import Teambuilder

from anchorgym.envs.vgc.installation import node, simulator

ACTIONS = 107
"""Of one slot."""
DEADLINE = 60.0
"""Seconds that the server may take to listen."""
SETTLING = 5.0
"""Seconds after which its own processes answer too: poke-env waits for none of them."""


def cost(format: str, teams: Sequence[str], warm_up: int, battles: int) -> float:
    """Return the milliseconds of processor time that a battle takes after others, with the server.

    Observations are empty, so that only what poke-env itself does is counted.
    """
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # it leaves tasks when it is closed
    with server() as (process, port):
        env = Doubles(teams, battle_format=format, **_connection(port))
        rng = random.Random(0)
        _play(env, warm_up, rng)
        before = _used(process)
        _play(env, battles, rng)
        spent = _used(process) - before
        env.close()
    return 1000 * spent / battles


@contextmanager
def server() -> Iterator[tuple[psutil.Process, int]]:
    """Run a Showdown server on a free port of this machine, from a copy of the simulator."""
    with tempfile.TemporaryDirectory() as folder:
        modules = shutil.copytree(simulator().parent, Path(folder) / "node_modules", symlinks=True)
        home = modules / "pokemon-showdown"
        shutil.copy(home / "config" / "config-example.js", home / "config" / "config.js")
        for name in ("logs/repl", "logs/chat", "logs/modlog", "databases"):
            (home / name).mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = ["start", "--no-security", "--skip-build", str(port)]
        process = psutil.Popen(
            [node(), "pokemon-showdown", *options],
            cwd=home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _await(process, port)
            yield process, port
        finally:
            for one in [*process.children(recursive=True), process]:
                one.kill()
            process.wait()


class Teams(Teambuilder):
    def __init__(self, teams: Sequence[str]) -> None:
        self._teams, self._rng = list(teams), random.Random(0)

    def yield_team(self) -> str:
        return self._rng.choice(self._teams)


class Doubles(DoublesEnv):  # its name is the user's, and the server takes none with a _
    def __init__(self, teams: Sequence[str], **options: Any) -> None:
        super().__init__(team=Teams(teams), choose_on_teampreview=False, strict=False, **options)
        space: Any = Box(-1, 1, (1,), np.float32)
        self.observation_spaces = dict.fromkeys(self.possible_agents, space)

    def calc_reward(self, battle: Any) -> float:
        return 0.0

    def embed_battle(self, battle: Any) -> Any:
        return np.zeros(1, np.float32)


def _connection(port: int) -> dict[str, Any]:
    address = f"ws://localhost:{port}/showdown/websocket"
    return {"server_configuration": ServerConfiguration(address, ""), "log_level": logging.CRITICAL}


def _await(process: psutil.Popen, port: int) -> None:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                time.sleep(SETTLING)
                return
        time.sleep(0.2)
    raise OSError("the Showdown server did not come up")


def _play(env: Doubles, battles: int, rng: random.Random) -> None:
    for _ in range(battles):
        seen, _ = env.reset()
        while env.agents:
            actions = {agent: _action(seen[agent]["action_mask"], rng) for agent in env.agents}
            seen, *_ = env.step(actions)


def _action(mask: Any, rng: random.Random) -> Any:
    """Draw a legal action of each slot, and no switch of both to the same place."""
    first, second = np.flatnonzero(mask[:ACTIONS]), np.flatnonzero(mask[ACTIONS:])
    one = rng.choice(first.tolist())
    others = [two for two in second.tolist() if not (two == one and 1 <= one <= 6)]
    return np.array([one, rng.choice(others or second.tolist())])


def _used(process: psutil.Process) -> float:
    spent = time.process_time()
    for one in [process, *process.children(recursive=True)]:
        times = one.cpu_times()
        spent += times.user + times.system
    return spent
