"""The check that `won` and the rewards tell the same of how an episode ended.

Trainers learn from rewards and report `won` as success: where the two contradict each other, they
report what they do not learn. Scales of rewards are the world's own, so that only two things are
faults: a win that was worth nothing, and wins that were worth exactly what losses are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from anchorgym.envs.checking.moments import Fault, JointMoment, Moment, Script
from anchorgym.envs.checking.probe import BaseProbe

_REMEDY = (
    "let won() say whether the goal is reached, not whether the episode is over, and give a won "
    "episode more reward than a lost one"
)


class _Ending(NamedTuple):
    """How an episode ended for an agent."""

    where: Script
    agent: str
    """Name of the agent, as it opens a sentence; empty in a world of one."""
    won: bool
    rewards: tuple[float, ...]

    @property
    def total(self) -> float:
        return sum(self.rewards)


def success(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """A won episode is worth something, and not the same as a lost one."""
    by_agent: dict[str, list[_Ending]] = {}
    for script, trace in zip(probe.scripts, probe.traces, strict=True):
        for ending in _endings(script, trace):
            by_agent.setdefault(ending.agent, []).append(ending)
    for endings in by_agent.values():
        yield from _contradictions(endings)


def _contradictions(endings: list[_Ending]) -> Iterator[Fault]:
    won = [ending for ending in endings if ending.won]
    lost = [ending for ending in endings if not ending.won]
    # Where each turn costs something, a win may be worth 0 and still be the best.
    costs = any(ending.total < 0 for ending in lost)
    worthless = [ending for ending in won if not any(ending.rewards)]
    # One of several agents may gain nothing in a single deal that it has won.
    if worthless and not costs and (len(worthless) == len(won) or not won[0].agent):
        first = worthless[0]
        seen = (
            f"{first.agent}no turn had a reward in {len(worthless)} of the {len(won)} episodes at "
            "whose end won is True"
        )
        yield Fault(seen, _REMEDY, first.where)
    elif won and lost and len({round(ending.total, 9) for ending in endings}) == 1:
        first = won[0]
        seen = (
            f"{first.agent}the rewards of {len(won)} won episodes and those of {len(lost)} lost "
            f"ones all add up to {first.total:g}"
        )
        yield Fault(seen, _REMEDY, first.where)


def _endings(script: Script, trace: list[Moment]) -> Iterator[_Ending]:
    """Yield how a script ended for each agent; nothing where it was not over."""
    *_, last = trace
    if len(trace) == 1:
        return
    if not isinstance(last, JointMoment):
        won = last.info.get("won") is True
        if won or last.ended:
            yield _Ending(script, "", won, tuple(float(one.reward) for one in trace[1:]))
        return
    for agent in last.info:  # those that were in play to the end
        won = last.of(agent).info.get("won") is True
        over = last.terminated.get(agent) or last.truncated.get(agent)
        rewards = tuple(float(one.reward.get(agent, 0.0)) for one in trace[1:])
        if won or over:
            yield _Ending(script, f"{agent}: ", won, rewards)
