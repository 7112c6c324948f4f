"""Populations of players, which are trained one after the other, each against earlier ones.

`league.expand` selects the opponents: the newest player (self-play), all players (fictitious play)
or their equilibrium (double oracle, PSRO). A new player starts from the weights of the one before.
An exploiter starts from the initial policy, against one target, and measures its exploitability.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from anchorgym.envs.vgc.arena import Contender, Fixture, play
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.knowledge import knowledge
from anchorgym.training.config.run_folders import claimed
from anchorgym.training.league import Exploitation, League, Mixture, Rules, expand, exploit
from anchorgym.training.run.checkpoints import Checkpoints
from anchorgym.training.run.display import Display
from anchorgym.training.run.metrics import MetricsLog
from anchorgym.training.run.threads import tensor_threads
from anchorgym.training.worlds.vgc.config import SOLVERS, PopulationConfig
from anchorgym.training.worlds.vgc.contenders import NAMES, battle_starts, newest_policy
from anchorgym.training.worlds.vgc.learner import BattleLearner
from anchorgym.training.worlds.vgc.match_runner import MatchRunner
from anchorgym.training.worlds.vgc.network import BattleNet, Size
from anchorgym.training.worlds.vgc.policy import TokenPlayer, load_policy, new_net, save_policy
from anchorgym.training.worlds.vgc.ppo import Trajectory, learn_from

_SAVED_EVERY = 5
"""Number of updates between two checkpoints."""
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
        self.bridge = Bridge()
        self._hall = MatchRunner(config.battle, self.bridge, self.known, self._where)
        rules = Rules(seed=config.seed)
        self.league = League(self._hall.play, rules, folder=folder / "league")
        self._checkpoints = Checkpoints(folder / "checkpoints", keep=1)
        saved = self._checkpoints.newest()
        self._log = MetricsLog(folder / "metrics.jsonl", saved.state["bytes"] if saved else 0)
        if not self._path(_FIRST).exists():
            save_policy(self._starting_net(), config.battle.format, self._path(_FIRST))
        if config.method != "exploiter":
            self.league.add(_FIRST)

    def train(self) -> None:
        """Train the players that are still missing."""
        config = self.config
        if config.method == "exploiter":
            self.exploit()
            return
        solver = SOLVERS[config.method]
        expand(self.league, self._respond, rounds=config.rounds, games=config.games, solver=solver)

    def exploit(self) -> Exploitation:
        """Train a player against the target, and measure its gain."""
        target = self.config.target or _FIRST
        self.league.add(target)
        mixture = Mixture("player", {target: 1.0})
        games = max(self.config.games, 128)
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
        saved = self._checkpoints.newest()
        if saved is not None and saved.state["player"] == name:
            learner.load(saved.part("learner"))
            done = saved.state["updates"]
        with self._display.phase(name, self.config.updates, done) as shown:
            for update in range(done, self.config.updates):
                trajectories = self._battles(net, against, seed + update)
                learner.values_only = number == 1 and update < self.config.ppo.warm_up
                found = learn_from(learner, trajectories, seed + update)
                self._log.write("train", player=name, update=update + 1, **found)
                if (update + 1) % _SAVED_EVERY == 0:
                    self._save(name, update + 1, learner)
                shown.step(f"payoff {found.get('payoff', 0):+.2f}")
        save_policy(net.eval(), self.config.battle.format, self._path(name))
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

    def _save(self, name: str, updates: int, learner: BattleLearner) -> None:
        state = {"player": name, "updates": updates, "bytes": self._log.sync()}
        self._checkpoints.save(state, {"learner": learner})
