"""Engines by name: those that ship, a user's own, and what a policy asks of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import worlds  # noqa: F401  (registers the test worlds)
from remote_engine import RemoteEngine, RemoteFactory
from small_policies import small_policy

from anchorgym.agents import ModelPolicy, build_tiny, build_tokenizer, load_policy
from anchorgym.agents.engines import (
    EngineOptionError,
    UnknownEngineError,
    UnsupportedRequestError,
    engine_factory,
)
from anchorgym.agents.engines.torch_engine import TorchEngine
from anchorgym.agents.policies.prompt_settings import PromptSettings
from anchorgym.envs import make
from anchorgym.envs.plugins import PluginError

WORLD = "test/KeyDoor-v0"


@pytest.fixture(scope="module")
def policy() -> ModelPolicy:
    return small_policy(WORLD, tasks=6)


def test_the_engine_of_this_process_is_the_default(policy: ModelPolicy) -> None:
    assert isinstance(policy.engine, TorchEngine)
    assert engine_factory() == engine_factory("torch", max_batch=256)


def test_a_users_own_engine_is_named_by_its_module(policy: ModelPolicy, tmp_path: Path) -> None:
    policy.save(tmp_path / "policy")
    factory = engine_factory("remote_engine:RemoteFactory", delay=0.0)
    loaded = load_policy(tmp_path / "policy", engine=factory)
    assert isinstance(loaded.engine, RemoteEngine)
    assert loaded.engine.delay == 0.0
    assert loaded.with_prompt(history=1).engine is loaded.engine


def test_names_and_options_that_are_none_are_named() -> None:
    with pytest.raises(UnknownEngineError, match=r"no engine 'trch'\. Did you mean 'torch'"):
        engine_factory("trch")
    with pytest.raises(PluginError, match="no module 'nowhere'"):
        engine_factory("nowhere:Factory")
    with pytest.raises(PluginError, match="Did you mean 'RemoteFactory'"):
        engine_factory("remote_engine:RemotFactory")
    with pytest.raises(EngineOptionError, match=r"no option 'max_bach'\. Did you mean 'max_batch'"):
        engine_factory("torch", max_bach=3)
    with pytest.raises(EngineOptionError, match="at least 1, got 0"):
        engine_factory("torch", max_batch=0)


def test_a_policy_that_asks_for_more_than_its_engine_can_do_is_refused() -> None:
    tokenizer = build_tokenizer(["go west"], ["go west"])
    prompt = PromptSettings(constrained=True)
    with pytest.raises(UnsupportedRequestError, match="'constrained_decoding'") as error:
        build_tiny(tokenizer, hidden=16, heads=2, prompt=prompt, engine=RemoteFactory())
    assert error.value.capability == "constrained_decoding"


def test_policies_that_share_an_engine_have_sessions_of_their_own(policy: ModelPolicy) -> None:
    other = policy.with_prompt(form="window")
    assert other.engine is policy.engine
    env = make(WORLD)
    env.reset(seed=0)
    keys = [one.open(env).key for one in (policy, other, policy, other)]
    assert len(set(keys)) == 4
