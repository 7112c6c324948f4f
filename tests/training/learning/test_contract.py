"""What every learner holds: gradients add up, states go on, weights are published, devices."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import parallel_worlds  # noqa: F401  (registers the test worlds)
import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from small_policies import small_policy
from torch import Tensor

from anchorgym.agents import ExpertPolicy, ModelPolicy, Sampling
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.envs import make, make_parallel
from anchorgym.gigpo import Algorithm, make_algorithm
from anchorgym.training import ConfigError, EnvPool, Episode, Start, TrainConfig, train
from anchorgym.training.config.sections import CloneConfig, LearnerConfig
from anchorgym.training.learning import cloning_learner, language_learner, scoring
from anchorgym.training.learning.cloning_learner import CloningLearner
from anchorgym.training.learning.columns import turn_batch
from anchorgym.training.learning.contract import (
    LearnerError,
    LearnerStateError,
    PolicyLearner,
    SplitError,
)
from anchorgym.training.learning.demonstrations import Demonstration
from anchorgym.training.learning.language_learner import LanguageLearner
from anchorgym.training.learning.learner_batch import compute_advantages
from anchorgym.training.learning.learners import learner_for
from anchorgym.training.learning.rows import TokenRow
from anchorgym.training.learning.table_learner import TableLearner
from anchorgym.training.rollout.play import play_matches, rollout

WORLD = "test/CandidKeyDoor-v0"
ALGORITHMS: dict[str, dict[str, Any]] = {
    "grpo": {"kl_coef": 0.1, "entropy_coef": 0.01},
    "gspo": {"entropy_coef": 0.01},
    "dr_grpo": {},
    "reg_grpo": {"entropy_coef": 0.01},
    "copo": {},
    "hapo": {},
    "gigpo": {"aggregate": "sequence_mean"},
}


def new_policy() -> ModelPolicy:
    return small_policy(WORLD, tasks=10, max_response=4, form="window")


def play(policy: ModelPolicy) -> list[Episode]:
    panel = make(WORLD).tasks()
    starts = [Start(panel[i // 3 % len(panel)], i // 3, i) for i in range(12)]
    episodes = rollout(policy, EnvPool.of(WORLD, max_turns=4), starts, Sampling(4, 0.7, seed=5))
    for number, episode in enumerate(episodes):
        episode.turns[-1].reward = [1.0, 0.0, 0.25, 2.0, 0.5][number % 5]
    return episodes


def language(algorithm: Algorithm, **config: Any) -> LanguageLearner:
    return LanguageLearner(new_policy(), algorithm, LearnerConfig(**config), temperature=0.7)


def rows_for(learner: LanguageLearner, policy: ModelPolicy) -> list[TokenRow]:
    """Rows of episodes that were played before the weights moved on."""
    episodes = play(policy)
    state = learner.algorithm.initial_state()
    batch = turn_batch(episodes, "state")
    rows = compute_advantages(learner.algorithm, state, learner, episodes, batch, 0).rows
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter += 0.01 * torch.randn(parameter.shape, generator=generator)
    return rows


def halves(rows: list[TokenRow], unit: str) -> tuple[list[TokenRow], list[TokenRow]]:
    """Two parts of unlike size that cut no unit."""
    key: Callable[[TokenRow], int] = {
        "turn": lambda row: rows.index(row),
        "trajectory": lambda row: row.trajectory,
        "group": lambda row: row.group,
    }[unit]
    names = sorted({key(row) for row in rows})
    first = set(names[: max(1, len(names) // 3)])
    return [r for r in rows if key(r) in first], [r for r in rows if key(r) not in first]


def weights(model: torch.nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten().clone() for p in model.parameters()])


def gradient(model: torch.nn.Module) -> Tensor:
    return torch.cat([p.grad.flatten().clone() for p in model.parameters()])


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_minibatch_in_parts_is_the_minibatch(name: str) -> None:
    algorithm = make_algorithm(name, **{"kl_coef": 0.0, **ALGORITHMS[name]})
    whole, parts = language(algorithm), language(algorithm)
    rows = rows_for(whole, new_policy())
    assert rows_for(parts, new_policy()) == rows
    assert len(rows) > 8
    loss = whole.forward_backward(rows)["loss"]
    first, second = halves(rows, algorithm.minibatch_unit)
    assert first
    assert second
    sizes = parts.sizes(rows)
    split = [parts.forward_backward(part, of=sizes)["loss"] for part in (first, second)]
    assert sum(split) == pytest.approx(loss, abs=1e-6)
    expected = gradient(whole.model)
    assert expected.abs().max() > 1e-4
    scale = max(1.0, expected.abs().max().item())
    assert (gradient(parts.model) - expected).abs().max() < 1e-6 * scale
    for learner in (whole, parts):
        learner.optimizers = {"sgd": torch.optim.SGD(learner.model.parameters(), 0.1)}
        learner.step()  # by a gradient of length 1
    assert (weights(parts.model) - weights(whole.model)).abs().max() < 1e-6


def test_a_loss_that_is_no_sum_of_parts_is_refused_in_parts() -> None:
    learner = language(make_algorithm("drpo"))
    rows = [TokenRow([1, 2], [False, True], [-1.0], [1.0], [()], [0])]
    with pytest.raises(SplitError, match=r"DRPO is no sum over parts .* learner\.micro_tokens"):
        learner.forward_backward(rows, of=learner.sizes(rows))


@pytest.mark.parametrize(
    ("name", "memory"),
    [
        *((name, {"micro_tokens": 100}) for name in (*ALGORITHMS, "drpo")),
        *((name, {"micro_tokens": 1, "packing": True}) for name in ("gigpo", "drpo", "dr_grpo")),
        ("grpo", {"micro_tokens": 300, "packing": True}),
        ("grpo", {"recompute": True}),
        ("grpo", {"recompute": True, "packing": True, "micro_tokens": 200}),
        ("copo", {"recompute": True, "micro_tokens": 100}),
    ],
)
def test_less_memory_gives_the_same_gradient(
    name: str, memory: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    algorithm = make_algorithm(name, **{"kl_coef": 0.0, **ALGORITHMS.get(name, {})})
    whole, sparing = language(algorithm), language(algorithm, **memory)
    rows = rows_for(whole, new_policy())
    assert rows_for(sparing, new_policy()) == rows
    expected = whole.forward_backward(rows)
    monkeypatch.setattr(scoring, "MOST_LOGITS", 7 * whole.model.config.vocab_size)
    passes = []
    row_states = language_learner.row_states

    def counted(*arguments: Any) -> Tensor:
        passes.append(arguments[1].numel())
        return row_states(*arguments)

    monkeypatch.setattr(language_learner, "row_states", counted)
    found = sparing.forward_backward(rows)
    assert found == pytest.approx(expected, abs=1e-5)
    if budget := memory.get("micro_tokens"):
        assert len(passes) > 1
        assert max(passes) <= max(budget, 16 * -(-max(map(len, rows)) // 16))
    exact = gradient(whole.model)
    assert exact.abs().max() > 1e-4
    assert (gradient(sparing.model) - exact).abs().max() < 1e-5 * max(1.0, float(exact.abs().max()))
    np.testing.assert_allclose(whole.entropies(rows), sparing.entropies(rows), atol=1e-5)


def test_what_is_computed_again_needs_less_memory() -> None:
    kept = {}
    for recompute in (False, True):
        learner = language(make_algorithm("grpo", kl_coef=0.0), recompute=recompute)
        rows = rows_for(learner, new_policy())
        saved: list[int] = []

        def note(tensor: Tensor, saved: list[int] = saved) -> Tensor:
            saved.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            learner.forward_backward(rows)
        kept[recompute] = sum(saved)
        assert not any("forward" in vars(module) for module in learner.model.modules())
    assert kept[True] < 0.5 * kept[False]


def demonstrations() -> list[Demonstration]:
    rng = random.Random(0)
    rows = []
    for n in range(12):
        row = Demonstration()
        for _ in range(2 + n % 3):
            row.read([rng.randrange(4, 12) for _ in range(rng.randrange(2, 9))])
            done = [rng.randrange(4, 12) for _ in range(3)]
            row.write(done, done[:2] if rng.random() < 0.5 else [*done[:2], 4])
        rows.append(row)
    return rows


def cloning(policy: ModelPolicy, **config: Any) -> CloningLearner:
    return CloningLearner(policy, CloneConfig(batch=4, **config), updates=9, seed=3)


@pytest.mark.parametrize("config", [{}, {"observation_weight": 0.0}, {"observation_share": 0.5}])
def test_demonstrations_within_a_budget_give_the_same_gradient(
    config: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloning_learner, "fast_precision", nullcontext)
    whole, sparing = cloning(new_policy(), **config), cloning(new_policy(), **config)
    sparing._budget = 40
    rows = demonstrations()
    expected = whole.forward_backward(rows)
    monkeypatch.setattr(scoring, "MOST_LOGITS", 7 * whole.model.config.vocab_size)
    assert sparing.forward_backward(rows) == pytest.approx(expected, abs=1e-5)
    assert (gradient(sparing.model) - gradient(whole.model)).abs().max() < 1e-5


def test_read_tokens_that_have_no_weight_are_not_predicted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cloning_learner, "fast_precision", nullcontext)
    none, little = (cloning(new_policy(), observation_weight=weight) for weight in (0.0, 1e-12))
    rows = demonstrations()
    predicted = []
    real = cloning_learner.cross_entropies

    def counted(model: Any, hidden: Tensor, targets: Tensor) -> Tensor:
        predicted.append(len(targets))
        return real(model, hidden, targets)

    monkeypatch.setattr(cloning_learner, "cross_entropies", counted)
    losses = [learner.forward_backward(rows)["action_loss"] for learner in (none, little)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    assert predicted[0] == none.sizes(rows)["done"] < predicted[1]
    assert (gradient(none.model) - gradient(little.model)).abs().max() < 1e-6


def test_demonstrations_in_parts_are_the_minibatch(monkeypatch: pytest.MonkeyPatch) -> None:
    # Where the processor has bfloat16, its rounding is coarser than what is looked at here.
    monkeypatch.setattr(cloning_learner, "fast_precision", nullcontext)
    whole, parts = cloning(new_policy()), cloning(new_policy())
    rows = demonstrations()
    whole.forward_backward(rows)
    for part in (rows[:3], rows[3:]):
        parts.forward_backward(part, of=parts.sizes(rows))
    assert (gradient(parts.model) - gradient(whole.model)).abs().max() < 1e-6
    with pytest.raises(SplitError, match="observation_share"):
        cloning(new_policy(), observation_share=0.5).forward_backward(rows, of={})


def cards(policy: TabularPolicy, n: int = 24) -> list[TokenRow]:
    envs = EnvPool(lambda: make_parallel("test/Cards-v0"))
    seats = {"player_0": policy, "player_1": policy}
    starts = [Start("three cards", 0, i) for i in range(n)]
    matches = play_matches([seats] * n, envs, starts)
    episodes = [side for match in matches for side in match.sides.values()]
    algorithm = make_algorithm("public_baseline", kl_coef=0.0)
    learner = table_learner(policy)
    batch = turn_batch(episodes, "state")
    return compute_advantages(algorithm, {}, learner, episodes, batch, 0).rows


def table_learner(policy: TabularPolicy) -> TableLearner:
    algorithm = make_algorithm("public_baseline", kl_coef=0.0, entropy_coef=0.01)
    return TableLearner(policy, algorithm, LearnerConfig(learning_rate=1.0))


def test_a_table_in_parts_is_the_table() -> None:
    one, other = TabularPolicy(), TabularPolicy()
    rows = cards(one)
    assert cards(other) == rows
    whole, parts = table_learner(one), table_learner(other)
    whole.forward_backward(rows)
    for part in (rows[:5], rows[5:]):
        parts.forward_backward(part, of=parts.sizes(rows))
    assert whole.step()["grad_norm"] == pytest.approx(parts.step()["grad_norm"], abs=1e-6)
    assert one.model.logits.abs().max() > 0.1
    assert (one.model.logits - other.model.logits).abs().max() < 1e-6


def test_a_language_learner_goes_on_to_the_last_bit(tmp_path: Path) -> None:
    algorithm = make_algorithm("grpo", kl_coef=0.1)
    whole = language(algorithm, minibatch=4)
    rows = rows_for(whole, new_policy())
    whole.update(rows, 0)
    whole.save(tmp_path / "learner")
    files = {path.name for path in (tmp_path / "learner").iterdir()}
    parts = ("model", "optimizer")
    named = (f"{part}.safetensors" for part in parts)
    assert files == {"learner.json", "reference.txt", *named}
    resumed = language(algorithm, minibatch=4)
    resumed.load(tmp_path / "learner")
    assert resumed.version == whole.version == 1
    assert resumed.update(rows, 1) == whole.update(rows, 1)
    assert torch.equal(weights(resumed.model), weights(whole.model))


def test_cloning_goes_on_to_the_last_bit(tmp_path: Path) -> None:
    whole, rows = cloning(new_policy()), demonstrations()
    whole.update(rows, 0)
    whole.save(tmp_path / "learner")
    resumed = cloning(new_policy())
    resumed.load(tmp_path / "learner")
    assert resumed.version == 3
    assert resumed.update(rows, 1) == whole.update(rows, 1)
    assert torch.equal(weights(resumed.model), weights(whole.model))


def test_a_table_goes_on_with_the_names_of_its_rows(tmp_path: Path) -> None:
    policy, twin = TabularPolicy(), TabularPolicy()
    learner, rows = table_learner(policy), cards(policy)
    learner.update(rows, 0)
    learner.save(tmp_path / "learner")
    resumed = table_learner(twin)
    resumed.load(tmp_path / "learner")
    assert twin.model.situations == policy.model.situations
    assert resumed.update(rows, 1) == learner.update(rows, 1)
    assert torch.equal(twin.model.logits, policy.model.logits)


def test_what_is_no_state_of_this_learner_is_refused(tmp_path: Path) -> None:
    learner = language(make_algorithm("grpo", kl_coef=0.0))
    with pytest.raises(LearnerStateError, match="holds no whole state"):
        learner.load(tmp_path)
    table_learner(TabularPolicy()).save(tmp_path / "table")
    with pytest.raises(LearnerStateError, match=r"of a TableLearner .* not of a LanguageLearner"):
        learner.load(tmp_path / "table")
    learner.save(tmp_path / "cut")
    model = tmp_path / "cut" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:100])
    with pytest.raises(LearnerStateError, match="holds no whole state"):
        learner.load(tmp_path / "cut")


def test_an_engine_is_given_weights_under_their_version() -> None:
    policy = new_policy()
    learner = learner_for(policy, make_algorithm("grpo", kl_coef=0.0), LearnerConfig())
    learner.update([], 0)
    assert policy.engine.version == 0
    learner.publish(policy.engine)
    assert policy.engine.version == learner.version == 1


def test_bfloat16_computes_coarser_and_keeps_float32_masters() -> None:
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        policy = new_policy()
        policy.model.to(dtype)
        learner = LanguageLearner(
            policy, make_algorithm("grpo", kl_coef=0.0), LearnerConfig(), temperature=0.7
        )
        found[dtype] = learner.forward_backward(rows_for(learner, new_policy()))
        learner.step()
        assert {p.dtype for p in learner.model.parameters()} == {dtype}
        assert all(p.grad is None for p in learner.model.parameters())
        moments = [
            value
            for of in learner.optimizers["optimizer"].state.values()
            for name, value in of.items()
            if name != "step"
        ]
        assert {moment.dtype for moment in moments} == {torch.float32}
        for name, master in learner.masters.named().items():
            assert torch.equal(master.to(dtype), learner.model.get_parameter(name))
    assert learner.dtype == torch.bfloat16
    assert found[torch.bfloat16] != found[torch.float32]
    for name in ("loss", "entropy"):
        assert found[torch.bfloat16][name] == pytest.approx(found[torch.float32][name], abs=0.02)


def test_updates_that_bfloat16_cannot_tell_apart_add_up() -> None:
    policy = new_policy()
    policy.model.to(torch.bfloat16)
    config = LearnerConfig(learning_rate=1e-6)
    learner = LanguageLearner(policy, make_algorithm("grpo", kl_coef=0.0), config, temperature=0.7)
    rows = rows_for(learner, new_policy())
    before = [weight.detach().clone() for weight in learner.masters.named().values()]
    for _ in range(20):
        learner.forward_backward(rows)
        learner.step()
    after = list(learner.masters.named().values())
    moved = torch.cat([(a - b).abs().flatten() for a, b in zip(after, before, strict=True)])
    assert moved.quantile(0.5) > 5e-6
    assert (
        sum(int((a.bfloat16() != b.bfloat16()).sum()) for a, b in zip(after, before, strict=True))
        > 0
    )


def test_cloning_in_bfloat16_has_about_the_same_losses() -> None:
    config, rows = CloneConfig(batch=4), demonstrations()
    losses = []
    for dtype in (torch.float32, torch.bfloat16):
        policy = new_policy()
        policy.model.to(dtype)
        learner = CloningLearner(policy, config, updates=9, seed=0)
        losses.append(learner.forward_backward(rows)["action_loss"])
        learner.step()
        assert {p.dtype for p in learner.model.parameters()} == {dtype}
        learner.close()
        assert policy.model.get_input_embeddings().weight.dtype == dtype
    assert losses[0] == pytest.approx(losses[1], abs=0.03)


class OwnLearner(LanguageLearner):
    """Somebody's own, which counts its updates."""

    updates = 0

    def update(self, rows: Sequence[TokenRow], seed: int) -> dict[str, float]:
        type(self).updates += 1
        return {**super().update(rows, seed), "own": 1.0}


def test_a_run_is_trained_by_a_learner_of_ones_own(tmp_path: Path) -> None:
    config = TrainConfig.parse(
        {
            "env": "test/Errands-v0",
            "policy": {"hidden": 16, "layers": 1, "heads": 2, "vocabulary_tasks": 4},
            "clone": {"updates": 0},
            "rollout": {"iterations": 2, "tasks": 2, "group_size": 2, "max_turns": 3},
            "learner": {"name": f"{__name__}:OwnLearner"},
            "evaluation": {"tasks": 1},
        }
    )
    before = OwnLearner.updates
    train(config, tmp_path / "run")
    assert OwnLearner.updates == before + 2
    records = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").open()]
    assert [record["own"] for record in records if record["phase"] == "train"] == [1.0, 1.0]


def test_a_learner_of_ones_own_is_named_by_its_module() -> None:
    config = LearnerConfig(name=f"{__name__}:OwnLearner")
    algorithm = make_algorithm("grpo", kl_coef=0.0)
    found: PolicyLearner = learner_for(new_policy(), algorithm, config)
    assert type(found).__name__ == "OwnLearner"
    with pytest.raises(ConfigError, match=r"learner\.name.*defines no 'OwnLerner'"):
        learner_for(new_policy(), algorithm, LearnerConfig(name=f"{__name__}:OwnLerner"))
    with pytest.raises(LearnerError, match=r"ExpertPolicy has nothing to train.*module:Name"):
        learner_for(ExpertPolicy(), algorithm, LearnerConfig())


def test_a_table_refuses_what_it_cannot_do() -> None:
    for name, options, config, said in (
        ("grpo", {"kl_coef": 0.1}, {}, "kl_coef to 0"),
        ("hapo", {"kl_coef": 0.0}, {}, "a temperature for each token"),
    ):
        algorithm = make_algorithm(name, **options)
        with pytest.raises(LearnerError, match=said):
            learner_for(TabularPolicy(), algorithm, LearnerConfig(**config))


def test_entropies_are_asked_for_by_row() -> None:
    learner = language(make_algorithm("empg", kl_coef=0.0))
    rows = rows_for(learner, new_policy())
    found = learner.entropies(rows)
    assert len(found) == sum(len(row.logprobs) for row in rows)
    np.testing.assert_allclose(learner.entropies(rows[2:4]), found[_tokens(rows, 2, 4)], atol=1e-5)


def _tokens(rows: list[TokenRow], first: int, last: int) -> slice:
    ends = np.cumsum([0, *(len(row.logprobs) for row in rows)])
    return slice(int(ends[first]), int(ends[last]))
