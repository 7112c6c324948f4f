"""The lock-step driver, which plays all runs turn by turn, with one batch per engine and turn."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence, Set
from typing import Any, TypeAlias

from anchorgym.agents.engines.contract import Engine, Generation, Stop
from anchorgym.envs.plugins import require_methods, wrong_result
from anchorgym.training.rollout.drivers.contract import Finished, SamplingRule
from anchorgym.training.rollout.episode_run import EpisodeRun
from anchorgym.training.rollout.sides import Ask, Question, Request
from anchorgym.training.rollout.timers import Timers

_METHODS = ("submit", "poll", "append", "free")
"""Methods of engines that the driver calls."""
Asked: TypeAlias = tuple[EpisodeRun, Ask]


class LockStepDriver:
    """Plays all runs together, turn by turn; finished runs drop out.

    The driver is deterministic: the requests and their order depend on the runs alone.
    """

    def play(
        self,
        runs: Iterable[EpisodeRun],
        sampling: SamplingRule,
        timers: Timers | None = None,
        finished: Finished | None = None,
    ) -> None:
        """Play every run to its end; see `Driver.play`."""
        timers = Timers() if timers is None else timers
        timers.start()
        begun: list[EpisodeRun] = []
        try:
            for run in runs:
                begun.append(run)
            timers.lap("environment")
            live = _going_on(begun, finished)
            while live:
                _decide(live, sampling, timers)
                for run in live:
                    run.step()
                timers.lap("environment")
                live = _going_on(live, finished)
        finally:  # an interrupted rollout leaves no sessions in the engines
            for run in begun:
                run.close()


def _going_on(runs: Sequence[EpisodeRun], finished: Finished | None) -> list[EpisodeRun]:
    """Return the runs that are not done; pass the others to `finished`."""
    live = [run for run in runs if not run.done]
    if finished is not None:
        for run in runs:
            if run.done:
                finished(run)
    return live


def _decide(runs: Sequence[EpisodeRun], sampling: SamplingRule, timers: Timers) -> None:
    """Answer all requests of a turn, then let every agent decide."""
    waiting = list(runs)
    while waiting:
        asked: list[Asked] = [(run, ask) for run in waiting for ask in run.requests()]
        timers.lap("prompts")
        _answer(asked, sampling)
        timers.lap("generation")
        waiting = list({id(run): run for run, _ in asked}.values())
    for run in runs:
        run.decide()
    timers.lap("prompts")


def _answer(asked: Sequence[Asked], sampling: SamplingRule) -> None:
    """Have each engine and planner answer its requests, one batch each."""
    by_engine: dict[int, list[tuple[EpisodeRun, Request]]] = {}
    by_planner: dict[int, list[tuple[EpisodeRun, Question]]] = {}
    for run, ask in asked:
        if isinstance(ask, Request):
            by_engine.setdefault(id(ask.engine), []).append((run, ask))
        else:
            by_planner.setdefault(id(ask.planner), []).append((run, ask))
    for requests in by_engine.values():
        answers = _responses([request for _, request in requests], sampling)
        for run, request in requests:
            run.answer(request, answers[request.key])
    for questions in by_planner.values():
        planner = questions[0][1].planner
        texts = planner.answer([question.query for _, question in questions])
        for (run, question), answer in zip(questions, texts, strict=True):
            run.answer(question, answer)


def _responses(requests: Sequence[Request], sampling: SamplingRule) -> dict[Hashable, Generation]:
    """Submit requests to their engine, and poll until all are answered."""
    engine: Engine = requests[0].engine
    require_methods(engine, _METHODS, "an engine", "the engine factory")
    answers: dict[Hashable, Generation] = {}
    asked = {request.key for request in requests}
    for request in requests:
        given = submit(request, sampling)
        if given is not None:
            answers[request.key] = given
    while len(answers) < len(requests):
        answers.update(_polled(engine, asked))
    return answers


def _polled(engine: Engine, asked: Set[Hashable]) -> dict[Hashable, Generation]:
    """Return the responses that an engine has finished, by their sessions.

    Raises:
        PluginResultError: the engine gave something else, or answers that nobody has asked for.
    """
    given: Any = engine.poll()
    try:
        found = dict(given)
    except (TypeError, ValueError):
        found = None
    whole = found is not None and all(isinstance(one, Generation) for one in found.values())
    if found is None or not whole or not found.keys() <= asked:
        wanted = "pairs of a session that was submitted and its Generation"
        raise wrong_result(engine, "poll()", wanted, given)
    return found


def submit(request: Request, sampling: SamplingRule) -> Generation | None:
    """Submit a request to its engine, or return a response that somebody else has written.

    The engine reads a given response instead of sampling; its tokens have probability 1.
    """
    engine, key, prompt = request.engine, request.key, request.prompt
    how = sampling.of(request)
    if prompt.restart:
        engine.free(key)
    if not prompt.given:
        engine.submit(key, prompt.tokens, how, prompt.allowed)
        return None
    engine.append(key, (*prompt.tokens, *prompt.given))
    n = len(prompt.given)
    temperatures = () if how.adaptive is None else (how.temperature,) * n
    return Generation(prompt.given, (0.0,) * n, Stop.EOS, temperatures=temperatures)
