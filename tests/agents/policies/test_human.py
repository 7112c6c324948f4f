"""A person as a policy."""

from __future__ import annotations

import pytest
import worlds  # noqa: F401  (registers the test worlds)

from anchorgym.agents import HumanPolicy, View
from anchorgym.agents.engines.contract import Sampling
from anchorgym.agents.policies.human import expert_kind
from anchorgym.envs import TextEnv, make
from anchorgym.training import EnvPool, Start, rollout


class Script:
    """A desk at which lines were typed beforehand."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.said: list[str] = []
        self.shown: list[str] = []

    def show(self, env: TextEnv, observation: str, view: View) -> None:
        self.shown.append(observation)

    def say(self, text: str) -> None:
        self.said.append(text)

    def ask(self, prompt: str, choices: tuple[str, ...] = ()) -> str:
        if not self.lines:
            raise EOFError
        return self.lines.pop(0)


def typed(env_id: str, *lines: str) -> tuple[str, Script, TextEnv]:
    """Return the action that lines mean at the start of an environment's first task."""
    env = make(env_id)
    observation, info = env.reset(seed=0, options={"task": env.tasks()[0]})
    desk = Script(*lines)
    return HumanPolicy(desk).choose(env, observation, View.of(info)), desk, env


def test_the_rollout_plays_a_person_like_any_policy() -> None:
    desk = Script("west", "fly", ":hint", "1", "1", "1")
    rooms = EnvPool.of("test/Rooms-v0")
    (episode,) = rollout(HumanPolicy(desk), rooms, [Start("room 0")], Sampling())
    assert [turn.action for turn in episode.turns] == ["west", "fly", "west", "west"]
    assert [turn.valid for turn in episode.turns] == [True, False, True, True]
    assert episode.won
    assert desk.lines == ["1"], "nobody is asked once the episode is over"
    assert desk.shown[0] == "You are in room 3."


@pytest.mark.parametrize(
    ("env_id", "lines", "action"),
    [
        ("test/Rooms-v0", ["2"], "east"),
        ("test/Rooms-v0", ["  east "], "east"),
        ("test/Rooms-v0", ["", "9", "1"], "west"),  # no such number, so it was none yet
        ("test/Rooms-v0", ["dance"], "dance"),  # what a policy could do, a person may do
        ("test/Guess-v0", ["50"], "50"),  # no actions are listed: a number is an answer
        ("test/Shelf-v0", ["1", "red lamp"], "search[red lamp]"),
        ("test/Shelf-v0", ["search[<words>]", "lamp"], "search[lamp]"),
        ("test/Shelf-v0", ["1", "", "search[atlas]"], "search[atlas]"),  # given up, then typed
        ("test/Shelf-v0", ["7"], "7"),
    ],
)
def test_what_is_typed_becomes_an_action(env_id: str, lines: list[str], action: str) -> None:
    assert typed(env_id, *lines)[0] == action


def test_commands_cost_no_turn() -> None:
    _, desk, env = typed("test/Rooms-v0", ":nonsense", ":hnt", ":h", ":actions", ":help", "1")
    assert env.turn == 0
    assert desk.said[0] == "There is no command :nonsense. :help lists the commands."
    assert "Did you mean 'hint'?" in desk.said[1]
    assert any("west" in line for line in desk.said)
    assert any(":quit" in line for line in desk.said)


def test_a_hint_says_what_the_expert_knows() -> None:
    assert typed("test/GuidedKeyDoor-v0", ":hint", "1")[1].said == [
        "The expert (knows everything): west"
    ]
    assert typed("test/Rooms-v0", ":hint", "1")[1].said == ["No expert knows a way from here."]
    env = make("anchorgym/ALFWorld-v0")
    env.reset(seed=0)
    assert expert_kind(env) == "honest"


@pytest.mark.parametrize("lines", [(), (":quit",), (":q",)])
def test_leaving_is_the_end_of_input(lines: tuple[str, ...]) -> None:
    with pytest.raises(EOFError):
        typed("test/Rooms-v0", *lines)


def test_without_a_desk_it_prints_and_reads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "2")
    env = make("test/Rooms-v0")
    observation, info = env.reset(seed=0)
    assert HumanPolicy().choose(env, observation, View.of(info)) == "east"
    said = capsys.readouterr().out
    assert info["goal"] in said
    assert "   2  east" in said
