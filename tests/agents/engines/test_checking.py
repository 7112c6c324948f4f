"""The conformance kit: sound engines pass it, and every broken promise is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from remote_engine import RemoteFactory

from anchorgym.agents import Sampling
from anchorgym.agents.engines import EngineError, Generation, ServedModel, WeightSource
from anchorgym.agents.engines.answering import Request, answer_all
from anchorgym.agents.engines.checking import (
    EngineCheckError,
    EngineSubject,
    check_engine,
    checks,
    model_subject,
)
from anchorgym.agents.engines.table import Table, TableEngine
from anchorgym.agents.engines.torch_engine import TorchEngine, TorchFactory


def test_the_engine_of_this_process_keeps_every_promise() -> None:
    for factory in (TorchFactory(), TorchFactory(max_batch=2)):
        report = check_engine(factory)
        assert report.ok, report.summary()
        assert {result.status for result in report.results} == {"passed"}


def table_subject() -> EngineSubject:
    torch.manual_seed(0)
    tables = [Table(), Table()]
    for table in tables:
        for n in range(6):
            table.row(f"situation {n}")
            table.option(f"option {n}")
        torch.nn.init.normal_(table.logits)
    logits = [table.logits.detach().clone() for table in tables]
    weights = [{"logits": one} for one in logits]

    def distribution(number: int, context: Sequence[int], temperature: float) -> list[float]:
        row, *options = context
        among = torch.full((logits[number].shape[1],), float("-inf"))
        among[options] = logits[number][row, options] / temperature
        return torch.log_softmax(among, -1).tolist()

    prompts = [(0, 0, 1, 2, 3), (1, 2, 3, 4), (2, 0, 5)]
    engine = TableEngine(tables[0])
    return EngineSubject("table", engine, prompts, (), distribution, weights, remembers=False)


def test_the_engine_of_tables_keeps_every_promise_that_concerns_it() -> None:
    report = check_engine(table_subject())
    assert report.ok, report.summary()
    assert {r.name for r in report.results if r.status == "skipped"} == {"transcripts"}


def test_a_freed_session_of_a_table_has_no_options_left() -> None:
    engine = table_subject().engine
    engine.submit("a", (0, 1, 2), Sampling(1))
    engine.poll()
    engine.submit("a", (), Sampling(1))  # the same ones again
    engine.poll()
    engine.free("a")
    with pytest.raises(EngineError, match="no options"):
        engine.submit("a", (), Sampling(1))


def test_an_engine_is_asked_with_tokens_even_where_it_has_to_refuse() -> None:
    """So that it may read a request before it looks at the sampling."""
    subject = table_subject()
    engine: Any = subject.engine
    submit = engine.submit

    def reading(key: object, tokens: Sequence[int], *rest: object) -> None:
        torch.tensor(tokens, dtype=torch.long)
        submit(key, tokens, *rest)

    engine.submit = reading
    report = check_engine(subject)
    assert report.ok, report.summary()


def test_an_engine_that_answers_late_and_can_do_less_passes_too() -> None:
    report = check_engine(RemoteFactory())
    assert report.ok, report.summary()


def test_late_answers_are_waited_for_as_long_as_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is as slow as the test says: an answer comes when it is let through."""
    engine: Any = model_subject(RemoteFactory(), tmp_path).engine
    monkeypatch.setattr(engine, "_answer", lambda: None)
    engine.delay = 0.0
    engine.submit("a", [5, 6], Sampling(2))
    assert engine.poll(0.01) == []
    assert engine.waiting == 1
    monkeypatch.undo()
    engine._answer()
    assert [key for key, _ in engine.poll()] == ["a"]
    assert engine.poll() == []
    engine.submit("b", [5, 6], Sampling(2))
    engine.cancel("b")
    assert engine.waiting == 0
    engine._answer()
    assert engine.poll(0.0) == []


def test_all_requests_are_answered_or_none_is_left_open(tmp_path: Path) -> None:
    engine = model_subject(RemoteFactory(), tmp_path).engine
    requests = [Request(n, [5 + n], Sampling(2)) for n in range(5)]
    assert set(answer_all(engine, requests)) == set(range(5))
    bad = [Request(8, [5], Sampling(2)), Request(9, [], Sampling(2))]
    with pytest.raises(EngineError, match="no tokens"):
        answer_all(engine, bad)
    assert engine.waiting == 0


Change = Callable[[Any], Mapping[str, Any]]
"""From an engine: methods to replace."""


def altered(**changes: Any) -> Change:
    """Return what alters every generation."""

    def change(engine: Any) -> Mapping[str, Any]:
        poll = engine.poll
        return {"poll": lambda *a: [(k, replace(g, **changed(g))) for k, g in poll(*a)]}

    def changed(generation: Generation) -> dict[str, Any]:
        return {
            name: value(generation) if callable(value) else value for name, value in changes.items()
        }

    return change


def stale(engine: Any) -> Mapping[str, Any]:
    """Take weights, but keep what older ones have computed."""
    load = engine.load_weights

    def kept(source: WeightSource, version: int) -> None:
        cache = engine._cache
        load(source, version)
        engine._cache = cache

    return {"load_weights": kept}


def deaf(engine: Any) -> Mapping[str, Any]:
    """Count versions, and take no weights."""
    return {"load_weights": lambda source, version: setattr(engine, "_version", version)}


def greedy(engine: Any) -> Mapping[str, Any]:
    """Never sample; log-probabilities are right."""
    submit = engine.submit
    return {
        "submit": lambda key, tokens, how, allowed=None: submit(
            key, tokens, replace(how, temperature=0.0) if how.temperature == 1 else how, allowed
        )
    }


def heedless(engine: Any) -> Mapping[str, Any]:
    """Ignore what may not be written."""
    submit = engine.submit
    return {"submit": lambda key, tokens, how, allowed=None: submit(key, tokens, how)}


def without(**settings: Any) -> Change:
    """Return what ignores settings of the sampling."""

    def change(engine: Any) -> Mapping[str, Any]:
        submit = engine.submit
        return {
            "submit": lambda key, tokens, how, allowed=None: submit(
                key, tokens, replace(how, **settings), allowed
            )
        }

    return change


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (without(top_p=1.0), "nuclei"),
        (without(stop_ids=()), "endings"),
        (altered(stop="length"), "endings"),
        (altered(logprobs=lambda g: tuple(x + 0.1 for x in g.logprobs)), "logprobs"),
        (altered(tokens=lambda g: g.tokens[:-1], logprobs=lambda g: g.logprobs[:-1]), "responses"),
        (altered(version=7), "responses"),
        (altered(versions=lambda g: (0,) * len(g.tokens)), "responses"),
        (altered(temperatures=()), "temperatures"),
        (lambda engine: {"cancel": lambda key: None}, "cancelling"),
        (lambda engine: {"cancel": engine.free}, "cancelling"),
        (lambda engine: {"free": engine.cancel}, "freeing"),
        (lambda engine: {"append": lambda key, tokens: None}, "transcripts"),
        (lambda engine: {"fork": lambda key, twin, length=None: None}, "forks"),
        (stale, "weights"),
        (deaf, "weights"),
        (greedy, "frequencies"),
        (heedless, "constraints"),
    ],
)
def test_a_broken_promise_is_found(
    change: Change, check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the check that is about it; the others would take most of the time."""
    monkeypatch.setattr(checks, "ALL", (getattr(checks, check),))

    class Faulty(TorchFactory):
        def make(self, served: ServedModel) -> TorchEngine:
            engine = super().make(served)
            for name, value in change(engine).items():
                setattr(engine, name, value)
            return engine

    report = check_engine(Faulty(), patience=5)
    failed = {result.name for result in report.results if result.status == "failed"}
    assert check in failed, report.summary()
    with pytest.raises(EngineCheckError, match=rf"FAILED +{check}"):
        report.raise_if_failed()
