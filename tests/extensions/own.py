"""What a user writes to extend anchorgym: one of each, in a module outside the package.

The tests copy this file into an empty folder and name what it defines as `own:Name`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anchorgym.agents import Policy, RandomPolicy, ScriptedPolicy
from anchorgym.agents.engines import Capabilities, Engine
from anchorgym.agents.engines.factories import ServedModel
from anchorgym.agents.engines.torch_engine import TorchEngine
from anchorgym.envs import (
    AgentOutcome,
    MultiAgentTextEnv,
    Outcome,
    TextEnv,
    UnknownTaskError,
    register,
)
from anchorgym.gigpo import Algorithm
from anchorgym.training import Start
from anchorgym.training.commands.command import Argument, Command
from anchorgym.training.learning.language_learner import LanguageLearner
from anchorgym.training.rollout.drivers import LockStepDriver
from anchorgym.training.worlds.registry import World

ROOMS = ("room 0", "room 1", "room 3", "room 4")


@register("me/Corridor-v0", max_turns=6)
class Corridor(TextEnv):
    """Five rooms in a row: from the middle, walk to the one that the goal names."""

    splits = ("train", "test")

    def tasks(self, split=None):
        return ROOMS[1::2] if (split or self.split) == "test" else ROOMS[::2]

    def start(self, task):
        if task not in ROOMS:
            raise UnknownTaskError(task, ROOMS)
        self.target, self.at, self.goal = int(task[-1]), 2, f"Go to {task}."
        return "You are in room 2."

    def admissible_actions(self):
        return ("west", "east")

    def act(self, action):
        if action not in self.admissible_actions():
            return Outcome("You can go west or east.", 0.0, self.won(), reason="no such way")
        self.at = max(0, min(4, self.at + (1 if action == "east" else -1)))
        return Outcome(f"You are in room {self.at}.", float(self.won()), self.won())

    def won(self):
        return self.at == self.target

    def save(self):
        return self.at

    def load(self, state):
        self.at = state


@register("me/Pennies-v0", max_turns=1)
class Pennies(MultiAgentTextEnv):
    """Both show a side of a penny; the first wins if they are equal."""

    stochastic = False

    def __init__(self, **options):
        super().__init__(("player_0", "player_1"), **options)

    def tasks(self, split=None):
        return ("pennies",)

    def start(self, task):
        if task != "pennies":
            raise UnknownTaskError(task, self.tasks())
        self.shown = []

    def act(self, actions):
        self.shown = [actions.get(agent, "") for agent in self.possible_agents]
        wrong = [side not in ("heads", "tails") for side in self.shown]
        equal = 1.0 if self.shown[0] == self.shown[1] else -1.0
        paid = [-1.0 if bad else sign * equal for bad, sign in zip(wrong, (1, -1), strict=True)]
        return {
            agent: AgentOutcome(reward, reward > 0, "no side" * bad)
            for agent, reward, bad in zip(self.possible_agents, paid, wrong, strict=True)
        }

    def look(self, agent):
        return f"Shown: {', '.join(self.shown) or 'nothing'}."

    def admissible_actions(self, agent):
        return ("heads", "tails")

    def save(self):
        return self.shown

    def load(self, state):
        self.shown = state


@dataclass(frozen=True, kw_only=True)
class Scores(Algorithm):
    """Every turn gets the sum of rewards of its episode, times a factor."""

    factor: float = 1.0

    def advantages(self, batch, state=None):
        totals = np.zeros(len(batch))
        np.add.at(totals, batch.trajectory, batch.reward)
        return self.factor * totals[batch.trajectory]


@dataclass(frozen=True, kw_only=True)
class Always(Algorithm):
    """Every turn is worth learning from."""

    def advantages(self, batch, state=None):
        return np.ones(len(batch))


class CountingEngine(TorchEngine):
    """The engine of this process, which notes each request in a file."""

    def submit(self, session, tokens, sampling, allowed=None):
        with Path("requests.txt").open("a") as file:
            file.write(f"{len(tokens)} tokens, at most {sampling.max_tokens}\n")
        super().submit(session, tokens, sampling, allowed)


class CountingEngines:
    """Makes counting engines, which cannot confine what is written."""

    capabilities = Capabilities(shared_forks=True, per_token_temperature=True)

    def __init__(self, *, max_batch: int = 256) -> None:
        self.max_batch = max_batch

    def make(self, served: ServedModel) -> Engine:
        return CountingEngine(served.model, served.eos_ids, max_batch=self.max_batch)


class OneByOne(LockStepDriver):
    """Plays one episode after the other."""

    def __init__(self, note: str = "driver.txt") -> None:
        self.note = Path(note)

    def play(self, runs, sampling, timers=None, finished=None):
        for run in runs:
            super().play([run], sampling, timers, finished)
            with self.note.open("a") as file:
                file.write(f"{run.match.start.task}\n")


class NotingLearner(LanguageLearner):
    """Learns as usual, and tells how many rows were longer than one token."""

    def update(self, rows, seed):
        return {**super().update(rows, seed), "long_rows": sum(len(r.tokens) > 1 for r in rows)}


class Pairs:
    """A rollout strategy: two episodes of each task from its start, whatever the group size."""

    forks = False

    def __init__(self, *, config, algorithm, state, limit):
        pass

    def play(self, tasks, first, rng, play):
        starts = [
            Start(task, first + n, rng.getrandbits(31))
            for n, task in enumerate(tasks)
            for _ in "ab"
        ]
        groups = [[] for _ in tasks]
        for episode in play(starts):
            groups[episode.start.group - first].append(episode)
        return groups


class Walker(ScriptedPolicy):
    """Walks to the room that the goal names."""

    def __init__(self, seed: int = 0) -> None:
        pass

    def choose(self, env, observation, view):
        here, there = (int(text.rstrip(".")[-1]) for text in (observation, view.goal))
        return "east" if there > here else "west"


def stroller(seed: int) -> Policy:
    """Return a policy that walks at random."""
    return RandomPolicy(seed)


def greet(known, given) -> int:
    print(f"hello, {known.name}")
    return 0


GREET = Command(
    name="corridor greet",
    summary="Greet somebody by name.",
    about="Prints one line.",
    examples=("anchorgym corridor greet Ada",),
    arguments=(Argument("name", "Name of who is greeted.", metavar="NAME"),),
    run=greet,
)
WORLD = World(
    name="corridor", summary="Greet those who walk in corridors.", commands={"greet": "own:GREET"}
)
