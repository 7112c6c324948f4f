"""Expert hints for groups that score nothing: some turns of an expert, then the policy's own.

A hinted episode is a member of its group: beside it, the failures are below average. Its own turns
are sampled from the policy, after what the expert has done. The expert's turns are read only
(`masked`), or learnt from too (`corrected`): as samples of the expert, which was certain of them,
so that the policy ratio of their tokens is the probability that the policy gives them, as in LUFFY
(arXiv 2504.14945).

Beside a success that was helped, what the policy did by itself in the same states is below average
too, right or wrong; and a baseline that is to say what the policy scores by itself (those of rloo,
rae and spo) takes scores in that were helped. That is the price, and why hints are off by default.
The turns that the expert takes to say how many it needs are logged as `expert_turns`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from anchorgym.agents.engines.contract import Generation
from anchorgym.agents.policies.base import Decision, Prompt, Session, View
from anchorgym.agents.policies.language import LanguagePolicy
from anchorgym.envs import TextEnv
from anchorgym.training.rollout.strategies.strategy import Play, Strategy
from anchorgym.training.rollout.types import Episode, Start


class Hints:
    """Plays hinted episodes of the tasks that a strategy's episodes scored nothing in.

    Args:
        strategy: plays first.
        episodes: hinted ones for each such task.
        share: of the expert's solution that it plays itself, at least one turn; it leaves at least
            one.
        solve: says how many turns the expert needs for each of these tasks.
    """

    def __init__(
        self,
        strategy: Strategy,
        *,
        episodes: int,
        share: float,
        solve: Callable[[Sequence[str]], Sequence[int]],
    ) -> None:
        self._strategy, self._episodes, self._share, self._solve = strategy, episodes, share, solve

    @property
    def forks(self) -> bool:
        """Whether the strategy asks for forks."""
        return self._strategy.forks

    def play(
        self, tasks: Sequence[str], first: int, rng: random.Random, play: Play
    ) -> list[list[Episode]]:
        """Roll out a group of each task; see `Strategy.play`."""
        groups = self._strategy.play(tasks, first, rng, play)
        failed = [n for n, group in enumerate(groups) if all(e.score <= 0 for e in group)]
        lengths = self._solve([tasks[n] for n in failed]) if failed else []
        starts = [
            Start(tasks[n], first + n, rng.getrandbits(31), hint=self._turns(length))
            for n, length in zip(failed, lengths, strict=True)
            if length > 1
            for _ in range(self._episodes)
        ]
        for episode in play(starts) if starts else []:
            groups[episode.start.group - first].append(episode)
        return groups

    def _turns(self, length: int) -> int:
        return min(max(1, round(self._share * length)), length - 1)


class HintedPolicy:
    """A policy whose first turns are an expert's.

    Args:
        policy: plays on.
        hints: turns of the expert, for each episode in the order in which they are opened.
    """

    def __init__(self, policy: LanguagePolicy, hints: Iterator[int]) -> None:
        self._policy, self._hints = policy, hints
        self.engine, self.max_response = policy.engine, policy.max_response

    def open(self, env: TextEnv, agent: str = "agent") -> Session:
        """Begin an episode."""
        inner = self._policy.open(env, agent)
        return _HintedSession(inner, env, self._policy, next(self._hints))


class _HintedSession:
    def __init__(self, inner: Session, env: TextEnv, policy: LanguagePolicy, left: int) -> None:
        self.key = inner.key
        self._inner, self._env, self._policy, self._left = inner, env, policy, left

    def prompt(self, observation: str, view: View) -> Prompt | None:
        prompt = self._inner.prompt(observation, view)
        if prompt is None or not self._left:
            return prompt
        self._left -= 1
        action = self._env.expert_action("honest")
        return replace(prompt, given=tuple(self._policy.template.response(action)))

    def decide(self, generation: Generation | None) -> Decision:
        return self._inner.decide(generation)

    def fork(self, env: TextEnv, turns: int | None = None) -> Session:
        return self._inner.fork(env, turns)

    def shelve(self) -> None:
        self._inner.shelve()

    def close(self) -> None:
        self._inner.close()


def mask_hints(episodes: Sequence[Episode]) -> None:
    """Turn what an expert has written into what was read."""
    for episode in episodes:
        for turn in episode.turns[: episode.start.hint]:
            turn.context, turn.response = (*turn.context, *turn.response), ()
            turn.logprobs, turn.allowed, turn.temperatures = (), (), ()
