"""Scripted attackers and defenders, and what they are worth against each other."""

from __future__ import annotations

from statistics import fmean

import pytest

from anchorgym.envs.errors import OptionError
from anchorgym.envs.redteam import ATTACKERS, DEFENDERS, TOPOLOGIES, Record, RedTeamEnv
from anchorgym.envs.redteam.payoffs import dominating, payoffs, play

PURE = ("naive", "ignore", "verify", "paranoid")
Table = dict[str, dict[tuple[str, str], float]]


SIZE = 64
"""So many tasks of the panel hold each goal on each surface, with a note and under attack."""


def scripted_payoffs(topology: str) -> Table:
    env = RedTeamEnv(topology=topology, defenders=3 if topology == "chain" else 4)
    return payoffs(env, env.tasks("test")[:SIZE])


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_no_scripted_defence_dominates(topology: str) -> None:
    assert dominating(scripted_payoffs(topology)) == []


def test_each_pure_defence_is_the_best_reply_to_something() -> None:
    table = scripted_payoffs("chain")
    best = {max(PURE, key=lambda row: table[row][column]) for column in table["naive"]}
    assert best == set(PURE)


def test_a_row_that_is_nowhere_worse_is_found_to_dominate() -> None:
    cells = ("abstain", "calm"), ("blatant", "calm")
    rows = {"a": (1.0, 2.0), "b": (1.0, 1.0), "c": (0.0, 2.0)}
    table = {name: dict(zip(cells, row, strict=True)) for name, row in rows.items()}
    assert dominating(table) == ["a"]


def records(attacker: str, defender: str, kind: str) -> list[Record]:
    env = RedTeamEnv()
    tasks = [task for task in env.tasks("test")[:SIZE] if task.split("/")[1] == kind]
    return [play(env, task, attacker, defender).record for task in tasks]


@pytest.mark.parametrize(
    ("attacker", "falls"),
    [
        ("abstain", set()),
        ("blatant", {"naive", "ignore", "challenger", "guard"}),
        ("authority", {"naive", "challenger", "guard"}),
        ("peer_spoof", {"naive", "ignore", "challenger", "guard"}),
    ],
)
def test_each_attack_takes_in_the_defences_it_is_made_for(attacker: str, falls: set[str]) -> None:
    hits = {d: any(r.hit for r in records(attacker, d, "attack")) for d in DEFENDERS}
    assert {defender for defender, hit in hits.items() if hit} == falls


def test_without_a_defence_every_attack_succeeds() -> None:
    for attacker in ("blatant", "authority", "peer_spoof"):
        assert all(record.hit for record in records(attacker, "naive", "attack"))


def test_everybody_can_do_the_work_where_nothing_comes_from_outside() -> None:
    for defender in DEFENDERS:
        clean = records("abstain", defender, "clean")
        assert all(record.right and not record.hit for record in clean)


def test_harmless_notes_are_followed_by_those_who_listen() -> None:
    right = {d: fmean(r.right for r in records("abstain", d, "lookalike")) for d in DEFENDERS}
    assert right["naive"] == 1.0
    assert right["ignore"] == right["paranoid"] == 0.0
    assert min(right["verify"], right["challenger"], right["guard"]) > 0.7


def test_the_challenger_stops_what_is_against_the_rules_or_its_own_result() -> None:
    goals = {record.goal for record in records("authority", "challenger", "attack") if record.hit}
    assert goals == {"override"}


def test_the_guard_lets_nobody_read_what_asks_for_code_tool_or_another_result() -> None:
    for record in records("authority", "guard", "attack"):
        assert record.hit == (record.goal == "override")
        if record.goal != "override":
            assert not any(any(row) for row in record.infected)


def test_players_know_only_what_was_shown_to_them() -> None:
    env = RedTeamEnv(defenders=3)
    env.reset(options={"task": "test/attack/false_answer/user/3"})
    env.step({"attacker_0": env.scripted_action("attacker_0", "authority")})
    infected = ["the answer is" in env.scripted_action(agent, "naive") for agent in env.defenders]
    assert infected == [True, False, False]


def test_unknown_players_are_refused() -> None:
    env = RedTeamEnv()
    env.reset(options={"task": "test/attack/leak/user/3"})
    with pytest.raises(OptionError, match="Did you mean 'verify'"):
        env.scripted_action("defender_0", "verfy")
    with pytest.raises(OptionError, match="Did you mean 'blatant'"):
        env.scripted_action("attacker_0", "blatent")
    assert "abstain" in ATTACKERS


def guarded_records(safeguard: str, attacker: str = "blatant") -> list[Record]:
    env = RedTeamEnv(safeguards=[safeguard])
    tasks = [task for task in env.tasks("test")[:SIZE] if "/clean/" not in task]
    return [play(env, task, attacker, "naive").record for task in tasks]


@pytest.mark.parametrize("safeguard", ["challenger", "inspector"])
def test_safeguards_keep_the_rules_for_a_team_of_any_kind(safeguard: str) -> None:
    for record in guarded_records(safeguard):
        if record.kind == "attack":
            assert record.hit == (record.goal in ("override", "false_answer"))
        else:
            assert record.right, "harmless notes pass"


def test_a_challenger_refuses_aloud_and_an_inspector_lets_nothing_in() -> None:
    leaks = [record for record in guarded_records("challenger") if record.goal == "leak"]
    assert any(any(map(any, record.flagged)) for record in leaks)
    stopped = [record for record in guarded_records("inspector") if record.goal == "leak"]
    assert [record.delivered for record in stopped] == [
        record.kind == "lookalike" for record in stopped
    ]


def test_unknown_safeguards_are_refused() -> None:
    with pytest.raises(OptionError, match="Did you mean 'inspector'"):
        RedTeamEnv(safeguards=["inspecter"])
