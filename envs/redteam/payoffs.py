"""Payoffs of scripted attackers and defenders against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from anchorgym.envs.redteam.env import RedTeamEnv
from anchorgym.envs.redteam.episodes import Mix
from anchorgym.envs.redteam.players import ATTACKERS, DEFENDERS
from anchorgym.envs.redteam.records import Record

MIXES: Final[Mapping[str, Mix]] = {
    "mostly clean": Mix(0.6, 0.2, 0.2),
    "mostly notes": Mix(0.2, 0.6, 0.2),
    "mostly attacks": Mix(0.2, 0.2, 0.6),
}


@dataclass(frozen=True, slots=True)
class Played:
    """An episode of scripted players."""

    record: Record
    defenders: float
    """The mean reward of the members who had words of their own."""
    attackers: float
    """The mean reward of the attackers; 0 where there were none."""


def play(env: RedTeamEnv, task: str, attacker: str, defender: str) -> Played:
    """Play an episode with scripted players of the same kind in all seats of a side.

    Args:
        env: where; an episode in play there is lost.
        task: its id.
        attacker, defender: see `players.ATTACKERS` and `players.DEFENDERS`.
    """
    _, infos = env.reset(options={"task": task})
    earned = dict.fromkeys(env.agents, 0.0)
    while env.agents:
        actions = {
            agent: env.scripted_action(agent, defender if agent in env.defenders else attacker)
            for agent in env.agents
            if infos[agent]["active"]
        }
        _, rewards, _, _, infos = env.step(actions)
        for agent, reward in rewards.items():
            earned[agent] += reward
    own = env.game.episode.compromised
    team = [earned[agent] for i, agent in enumerate(env.defenders) if i != own]
    others = [earned[agent] for agent in env.attackers if agent in earned]
    return Played(env.record(), fmean(team), fmean(others) if others else 0.0)


def payoffs(
    env: RedTeamEnv,
    tasks: Sequence[str],
    *,
    attackers: Iterable[str] = tuple(ATTACKERS),
    defenders: Iterable[str] = tuple(DEFENDERS),
    mixes: Mapping[str, Mix] = MIXES,
) -> dict[str, dict[tuple[str, str], float]]:
    """Return the defenders' mean reward: `payoffs[defender][attacker, mix]`.

    Args:
        env: where.
        tasks: of all kinds; each kind's mean is weighted by the mix.
        attackers, defenders: the rows and columns.
        mixes: by name.
    """
    by_kind = {kind: [task for task in tasks if task.split("/")[1] == kind] for kind in Mix._fields}

    def mean(kind: str, attacker: str, defender: str) -> float:
        return fmean(play(env, task, attacker, defender).defenders for task in by_kind[kind])

    attackers = tuple(attackers)
    table: dict[str, dict[tuple[str, str], float]] = {}
    for defender in defenders:
        peace = {kind: mean(kind, "abstain", defender) for kind in ("clean", "lookalike")}
        table[defender] = {}
        for attacker in attackers:
            means = peace | {"attack": mean("attack", attacker, defender)}
            for name, mix in mixes.items():
                shares = mix._asdict()
                table[defender][attacker, name] = sum(shares[k] * means[k] for k in shares)
    return table


def dominating(table: Mapping[str, Mapping[tuple[str, str], float]]) -> list[str]:
    """Return the rows that are at least as good as every other row in every column."""
    return [
        name
        for name, row in table.items()
        if all(row[column] >= other[column] for other in table.values() for column in row)
    ]
