"""A driver that lets chance decide which run goes on and which request is answered next."""

from __future__ import annotations

import random
from collections.abc import Iterable

from anchorgym.training.rollout.drivers import Finished, SamplingRule
from anchorgym.training.rollout.drivers.lock_step import submit
from anchorgym.training.rollout.episode_run import EpisodeRun
from anchorgym.training.rollout.sides import Ask, Request
from anchorgym.training.rollout.timers import Timers


class AnyOrderDriver:
    """Begins runs one after the other, and plays them as they come.

    Args:
        seed: of the order.
        at_once: runs that are open at a time.
    """

    def __init__(self, seed: int = 0, at_once: int = 2) -> None:
        self._rng, self._at_once = random.Random(seed), at_once
        self.most_open = 0

    def play(
        self,
        runs: Iterable[EpisodeRun],
        sampling: SamplingRule,
        timers: Timers | None = None,
        finished: Finished | None = None,
    ) -> None:
        """Play every run to its end."""
        waiting, live = iter(runs), list[EpisodeRun]()
        while True:
            while len(live) < self._at_once and (run := next(waiting, None)):
                live.append(run)
            self.most_open = max(self.most_open, len(live))
            if not live:
                return
            run = self._rng.choice(live)
            if not run.done:
                self._turn(run, sampling)
                continue
            live.remove(run)
            run.close()
            if finished is not None:
                finished(run)

    def _turn(self, run: EpisodeRun, sampling: SamplingRule) -> None:
        while asked := run.requests():
            self._rng.shuffle(asked)
            for ask in asked:
                self._answer(run, ask, sampling)
        run.decide()
        run.step()

    def _answer(self, run: EpisodeRun, ask: Ask, sampling: SamplingRule) -> None:
        if not isinstance(ask, Request):
            (texts,) = ask.planner.answer([ask.query])
            run.answer(ask, texts)
            return
        answer = submit(ask, sampling)
        run.answer(ask, dict(ask.engine.poll())[ask.key] if answer is None else answer)
