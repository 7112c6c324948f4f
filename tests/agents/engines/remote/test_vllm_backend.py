"""What the engine `vllm` asks of vLLM, and makes of what it says, without vLLM."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from adapted import adapted
from chat_models import chat_model

from anchorgym.agents import Sampling, build_tokenizer, load_policy
from anchorgym.agents.engines import (
    Capabilities,
    EngineError,
    EngineOptionError,
    ServedModel,
    engine_factory,
)
from anchorgym.agents.engines.remote.contract import BadAnswerError, EngineUnavailableError
from anchorgym.agents.engines.remote.engine import RemoteEngine
from anchorgym.agents.engines.remote.forms import saved_form
from anchorgym.agents.engines.remote.publishing import Publisher
from anchorgym.agents.engines.remote.vllm_backend import VllmBackend
from anchorgym.agents.engines.remote.vllm_engine import VllmFactory
from anchorgym.agents.policies.tiny import build_tiny
from anchorgym.envs.errors import MissingExtraError


class Llm:
    """Stands in for vLLM's engine: writes tokens 3 and 1, and notes what happens to it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.open: dict[str, Any] = {}
        self.label = "default"
        self.fault = ""

    def add_request(self, number: str, prompt: dict[str, Any], params: Any) -> None:
        if self.fault == "refuses":
            raise ValueError("the prompt is too long")
        self.open[number] = prompt, params

    def has_unfinished_requests(self) -> bool:
        return bool(self.open)

    def step(self) -> list[Any]:
        self.events.append("step")
        if self.fault == "fails":
            raise RuntimeError("out of memory")
        number = next(iter(self.open))
        self.open.pop(number)
        token = 2 if self.fault == "tokens" else 3
        written = SimpleNamespace(
            finish_reason="abort" if self.fault == "aborts" else "stop",
            token_ids=[3, 1],
            logprobs=[{token: SimpleNamespace(logprob=-1.5)}, {1: SimpleNamespace(logprob=-0.5)}],
            weight_versions=[SimpleNamespace(version=self.label, start=0, end=2)],
        )
        return [
            SimpleNamespace(request_id="unfinished", finished=False),
            SimpleNamespace(request_id=number, finished=True, outputs=[written]),
        ]

    def abort_request(self, numbers: list[str]) -> None:
        for number in numbers:
            self.open.pop(number, None)

    def collective_rpc(self, method: Any, args: tuple[Any, ...]) -> None:
        self.events.append("weights")

    def set_weight_version(self, label: str) -> None:
        self.label = label

    def reset_prefix_cache(self) -> None:
        self.events.append("reset")

    def sleep(self, level: int) -> None:
        self.events.append("sleep")

    def wake_up(self) -> None:
        self.events.append("wake")


@pytest.fixture
def llm(monkeypatch: pytest.MonkeyPatch) -> Llm:
    module = ModuleType("vllm")
    module.SamplingParams = lambda **given: given  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    return Llm()


def engine_of(llm: Llm, **options: Any) -> RemoteEngine:
    tokenizer = build_tokenizer(["go west"], ["go west"])
    model = build_tiny(tokenizer, hidden=16, layers=1, heads=2, max_context=32).model
    served = ServedModel(model, tokenizer, (1,))
    backend = VllmBackend(llm, limit=32, seeds=True, sleeps=options.pop("sleeps", True))
    publisher = Publisher(backend, probe=False)
    return RemoteEngine(publisher, served, capabilities=Capabilities(nucleus=True), attempts=2)


def answers(engine: RemoteEngine) -> None:
    while engine.waiting:
        engine.poll()


def test_vllm_gets_tokens_and_settings_and_gives_a_response(llm: Llm) -> None:
    engine = engine_of(llm)
    engine.submit("a", (5, 6), Sampling(4, 0.7, seed=11, top_p=0.9, stop_ids=(4,)))
    ((prompt, params),) = llm.open.values()
    assert prompt["prompt_token_ids"] == [5, 6]
    assert prompt["cache_salt"] == llm.label
    expected = {"max_tokens": 4, "temperature": 0.7, "top_p": 0.9, "seed": 11}
    assert expected.items() <= params.items()
    assert params["stop_token_ids"] == [1, 4]
    ((key, written),) = engine.poll()
    assert (key, written.tokens, written.logprobs) == ("a", (3, 1), (-1.5, -0.5))


def test_vllm_sleeps_between_rollouts_and_wakes_for_weights_and_requests(llm: Llm) -> None:
    engine = engine_of(llm)
    for key in "ab":
        engine.submit(key, (5,), Sampling(4))
    answers(engine)
    engine.free("a")
    assert "sleep" not in llm.events
    engine.free("b")
    engine.free("b")
    assert llm.events[-1] == "sleep"
    engine.load_weights(dict(engine.model.named_parameters()), 1)
    assert llm.events[-3:] == ["wake", "weights", "reset"]
    engine.submit("c", (5,), Sampling(4))
    engine.poll()
    assert llm.events.count("wake") == 1
    wakeful = engine_of(llm, sleeps=False)
    wakeful.submit("a", (5,), Sampling(4))
    wakeful.free("a")
    assert llm.events.count("sleep") == 1


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ("fails", EngineUnavailableError, "out of memory.*goes on where it was"),
        ("tokens", BadAnswerError, "of other tokens"),
        ("aborts", BadAnswerError, "broke the response off"),
        ("refuses", BadAnswerError, "the prompt is too long"),
    ],
)
def test_what_vllm_does_not_do_is_an_error(
    fault: str, kind: type[EngineError], says: str, llm: Llm
) -> None:
    engine = engine_of(llm)
    llm.fault = fault
    engine.submit("a", (5,), Sampling(4))
    with pytest.raises(kind, match=says):
        answers(engine)
    assert engine.waiting == 0
    llm.fault = ""
    engine.submit("a", (), Sampling(4))
    assert dict(engine.poll())["a"].tokens == (3, 1)


def test_options_are_checked_before_vllm_is_looked_for() -> None:
    for options, says in (
        ({"memory": 1.5}, "at most 1"),
        ({"max_batch": 0}, "max_batch must be a whole number"),
        ({"sleep": "no"}, "sleep must be true or false"),
    ):
        with pytest.raises(EngineOptionError, match=says):
            engine_factory("vllm", **options)


def test_vllm_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)  # type: ignore[arg-type]
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"anchorgym\[vllm\]"):
        VllmFactory()


def test_a_machine_without_a_device_for_vllm_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    vllm, platforms = ModuleType("vllm"), ModuleType("vllm.platforms")
    vllm.EngineArgs = vllm.LLMEngine = None  # type: ignore[attr-defined]
    nothing = SimpleNamespace(is_unspecified=lambda: True)
    platforms.current_platform = nothing  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    monkeypatch.setitem(sys.modules, "vllm.platforms", platforms)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    tokenizer = build_tokenizer(["go west"], ["go west"])
    model = build_tiny(tokenizer, hidden=16, layers=1, heads=2, max_context=32).model
    with pytest.raises(EngineError, match="finds no device"):
        engine_factory("vllm").make(ServedModel(model, tokenizer, (1,)))


def test_weights_are_given_under_all_their_names() -> None:
    tokenizer = build_tokenizer(["go west"], ["go west"])
    model = build_tiny(tokenizer, hidden=16, layers=1, heads=2, max_context=32).model
    found = saved_form(model)
    assert torch.equal(found["lm_head.weight"], found["model.embed_tokens.weight"])
    assert found["lm_head.weight"].data_ptr() != found["model.embed_tokens.weight"].data_ptr()


def test_adapters_are_published_merged(tmp_path: Path) -> None:
    plain = load_policy(chat_model(tmp_path / "base")).model
    model = adapted(tmp_path / "base").model
    found = saved_form(model)
    assert found.keys() == saved_form(plain).keys()
    ids = torch.tensor([[5, 9, 7, 6]])
    by_name = {name: found[name] for name, _ in plain.named_parameters()}
    merged = torch.func.functional_call(plain, by_name, (ids,)).logits
    torch.testing.assert_close(merged, model(ids).logits, atol=1e-5, rtol=1e-5)
    assert (merged - plain(ids).logits).abs().max() > 1e-2
