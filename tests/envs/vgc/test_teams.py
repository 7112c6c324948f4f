"""Teams that are made, and teams that are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from vgc_battles import REG_I

from anchorgym.envs.errors import DataError, UnknownSplitError, UnknownTaskError
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.errors import TeamError
from anchorgym.envs.vgc.records import FORMATS
from anchorgym.envs.vgc.teams import GeneratedTeams, PastedTeams, pairings, seed_from, teams_of

PASTE = """Shiny (Incineroar) (M) @ Sitrus Berry
Ability: Blaze
Level: 50
Tera Type: Grass
EVs: 252 Atk / 4 SpD / 252 Spe
Jolly Nature
- Flare Blitz
- Knock Off
- Fake Out
- Protect

Milotic (F) @ Leftovers
Ability: Marvel Scale
Level: 50
Tera Type: Water
EVs: 252 HP / 252 Def
Bold Nature
- Scald
- Protect
- Recover
- Icy Wind

Flygon (F) @ Life Orb
Ability: Levitate
Level: 50
EVs: 252 HP / 252 Def
Tera Type: Ground
- Earthquake
- Protect
- Rock Slide
- Dragon Claw

Rillaboom (M) @ Miracle Seed
Ability: Overgrow
Level: 50
Tera Type: Grass
EVs: 252 HP / 252 Atk
- Wood Hammer
- Protect
- U-turn
- High Horsepower
"""


@pytest.mark.parametrize("format", FORMATS)
def test_made_teams_are_legal_and_differ(bridge: Bridge, format: str) -> None:
    teams = [bridge.make_team(format, seed_from(f"test {i}")) for i in range(12)]
    assert all(bridge.team_problems(format, team) == [] for team in teams)
    assert all(team.count("]") == 5 for team in teams)
    assert len({member.split("|")[0] for team in teams for member in team.split("]")}) > 30
    assert teams[3] == bridge.make_team(format, seed_from("test 3"))


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_a_team_can_be_made_of_any_seed(bridge: Bridge, format: str) -> None:
    for i in range(300):
        assert bridge.team_problems(format, bridge.make_team(format, seed_from(f"many {i}"))) == []


def test_an_illegal_team_is_said_to_be_illegal(bridge: Bridge) -> None:
    team = bridge.make_team(REG_I, (1, 2, 3, 4))
    first = team.split("]")[0]
    assert any("Species" in p for p in bridge.team_problems(REG_I, "]".join([first] * 6)))


@pytest.mark.parametrize("size", [1, 4, 16, 64])
def test_unseen_teams_are_in_no_training_split(size: int) -> None:
    source = GeneratedTeams(REG_I, size)
    train, unseen = source.names("train"), source.names("unseen")
    assert len(train) == size
    assert not set(train) & set(unseen)
    assert set(GeneratedTeams(REG_I, 1).names("train")) <= set(train)
    assert len(pairings(source, "train")) == size**2


def test_no_unseen_team_is_a_training_team_under_another_name(simulator: None) -> None:
    source = GeneratedTeams(REG_I, 16)
    train = {source.team(name) for name in source.names("train")}
    assert not train & {source.team(name) for name in source.names("unseen")[:16]}


@pytest.mark.parametrize("task", ["t0", "t0 vs", "t0 vs x1", "t0 vs t-1", "t0 vs t1.5", "vs"])
def test_a_task_that_names_no_two_teams_is_refused(simulator: None, task: str) -> None:
    with pytest.raises(UnknownTaskError, match="t0 vs t3"):
        teams_of(GeneratedTeams(REG_I, 4), task)


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(UnknownSplitError):
        GeneratedTeams(REG_I, 4).names("valid")


def test_pastes_are_read_and_split(simulator: None, tmp_path: Path) -> None:
    for name in ("rain", "sun", "room", "sand", "snow"):
        (tmp_path / f"{name}.txt").write_text(PASTE)
    source = PastedTeams(tmp_path, REG_I, 3)
    names = [*source.names("train"), *source.names("unseen")]
    assert sorted(names) == ["rain", "room", "sand", "snow", "sun"]
    assert len(source.names("unseen")) == 2
    packed = source.team("sun")
    assert packed.startswith("Incineroar||sitrusberry|") or packed.startswith(
        "Incineroar||SitrusBerry|"
    )
    assert "Shiny" not in packed  # nicknames are dropped


@pytest.mark.parametrize(
    "name", ["a b", "rain vs. sun", "vs", "vs b", "Ä-team", "t0", "a;b", "x.y"]
)
def test_every_task_of_a_folder_that_is_taken_can_be_started(
    simulator: None, tmp_path: Path, name: str
) -> None:
    (tmp_path / f"{name}.TXT").write_bytes(b"\xef\xbb\xbf" + PASTE.replace("\n", "\r\n").encode())
    (tmp_path / "other.txt").write_text(PASTE)
    (tmp_path / "README.md").write_text("no team")
    source = PastedTeams(tmp_path, REG_I, 2)
    tasks = pairings(source, "train")
    assert len(set(tasks)) == 4
    for task in tasks:
        one, two = teams_of(source, task)
        assert one == two == source.team("other")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("bad.txt", PASTE.replace("- Fake Out", "- Spore").encode(), "Spore"),
        ("none.txt", b"", "no team"),
        ("blank.txt", b"\n\n  \n", "no team"),
        ("latin.txt", PASTE.replace("Shiny", "Fée").encode("latin-1"), "utf-8"),
        ("words.txt", b"no team at all", "words"),
        ("rain vs sun.txt", PASTE.encode(), "' vs '"),
        ("a vs.txt", PASTE.encode(), "' vs '"),
        (" a.txt", PASTE.encode(), "blanks around"),
        ("a\nb.txt", PASTE.encode(), "cannot be printed"),
        (b"a\xff.txt", PASTE.encode(), "cannot be printed"),
        ("fine.TXT", PASTE.encode(), "is that of 'fine.TXT' too"),
    ],
)
def test_a_file_that_cannot_be_played_is_named_before_anything_is(
    simulator: None, tmp_path: Path, name: str | bytes, data: bytes, reason: str
) -> None:
    (tmp_path / "fine.txt").write_text(PASTE)
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(data)
    with pytest.raises(TeamError, match=reason) as raised:
        PastedTeams(tmp_path, REG_I, 1)
    assert repr(str(path))[1:-1] in str(raised.value) or "'fine.TXT'" in str(raised.value)


def test_a_folder_is_no_paste(simulator: None, tmp_path: Path) -> None:
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(TeamError, match=r"folder\.txt"):
        PastedTeams(tmp_path, REG_I, 1)


def test_a_folder_of_too_few_pastes_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("no team")
    with pytest.raises(DataError, match="holds 0 team pastes"):
        PastedTeams(tmp_path, REG_I, 1)
    with pytest.raises(DataError, match="no folder"):
        PastedTeams(tmp_path / "nowhere", REG_I, 1)
