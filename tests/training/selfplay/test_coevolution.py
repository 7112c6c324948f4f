"""Co-evolution end to end, on games small enough to know what should come out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import parallel_worlds  # registers the test worlds
import pytest
from safetensors.numpy import load_file

from anchorgym.agents import RandomPolicy
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.envs import register
from anchorgym.envs.errors import ContractError, OptionError
from anchorgym.training.config.run_folders import RunBusyError, RunExistsError, claimed
from anchorgym.training.config.section import ConfigError
from anchorgym.training.league import LeagueError
from anchorgym.training.run.display import Display, Phase
from anchorgym.training.selfplay import (
    CoevolveConfig,
    RoleError,
    coevolve,
)
from anchorgym.training.selfplay.coevolution import Coevolution

CARDS = {"env": "test/Cards-v0", "league": {"bounds": [-2, 2]}}
SMALL = {"generations": 3, "iterations": 2, "tasks": 4, "group_size": 4, "payoff_games": 32}

register("test/Stranger-v0")(parallel_worlds.StrangersGame)


class ProcessEndedError(Exception):
    """Somebody ends the process."""


class Interrupting(Display):
    """Ends a run after some steps of a phase."""

    def __init__(self, name: str, after: int) -> None:
        super().__init__()
        self._cut, self._after = name, after

    @contextmanager
    def phase(self, name: str, total: int, done: int = 0) -> Iterator[Phase]:
        with super().phase(name, total, done) as shown:
            yield Cut(self._after) if name == self._cut else shown


class Cut(Phase):
    def __init__(self, left: int) -> None:
        self._left = left

    def step(self, note: str = "") -> None:
        self._left -= 1
        if not self._left:
            raise ProcessEndedError


def config(**values: Any) -> CoevolveConfig:
    return CoevolveConfig.parse({**CARDS, **SMALL, **values})


def contents(folder: Path) -> dict[str, Any]:
    """Return all that a run left behind, but for what was timed."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder))
        if name.startswith("checkpoints"):
            continue
        if path.suffix == ".safetensors":
            found[name] = {k: v.tolist() for k, v in load_file(path).items()}
        elif name == "metrics.jsonl" or (name.startswith("start/") and path.suffix == ".jsonl"):
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            found[name] = [{k: v for k, v in line.items() if k != "seconds"} for line in lines]
        else:
            found[name] = path.read_text()
    return found


def test_players_of_later_generations_beat_the_first(tmp_path: Path) -> None:
    run = coevolve(config(iterations=6, group_size=16, payoff_games=128), tmp_path)
    *_, last = run
    league = last.league
    assert league.players() == ("player 0", "player 1", "player 2", "player 3")
    league.ensure(640, [("player 0", "player 3")])
    assert league.payoff("player 3", "player 0").low > 0
    assert "player 3" in last.payoff


def test_a_run_that_was_left_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    settings = config(
        env="test/Pennies-v0",
        league={"bounds": [-5, 5]},
        schedule={"kind": "league", "past": 0.5},
        best_response={"iterations": 2, "every": 2},
    )
    for _ in coevolve(settings, tmp_path / "whole"):
        pass
    left = coevolve(settings, tmp_path / "left")
    next(left)
    left.close()
    again = [g.number for g in coevolve(settings, tmp_path / "left", resume=True)]
    assert again == [2, 3]
    whole, resumed = contents(tmp_path / "whole"), contents(tmp_path / "left")
    assert resumed.keys() == whole.keys()
    assert resumed == whole


def test_visits_of_exploring_roles_survive_an_interruption(tmp_path: Path) -> None:
    algorithm = {"name": "gigpo", "kl_coef": 0.0, "exploration": "global", "exploration_coef": 2.0}
    settings = config(
        env="test/Haggle-v0",
        league={"bounds": [-20, 20], "zero_sum": False},
        roles={role: {"algorithm": algorithm} for role in ("buyer", "seller")},
        payoff_games=0,
    )
    for _ in coevolve(settings, tmp_path / "whole"):
        pass
    left = coevolve(settings, tmp_path / "left")
    next(left)
    left.close()
    assert [g.number for g in coevolve(settings, tmp_path / "left", resume=True)] == [2, 3]
    assert contents(tmp_path / "left") == contents(tmp_path / "whole")
    state = json.loads((tmp_path / "left/checkpoints/00000003/checkpoint.json").read_text())
    visits = state["state"]["visits"]
    assert min(sum(visits[role].values()) for role in ("buyer", "seller")) > 50


def test_a_folder_with_a_run_is_not_begun_anew(tmp_path: Path) -> None:
    next(coevolve(config(), tmp_path))
    with pytest.raises(RunExistsError, match="resume"):
        next(coevolve(config(), tmp_path))


def test_a_run_goes_on_under_its_own_settings_alone(tmp_path: Path) -> None:
    next(coevolve(config(), tmp_path))
    with pytest.raises(ConfigError, match="tasks was 4, is 5"):
        next(coevolve(config(tasks=5), tmp_path, resume=True))
    assert json.loads((tmp_path / "config.json").read_text())["tasks"] == 4


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    first = coevolve(config(), tmp_path)
    next(first)
    with pytest.raises(RunBusyError):
        next(coevolve(config(), tmp_path, resume=True))
    first.close()


def test_learning_rates_follow_their_schedule(tmp_path: Path) -> None:
    learner = {"learning_rate": 1.0, "schedule": "linear", "final": 0.0}
    settings = config(
        generations=1,
        iterations=3,
        payoff_games=0,
        roles={"player": {"learner": learner}},
    )
    for _ in coevolve(settings, tmp_path):
        pass
    lines = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert [line["learning_rate"] for line in lines if line["phase"] == "train"] == [1.0, 0.5, 0.0]


def test_a_deterministic_player_is_exploited(tmp_path: Path) -> None:
    class Heads(RandomPolicy):
        def choose(self, env: object, observation: str, view: Any) -> str:
            return "0"

    settings = CoevolveConfig.parse(
        {
            "env": {"id": "test/Pennies-v0", "max_turns": 2},
            "league": {"bounds": [-5, 5]},
            **SMALL,
            "generations": 1,
            "group_size": 16,
            "roles": {
                "even": {"agents": ["even_0"], "policy": "random", "trainable": False},
                "odd": {"agents": ["odd_0"]},
            },
            "iterations": 10,
        }
    )
    (last,) = coevolve(settings, tmp_path, policies={"even": lambda: Heads(0)})
    assert last.figures["odd"]["score"] > 1.5
    assert last.figures["even"]["score"] == pytest.approx(-last.figures["odd"]["score"])


def test_best_responses_find_what_a_lopsided_player_loses(tmp_path: Path) -> None:
    settings = config(
        env="test/Pennies-v0",
        league={"bounds": [-5, 5]},
        generations=1,
        iterations=1,
        best_response={"iterations": 5},
    )
    (last,) = coevolve(settings, tmp_path)
    assert last.exploitation is not None
    assert last.exploitability is not None
    assert np.isfinite(last.exploitability)
    assert last.exploitation.nash_conv.mean == pytest.approx(last.exploitability)
    assert set(last.exploitation.responses) == {"even", "odd"}
    assert set(last.exploitation.responses.values()).isdisjoint(last.league.players("even"))


def test_worlds_of_strangers_learn_with_algorithms_that_need_no_anchors(tmp_path: Path) -> None:
    for name in ("public_baseline", "grpo", "gigpo"):
        settings = CoevolveConfig.parse(
            {
                "env": "test/Stranger-v0",
                "league": {"bounds": [0, 5], "zero_sum": False},
                **SMALL,
                "generations": 1,
                "roles": {"player": {"agents": ["player_*"], "algorithm": name}},
            }
        )
        (last,) = coevolve(settings, tmp_path / name)
        assert last.figures["player"]["rows"] > 0


TURNS = {
    "env": "test/Nim-v0",
    **SMALL,
    "generations": 1,
    "iterations": 10,
    "tasks": 8,
    "group_size": 8,
    "payoff_games": 0,
}


@pytest.mark.parametrize("algorithm", ["public_baseline", "grpo", "rae", "reinforce_pp"])
def test_a_strangers_game_of_turns_is_learnt_by_what_needs_no_anchors(
    tmp_path: Path, algorithm: str
) -> None:
    run = begun(
        CoevolveConfig.parse({**TURNS, "roles": {"player": {"algorithm": algorithm}}}),
        tmp_path / "run",
        Display(),
    )
    for _ in run.generations():
        pass
    table = run.roles.roles["player"].policy
    chances = table.probabilities("\n3\n0\n1\n2")  # three sticks are left: take all of them
    assert chances["2"] > 0.6


def test_a_game_that_pettingzoo_brings_is_trained_on(tmp_path: Path) -> None:
    pytest.importorskip("pygame", reason="PettingZoo's own board games need pygame")
    settings = {**TURNS, "env": "classic/tictactoe-v3", "iterations": 2, "payoff_games": 8}
    (last,) = coevolve(CoevolveConfig.parse(settings), tmp_path)
    figures = last.figures["player"]
    assert 2.5 <= figures["turns"] <= 4.5
    assert figures["valid"] == 1.0
    assert figures["score"] == pytest.approx(0.0)  # what one wins the other loses


def test_roles_must_cover_the_world(tmp_path: Path) -> None:
    with pytest.raises(RoleError, match=r"\['player_1'\] play no role"):
        next(coevolve(config(roles={"player": {"agents": ["player_0"]}}), tmp_path / "a"))
    roles = {"one": {"agents": ["player_*"]}, "two": {"agents": ["player_1"]}}
    with pytest.raises(RoleError, match="two roles"):
        next(coevolve(config(roles=roles), tmp_path / "b"))
    roles = {"player": {"agents": ["player_*"], "trainable": False, "policy": "random"}}
    with pytest.raises(RoleError, match="no role is trained"):
        next(coevolve(config(roles=roles), tmp_path / "c"))


RED = {
    "env": "anchorgym/RedTeam-v0",
    "league": {"bounds": [-10, 10], "zero_sum": False},
    "generations": 2,
    "iterations": 1,
    "tasks": 3,
    "group_size": 2,
    "payoff_games": 8,
}
TINY = {"name": "tiny", "hidden": 32, "layers": 1, "heads": 2, "feed_forward": 64}


def test_attackers_clone_strategies_before_they_meet_the_team(tmp_path: Path) -> None:
    warmup = {"scripts": ["authority", "peer_spoof"], "matches": 96}
    settings = CoevolveConfig.parse(
        {**RED, "roles": {"attacker": {"warmup": warmup}, "defender": {}}}
    )
    next(coevolve(settings, tmp_path))
    table = TabularPolicy()
    table.load(tmp_path / "start" / "attacker")
    assert table.model.situations
    for situation in table.model.situations:
        chances = table.probabilities(situation)
        assert chances["authority"] + chances["peer_spoof"] > 0.5
        assert chances["blatant"] == chances["abstain"] < 0.25
    begun = TabularPolicy()
    begun.load(tmp_path / "players" / "attacker-0")
    assert begun.model.situations == table.model.situations


def begun(settings: CoevolveConfig, folder: Path, display: Display) -> Coevolution:
    with claimed(settings, folder, "anchorgym selfplay", resume=False):
        return Coevolution(settings, folder, {}, display)


def weights(folder: Path, name: str) -> dict[str, Any]:
    return {k: v.tolist() for k, v in load_file(folder / name / "model.safetensors").items()}


@pytest.mark.slow
def test_tiny_language_policies_evolve_together_and_go_on_after_any_interruption(
    tmp_path: Path,
) -> None:
    settings = CoevolveConfig.parse(
        {
            **RED,
            "checkpoint": {"seconds": 0},
            "tasks": 4,
            "group_size": 4,
            "roles": {
                "attacker": {
                    "policy": {**TINY, "vocabulary_tasks": 64},
                    "warmup": {"scripts": ["blatant", "authority"], "updates": 18},
                },
                "defender": {
                    "policy": {**TINY, "vocabulary_tasks": 64},
                    "warmup": {"scripts": ["naive", "verify"], "updates": 18},
                },
            },
        }
    )
    figures = [done.figures["defender"] for done in coevolve(settings, tmp_path / "whole")]
    learnt = [measured for measured in figures if measured["rows"] > 0]
    assert learnt, "no iteration had anything to learn from: this test shows nothing"
    assert all(measured["entropy"] > 0 for measured in learnt)
    assert weights(tmp_path / "whole", "start/defender") != weights(
        tmp_path / "whole", "players/defender-2"
    )
    cut = Interrupting("warm-up of defender", 17)
    with pytest.raises(ProcessEndedError):
        begun(settings, tmp_path / "left", cut)
    assert (tmp_path / "left" / "start" / "defender.cloning").exists()
    left = coevolve(settings, tmp_path / "left", resume=True)
    next(left)
    left.close()
    for _ in coevolve(settings, tmp_path / "left", resume=True):
        pass
    whole, resumed = contents(tmp_path / "whole"), contents(tmp_path / "left")
    assert resumed == whole


def test_payoffs_out_of_bounds_end_a_run_before_it_has_learnt_anything(tmp_path: Path) -> None:
    narrow = CoevolveConfig.parse({**RED, "league": {"bounds": [0, 0.01], "zero_sum": False}})
    with pytest.raises(LeagueError, match=r"--league\.bounds"):
        next(coevolve(narrow, tmp_path / "red"))
    assert not (tmp_path / "red" / "metrics.jsonl").read_text()


def test_a_tiny_policy_needs_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"warmup\.scripts"):
        CoevolveConfig.parse({**RED, "roles": {"attacker": {"policy": "tiny"}}})


def test_a_strategy_that_nobody_knows_is_named(tmp_path: Path) -> None:
    roles = {"attacker": {"warmup": {"scripts": ["authorty"]}}, "defender": {}}
    with pytest.raises(OptionError, match="Did you mean 'authority'"):
        next(coevolve(CoevolveConfig.parse({**RED, "roles": roles}), tmp_path / "red"))
    roles = {"player": {"warmup": {"scripts": ["bluff"]}}}
    with pytest.raises(ContractError, match="Cards knows no script 'bluff'"):
        next(coevolve(config(roles=roles), tmp_path / "cards"))


def test_settings_that_are_wrong_are_named() -> None:
    with pytest.raises(ConfigError, match=r"schedule\.kind"):
        config(schedule={"kind": "sometimes"})
    with pytest.raises(ConfigError, match="Did you mean"):
        config(generation=3)
    with pytest.raises(ConfigError, match="names the role 'b'"):
        config(roles={"a": {"policy": "role:b"}})
