"""Weights of models with low-rank adapters, which are published to a server as plain ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_vllm
import pytest
import torch
from chat_models import chat_model
from fake_vllm import FakeVllm

from anchorgym.agents import ModelPolicy, Sampling, load_policy
from anchorgym.agents.engines import engine_factory
from anchorgym.agents.engines.remote.contract import UnverifiedWeightsError
from anchorgym.agents.engines.remote.forms import WholeForm
from anchorgym.agents.engines.remote.publishing import score

TEXTS = [[5, 9, 7, 6, 11], [3, 4, 8, 8, 2]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose layers matter: those of an untrained one hardly change what it computes."""
    folder = tmp_path_factory.mktemp("models") / "base"
    policy = load_policy(chat_model(folder))
    with torch.no_grad():
        for name, weight in policy.model.named_parameters():
            if name.endswith("_proj.weight"):
                weight *= 12
    policy.save(folder)
    return folder


@pytest.fixture
def server(base: Path) -> Iterator[FakeVllm]:
    with FakeVllm(base) as server:
        yield server


def served(base: Path, server: FakeVllm) -> ModelPolicy:
    factory = engine_factory("http", url=server.url, timeout_s=5.0, patience_s=5.0)
    policy = load_policy(base, engine=factory)
    policy.add_adapters(4, 8)
    return policy


def test_a_server_that_keeps_the_weights_of_adapted_layers_is_noticed_at_once(
    base: Path, server: FakeVllm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_layers(path: Path) -> dict[str, Any]:
        read = load_file(path)
        return {name: read[name] for name in read if not name.endswith("_proj.weight")}

    load_file = fake_vllm.load_file
    monkeypatch.setattr(fake_vllm, "load_file", without_layers)
    engine = served(base, server).engine
    with pytest.raises(UnverifiedWeightsError, match="does not compute with"):
        engine.submit("a", [5, 6], Sampling(1))
    monkeypatch.undo()
    engine.submit("a", [5, 6], Sampling(1))
    assert len(dict(engine.poll(10.0))["a"].tokens) == 1


def test_scores_are_those_of_the_weights_that_are_published(base: Path, server: FakeVllm) -> None:
    model, plain, form = served(base, server).model, load_policy(base).model, WholeForm()
    found = form.stretched(model, form.tensors(model))
    expected, here = (score(of, form.parameters(of, found), TEXTS) for of in (plain, model))
    torch.testing.assert_close(torch.tensor(here), torch.tensor(expected))
    assert not torch.allclose(torch.tensor(score(model, {}, TEXTS)), torch.tensor(expected))
