"""The contract of drivers, which advance many episodes and have engines answer their requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from anchorgym.agents.engines.contract import Sampling
from anchorgym.agents.engines.seeding import mix_seed
from anchorgym.agents.engines.temperature import AdaptiveTemperature
from anchorgym.training.rollout.episode_run import EpisodeRun
from anchorgym.training.rollout.sides import Request
from anchorgym.training.rollout.timers import Timers

Finished = Callable[[EpisodeRun], None]
"""Callback that receives each run when it is done, in the order in which runs end."""


@dataclass(frozen=True, slots=True)
class SamplingRule:
    """Sampling settings of a rollout, from which each request derives its own.

    Args:
        temperature: divisor of the logits; 0 takes the most likely token.
        adaptive: rule that sets each token's temperature, starting from `temperature`; None keeps
            one temperature. A request's own rule takes precedence.
        max_tokens: longest response, in tokens; None for the limit of each policy.
        seed: seed of the sampling noise. Each request has a seed of its own, derived from this one,
            the number of its episode, its turn and its agent.
    """

    temperature: float = 1.0
    adaptive: AdaptiveTemperature | None = None
    max_tokens: int | None = None
    seed: int = 0

    @classmethod
    def like(cls, sampling: Sampling) -> SamplingRule:
        """Return the rule that samples every response with the same settings."""
        return cls(sampling.temperature, sampling.adaptive, sampling.max_tokens, sampling.seed)

    def of(self, request: Request) -> Sampling:
        """Return the sampling settings of a request."""
        longest = request.max_response if self.max_tokens is None else self.max_tokens
        seed = mix_seed(self.seed, request.run, request.turn, request.agent)
        return Sampling(longest, self.temperature, request.adaptive or self.adaptive, seed)


class Driver(Protocol):
    """Advances runs until all are done.

    A driver controls the order and the timing: it may begin runs one after the other, let episodes
    end at different times, and wait for engines in their `poll`. Within one run it answers every
    request before it asks for the next ones.
    """

    def play(
        self,
        runs: Iterable[EpisodeRun],
        sampling: SamplingRule,
        timers: Timers | None = None,
        finished: Finished | None = None,
    ) -> None:
        """Play every run to its end, and close it.

        Args:
            runs: runs, created lazily: each is reset when it is taken from the iterable, so a
                driver can delay runs until there is room for them.
            sampling: sampling settings of the rollout.
            timers: timers of the phases "environment", "prompts" and "generation".
            finished: callback that receives each run when it is done.

        Raises:
            AnchorgymError: a run or an engine failed. All runs are closed in any case.
        """
        ...
