"""The engine `http` against a server that misbehaves in every way."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_vllm import BROKEN, SPOILED, FakeVllm, restarting

from anchorgym.agents import Sampling
from anchorgym.agents.engines import (
    EngineError,
    EngineOptionError,
    Generation,
    ServedModel,
    StaleWeightsError,
    WeightsError,
    engine_factory,
)
from anchorgym.agents.engines.checking import check_engine, model_subject
from anchorgym.agents.engines.remote.contract import (
    BadAnswerError,
    EngineUnavailableError,
    RefusedRequestError,
    UnverifiedWeightsError,
)
from anchorgym.agents.engines.remote.engine import RemoteEngine
from anchorgym.agents.engines.torch_engine import TorchFactory

PROMPT = (5, 6, 7, 8)
FAST = {"timeout_s": 5.0, "patience_s": 5.0, "rehearse": False}


class Kept:
    """A factory that keeps what it is to serve."""

    capabilities = TorchFactory().capabilities

    def make(self, served: ServedModel) -> Any:
        self.served = served
        return TorchFactory().make(served)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    kept = Kept()
    model_subject(kept, tmp_path_factory.mktemp("models"))
    return kept.served


@pytest.fixture
def served(kept: ServedModel) -> ServedModel:
    """A small language model, whose folder a server can start from."""
    return ServedModel(copy.deepcopy(kept.model), kept.tokenizer, kept.eos_ids, kept.folder)


@pytest.fixture
def server(kept: ServedModel) -> Iterator[FakeVllm]:
    assert kept.folder is not None
    with FakeVllm(kept.folder) as server:
        yield server


def engine_for(server: FakeVllm, served: ServedModel, **options: Any) -> RemoteEngine:
    engine = engine_factory("http", url=server.url, **{**FAST, **options}).make(served)
    assert isinstance(engine, RemoteEngine)
    return engine


def answers(engine: RemoteEngine) -> dict[Any, Generation]:
    found: dict[Any, Generation] = {}
    while engine.waiting:
        found |= dict(engine.poll(10.0))
    return found


def changed(served: ServedModel, by: float = 0.2) -> dict[str, torch.Tensor]:
    """Other weights of the model."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return {
            name: tensor + by * tensor.std() * torch.randn_like(tensor)
            if tensor.dim() > 1
            else tensor
            for name, tensor in served.model.named_parameters()
        }


def test_the_engine_keeps_the_contract(server: FakeVllm) -> None:
    report = check_engine(engine_factory("http", url=server.url), patience=20)
    assert report.ok, report
    assert not any(check.status == "skipped" for check in report.results)


def test_responses_are_those_of_the_torch_engine(server: FakeVllm, served: ServedModel) -> None:
    own = TorchFactory().make(ServedModel(copy.deepcopy(served.model), *_rest(served)))
    remote = engine_for(server, served)
    for engine in (own, remote):
        for number in range(6):
            engine.submit(number, PROMPT[: number + 1], Sampling(8, 0.7, seed=number))
    there = answers(remote)
    here: dict[Any, Generation] = {}
    while own.waiting:
        here |= dict(own.poll())
    assert {key: written.tokens for key, written in there.items()} == {
        key: written.tokens for key, written in here.items()
    }


def _rest(served: ServedModel) -> Any:
    return served.tokenizer, served.eos_ids, served.folder


@pytest.mark.parametrize("fault", [*SPOILED, *BROKEN])
def test_a_fault_is_mended_by_asking_again(
    fault: str, server: FakeVllm, served: ServedModel
) -> None:
    engine = engine_for(server, served, timeout_s=0.6 if fault == "late" else 5.0)
    engine.submit("good", PROMPT, Sampling(6))
    expected = answers(engine)["good"]
    server.faults = [fault]
    engine.submit("bad", PROMPT, Sampling(6))
    assert answers(engine)["bad"] == expected
    assert engine.counts["retries"] == 1
    assert engine.counts["bad_answers"] == (fault not in ("hang up", "late"))
    assert len(set(server.ids)) == len(server.ids)  # an attempt has an id of its own
    assert engine.counts["republished"] == 0


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ("nan", BadAnswerError, "nan is no log-probability"),
        ("few logprobs", BadAnswerError, "6 tokens came with 5 log-probabilities"),
        ("foreign token", BadAnswerError, "1000000 is no token of the model"),
        ("wrong version", BadAnswerError, "let no other program publish"),
        ("half JSON", BadAnswerError, "no whole answer"),
        ("500", BadAnswerError, "500: .*EngineDeadError"),
        ("hang up", EngineUnavailableError, "broke off"),
        ("400", RefusedRequestError, "out of vocabulary"),
    ],
)
def test_what_stays_wrong_is_an_error_and_nothing_is_lost(
    fault: str, kind: type[EngineError], says: str, server: FakeVllm, served: ServedModel
) -> None:
    engine = engine_for(server, served, attempts=2)
    engine.submit("first", PROMPT, Sampling(6, seed=3))
    expected = answers(engine)["first"]
    server.faults = [fault, fault]
    engine.submit("bad", PROMPT, Sampling(6, seed=3))
    with pytest.raises(kind, match=says):
        answers(engine)
    assert engine.waiting == 0
    server.faults = []
    engine.submit("bad", (), Sampling(6, seed=3))  # the session has kept its prompt, and no more
    assert answers(engine)["bad"] == expected


def test_answers_beside_a_failed_one_are_given(server: FakeVllm, served: ServedModel) -> None:
    engine = engine_for(server, served, attempts=1)
    engine.submit("warm", PROMPT, Sampling(1))
    answers(engine)
    server.faults = ["400"]
    for key in "abc":
        engine.submit(key, PROMPT, Sampling(3))
    found: dict[Any, Generation] = {}
    failed = 0
    while engine.waiting:
        try:
            found |= dict(engine.poll(10.0))
        except RefusedRequestError:
            failed += 1
    assert len(found) == 2
    assert failed == 1


def test_a_server_that_dies_is_waited_for_and_gets_its_weights_again(
    server: FakeVllm, served: ServedModel
) -> None:
    engine = engine_for(server, served)
    engine.load_weights(changed(served), 4)
    server.held.clear()
    for number in range(5):
        engine.submit(number, PROMPT, Sampling(6, seed=number))
    while len(server.ids) < 5:
        time.sleep(0.01)
    server.die()
    server.held.set()
    with restarting(server, 0.5):
        found = answers(engine)
    assert set(found) == set(range(5))
    assert all(written.version == 4 for written in found.values())
    assert engine.counts["republished"] == 1
    assert server.version.endswith("-4")


def test_a_server_that_was_restarted_unseen_gets_its_weights_again(
    server: FakeVllm, served: ServedModel
) -> None:
    engine = engine_for(server, served)
    engine.load_weights(changed(served), 1)
    engine.submit("a", PROMPT, Sampling(6))
    before = answers(engine)["a"]
    server.die()
    server.start()
    engine.submit("b", PROMPT, Sampling(6))
    assert answers(engine)["b"] == before
    assert engine.counts["republished"] == 1


def test_a_server_that_stays_away_is_an_error_in_time(
    server: FakeVllm, served: ServedModel
) -> None:
    engine = engine_for(server, served, patience_s=0.4)
    engine.submit("a", PROMPT, Sampling(6))
    expected = answers(engine)["a"]
    server.die()
    engine.submit("b", PROMPT, Sampling(6))
    engine.submit("c", PROMPT, Sampling(6))
    began = time.monotonic()
    with pytest.raises(EngineUnavailableError, match=r"cannot be reached.*patience_s"):
        answers(engine)
    assert time.monotonic() - began < 4
    assert engine.waiting == 0
    server.start()
    engine.submit("c", (), Sampling(6))
    assert answers(engine)["c"] == expected


def test_an_update_while_the_server_is_away_is_published_later(
    server: FakeVllm, served: ServedModel
) -> None:
    engine = engine_for(server, served, patience_s=0.2)
    engine.submit("a", PROMPT, Sampling(6))
    answers(engine)
    server.die()
    with pytest.raises(EngineUnavailableError):
        engine.load_weights(changed(served), 2)
    server.start()
    engine.submit("b", PROMPT, Sampling(6))
    assert answers(engine)["b"].version == 2
    assert server.version.endswith("-2")


def test_late_answers_of_dropped_requests_are_dropped(
    server: FakeVllm, served: ServedModel
) -> None:
    engine = engine_for(server, served)
    engine.submit("warm", PROMPT, Sampling(1))
    answers(engine)
    server.held.clear()
    engine.submit("cancelled", PROMPT, Sampling(6))
    engine.submit("freed", PROMPT, Sampling(6))
    while len(server.ids) < 3:
        time.sleep(0.01)
    engine.cancel("cancelled")
    engine.free("freed")
    engine.submit("cancelled", (5,), Sampling(2))
    server.held.set()
    found = answers(engine)
    assert list(found) == ["cancelled"]
    assert len(found["cancelled"].tokens) <= 2
    assert engine.poll(0.05) == []


def test_open_requests_are_answered_by_new_weights_alone(
    server: FakeVllm, served: ServedModel
) -> None:
    engine = engine_for(server, served)
    engine.submit("warm", PROMPT, Sampling(1))
    answers(engine)
    server.held.clear()
    engine.submit("a", PROMPT, Sampling(6))
    while len(server.ids) < 2:
        time.sleep(0.01)
    new = changed(served)
    threading.Timer(0.1, server.held.set).start()
    engine.load_weights(new, 1)
    assert answers(engine)["a"].version == 1
    assert len(server.salts) == 2  # keys and values of old weights are not taken for new ones
    with pytest.raises(StaleWeightsError):
        engine.load_weights(new, 0)


@pytest.mark.parametrize("stale", ["all", "lm_head"])
@pytest.mark.parametrize("rehearse", [False, True])
def test_weights_that_do_not_arrive_are_an_error(
    stale: str, rehearse: bool, server: FakeVllm, served: ServedModel
) -> None:
    engine = engine_for(server, served, rehearse=rehearse)
    server.stale = stale
    if not rehearse:  # the server has the weights that it started with
        engine.submit("a", PROMPT, Sampling(6))
        answers(engine)
        with pytest.raises(UnverifiedWeightsError, match="does not compute with"):
            engine.load_weights(changed(served, 0.01), 1)
    for _ in range(2):
        with pytest.raises(UnverifiedWeightsError, match="does not compute with the model's"):
            engine.submit("b", PROMPT, Sampling(6))
    assert engine.waiting == 0
    server.stale = ""
    engine.submit("b", PROMPT, Sampling(6))
    assert answers(engine)["b"].version == engine.version


def test_logprobs_of_another_temperature_are_an_error(
    server: FakeVllm, served: ServedModel
) -> None:
    server.raw = True
    engine = engine_for(server, served)
    with pytest.raises(UnverifiedWeightsError, match="--logprobs-mode processed_logprobs"):
        engine.submit("a", PROMPT, Sampling(6))


def test_two_engines_take_turns_on_one_server(server: FakeVllm, served: ServedModel) -> None:
    factory = engine_factory("http", url=server.url, **FAST)
    other = ServedModel(copy.deepcopy(served.model), *_rest(served))
    with torch.no_grad():
        for name, tensor in changed(served).items():
            other.model.get_parameter(name).copy_(tensor)
    engines: list[Any] = [factory.make(served), factory.make(other)]
    written: list[list[Generation]] = [[], []]
    for turn in range(2):
        for number, engine in enumerate(engines):
            engine.submit(turn, PROMPT, Sampling(8))
            written[number].append(answers(engine)[turn])
    assert written[0][0] == written[0][1]
    assert written[1][0] == written[1][1]
    assert written[0][0] != written[1][0]


def test_another_program_that_publishes_is_seen(server: FakeVllm, served: ServedModel) -> None:
    engine = engine_for(server, served)
    engine.submit("a", PROMPT, Sampling(6))
    first = answers(engine)["a"]
    intruder = ServedModel(copy.deepcopy(served.model), *_rest(served))
    engine_for(server, intruder).load_weights(changed(served), 7)
    engine.submit("b", PROMPT, Sampling(6))
    assert answers(engine)["b"] == first
    assert engine.counts["republished"] == 1


def test_a_server_of_fixed_weights_evaluates_and_does_not_train(
    kept: ServedModel, served: ServedModel
) -> None:
    assert kept.folder is not None
    with FakeVllm(kept.folder, dev=False) as server:
        engine = engine_for(server, served, weights="none")
        engine.submit("a", PROMPT, Sampling(6))
        assert answers(engine)["a"].tokens
        with pytest.raises(WeightsError, match="cannot train"):
            engine.load_weights(changed(served), 1)
        trained = engine_for(server, ServedModel(_stretched(served), *_rest(served)))
        with pytest.raises(RefusedRequestError, match="VLLM_SERVER_DEV_MODE=1"):
            trained.submit("a", PROMPT, Sampling(6))
        other = engine_for(server, ServedModel(_stretched(served), *_rest(served)), weights="none")
        with pytest.raises(UnverifiedWeightsError, match="can be rounding"):
            other.submit("a", PROMPT, Sampling(6))


def _stretched(served: ServedModel) -> Any:
    model = copy.deepcopy(served.model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.2)
    return model


def test_a_token_is_sent_and_asked_for(
    kept: ServedModel, served: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kept.folder is not None
    with FakeVllm(kept.folder, token="s3cret") as server:
        for options in ({}, {"token": "wrong"}):
            engine = engine_for(server, served, **options)
            with pytest.raises(RefusedRequestError, match=r"set engine\.token"):
                engine.submit("a", PROMPT, Sampling(6))
        monkeypatch.setenv("ANCHORGYM_ENGINE_TOKEN", "s3cret")
        engine = engine_for(server, served)
        engine.submit("a", PROMPT, Sampling(6))
        assert answers(engine)["a"].tokens


def test_seeds_are_sent_unless_they_are_off(server: FakeVllm, served: ServedModel) -> None:
    assert engine_factory("http", url=server.url).capabilities.seeded
    for seeds, expected in ((True, 2**63 - 1), (False, None)):
        engine = engine_for(server, served, seeds=seeds)
        engine.submit("a", PROMPT, Sampling(2, seed=2**64 - 1))
        answers(engine)
        assert server.seeds[-1] == expected
        assert engine.capabilities.seeded is seeds


def test_a_server_elsewhere_needs_a_folder(served: ServedModel) -> None:
    factory = engine_factory("http", url="http://10.1.2.3:8000")
    with pytest.raises(EngineOptionError, match=r"engine\.weights is missing"):
        factory.make(served)


def test_the_models_limit_and_name_are_the_servers(server: FakeVllm, served: ServedModel) -> None:
    engine = engine_for(server, served)
    with pytest.raises(EngineError, match="positions for 512"):
        engine.submit("a", PROMPT, Sampling(600))
    wrong = engine_for(server, served, model="other")
    with pytest.raises(EngineOptionError, match="no model 'other', but m"):
        wrong.submit("a", PROMPT, Sampling(6))


def test_weights_are_written_where_the_user_says(
    server: FakeVllm, served: ServedModel, tmp_path: Path
) -> None:
    engine = engine_for(server, served, weights=str(tmp_path / "weights"))
    for version in range(1, 5):
        engine.load_weights(changed(served, 0.1 * version), version)
    kept = sorted(path.name for path in (tmp_path / "weights").iterdir())
    assert [name.rpartition("-")[2] for name in kept] == ["3", "4"]
