"""Bad input of any kind: one line with a remedy, and an exit status that is not 0."""

from __future__ import annotations

from pathlib import Path

import pytest

from anchorgym.training.cli import main

CORRIDOR = """
from anchorgym.envs import Outcome, TextEnv, register

@register("my/Corridor-v0", max_turns=4)
class Corridor(TextEnv):
    def tasks(self, split=None):
        return ("end",)
    def start(self, task):
        self.at, self.goal = 0, "Walk."
        return "Here."
    def admissible_actions(self):
        return ("walk",)
    def act(self, action):
        self.at += 1
        return Outcome("There.", 1.0, True)
    def won(self):
        return self.at > 0
    def save(self):
        return self.at
    def load(self, state):
        self.at = state
"""

PLAYERS = """
number = 3

def player(depth):
    return 1
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of the user's, which holds a few things that are no runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mistakes_corridor.py").write_text(CORRIDOR)
    (tmp_path / "mistakes_players.py").write_text(PLAYERS)
    (tmp_path / "notes.txt").write_text("no run, no record, no settings = = 3")
    (tmp_path / "broken.toml").write_text("seed = = 3")
    (tmp_path / "old.toml").write_text("[evaluation]\ncurve_tasks = 3\n")
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "config.json").write_text("[1, 2]")


ENV = "mistakes_corridor:my/Corridor-v0"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        # commands
        ("trian", "Did you mean 'train'"),
        ("frobnicate", "`anchorgym --help` lists the commands"),
        ("--frobnicate", "no command '--frobnicate'"),
        ("vgc trian", "Did you mean 'train'? There are: clone, train, league"),
        ("vgc-clone --out x", "`anchorgym vgc-clone` is now `anchorgym vgc clone`"),
        ("vgc-train", "now `anchorgym vgc train`"),
        ("evaluate-league", "now `anchorgym vgc league`"),
        ("redteam-evaluate runs/x", "now `anchorgym redteam evaluate`"),
        ("serve-webshop", "now `anchorgym webshop serve`"),
        # flags
        ("train --rseume runs/x", "Did you mean '--resume'"),
        ("train --out", "--out needs a value"),
        ("train --out --quiet", "--out needs a value"),
        ("train --quiet=yes", "--quiet takes no value"),
        ("train -x 3", "has no flag '-x'"),
        ("check --sead 3", "Did you mean '--seed'"),
        ("check --data folder", "an argument of the environment is written --env.KEY VALUE"),
        ("evaluate random --split test", "has no flag '--split'"),
        ("view strange --opne", "Did you mean '--open'"),
        ("algorithms --jsn", "Did you mean '--json'"),
        # values
        ("check x --seed many", "--seed takes a whole number, not 'many'"),
        ("check x --seed -1", "--seed takes a number of at least 0"),
        ("play x --policy random --auto nan", "--auto takes a number"),
        ("replay notes.txt --episode 0", "--episode takes a number of at least 1"),
        ("evaluate random --mode gredy", "Did you mean 'greedy'"),
        # words
        ("check", "name an environment: `anchorgym check ENV`"),
        ("play", "`anchorgym envs` lists them"),
        ("selfplay", "name a world of several agents"),
        ("evaluate", "PLAYER is missing"),
        ("replay", "FILE is missing"),
        ("overcooked clone", "GAMES is missing"),
        ("redteam evaluate", "RUN is missing"),
        ("vgc league", "PLAYER is missing"),
        ("view a b", "unexpected 'b'"),
        ("train a/A-v0 b", "unexpected 'b'"),
        ("train a/A-v0 --env b/B-v0", "two environments are named"),
        ("setup vgcc", "Did you mean 'vgc'"),
        # settings
        ("train --rollout.itertions 3", "Did you mean 'rollout.iterations'"),
        ("train --rolout.tasks 3", "Did you mean 'rollout'"),
        ("train --learning-rate 1e-3", "Did you mean 'clone.learning_rate' or 'learner."),
        ("train --rollout.tasks nine", "rollout.tasks: must be a whole number (got 'nine')"),
        ("train --rollout.strategy tre", "Did you mean 'tree'"),
        ("train --evaluation.curve-split x", "now named 'evaluation.validation_split'"),
        ("train @old.toml", "now named 'evaluation.validation_tasks'"),
        ("selfplay a/A-v0 --roles.a.lerner.epochs 2", "Did you mean 'roles.a.learner'"),
        ("selfplay a/A-v0 --roles.a.algorithm.anchor x", "must be state, observation, or"),
        ("vgc clone --battle.team 3", "Did you mean 'battle.teams'"),
        ("vgc train --method self-ply", "Did you mean 'self-play'"),
        ("overcooked train --ppo.lam 1", "there is no such setting"),
        ("overcooked train --iterations 3", "Did you mean 'ppo.iterations'"),
        # what cannot be built is refused before it is tried
        ("train --policy.layers 1000000000 --dry-run", "policy.layers: must be at most 1024"),
        ("train --policy.hidden 1000000000 --dry-run", "policy.hidden: must be at most 65536"),
        ("vgc train --net.layers 1000000000 --dry-run", "net.layers: must be at most 1024"),
        ("overcooked train --threads 100000 --dry-run", "threads: must be at most 1024"),
        ("train --out notes.txt --dry-run", "notes.txt is a file"),
        (f"train --rollout.group-size {10**30} --dry-run", "must be at most 9223372036854775807"),
        (f"vgc league random heuristic --games {10**20} --out x", "--games takes a number up to"),
        ("evaluate random --temperature 1e999", "--temperature takes a finite number"),
        ("vgc league nope random --out x", "no player 'nope'"),
        ("vgc league random random --out x", "a league needs two different players"),
        # files
        ("train @nowhere.toml", "cannot read nowhere.toml: no such file"),
        ("train @broken.toml", "broken.toml is not TOML"),
        ("train @strange", "cannot read strange"),
        ("train --out notes.txt", "notes.txt is a file"),
        ("train --resume nowhere", "nowhere holds no run"),
        ("train --resume notes.txt", "notes.txt is a file"),
        ("train --resume strange", "settings are a JSON object"),
        ("train --resume strange --seed 3", "leave out --seed"),
        ("train --out strange", "already holds a run"),
        ("vgc train --out strange", "already holds a run"),
        ("overcooked train --out strange", "already holds a run"),
        (f"selfplay {ENV} --out strange", "already holds a run"),
        ("view nowhere", "nowhere holds no run"),
        ("view notes.txt", "notes.txt holds no run"),
        ("replay nowhere.jsonl", "cannot read nowhere.jsonl"),
        ("replay notes.txt", "not JSON"),
        ("replay strange", "holds no recorded episodes"),
        ("overcooked clone nowhere.jsonl", "holds no recorded games"),
        ("overcooked train --layout crampd_room", "Did you mean 'cramped_room'"),
        ("overcooked train --start nowhere", "nowhere holds no cook"),
        ("redteam evaluate nowhere", "nowhere holds no run"),
        # names
        ("train --algorithm gigppo --dry-run", "Did you mean 'gigpo'"),
        ("train --algorithm nowhere:X --dry-run", "No module named 'nowhere'"),
        ("train --algorithm mistakes_players:number --dry-run", "an algorithm is a subclass"),
        ("train --algorithm.step-wieght 1 --dry-run", "Did you mean 'step_weight'"),
        ("train --algorithm.exploraton none --dry-run", "Did you mean 'exploration'"),
        ("algorithms gigppo", "Did you mean 'gigpo'"),
        ("check anchorgym/ALFWord-v0", "Did you mean 'anchorgym/ALFWorld-v0'"),
        ("check mistakes_corridor.py", "'mistakes_corridor:namespace/Name-vN'"),
        ("check mistakes_corridr:my/Corridor-v0", "no module 'mistakes_corridr'"),
        ("envs nowhere:", "no module 'nowhere'"),
        (f"train {ENV} --env.max-turn 3 --dry-run", "Did you mean 'max_turns'"),
        (f"evaluate expart --env {ENV}", "Did you mean 'expert'"),
        (f"evaluate mistakes_players:number --env {ENV}", "is no loader of policies"),
        (f"evaluate mistakes_players:player --env {ENV}", "takes the keyword seed"),
        (f"evaluate mistakes_players:playr --env {ENV}", "Did you mean 'player'"),
        (f"play {ENV} --seat a", "--seat and --with are for worlds of several agents"),
    ],
)
def test_bad_input_gets_one_line_with_a_remedy(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert said in error
    assert not Path("runs").exists(), "a command that cannot start leaves nothing behind"
