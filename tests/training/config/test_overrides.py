"""Settings from files and flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchorgym.training import ConfigError, TrainConfig
from anchorgym.training.config.overrides import describe, parse_settings


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
    assert parse_settings(words) == settings


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
    assert parse_settings([f"--env.x={text}"]) == {"env": {"x": value}}


def test_a_file_and_flags_merge_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'env = "me/A-v0"\nseed = 1\n[rollout]\ntasks = 2\ngroup_size = 3\n'
    )
    (tmp_path / "b.toml").write_text("[rollout]\ntasks = 7\n[env]\nmax_turns = 5\n")
    a, b = f"@{tmp_path / 'a.toml'}", f"@{tmp_path / 'b.toml'}"
    merged = parse_settings([a, b, "--rollout.group-size", "4"])
    assert merged == {
        "env": {"id": "me/A-v0", "max_turns": 5},
        "seed": 1,
        "rollout": {"tasks": 7, "group_size": 4},
    }
    assert parse_settings(["--seed", "9", a])["seed"] == 1
    assert parse_settings([b, a])["rollout"]["tasks"] == 2


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
        parse_settings([word.format(folder=tmp_path) for word in words])


@given(st.text(max_size=20))
def test_no_text_breaks_the_parser(text: str) -> None:
    settings = parse_settings([f"--env.x={text}"])
    assert set(settings["env"]) == {"x"}


def test_every_setting_is_described_and_can_be_set_by_its_flag() -> None:
    rows = list(describe(TrainConfig))
    flags = [(flag, default) for flag, default, _ in rows if default]
    assert len(flags) > 25
    words = [f"{flag}={default}" for flag, default in flags]
    assert TrainConfig.parse(parse_settings(words)) == TrainConfig()
