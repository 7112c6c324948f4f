"""Expert hints for groups without success: the expert takes some turns, then the policy continues.

A hinted episode is a member of its group, so that failures are below the group's mean. The policy
samples its own turns after the expert's. The expert's turns are only context (`masked`), or are
trained on too (`corrected`): as samples of the expert with probability 1, so that the policy ratio
of a token is the policy's probability of it, as in LUFFY (arXiv 2504.14945).

Hints are off by default because they bias advantages. Next to a hinted success, the policy's own
turns in the same states are below the mean, right or wrong; and baselines that estimate the
policy's own score (those of rloo, rae and spo) include hinted scores. The turns that the expert
takes to measure its solutions are logged as `expert_turns`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from anchorgym.agents.engines.contract import Generation
from anchorgym.agents.policies.base import Decision, Prompt, Session, View
from anchorgym.agents.policies.language import LanguagePolicy
from anchorgym.envs import TextEnv
from anchorgym.envs.texts import require_text
from anchorgym.training.rollout.strategies.strategy import Play, Strategy
from anchorgym.training.rollout.types import Episode, Start


class Hints:
    """Adds hinted episodes to the groups of a strategy in which no episode scored.

    Args:
        strategy: strategy that plays first.
        episodes: number of hinted episodes for each such task.
        share: share of the expert's solution that the expert plays, at least one turn and at most
            all but one.
        solve: function that returns the expert's number of turns for each task.
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
        policy: policy that continues after the expert.
        hints: number of the expert's turns for each episode, in the order of opening.
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
        action = require_text(self._env.expert_action("honest"), "expert's action", self._env)
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
    """Turn the expert's responses into context, so that they are not trained on."""
    for episode in episodes:
        for turn in episode.turns[: episode.start.hint]:
            turn.context, turn.response = (*turn.context, *turn.response), ()
            turn.logprobs, turn.allowed, turn.temperatures = (), (), ()
