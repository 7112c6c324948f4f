"""Who shows a new policy how a world is played."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence

from anchorgym.agents.policies.base import View
from anchorgym.agents.policies.scripted import ScriptedPolicy
from anchorgym.envs import TextEnv
from anchorgym.envs.errors import NoExpertError
from anchorgym.training.config.section import ConfigError
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.play import play_matches
from anchorgym.training.rollout.types import Start
from anchorgym.training.rollout.worlds import AGENT

_MISTAKES = 0.3
"""Chance of a wrong action where words are collected."""

Teacher = Callable[[TextEnv, View, random.Random], str]
"""Names the next action in the episode that the environment is in."""


def find_teacher(env: TextEnv, task: str | None = None) -> tuple[Teacher, bool]:
    """Return the environment's honest expert, or else random play; and whether it is the expert.

    It is asked for in the task given, by default in one that the environment draws. Random play
    over admissible actions teaches what can be written in a world. What is worth writing is then
    left to reinforcement.

    Raises:
        ConfigError: the environment has no expert and lists no action that could be played.
    """
    _, info = env.reset(seed=0, options=None if task is None else {"task": task})
    try:
        env.expert_action("honest")
    except NoExpertError:
        if not _complete(info["admissible_actions"]):
            raise ConfigError(
                f"{type(env).__name__} has neither an honest expert nor admissible actions to "
                "learn from: implement expert_action, or start from a trained policy"
            ) from None
        return _random_action, False
    return _expert_action, True


def _expert_action(env: TextEnv, view: View, rng: random.Random) -> str:
    return env.expert_action("honest")


def _random_action(env: TextEnv, view: View, rng: random.Random) -> str:
    playable = _complete(view.admissible_actions)
    return rng.choice(playable) if playable else ""


def _complete(actions: Sequence[str]) -> list[str]:
    """Leave out templates such as `search[<words>]`."""
    return [action for action in actions if not re.search(r"<[^<>]*>", action)]


def near_miss(
    action: str, admissible: Sequence[str], earlier: Sequence[str], rng: random.Random
) -> str:
    """Return what a copying policy could write by mistake instead of `action`.

    Half are the action with a number nearby, a fifth were possible a turn ago, the rest are
    possible now. By chance, or where nothing else is, it may be `action` itself.
    """
    kind = rng.random()
    numbers = list(re.finditer(r"\d+", action))
    if kind < 0.5 and numbers:
        spot = rng.choice(numbers)
        other = max(1, int(spot[0]) + rng.choice((-2, -1, 1, 2)))
        return f"{action[: spot.start()]}{other}{action[spot.end() :]}"
    pool = _complete(earlier if kind < 0.7 and earlier else admissible)
    return rng.choice(pool) if pool else action


def sample_words(
    env: TextEnv, panel: Sequence[str], teacher: Teacher, tasks: int, seed: int = 0
) -> Iterator[tuple[list[str], list[str]]]:
    """Play tasks of a panel, with mistakes, and note the environment's words.

    Yields:
        (texts that were read, actions that could have been written), for each task.
    """
    rng = random.Random(seed)
    for i in range(tasks):
        player = _Noting(teacher, rng)
        start = Start(panel[rng.randrange(len(panel))], 0, seed=i)
        (match,) = play_matches([{AGENT: player}], EnvPool(lambda: env), [start])
        episode = match.sides[AGENT]
        texts = [turn.observation for turn in episode.turns]
        last = match.infos[AGENT]["admissible_actions"]
        yield [episode.goal, *texts, episode.final_observation], [*player.actions, *last]


class _Noting(ScriptedPolicy):
    """Plays one episode as a teacher does, with mistakes, and notes what could be written."""

    def __init__(self, teacher: Teacher, rng: random.Random) -> None:
        self._teacher, self._rng = teacher, rng
        self.actions: list[str] = []

    def choose(self, env: TextEnv, observation: str, view: View) -> str:
        right = self._teacher(env, view, self._rng)
        self.actions += [*view.admissible_actions, right]
        if self._rng.random() < _MISTAKES:
            return near_miss(right, view.admissible_actions, (), self._rng)
        return right
