"""Co-evolution: roles play each other, learn, and meet earlier versions from a league."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from anchorgym.agents.policies.base import Policy
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.envs import make_parallel
from anchorgym.training.config.run_folders import claimed
from anchorgym.training.imitation.scripts import panel_of
from anchorgym.training.league import (
    Exploitation,
    League,
    Mixture,
    Rules,
    Sampling,
    exploit,
)
from anchorgym.training.learning.algorithms import configured_algorithm
from anchorgym.training.rollout.drivers import SamplingRule, make_driver
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.play import play_matches
from anchorgym.training.rollout.sides import Seats
from anchorgym.training.rollout.types import Match, Start
from anchorgym.training.run.components import find_factory
from anchorgym.training.run.deterministic import deterministic_kernels
from anchorgym.training.run.display import Display
from anchorgym.training.run.memory import reuse_memory
from anchorgym.training.run.metrics import MetricsLog
from anchorgym.training.run.recovery import Recovery, Written
from anchorgym.training.run.threads import tensor_threads
from anchorgym.training.selfplay.assembly import (
    empty_table,
    league_sides,
    learner_settings,
    role_settings,
    temperatures,
    world_arguments,
)
from anchorgym.training.selfplay.config import CoevolveConfig
from anchorgym.training.selfplay.generations import Generation, summary
from anchorgym.training.selfplay.initial_policies import InitialPolicies
from anchorgym.training.selfplay.league_games import LeagueGames, reseed
from anchorgym.training.selfplay.players import Players, newest, role_of
from anchorgym.training.selfplay.roles import Role, RoleError, Roles
from anchorgym.training.selfplay.schedules import roles_in_turn

WRITTEN = Written(
    logs=("metrics.jsonl", "league/games.jsonl"),
    texts=("league/league.json",),
    entries=("players/*-*",),
)
"""What a run writes beside its checkpoints and its warm-up, which has checkpoints of its own."""
_RESPONSE = "response "
"""Beginning of the names of the learners of a best response, as parts of a checkpoint."""


def coevolve(
    config: CoevolveConfig,
    out: str | Path,
    *,
    policies: Mapping[str, Callable[[], Policy]] | None = None,
    console: Console | None = None,
    resume: bool = False,
) -> Iterator[Generation]:
    """Train the roles of a world against each other, generation by generation.

    The folder gets `config.json`, `metrics.jsonl`, `start/` (policies after their warm-up),
    `players/` (the policy of every role after each generation), `league/` (players and games) and
    `checkpoints/`.

    Args:
        config: configuration of the run.
        out: folder without a run, unless `resume` is true.
        policies: makers of initial policies by role, in place of those that `config` names.
        console: console that shows progress.
        resume: continue from the newest checkpoint, with the same result as without a stop.

    Yields:
        Each generation when it is finished.

    Raises:
        RunExistsError: `out` already holds a run.
        RunBusyError: another process is working on the run.
        ConfigError: the run has other settings; the message names them.
        RoleError: the roles do not fit the world.
    """
    folder = Path(out)
    with (
        claimed(config, folder, "anchorgym selfplay", resume=resume),
        tensor_threads(config.threads),
        deterministic_kernels(config.device),
    ):
        reuse_memory()
        recovery = Recovery(folder, WRITTEN, config.checkpoint)
        if recovery.saved is not None and recovery.saved.state["done"] >= config.generations:
            return  # it is finished, whatever has become of its environment
        run = Coevolution(config, folder, dict(policies or {}), Display(console), recovery)
        yield from run.generations()


class Coevolution:
    """The state of a run of `coevolve`, which goes on from the newest checkpoint in the folder."""

    def __init__(
        self,
        config: CoevolveConfig,
        folder: Path,
        policies: Mapping[str, Callable[[], Policy]],
        display: Display,
        recovery: Recovery | None = None,
    ) -> None:
        self.config, self._display = config, display
        self._recovery = recovery or Recovery(folder, WRITTEN, config.checkpoint)
        self._driver = make_driver(config.driver)
        self.envs = EnvPool(lambda: make_parallel(config.env.id, **world_arguments(config)))
        agents = self.envs.first.possible_agents
        self.settings = role_settings(config, agents)
        self._initial_policies = InitialPolicies(
            config, self.settings, self.envs, folder / "start", policies, display
        )
        self._initial_policies.warm_up()
        fresh = self._initial_policies.fresh
        engine = find_factory(config)
        self._players = Players(folder / "players", fresh, self._frozen, self._empty, engine)
        self.roles = self._make_roles()
        self.trained = tuple(
            name for name, role in self.roles.roles.items() if role.algorithm is not None
        )
        if not self.trained:
            raise RoleError("no role is trained: set roles.NAME.trainable for one of them")
        self.sides = league_sides(self.roles, self.trained)
        rules = Rules(
            self.sides,
            zero_sum=config.league.zero_sum,
            bounds=config.league.bounds,
            seed=config.seed,
        )
        self._games = LeagueGames(
            self.envs,
            self._players,
            {name: agents for name, (_, agents) in self.settings.items()},
            lambda: self.roles.seats,
            temperature=config.temperature,
            driver=self._driver,
        )
        self.league = League(self._play, rules, folder=folder / "league")
        self._history: list[dict[str, dict[str, float]]] = []
        self._done = 0
        self._log = MetricsLog(folder / "metrics.jsonl")
        if self._recovery.saved is None:
            self._join(0)
            self._save()
        else:
            self._done = self._recovery.saved.state["done"]
            self._history = self._recovery.saved.state["history"]
            self.roles.restore(self._recovery.saved)
        if config.payoff_games and not self._history:
            self.league.ensure(1)  # payoffs that the league refuses end a run before it learns

    def generations(self) -> Iterator[Generation]:
        """Run and yield the remaining generations."""
        config = self.config
        try:
            with self._display.phase("generation", config.generations, self._done) as shown:
                while self._done < config.generations:
                    generation = self._generation(self._done + 1)
                    shown.step(summary(generation))
                    yield generation
        finally:
            self._log.close()

    # A generation ---------------------------------------------------------------------------

    def _generation(self, number: int) -> Generation:
        while len(self._history) < number * self.config.iterations:
            if self._recovery.due():
                self._save()
            self._iterate()
        self._join(number)
        games = self.config.payoff_games
        if games:
            self.league.ensure(1)
            self.league.refine(max(games * number, self.league.games_played()))
        found = self._exploitation(number)
        self._done = number
        generation = Generation(number, self._history[-1], self.league, found)
        gained = {} if found is None else {"exploitation": found.to_json()}
        self._log.write("generation", number=number, **gained)
        self._save()
        return generation

    def _iterate(self) -> None:
        number = len(self._history) + 1
        self._tell_worlds(len(self._history))
        trained = roles_in_turn(self.config.schedule, self.trained, self._history)
        matches = self._matches(self.roles, f"iteration/{number}", self._guests(trained))
        last = self.config.iterations * self.config.generations
        self.roles.set_learning_rates(number, last)
        figures = self.roles.learn(matches, self.config.seed + number, trained)
        self._history.append(figures)
        for role, measured in figures.items():
            self._log.write("train", iteration=number, role=role, **measured)

    def _tell_worlds(self, done: int) -> None:
        """Set the training progress of worlds whose rewards follow a schedule."""
        share = done / (self.config.iterations * self.config.generations)
        for world in self.envs.take(self.config.tasks * self.config.group_size):
            if hasattr(world, "at_progress"):
                world.at_progress(share)

    def _matches(
        self,
        roles: Roles,
        name: str,
        guests: Callable[[random.Random], dict[str, Policy]],
    ) -> list[Match]:
        """Play the groups of an iteration, whose name seeds all random draws."""
        config = self.config
        rng = random.Random(f"{config.seed}/{name}")
        for policy in roles.seats.values():
            reseed(policy, rng)
        starts: list[Start] = []
        seats: list[Seats] = []
        away: list[frozenset[str]] = []
        panel = panel_of(self.envs.first)
        for group in range(config.tasks):
            task = panel[rng.randrange(len(panel))] if panel else ""
            shared, invited = rng.getrandbits(31), guests(rng)
            for _ in range(config.group_size):
                # Without tasks, the matches of a group have to share the seed of their start.
                starts.append(Start(task, group, rng.getrandbits(31) if task else shared))
                seats.append({**roles.seats, **invited})
                away.append(frozenset(invited))
        return play_matches(
            seats,
            self.envs,
            starts,
            sampling=SamplingRule(config.temperature, seed=rng.getrandbits(62)),
            guests=away,
            adaptive=temperatures(roles),
            driver=self._driver,
        )

    def _guests(self, trained: Sequence[str]) -> Callable[[random.Random], dict[str, Policy]]:
        """Return a function that draws a group's opponents among players of the past."""
        schedule = self.config.schedule
        if schedule.kind != "league":
            return lambda rng: {}
        sampling = Sampling(
            "hard" if schedule.sampling == "pfsp" else "uniform",
            latest=1.0 if schedule.sampling == "latest" else None,
        )

        def draw(rng: random.Random) -> dict[str, Policy]:
            if rng.random() >= schedule.past:
                return {}
            focus = rng.choice([name for name in trained if name in self.sides])
            against = self.league.opponents(sampling, focus)
            return self._seated(against.sample(1, rng.getrandbits(31))[0], focus, rng)

        return draw

    def _seated(self, player: str, focus: str, rng: random.Random) -> dict[str, Policy]:
        """Return a player's seats; a player of the role `focus` leaves one seat to that role."""
        agents = list(self.settings[role_of(player)][1])
        if role_of(player) == focus:
            agents.remove(rng.choice(agents))
        policy = self._players.get(player)
        reseed(policy, rng)
        return dict.fromkeys(agents, policy)

    # The league -----------------------------------------------------------------------------

    def _join(self, number: int) -> None:
        """Add the present policy of every trained role to the league."""
        joining = self.sides if number == 0 else set(self.sides) & set(self.trained)
        names = {side: f"{side} {number}" for side in joining}
        for role in self.trained:
            self._players.add(f"{role} {number}", self.roles.roles[role].policy)
        self.league.record({side: [name] for side, name in names.items()})

    def _play(self, row: str, column: str, n: int, seed: int) -> NDArray[np.float64]:
        """Play games of the league; see `league.Play`."""
        if self._recovery.due():
            self._save()
        return self._games.play(row, column, n, seed)

    def _exploitation(self, number: int) -> Exploitation | None:
        settings = self.config.best_response
        due = number % settings.every == 0 or number == self.config.generations
        if not (settings.iterations and due):
            return None
        mixtures = {
            side: Mixture(side, {newest(self.league.players(side)): 1.0}) for side in self.sides
        }
        games = max(self.config.payoff_games, self.league.rules.block)
        pairs = [
            (
                newest(self.league.players(self.sides[0])),
                newest(self.league.players(self.sides[-1])),
            )
        ]
        self.league.ensure(games, pairs)
        return exploit(self.league, mixtures, self._respond, games=games, seed=number)

    def _respond(self, against: Mixture, seed: int) -> str:
        """Train a new player against a mixture; see `BestRespond`."""
        side = self.league.rules.other(against.side)
        player = f"{side} response-{seed}"
        if self._players.has(player):  # trained before an interruption
            return player
        roles, done = self._make_roles(side), 0
        saved = self._recovery.saved
        if saved is not None and saved.state["response"].get("player") == player:
            roles.restore(saved, saved.state["response"], _RESPONSE)
            done = saved.state["response"]["done"]

        def opponents(rng: random.Random) -> dict[str, Policy]:
            return self._seated(against.sample(1, rng.getrandbits(31))[0], side, rng)

        for number in range(done, self.config.best_response.iterations):
            if self._recovery.due():
                self._save({"player": player, "done": number}, roles)
            roles.set_learning_rates(number + 1, self.config.best_response.iterations)
            name = f"response/{side}/{seed}/{number}"
            matches = self._matches(roles, name, opponents)
            roles.learn(matches, seed + number, (side,))
        self._players.add(player, roles.roles[side].policy)
        return player

    # Components ----------------------------------------------------------------------------------

    def _make_roles(self, alone: str | None = None) -> Roles:
        """Return new roles; with `alone`, the other roles keep their present policies untrained."""
        made: dict[str, Policy] = {}
        roles = []
        for name, (settings, agents) in self.settings.items():
            owner = settings.policy.shared_with or name
            kept = alone is not None and alone not in (name, owner)
            policy = self.roles.roles[name].policy if kept else made.get(owner)
            if policy is None and name == alone and not settings.trainable:
                policy = self._empty()  # a response to a script does not have to be a script
            elif policy is None:
                policy = made[owner] = self._initial_policies.fresh(owner)
            trains = settings.trainable if alone is None else name == alone
            options = settings.algorithm.options
            algorithm = configured_algorithm(settings.algorithm.name, **options) if trains else None
            roles.append(
                Role(
                    name,
                    agents,
                    policy,
                    algorithm,
                    grouping=settings.grouping,
                    anchor=settings.algorithm.anchor,
                    exploration=settings.algorithm.exploration,
                    exploration_coef=settings.algorithm.exploration_coef,
                )
            )
        rates = {name: learner_settings(settings) for name, (settings, _) in self.settings.items()}
        return Roles(roles, rates, self.config.temperature)

    def _empty(self) -> TabularPolicy:
        return empty_table(self.envs.first)

    def _frozen(self, role: str) -> Policy | None:
        """Return the policy of an untrained role, else None."""
        return None if role in self.trained else self.roles.roles[role].policy

    def _save(
        self, response: Mapping[str, object] | None = None, responding: Roles | None = None
    ) -> None:
        """Save a checkpoint, in the midst of training a best response where one is given."""
        state = {
            "done": self._done,
            "history": self._history,
            **self.roles.state(),
            "response": {**(response or {}), **(responding.state() if responding else {})},
        }
        learners = responding.learners if responding else {}
        parts = {_RESPONSE + name: learner for name, learner in learners.items()}
        self._recovery.save(state, {**self.roles.learners, **parts})
