"""The contract of drivers: how the requests of many episodes meet engines."""

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
"""Called with each run when it is done, in the order in which runs end."""


@dataclass(frozen=True, slots=True)
class SamplingRule:
    """How the responses of a rollout are sampled, whichever engine writes them.

    Args:
        temperature: divides the logits; 0 takes the most likely token.
        adaptive: rule by which each token's temperature departs from that; None for one
            temperature throughout. A request's own rule comes first.
        max_tokens: longest response, in tokens; None for that of each policy.
        seed: of the noise. Each request draws by a seed of its own, which follows from this one,
            the number of its episode, its turn and its agent.
    """

    temperature: float = 1.0
    adaptive: AdaptiveTemperature | None = None
    max_tokens: int | None = None
    seed: int = 0

    @classmethod
    def like(cls, sampling: Sampling) -> SamplingRule:
        """Return the rule that samples every response in one way."""
        return cls(sampling.temperature, sampling.adaptive, sampling.max_tokens, sampling.seed)

    def of(self, request: Request) -> Sampling:
        """Return how the response to a request is sampled."""
        longest = request.max_response if self.max_tokens is None else self.max_tokens
        seed = mix_seed(self.seed, request.run, request.turn, request.agent)
        return Sampling(longest, self.temperature, request.adaptive or self.adaptive, seed)


class Driver(Protocol):
    """Pumps runs until all are done.

    A driver owns the order and the timing: it may begin runs one after the other, have episodes
    end at different times, and wait for engines as their `poll` allows. Within one run it answers
    every request before it asks for the next ones.
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
            runs: a run that is taken from the iterable has been reset; a driver may leave the
                others until there is room for them.
            sampling: how responses are sampled.
            timers: for the time by phase: "environment", "prompts" and "generation".
            finished: is called with each run when it is done.

        Raises:
            AnchorgymError: a run or an engine failed. All runs are closed, whatever happened.
        """
        ...
