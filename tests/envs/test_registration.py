"""Registering environments and making them by id."""

from __future__ import annotations

import sys
from pathlib import Path

import gymnasium as gym
import pytest
from gymnasium.wrappers import TimeLimit
from worlds import KeyDoor

from anchorgym.envs import TextEnv, make, register
from anchorgym.envs.errors import AnchorgymError, ContractError, OptionError, UnknownEnvError


def test_make_gives_the_bare_environment_with_its_registered_defaults() -> None:
    env = make("test/KeyDoor-v0")
    assert type(env) is KeyDoor
    assert env.max_turns == 20
    assert make("test/KeyDoor-v0", max_turns=3).max_turns == 3


def test_gymnasium_makes_the_same_environment() -> None:
    env = gym.make("test/KeyDoor-v0")
    assert type(env.unwrapped) is KeyDoor
    assert env.spec is not None
    assert env.spec.kwargs["max_turns"] == 20


def test_the_decorator_leaves_the_class_as_it_is() -> None:
    class Mine(KeyDoor):
        pass

    assert register("test/Mine-v0")(Mine) is Mine
    assert type(make("test/Mine-v0")) is Mine


@pytest.mark.parametrize("misspelt", ["test/KeyDor-v0", "test/keydoor-v0", "tests/KeyDoor-v0"])
def test_a_misspelt_id_gets_a_suggestion(misspelt: str) -> None:
    with pytest.raises(UnknownEnvError, match="Did you mean 'test/KeyDoor-v0'"):
        make(misspelt)


def test_an_unknown_id_says_how_to_import_the_module_that_registers_it() -> None:
    with pytest.raises(AnchorgymError, match="module:you/Zzz-v9"):
        make("you/Zzz-v9")


def test_only_ids_that_could_be_used_are_listed() -> None:
    with pytest.raises(UnknownEnvError) as caught:
        make("Zzz-v9")
    listed = str(caught.value).partition("Registered: ")[2].partition(". ")[0].split(", ")
    assert "test/KeyDoor-v0" in listed
    assert "anchorgym/ALFWorld-v0" in listed
    assert not [name for name in listed if name.startswith(("phys2d/", "tabular/", "CartPole"))]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("brew.py", "'brew:namespace/Name-vN'"),
        ("worlds/brew.py", "'brew:namespace/Name-vN'"),
        ("brew", "'brew:namespace/Name-vN'"),
        ("my.brew", "'my.brew:namespace/Name-vN'"),
        ("you/Zzz-v9", "'module:you/Zzz-v9'"),
        ("Zzz-v9", "module:namespace/Name-vN"),
        ("brew.py:me/Brew-v0", "'brew:me/Brew-v0'"),
        ("brew.py:Brew", "'brew:namespace/Name-vN'"),
        ("no_such_module:Brew", "module:namespace/Name-vN"),
    ],
)
def test_an_id_that_cannot_be_made_says_how_ids_are_written(written: str, meant: str) -> None:
    with pytest.raises(UnknownEnvError) as caught:
        make(written)
    assert meant in str(caught.value)


def test_arguments_that_do_not_fit_are_said_without_gymnasiums_tail() -> None:
    with pytest.raises(OptionError) as caught:
        make("test/KeyDoor-v0", max_rounds=3)
    assert str(caught.value).endswith("argument 'max_rounds'. Did you mean 'max_turns'?")


def test_a_module_before_the_id_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_worlds.py").write_text(
        "from anchorgym.envs import register\n"
        "from worlds import KeyDoor\n"
        "register('mine/KeyDoor-v0')(KeyDoor)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert "mine/KeyDoor-v0" not in gym.registry

    assert isinstance(make("my_worlds:mine/KeyDoor-v0"), TextEnv)
    assert isinstance(make("mine/KeyDoor-v0"), TextEnv)
    del gym.registry["mine/KeyDoor-v0"], sys.modules["my_worlds"]


def test_a_module_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(UnknownEnvError, match="'no_such_module'"):
        make("no_such_module:test/KeyDoor-v0")


def test_registrations_with_wrappers_are_refused() -> None:
    gym.register("test/Limited-v0", entry_point="worlds:KeyDoor", max_episode_steps=5)
    with pytest.raises(ContractError, match=TimeLimit.__name__):
        make("test/Limited-v0")


def test_other_environments_are_refused() -> None:
    with pytest.raises(ContractError, match="CartPole"):
        make("CartPole-v1")
