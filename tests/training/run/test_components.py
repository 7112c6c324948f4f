"""New policies: every action of an environment can be written, or one is told that it cannot."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import worlds
from remote_engine import RemoteFactory
from small_policies import small_policy

from anchorgym.agents.engines import UnsupportedRequestError
from anchorgym.agents.engines.placing import PlacedFactory
from anchorgym.envs import UnknownTaskError, register
from anchorgym.training import ConfigError, TrainConfig
from anchorgym.training.run.components import assemble


class Words(worlds.Rooms):
    """Rooms whose ways have other names."""

    names: tuple[str, str] = ("west", "east")

    def admissible_actions(self) -> tuple[str, ...]:
        return self.names

    def act(self, action: str):  # type: ignore[no-untyped-def]
        plain = dict(zip(self.names, ("west", "east"), strict=True))
        return super().act(plain.get(action, action))


@register("test/Shouting-v0")
class Shouting(Words):
    names = ("Go WEST", "Go EAST")


@register("test/LongWinded-v0")
class LongWinded(Words):
    names = tuple(f"walk {' '.join('abcdefghijkl')} {way}" for way in ("west", "east"))


@register("test/Spacious-v0")
class Spacious(Words):
    names = ("go  west", "go east")


@register("test/Empty-v0")
class Empty(worlds.Rooms):
    def tasks(self, split: str | None = None) -> Sequence[str]:
        return ()

    def start(self, task: str) -> str:
        raise UnknownTaskError(task)


def test_upper_case_actions_are_written_as_they_are() -> None:
    template = small_policy("test/Shouting-v0").template
    assert [template.parse(template.response(a)).action for a in Shouting.names] == list(
        Shouting.names
    )


def test_responses_may_be_as_long_as_the_longest_action() -> None:
    policy = small_policy("test/LongWinded-v0")
    assert max(len(policy.template.response(a)) for a in LongWinded.names) <= policy.max_response


def test_a_limit_below_that_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"policy\.max_response"):
        small_policy("test/LongWinded-v0", max_response=1)


def test_actions_that_cannot_be_written_are_refused() -> None:
    with pytest.raises(ConfigError, match="single spaces"):
        small_policy("test/Spacious-v0")


def test_an_environment_without_tasks_is_refused() -> None:
    with pytest.raises(Exception, match="holds no tasks"):
        small_policy("test/Empty-v0")


def job(**sections: object) -> TrainConfig:
    return TrainConfig.parse({"env": "test/Rooms-v0", **sections})


def test_an_engine_that_is_none_is_named_by_its_setting() -> None:
    with pytest.raises(ConfigError, match=r"engine\.name: .*Did you mean 'torch'"):
        assemble(job(engine="torhc"))
    with pytest.raises(ConfigError, match=r"engine\.max_bach: .*Did you mean 'max_batch'"):
        assemble(job(engine={"max_bach": 2}))


def test_what_an_engine_cannot_do_is_refused_before_anything_is_made() -> None:
    engine = "remote_engine:RemoteFactory"
    assert assemble(job(engine=engine)).engine == PlacedFactory(RemoteFactory())
    with pytest.raises(UnsupportedRequestError, match=r"policy\.constrained") as error:
        assemble(job(engine=engine, policy={"constrained": True}))
    assert error.value.capability == "constrained_decoding"
    with pytest.raises(UnsupportedRequestError, match="hapo samples each token") as error:
        assemble(job(engine=engine, algorithm="hapo"))
    assert error.value.capability == "per_token_temperature"
    weighted = job(algorithm="drpo", learner={"correction": "token"})
    with pytest.raises(ConfigError, match=r"learner\.correction: the loss of drpo cannot"):
        assemble(weighted)
