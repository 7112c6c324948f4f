"""The engines `vllm` and `http` with vLLM itself: `make test-vllm` runs this."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from adapted import disturb
from small_policies import small_policy

from anchorgym.agents import Sampling
from anchorgym.agents.engines import EngineFactory, Generation, ServedModel, engine_factory
from anchorgym.agents.engines.adapters import PlainWeights
from anchorgym.agents.engines.checking import check_engine, model_subject
from anchorgym.agents.engines.remote import forms, vllm_backend
from anchorgym.agents.engines.remote.contract import AdaptersError, UnverifiedWeightsError
from anchorgym.agents.engines.remote.engine import RemoteEngine
from anchorgym.agents.policies.adapters import Adapters, attach
from anchorgym.training.cli import main

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None,
        reason="vLLM is not installed here: make test-vllm installs it beside this environment",
    ),
]
PROMPT = (5, 6, 7, 8)
LAYERS = ("q_proj", "k_proj", "o_proj", "gate_proj", "down_proj")
LORA = ("--enable-lora", "--max-lora-rank", "8", "--max-loras", "2")
LORA += ("--lora-target-modules", *LAYERS, "v_proj", "up_proj")


class Served:
    """A factory that makes no engine, and keeps what it is to serve."""

    capabilities = engine_factory().capabilities

    def make(self, served: ServedModel) -> Any:
        self.served = served


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    """A Llama with heads of 64 numbers and random weights, in a folder."""
    served = Served()
    model_subject(served, tmp_path_factory.mktemp("models"))
    return served.served


@pytest.fixture
def served(kept: ServedModel) -> ServedModel:
    return ServedModel(copy.deepcopy(kept.model), kept.tokenizer, kept.eos_ids, kept.folder)


@pytest.fixture(scope="module")
def url(kept: ServedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a vLLM server."""
    assert kept.folder is not None
    with server_of(kept.folder, tmp_path_factory.mktemp("server") / "log.txt") as address:
        yield address


@contextmanager
def server_of(folder: Path, log: Path, *more: str) -> Iterator[str]:
    """Start a server, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = f"--host 127.0.0.1 --port {port} --served-model-name m --dtype float32 --enforce-eager"
    words += " --enable-scale-out --logprobs-mode processed_logprobs --max-num-seqs 64"
    words += " --no-enable-chunked-prefill --max-num-batched-tokens 4096"
    settings = {
        "VLLM_SERVER_DEV_MODE": "1",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "KMP_BLOCKTIME": "0",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    with log.open("w") as out:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
                *("--model", str(folder), *words.split(), *more),
            ],
            env={**os.environ, **settings},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="module")
def adapting(kept: ServedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a vLLM server that serves adapters."""
    assert kept.folder is not None
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with server_of(kept.folder, log, *LORA) as address:
        yield address


@pytest.fixture(params=["vllm", "http"])
def factory(request: pytest.FixtureRequest) -> EngineFactory:
    if request.param == "vllm":
        return engine_factory("vllm")
    address: str = request.getfixturevalue("url")
    return engine_factory("http", url=address, patience_s=180.0)


def written(engine: Any, seed: int = 0, n: int = 24) -> Generation:
    engine.submit("test", PROMPT, Sampling(n, seed=seed))
    found: dict[Any, Generation] = {}
    while engine.waiting:
        found |= dict(engine.poll())
    engine.free("test")
    return found["test"]


def truth(model: Any, generation: Generation) -> torch.Tensor:
    """The model's own log-probabilities of what was written."""
    ids = torch.tensor([[*PROMPT, *generation.tokens]])
    with torch.no_grad():
        logits = model(ids).logits[0, len(PROMPT) - 1 : -1]
    return torch.log_softmax(logits, -1).gather(1, ids[0, len(PROMPT) :, None])[:, 0]


def moved(model: Any, by: float) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return {n: p + by * p.std() * torch.randn_like(p) for n, p in model.named_parameters()}


def test_the_contract_is_kept(factory: EngineFactory) -> None:
    report = check_engine(factory, patience=180)
    assert report.ok, report
    assert not any(check.status == "skipped" for check in report.results)


def test_logprobs_are_the_models_own_before_and_after_updates(
    factory: EngineFactory, served: ServedModel
) -> None:
    engine = factory.make(served)
    for version in range(3):
        if version:
            engine.load_weights(moved(served.model, 0.02), version)
        generation = written(engine, seed=version)
        assert generation.version == version
        own = truth(served.model, generation)
        assert torch.tensor(generation.logprobs) == pytest.approx(own, abs=1e-4)


def test_a_head_that_stays_old_is_seen(
    factory: EngineFactory, served: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM 0.32 on a CPU keeps it, where a head is the embedding and has no weights of its own."""
    engine = factory.make(served)
    written(engine)
    whole = forms.saved_form

    def without_head(model: Any) -> dict[str, torch.Tensor]:
        return {n: tensor for n, tensor in whole(model).items() if n != "lm_head.weight"}

    def take(worker: Any, tensors: dict[str, torch.Tensor]) -> None:
        worker.model_runner.reload_weights(weights_iterator=iter(tensors.items()))

    monkeypatch.setattr(forms, "saved_form", without_head)
    monkeypatch.setattr(vllm_backend, "_take_weights", take)
    with pytest.raises(UnverifiedWeightsError, match="does not compute with"):
        engine.load_weights(moved(served.model, 0.001), 1)
    monkeypatch.undo()
    assert written(engine).version == 1


def test_an_engine_of_this_process_sleeps_and_wakes(served: ServedModel) -> None:
    engine = engine_factory("vllm").make(served)
    assert isinstance(engine, RemoteEngine)
    backend = engine._publisher.backend
    assert isinstance(backend, vllm_backend.VllmBackend)
    first = written(engine)
    assert backend._asleep
    assert written(engine) == first
    engine.load_weights(moved(served.model, 0.02), 1)
    assert written(engine) != first


def test_seeded_prompts_longer_than_a_batch_are_answered(
    factory: EngineFactory, served: ServedModel
) -> None:
    """vLLM 0.32 on a CPU dies of a seed whose prompt is read in several pieces."""
    engine = factory.make(served)
    for key in range(40):
        prompt = [5 + (key + n) % 30 for n in range(400)]
        engine.submit(key, prompt, Sampling(2, seed=key))
    found: dict[Any, Generation] = {}
    while engine.waiting:
        found |= dict(engine.poll())
    assert set(found) == set(range(40))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_head_that_is_the_embedding_is_not_left_behind(
    dtype: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """With sizes for which vLLM packs the weights of matrices."""
    from transformers import LlamaConfig, LlamaForCausalLM

    kept: ServedModel = request.getfixturevalue("kept")
    config = LlamaConfig(
        vocab_size=2048,
        hidden_size=256,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=1,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config).eval().to(getattr(torch, dtype))
    model.save_pretrained(tmp_path)
    served = ServedModel(model, kept.tokenizer, (1,), tmp_path)
    engine = engine_factory("vllm").make(served)
    written(engine)
    engine.load_weights(moved(model, 0.5), 1)
    generation = written(engine)
    difference = torch.tensor(generation.logprobs) - truth(model.float(), generation)
    assert difference.abs().mean() < (1e-4 if dtype == "float32" else 0.05)


@pytest.fixture(params=["vllm", "http"])
def adapters(request: pytest.FixtureRequest) -> EngineFactory:
    if request.param == "vllm":
        return engine_factory("vllm", adapters=True, max_rank=8)
    address: str = request.getfixturevalue("adapting")
    return engine_factory("http", url=address, patience_s=180.0, adapters=True)


def adapted(served: ServedModel, rank: int, *, rooted: bool = False) -> ServedModel:
    attach(served.model, Adapters(rank, 2.0 * rank, LAYERS, rooted))
    return served


@pytest.mark.parametrize("rooted", [False, True])
def test_adapters_alone_are_published(
    rooted: bool, adapters: EngineFactory, served: ServedModel
) -> None:
    engine: Any = adapters.make(adapted(served, 3, rooted=rooted))
    backend, seen = engine._publisher.backend, []
    for version in range(4):
        if version:
            disturb(served.model, std=0.1, seed=version)
            engine.load_weights(PlainWeights(served.model), version)
        generation = written(engine, seed=5)
        assert generation.version == version
        own = truth(served.model, generation)
        assert torch.tensor(generation.logprobs) == pytest.approx(own, abs=1e-4)
        seen.append(generation.tokens)
        mine = [label for label in backend.weights() if label.startswith(engine._name)]
        assert [label.rpartition("-")[2] for label in mine] == [str(version)]
    assert len(set(seen)) > 1


def test_adapters_of_one_policy_are_published_while_another_writes(
    adapters: EngineFactory, kept: ServedModel
) -> None:
    first, second = (
        adapted(ServedModel(copy.deepcopy(kept.model), *_rest(kept)), 4) for _ in range(2)
    )
    engines: list[Any] = [adapters.make(one) for one in (first, second)]
    for engine in engines:
        written(engine)
    disturb(first.model, std=0.1)
    engines[0].load_weights(PlainWeights(first.model), 1)
    for key in range(6):
        engines[0].submit(key, PROMPT, Sampling(200, seed=key))
    disturb(second.model, std=0.1, seed=2)
    engines[1].load_weights(PlainWeights(second.model), 1)
    found: dict[Any, Generation] = {}
    while engines[0].waiting:
        found |= dict(engines[0].poll())
    for generation in (*found.values(), written(engines[0])):
        own = truth(first.model, generation)
        assert torch.tensor(generation.logprobs) == pytest.approx(own, abs=1e-4)
    other = written(engines[1])
    assert torch.tensor(other.logprobs) == pytest.approx(truth(second.model, other), abs=1e-4)


def _rest(served: ServedModel) -> Any:
    return served.tokenizer, served.eos_ids, served.folder


def test_adapters_beyond_the_rank_of_a_server_are_refused(
    adapters: EngineFactory, served: ServedModel
) -> None:
    engine = adapters.make(adapted(served, 9))
    with pytest.raises(AdaptersError, match="LoRA rank 9 is greater than max_lora_rank 8"):
        written(engine)


@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.parametrize("engine", ["vllm", "http"])
def test_a_run_is_trained(engine: str, rank: int, tmp_path: Path) -> None:
    policy = small_policy("test/Rooms-v0", tasks=30, hidden=64, heads=1, kv_heads=1)
    policy.save(tmp_path / "start")
    out = tmp_path / "run"
    given = ["train", "--env", "test/Rooms-v0", "--policy", str(tmp_path / "start")]
    given += ["--out", str(out), "--engine", engine, "--dtype", "float32"]
    given += ["--clone.updates", "4", "--clone.batch", "4", "--rollout.iterations", "2"]
    given += ["--rollout.tasks", "2", "--rollout.group-size", "4", "--evaluation.tasks", "2"]
    given += ["--evaluation.validation-tasks", "2", "--learner.learning-rate", "2e-3"]
    if rank:
        given += ["--lora.rank", str(rank), "--engine.adapters", "true"]
    with ExitStack() as stack:
        if engine == "http":
            folder, log = tmp_path / "start", tmp_path / "log.txt"
            server = server_of(folder, log, *(LORA if rank else ()))
            given += ["--engine.url", stack.enter_context(server)]
        assert main(given) == 0
    lines = [json.loads(line) for line in (out / "metrics.jsonl").open()]
    assert [line["iteration"] for line in lines if line["phase"] == "train"] == [1, 2]
