"""Adapters that are published alone, against a server that misbehaves in every way."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from adapted import disturb
from fake_vllm import FakeVllm, restarting

from anchorgym.agents import Sampling
from anchorgym.agents.engines import (
    EngineOptionError,
    Generation,
    ServedModel,
    engine_factory,
)
from anchorgym.agents.engines.adapters import PlainWeights
from anchorgym.agents.engines.checking import model_subject
from anchorgym.agents.engines.remote.contract import (
    AdaptersError,
    RefusedRequestError,
    UnverifiedWeightsError,
)
from anchorgym.agents.engines.remote.engine import RemoteEngine
from anchorgym.agents.engines.remote.leases import Leases
from anchorgym.agents.engines.torch_engine import TorchFactory
from anchorgym.agents.policies.adapters import Adapters, attach

PROMPT = (5, 6, 7, 8)
LAYERS = ("q_proj", "v_proj", "down_proj")
FAST = {"timeout_s": 5.0, "patience_s": 5.0, "rehearse": False, "adapters": True}


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


def adapted(kept: ServedModel, *, rank: int = 4, rooted: bool = False) -> ServedModel:
    """The model with adapters that change what it computes."""
    model = copy.deepcopy(kept.model)
    attach(model, Adapters(rank, 2.0 * rank, LAYERS, rooted))
    disturb(model, std=0.1)
    return ServedModel(model, kept.tokenizer, kept.eos_ids, kept.folder)


@pytest.fixture
def served(kept: ServedModel) -> ServedModel:
    return adapted(kept)


@pytest.fixture
def server(kept: ServedModel) -> Iterator[FakeVllm]:
    """A server with adapters that lets nobody change its weights."""
    assert kept.folder is not None
    with FakeVllm(kept.folder, dev=False, rank=8) as server:
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


def response(engine: Any, key: str = "a") -> Generation:
    engine.submit(key, PROMPT, Sampling(6, 0.7, seed=3))
    found = answers(engine)[key]
    engine.free(key)
    return found


def update(engine: RemoteEngine, version: int, std: float = 0.1) -> None:
    disturb(engine.model, std=std, seed=10 + version)
    engine.load_weights(PlainWeights(engine.model), version)


def versions(server: FakeVllm) -> list[int]:
    """The versions that are loaded, whatever their writer."""
    return sorted(int(name.rpartition("-")[2]) for name in server.adapters.models)


@pytest.mark.parametrize("rooted", [False, True])
def test_each_version_is_a_small_folder_under_a_new_name(
    rooted: bool, server: FakeVllm, kept: ServedModel, tmp_path: Path
) -> None:
    served = adapted(kept, rooted=rooted)
    engine = engine_for(server, served, weights=str(tmp_path / "weights"))
    own = TorchFactory().make(served)
    for version in range(4):
        if version:
            update(engine, version)
        found = response(engine)
        assert found.version == version
        expected = response(own)
        assert found.tokens == expected.tokens
        assert found.logprobs == pytest.approx(expected.logprobs, abs=1e-4)
        assert versions(server) == [version]
        own.load_weights(PlainWeights(served.model), version + 1)
    assert len(set(server.adapters.loaded)) == 4
    folders = sorted((tmp_path / "weights").iterdir())
    assert [folder.name for folder in folders] == server.adapters.loaded[-2:]
    for folder in folders:
        names = {path.name for path in folder.iterdir()}
        assert names == {"adapter_config.json", "adapter_model.safetensors", "STABLE"}


def test_equal_versions_of_other_weights_have_other_names(
    server: FakeVllm, served: ServedModel
) -> None:
    engine = engine_for(server, served)
    first = response(engine)
    update(engine, 0)
    assert response(engine) != first
    assert len(server.salts) == len(set(server.adapters.loaded)) == 2
    assert len(server.adapters.models) == 1


@pytest.mark.parametrize(("fault", "republished"), [("unknown", 1), ("wrong adapter", 0)])
def test_another_adapter_never_answers(
    fault: str, republished: int, server: FakeVllm, served: ServedModel
) -> None:
    engine = engine_for(server, served)
    expected = response(engine)
    if fault == "unknown":
        server.adapters.models.clear()
    else:
        server.faults = [fault]
    assert response(engine) == expected
    assert engine.counts["retries"] == engine.counts["bad_answers"] == 1
    assert engine.counts["republished"] == republished


def test_a_server_that_was_restarted_gets_the_present_adapters_again(
    server: FakeVllm, served: ServedModel
) -> None:
    engine = engine_for(server, served)
    update(engine, 1)
    expected = response(engine)
    server.held.clear()
    engine.submit("a", PROMPT, Sampling(6, 0.7, seed=3))
    while len(server.ids) < 2:
        time.sleep(0.01)
    server.die()
    server.held.set()
    with restarting(server, 0.3):
        assert answers(engine)["a"] == expected
    assert engine.counts["republished"] == 1
    assert versions(server) == [1]


@pytest.mark.parametrize("trained", [False, True])
def test_adapters_that_do_not_arrive_are_an_error(
    trained: bool, server: FakeVllm, served: ServedModel
) -> None:
    """Also untrained ones, which change nothing: a rehearsal shows it."""
    if not trained:
        for name, weight in served.model.named_parameters():
            if "lora_B" in name:
                weight.data.zero_()
    engine = engine_for(server, served, rehearse=not trained)
    if trained:
        response(engine)
    server.adapters.stale = True
    change: Callable[[], object] = (
        partial(update, engine, 1) if trained else partial(response, engine)
    )
    with pytest.raises(UnverifiedWeightsError, match="does not compute with the model's"):
        change()
    server.adapters.stale = False
    server.adapters.models.clear()
    assert response(engine).version == engine.version


def test_a_server_of_another_base_is_an_error(server: FakeVllm, served: ServedModel) -> None:
    with torch.no_grad():
        for parameter in server.model.parameters():
            parameter.mul_(1.2)
    with pytest.raises(UnverifiedWeightsError, match="can be rounding"):
        response(engine_for(server, served))


@pytest.mark.parametrize(
    ("rank", "says"),
    [
        (None, "no route"),
        (0, "LoRA is not enabled"),
        (2, "rank 4 is greater than max_lora_rank 2"),
    ],
)
def test_a_server_that_does_not_serve_them_is_an_error_with_a_remedy(
    rank: int | None, says: str, kept: ServedModel, served: ServedModel
) -> None:
    assert kept.folder is not None
    with FakeVllm(kept.folder, rank=rank) as server:
        engine = engine_for(server, served)
        for _ in range(2):
            with pytest.raises(AdaptersError, match=says) as error:
                engine.submit("a", PROMPT, Sampling(6))
        for remedy in ("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "--max-lora-rank", "merged weights"):
            assert remedy in str(error.value)
        assert engine.waiting == 0
        merged = engine_for(server, served, adapters=False)
        assert response(merged).tokens


def test_a_folder_that_the_server_cannot_read_is_named(
    server: FakeVllm, served: ServedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda path: path != path)
    with pytest.raises(AdaptersError, match=r"does not find .*here.*engine\.weights"):
        response(engine_for(server, served, weights=str(tmp_path / "here")))


def test_a_model_without_adapters_is_an_error(server: FakeVllm, kept: ServedModel) -> None:
    with pytest.raises(AdaptersError, match=r"has none: set lora\.rank"):
        response(engine_for(server, kept))


def test_the_token_is_asked_for(kept: ServedModel, served: ServedModel) -> None:
    assert kept.folder is not None
    with FakeVllm(kept.folder, token="s3cret", dev=False, rank=8) as server:
        with pytest.raises(RefusedRequestError, match=r"set engine\.token"):
            response(engine_for(server, served))
        assert response(engine_for(server, served, token="s3cret")).tokens


def test_policies_share_a_server_without_taking_turns(server: FakeVllm, kept: ServedModel) -> None:
    factory = engine_factory("http", url=server.url, **FAST)
    first: Any = factory.make(adapted(kept))
    second: Any = factory.make(adapted(kept, rank=2))
    found = [[response(engine) for engine in (first, second)] for _ in range(2)]
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]
    assert len(server.adapters.loaded) == 2
    server.held.clear()
    second.submit("open", PROMPT, Sampling(6, 0.7, seed=3))
    while len(server.ids) < 5:
        time.sleep(0.01)
    threading.Timer(0.1, server.held.set).start()
    update(first, 1)
    assert answers(second)["open"] == found[0][1]
    assert versions(server) == [0, 1]


def test_many_policies_do_not_fill_the_server(server: FakeVllm, kept: ServedModel) -> None:
    factory = engine_factory("http", url=server.url, **{**FAST, "probe": False})
    engines: list[Any] = [factory.make(adapted(kept)) for _ in range(6)]
    for _ in range(2):
        assert len({response(engine) for engine in engines}) == 1
        assert len(server.adapters.models) == 4


def test_adapters_in_use_are_unloaded_later() -> None:
    unloaded: list[str] = []
    leases = Leases(unloaded.append)
    leases.begin("first", "me-1")
    leases.begin("second", "me-1")
    leases.drop("me-1")
    leases.end("first")
    assert unloaded == []
    leases.end("second")
    leases.end("second")
    assert unloaded == ["me-1"]
    leases.begin("third", "me-2")
    leases.drop("me-2")
    leases.keep("me-2")
    leases.end("third")
    assert unloaded == ["me-1"]


def test_options_that_contradict_are_named() -> None:
    with pytest.raises(EngineOptionError, match=r"engine\.weights cannot be none"):
        engine_factory("http", url="http://127.0.0.1:80", adapters=True, weights="none")
    with pytest.raises(EngineOptionError, match="adapters must be true or false"):
        engine_factory("http", url="http://127.0.0.1:80", adapters="auto")
