"""Populations of players, which are trained one after the other, each against earlier ones.

`league.expand` selects the opponents: the newest player (self-play), all players (fictitious play)
or their equilibrium (double oracle, PSRO). A new player starts from the weights of the one before.
An exploiter starts from the initial policy, against one target, and measures its exploitability.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anchorgym.envs.vgc.arena import Contender, Fixture, play
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.knowledge import knowledge
from anchorgym.training.config.run_folders import claimed
from anchorgym.training.league import Exploitation, League, Mixture, Rules, expand, exploit
from anchorgym.training.run.display import Display
from anchorgym.training.run.metrics import MetricsLog
from anchorgym.training.run.recovery import Recovery, Written
from anchorgym.training.run.threads import tensor_threads
from anchorgym.training.worlds.vgc.config import SOLVERS, PopulationConfig
from anchorgym.training.worlds.vgc.contenders import (
    NAMES,
    battle_starts,
    newest_policy,
    team_source,
)
from anchorgym.training.worlds.vgc.learner import BattleLearner
from anchorgym.training.worlds.vgc.match_runner import MatchRunner
from anchorgym.training.worlds.vgc.network import BattleNet, Size
from anchorgym.training.worlds.vgc.policy import TokenPlayer, load_policy, new_net, save_policy
from anchorgym.training.worlds.vgc.ppo import Trajectory, learn_from

WRITTEN = Written(
    logs=("metrics.jsonl", "league/games.jsonl"),
    texts=("league/league.json",),
    entries=("players/player-*",),
)
"""What a run writes beside its checkpoints."""
_FIRST = "player 0"


def train_population(
    config: PopulationConfig, out: Path, *, display: Display | None = None, resume: bool = False
) -> League:
    """Train a population, and return its league.

    The folder gets `config.json`, `players/` (a policy each), `league/` (all games),
    `metrics.jsonl` and `checkpoints/`.

    Args:
        config: settings of the training.
        out: folder of the run.
        display: progress display.
        resume: whether to continue the run in the folder; a folder without a run starts one.

    Raises:
        RunExistsError: the folder holds a run, and `resume` is false.
        ConfigError: the folder holds a run with other settings.
        RunBusyError: another process is working on the run.
    """
    if config.battle.pastes is not None and not resume:
        team_source(config.battle)  # which refuses teams before the folder is claimed
    claim = claimed(config, out, "anchorgym vgc train", resume=resume)
    with claim, tensor_threads(config.threads):
        run = Population(config, out, display or Display(None))
        try:
            run.train()
        finally:
            run.close()
        return run.league


class Population:
    """The state of a run of `train_population`."""

    def __init__(self, config: PopulationConfig, folder: Path, display: Display) -> None:
        self.config, self.folder, self._display = config, folder, display
        self.known = knowledge(config.battle.format)
        self._recovery = Recovery(folder, WRITTEN, config.checkpoint)
        self.bridge = Bridge()
        self._hall = MatchRunner(config.battle, self.bridge, self.known, self._where)
        rules = Rules(seed=config.seed)
        self.league = League(self._play, rules, folder=folder / "league")
        self._log = MetricsLog(folder / "metrics.jsonl")
        if not self._path(_FIRST).exists():
            save_policy(self._starting_net(), config.battle.format, self._path(_FIRST))
        if config.method != "exploiter":
            self.league.add(_FIRST)

    def train(self) -> None:
        """Train the players that are still missing."""
        config, saved = self.config, self._recovery.saved
        if saved is not None and saved.state["finished"]:
            return
        if config.method == "exploiter":
            self.exploit()
        else:
            solver = SOLVERS[config.method]
            rounds, games = config.rounds, config.games or 32
            expand(self.league, self._respond, rounds=rounds, games=games, solver=solver)
        self._save(finished=True)

    def exploit(self) -> Exploitation:
        """Train a player against the target, and measure its gain."""
        target = self.config.target or _FIRST
        self.league.add(target)
        mixture = Mixture("player", {target: 1.0})
        games = self.config.games or 128
        found = exploit(self.league, {"player": mixture}, self._respond, games=games)
        self.league.record({}, found.to_json())
        return found

    def close(self) -> None:
        """End the simulator's process."""
        self._log.close()
        self.bridge.close()

    # Training -------------------------------------------------------------------------------

    def _respond(self, against: Mixture, seed: int) -> str:
        """Train the next player against a mixture, and return its name."""
        number = 1 + len(self.league.history)
        name = f"player {number}"
        if self._path(name).exists():
            return name
        before = _FIRST if self.config.method == "exploiter" else f"player {number - 1}"
        net, _ = load_policy(self._path(before))
        learner, done = BattleLearner(net, self.config.ppo), 0
        saved = self._recovery.saved
        if saved is not None and saved.state["player"] == name:
            learner.load(saved.part("learner"))
            done = saved.state["updates"]
        with self._display.phase(name, self.config.updates, done) as shown:
            for update in range(done, self.config.updates):
                if self._recovery.due():
                    self._save(name, update, learner)
                trajectories = self._battles(net, against, seed + update)
                learner.values_only = number == 1 and update < self.config.ppo.warm_up
                found = learn_from(learner, trajectories, seed + update)
                self._log.write("train", player=name, update=update + 1, **found)
                shown.step(f"payoff {found.get('payoff', 0):+.2f}")
        save_policy(net.eval(), self.config.battle.format, self._path(name))
        self._save()
        return name

    def _battles(self, net: BattleNet, against: Mixture, seed: int) -> list[Trajectory]:
        """Play the battles of an update, and return the trajectories of the learner's seats."""
        learner = TokenPlayer(net.eval(), self.known, keeping=True)
        mirrored = self.config.method == "self-play"
        fixtures = list(self._fixtures(learner, against, seed, mirrored))
        trajectories = []
        for finished in play(self.bridge, fixtures):
            for seat, player in enumerate(finished.fixture.players):
                if player is learner:
                    kept = learner.take(finished.game, seat)
                    trajectories.append(
                        (finished.game, seat, Trajectory(kept, finished.payoff(seat)))
                    )
        return [trajectory for *_, trajectory in sorted(trajectories, key=lambda found: found[:2])]

    def _fixtures(
        self, learner: Contender, against: Mixture, seed: int, mirrored: bool
    ) -> Iterator[Fixture]:
        starts = battle_starts(self._hall.teams, self.config.battle, seed)
        n = self.config.battles
        opponents = [learner] * n if mirrored else self._opponents(against.sample(n, seed))
        for number, opponent in enumerate(opponents):
            players = (learner, opponent) if number % 2 else (opponent, learner)
            yield Fixture(next(starts), players, seed * 1009 + number)

    def _opponents(self, names: Sequence[str]) -> list[Contender]:
        return [self._hall.player(name) for name in names]

    # The league -----------------------------------------------------------------------------

    def _play(self, row: str, column: str, n: int, seed: int) -> NDArray[np.float64]:
        """Play games of the league; see `league.Play`."""
        if self._recovery.due():
            self._save()
        return self._hall.play(row, column, n, seed)

    def _where(self, name: str) -> str:
        path = self._path(name)
        return str(path) if path.exists() else name

    def _path(self, name: str) -> Path:
        return self.folder / "players" / name.replace(" ", "-")

    def _starting_net(self) -> BattleNet:
        config = self.config
        if config.start is not None:
            return load_policy(newest_policy(Path(config.start)))[0]
        if config.method == "exploiter" and config.target and config.target not in NAMES:
            return load_policy(newest_policy(Path(config.target)))[0]
        return new_net(self.known, Size(**config.net.model_dump()), config.seed)

    def _save(
        self,
        player: str = "",
        updates: int = 0,
        learner: BattleLearner | None = None,
        *,
        finished: bool = False,
    ) -> None:
        """Save a checkpoint, in the midst of training a player where one is given."""
        state = {"player": player, "updates": updates, "finished": finished}
        self._recovery.save(state, {} if learner is None else {"learner": learner})
