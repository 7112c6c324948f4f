"""Settings from files and flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchorgym.gigpo.novelty import Novelty
from anchorgym.training import ConfigError, TrainConfig
from anchorgym.training.config.fields import Heading, Setting, describe
from anchorgym.training.config.overrides import parse_settings
from anchorgym.training.config.renamed import RENAMED
from anchorgym.training.config.sections import Exploration, PolicyConfig
from anchorgym.training.selfplay.config import CoevolveConfig
from anchorgym.training.worlds.vgc.config import PopulationConfig


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ([], {}),
        (["--seed", "3"], {"seed": 3}),
        (["--seed=3"], {"seed": 3}),
        (["--rollout.tasks", "4", "--rollout.tasks", "5"], {"rollout": {"tasks": 5}}),
        (["--rollout.group-size=2"], {"rollout": {"group_size": 2}}),
        (["--env", "me/A-v0", "--env.max-turns", "9"], {"env": {"id": "me/A-v0", "max_turns": 9}}),
        (["--algorithm", "grpo"], {"algorithm": {"name": "grpo"}}),
        (["--policy", "runs/a/policy"], {"policy": {"name": "runs/a/policy"}}),
        (["--rollout.iterations", "-1"], {"rollout": {"iterations": -1}}),
        (["--env.data", "a=b"], {"env": {"data": "a=b"}}),
        (["--env.data=--odd"], {"env": {"data": "--odd"}}),
        (["--env.data", ""], {"env": {"data": ""}}),
    ],
)
def test_flags_become_sections(words: list[str], settings: dict[str, Any]) -> None:
    assert parse_settings(words, TrainConfig) == settings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("3e-4", 3e-4),
        ("true", True),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ('"3"', "3"),
        ("gigpo", "gigpo"),
        ("runs/a b", "runs/a b"),
        ("[broken", "[broken"),
    ],
)
def test_values_are_json_where_they_can_be(text: str, value: object) -> None:
    assert parse_settings([f"--env.x={text}"], TrainConfig) == {"env": {"x": value}}


def test_a_file_and_flags_merge_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'env = "me/A-v0"\nseed = 1\n[rollout]\ntasks = 2\ngroup_size = 3\n'
    )
    (tmp_path / "b.toml").write_text("[rollout]\ntasks = 7\n[env]\nmax_turns = 5\n")
    a, b = f"@{tmp_path / 'a.toml'}", f"@{tmp_path / 'b.toml'}"
    merged = parse_settings([a, b, "--rollout.group-size", "4"], TrainConfig)
    assert merged == {
        "env": {"id": "me/A-v0", "max_turns": 5},
        "seed": 1,
        "rollout": {"tasks": 7, "group_size": 4},
    }
    assert parse_settings(["--seed", "9", a], TrainConfig)["seed"] == 1
    assert parse_settings([b, a], TrainConfig)["rollout"]["tasks"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seed"], "--seed needs a value"),
        (["--env", "--seed", "3"], "--env needs a value"),
        (["stray"], "unexpected 'stray'"),
        (["-s", "3"], "unexpected '-s'"),
        (["--rollout", "3", "--rollout.tasks", "4"], "'rollout' is a single value"),
        (["@nowhere.toml"], "cannot read nowhere.toml"),
        (["@{folder}"], "cannot read"),
        (["@{folder}/broken.toml"], "is not TOML"),
        (["@{folder}/latin.toml"], "is not TOML"),
    ],
)
def test_mistakes_are_named(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("seed = = 3")
    (tmp_path / "latin.toml").write_bytes("env = 'é'".encode("latin-1"))
    with pytest.raises(ConfigError, match=said):
        parse_settings([word.format(folder=tmp_path) for word in words], TrainConfig)


@given(st.text(max_size=20))
def test_no_text_breaks_the_parser(text: str) -> None:
    settings = parse_settings([f"--env.x={text}"], TrainConfig)
    assert set(settings["env"]) == {"x"}


def test_every_setting_is_described_and_can_be_set_by_its_flag() -> None:
    rows = [item for item in describe(TrainConfig) if isinstance(item, Setting)]
    assert len(rows) > 60
    words = [f"{row.flag}={row.default}" for row in rows]
    assert TrainConfig.parse(parse_settings(words, TrainConfig)) == TrainConfig()


def test_settings_are_described_with_their_values_and_limits() -> None:
    found = {row.path: row for row in describe(TrainConfig)}
    group, form = found["rollout.group_size"], found["policy.form"]
    assert isinstance(group, Setting)
    assert isinstance(form, Setting)
    assert (group.flag, group.kind, group.default) == ("--rollout.group-size", "INTEGER >= 2", "8")
    assert form.kind == "transcript | window"
    assert isinstance(found["rollout"], Heading)


def test_the_settings_of_roles_are_described_and_read() -> None:
    paths = {row.path for row in describe(CoevolveConfig)}
    assert {"roles.NAME.algorithm.name", "roles.NAME.learner.learning_rate"} <= paths
    words = ["--roles.a.algorithm", "rae", "--roles.a.policy", "128", "--env", "me/A-v0"]
    roles = parse_settings(words, CoevolveConfig)["roles"]
    assert roles == {"a": {"algorithm": {"name": "rae"}, "policy": {"name": "128"}}}


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--policy", "128"], "128"),
        (["--policy", '"a b"'], "a b"),
        (["--policy", "null"], "null"),
        (["--policy", "true"], "true"),
    ],
)
def test_a_setting_that_is_text_keeps_what_looks_like_a_number(
    words: list[str], value: str
) -> None:
    assert parse_settings(words, TrainConfig) == {"policy": {"name": value}}
    assert parse_settings(["--evaluation.split", "null"], TrainConfig)["evaluation"] == {
        "split": None
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"rollout": {"itertions": 1}}, "Did you mean 'rollout.iterations'"),
        ({"rolout": {"tasks": 1}}, "there is no section 'rolout'.*Did you mean 'rollout'"),
        ({"learning_rate": 1}, "Did you mean 'clone.learning_rate' or 'learner.learning_rate'"),
        ({"rollout": {"iterations": -1}}, "rollout.iterations: must be at least 0 .got -1"),
        ({"clone": {"batch": "x"}}, "clone.batch: must be a whole number .got 'x'"),
        ({"policy": {"form": "windw"}}, "'transcript' or 'window' .*Did you mean 'window'"),
        ({"policy": {"constrained": "maybe"}}, "policy.constrained: must be true or false"),
        ({"policy": {"hidden": 9}}, "hidden must be a multiple of 2"),
        ({"algorithm": {"anchor": "histry:2"}}, "must be state, observation, or history:k"),
        ({"evaluation": {"curve_split": "x"}}, "now named 'evaluation.validation_split'"),
        ({"evaluation": {"modes": ["gredy"]}}, "Did you mean 'greedy'"),
    ],
)
def test_wrong_settings_are_explained_in_one_line(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        TrainConfig.parse(values)
    assert "\n" not in str(caught.value)


def test_several_wrong_settings_are_all_named() -> None:
    with pytest.raises(ConfigError, match=r"2 settings are wrong(?s:.)*seed(?s:.)*rollout\.taskz"):
        TrainConfig.parse({"seed": -1, "rollout": {"taskz": 3}})


def test_a_misspelt_setting_of_a_role_gets_a_suggestion() -> None:
    wrong = {"env": "me/A-v0", "roles": {"a": {"learner": {"learning_rte": 1}}}}
    with pytest.raises(ConfigError, match=r"Did you mean 'roles\.a\.learner\.learning_rate'"):
        CoevolveConfig.parse(wrong)


def test_run_folders_with_former_names_are_read() -> None:
    text = '{"evaluation": {"curve_split": "train", "curve_tasks": 7}, "seed": 3}'
    config = TrainConfig.parse_json(text)
    assert config.evaluation.validation_split == "train"
    assert config.evaluation.validation_tasks == 7
    battles = PopulationConfig.parse_json('{"ppo": {"trace": 0.5, "largest_gradient": 2}}')
    assert (battles.ppo.gae_lambda, battles.ppo.max_grad_norm) == (0.5, 2)
    play = CoevolveConfig.parse_json(
        '{"env": "me/A-v0", "roles": {"a": {"learner": {"device": "cpu", "dtype": "bfloat16"}}}}'
    )
    assert (play.device, play.dtype) == ("cpu", "bfloat16")
    paths = {row.path for model in (TrainConfig, PopulationConfig) for row in describe(model)}
    assert set(RENAMED.values()) <= paths
    assert not set(RENAMED) & paths


def test_bonuses_are_those_of_the_algorithms() -> None:
    assert Exploration == Novelty


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("[" + "a." * 300 + "b]\nx = 1", "levels deep"),
        ("seed = " + "9" * 5000, "is not TOML"),
        ("[rollout]\ntemperature = 1e999", "rollout.temperature"),
        (f"seed = {10**20}", "seed: must be at most"),
        ("seed = -1", "seed: must be at least 0"),
    ],
)
def test_extreme_settings_are_refused_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "extreme.toml").write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        TrainConfig.parse(parse_settings([f"@{tmp_path / 'extreme.toml'}"], TrainConfig))
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_is_no_setting(tmp_path: Path) -> None:
    (tmp_path / "mark.toml").write_bytes(b"\xef\xbb\xbfseed = 7\n")
    assert parse_settings([f"@{tmp_path / 'mark.toml'}"], TrainConfig) == {"seed": 7}


@pytest.mark.parametrize("text", ["[" * 10**5, '{"a":' * 10**5, "9" * 6000, '{"seed": 1e999}'])
def test_extreme_settings_of_a_run_are_refused_in_a_line(text: str) -> None:
    with pytest.raises(ConfigError, match="not JSON"):
        TrainConfig.parse_json(text)


def test_wrong_values_from_python_are_explained_like_those_of_the_command_line() -> None:
    with pytest.raises(ConfigError, match=r"^seed: must be at least 0 \(got -1\)\.$"):
        TrainConfig(seed=-1)
    with pytest.raises(ConfigError, match=r"^hidden: must be at least"):
        PolicyConfig(hidden=0)
    with pytest.raises(ConfigError, match=r"^policy\.hidden: must be at least"):
        TrainConfig(policy={"hidden": 0})  # type: ignore[arg-type]
