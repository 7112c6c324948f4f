"""The learners on a CPU, on a pretended GPU, and on a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from chat_models import chat_model
from small_policies import small_policy
from torch import Tensor

from anchorgym.agents import ModelPolicy, load_policy
from anchorgym.agents.engines.placing import DtypeName, place, placed_engines
from anchorgym.gigpo import make_algorithm
from anchorgym.training.config.sections import CloneConfig, LearnerConfig
from anchorgym.training.learning import scoring
from anchorgym.training.learning.cloning_learner import CloningLearner
from anchorgym.training.learning.demonstrations import Demonstration
from anchorgym.training.learning.language_learner import LanguageLearner
from anchorgym.training.learning.rows import TokenRow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("chat") / "model")


def policy_on(folder: Path, device: torch.device, dtype: DtypeName = "float32") -> ModelPolicy:
    return load_policy(folder, engine=placed_engines(device=str(device), dtype=dtype))


def rows(n: int = 5) -> list[TokenRow]:
    """Rows of different lengths, with two turns each; some choices are confined."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for i in range(n):
        tokens = torch.randint(3, 200, (30 - 4 * i,), generator=generator).tolist()
        n_written = len(tokens) // 2
        confined = tuple(sorted({*tokens[-n_written:], 5, 6}))
        found.append(
            TokenRow(
                tokens,
                [False] * (len(tokens) - n_written) + [True] * n_written,
                [-5.5 + 0.1 * (t % 3) for t in range(n_written)],
                [1.0 - 2 * (i % 2)] * n_written,
                [confined if i % 2 else ()] * n_written,
                [2 * t // n_written for t in range(n_written)],
                [0.8] * n_written if i == 2 else [],
                trajectory=i,
                group=i // 2,
            )
        )
    return found


def learner_of(policy: ModelPolicy, name: str = "grpo", **config: Any) -> LanguageLearner:
    kl = config.pop("kl_coef", 0.0)
    algorithm = make_algorithm(name, kl_coef=kl, entropy_coef=0.01)
    settings = LearnerConfig(**{"minibatch": 3, "learning_rate": 0.01, **config})
    return LanguageLearner(policy, algorithm, settings, temperature=0.9)


def gradient(learner: LanguageLearner) -> Tensor:
    masters = learner.masters.named().values()
    return torch.cat([m.grad.flatten().cpu() for m in masters if m.grad is not None])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["grpo", "gspo"])
def test_less_memory_gives_the_same_gradient(
    name: str,
    dtype: DtypeName,
    folder: Path,
    device: torch.device,
    rounding: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = learner_of(policy_on(folder, device, dtype), name)
    whole.forward_backward(rows())
    exact, close = gradient(whole), rounding if dtype == "float32" else 2e-2
    assert exact.abs().max() > 1e-3
    monkeypatch.setattr(scoring, "MOST_LOGITS", 7 * whole.model.config.vocab_size)
    for sparing in ({"micro_tokens": 64}, {"packing": True}, {"recompute": True, "packing": True}):
        learner = learner_of(policy_on(folder, device, dtype), name, **sparing)
        learner.forward_backward(rows())
        assert (gradient(learner) - exact).norm() < close * exact.norm(), sparing


def test_a_gradient_is_that_of_a_cpu(folder: Path, device: torch.device, rounding: float) -> None:
    found = {}
    for where in (device, torch.device("cpu")):
        learner = learner_of(policy_on(folder, where), kl_coef=0.1)
        found[where] = learner.forward_backward(rows()), gradient(learner)
    (loss, slope), (true_loss, true_slope) = found[device], found[torch.device("cpu")]
    assert loss == pytest.approx(true_loss, abs=rounding)
    assert (slope - true_slope).norm() < 10 * rounding * true_slope.norm()


@pytest.mark.parametrize("adapted", [False, True])
def test_updates_in_bfloat16_have_masters_on_the_device(
    adapted: bool, folder: Path, device: torch.device
) -> None:
    policy = policy_on(folder, device, "bfloat16")
    if adapted:
        pytest.importorskip("peft")
        policy.add_adapters(4, 8, seed=1)
    learner = learner_of(policy, kl_coef=0.1, epochs=2)
    for master in learner.masters.named().values():
        assert (master.dtype, master.device) == (torch.float32, device)
    statistics = learner.update(rows(), 0)
    assert statistics["reference_kl"] > 0
    learner.publish(policy.engine)
    assert policy.engine.version == 1
    for state in learner.optimizers["optimizer"].state.values():
        assert {part.device for part in state.values()} == {device}


def test_entropies_and_corrections_come_back_to_the_cpu(folder: Path, device: torch.device) -> None:
    learner = learner_of(policy_on(folder, device), correction="token")
    assert isinstance(learner.entropies(rows()), np.ndarray)
    assert learner.update(rows(), 0)["mismatch_ess"] > 0


def test_a_state_goes_on_where_it_was_saved_and_elsewhere(
    folder: Path, device: torch.device, rounding: float, tmp_path: Path
) -> None:
    first = learner_of(policy_on(folder, device))
    first.update(rows(), 0)
    first.save(tmp_path / "state")
    first.update(rows(), 1)
    cpu = torch.device("cpu")
    again, elsewhere = (learner_of(policy_on(folder, where)) for where in (device, cpu))
    for learner in (again, elsewhere):
        learner.load(tmp_path / "state")
        learner.update(rows(), 1)
    for mine, same, other in zip(
        first.model.parameters(),
        again.model.parameters(),
        elsewhere.model.parameters(),
        strict=True,
    ):
        assert torch.equal(mine, same)
        assert other.device == cpu
        # AdamW's first steps have the size of the rate, whatever the gradient's size is.
        assert (mine.cpu() - other).abs().mean() < 100 * rounding


def demonstrations() -> list[Demonstration]:
    found = []
    for i in range(6):
        row = Demonstration()
        row.read([5 + i, 6, 7][: 2 + i % 2])
        row.write([8, 9 + i], [8, 9 + i])
        row.read([10, 11])
        row.write([8, 4], [8, 4])
        found.append(row)
    return found


@pytest.mark.parametrize("kind", ["tiny", "chat", "adapters"])
def test_cloning_learns(kind: str, folder: Path, device: torch.device) -> None:
    if kind == "tiny":
        policy = small_policy("test/CandidKeyDoor-v0", tasks=10, max_response=4)
        place(policy.model, str(device), "float32")
    else:
        policy = policy_on(folder, device, "bfloat16")
    if kind == "adapters":
        pytest.importorskip("peft")
        policy.add_adapters(4, 8)
    config = CloneConfig(updates=8, batch=3, learning_rate=0.01, observation_share=0.5)
    learner = CloningLearner(policy, config, updates=8, seed=0, micro_tokens=40)
    first = learner.update(demonstrations(), 0)["action_loss"]
    losses = [learner.update(demonstrations(), n)["action_loss"] for n in range(1, 4)]
    learner.close()
    assert losses[-1] < first
    assert {weight.device for weight in policy.model.parameters()} == {device}
