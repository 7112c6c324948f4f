"""Teachers, which demonstrate a world to a new policy: an expert or random play."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal

from anchorgym.agents.policies.base import View
from anchorgym.agents.policies.scripted import ScriptedPolicy
from anchorgym.envs import ExpertKind, Info, TextEnv
from anchorgym.envs.errors import DataError, NoExpertError
from anchorgym.envs.texts import require_text
from anchorgym.training.config.section import ConfigError
from anchorgym.training.rollout.broken import BrokenTasks
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.errors import BrokenTaskError
from anchorgym.training.rollout.play import play_matches
from anchorgym.training.rollout.types import Start
from anchorgym.training.rollout.worlds import AGENT

_MISTAKES = 0.3
"""Probability of a wrong action while words are collected."""

_EXPERTS: Mapping[ExpertKind, str] = {
    "honest": "honest expert",
    "full": "expert that knows everything",
}
TeacherKind = Literal["auto", "expert", "full", "random"]
Teacher = Callable[[TextEnv, View, random.Random], str]
"""Returns the next action in the environment's present episode."""


def find_teacher(
    env: TextEnv,
    tasks: Sequence[str] = (),
    kind: TeacherKind = "auto",
) -> tuple[Teacher, bool]:
    """Return the environment's honest expert, or else random play, and whether it is an expert.

    Whether there is an expert is tested in the first of the tasks that can be started, by default
    in one that the environment draws. Random play over admissible actions teaches the vocabulary of
    a world; the value of actions is then left to reinforcement learning.

    Args:
        env: environment.
        tasks: its training tasks.
        kind: `expert` (the honest one), `full` (the one that knows everything) or `random` asks for
            that teacher, `auto` for the honest expert if there is one.

    Raises:
        BrokenTaskError: none of the tasks can be started.
        ConfigError: the environment has neither an expert nor admissible actions, or not the
            teacher that was asked for.
    """
    info = _first_sound(env, tasks) if tasks else env.reset(seed=0)[1]
    world, can_be_random = type(env).__name__, bool(_complete(info["admissible_actions"]))
    if kind != "random":
        expert: ExpertKind = "full" if kind == "full" else "honest"
        try:
            env.expert_action(expert)
            return partial(_expert_action, expert), True
        except NoExpertError:
            if kind != "auto":
                raise ConfigError(
                    f"clone.teacher: {world} has no {_EXPERTS[expert]}: choose "
                    f"{_other_expert(env, expert)}random, or implement expert_action"
                ) from None
    if can_be_random:
        return _random_action, False
    if kind == "random":
        raise ConfigError(f"clone.teacher: {world} lists no admissible actions to play at random")
    raise ConfigError(
        f"{world} has neither an honest expert nor admissible actions to learn from: implement "
        "expert_action, or start from a trained policy"
    )


def _other_expert(env: TextEnv, kind: ExpertKind) -> str:
    """Return the name of an expert of the other kind, followed by "or"; "" if there is none."""
    other: ExpertKind = "full" if kind == "honest" else "honest"
    try:
        env.expert_action(other)
    except NoExpertError:
        return ""
    return "full or " if other == "full" else "expert or "


def _expert_action(kind: ExpertKind, env: TextEnv, view: View, rng: random.Random) -> str:
    return require_text(env.expert_action(kind), "expert's action", env)


def _random_action(env: TextEnv, view: View, rng: random.Random) -> str:
    playable = _complete(view.admissible_actions)
    return rng.choice(playable) if playable else ""


def _complete(actions: Sequence[str]) -> list[str]:
    """Leave out templates such as `search[<words>]`."""
    return [action for action in actions if not re.search(r"<[^<>]*>", action)]


def near_miss(
    action: str, admissible: Sequence[str], earlier: Sequence[str], rng: random.Random
) -> str:
    """Return a plausible mistake of a copying policy in place of `action`.

    Half of the mistakes are the action with another number nearby, a fifth were admissible a turn
    ago, and the rest are admissible now. By chance, or if there is no other, it may be `action`
    itself.
    """
    kind = rng.random()
    numbers = list(re.finditer(r"\d+", action))
    if kind < 0.5 and numbers:
        spot = rng.choice(numbers)
        other = max(1, int(spot[0]) + rng.choice((-2, -1, 1, 2)))
        return f"{action[: spot.start()]}{other}{action[spot.end() :]}"
    pool = _complete(earlier if kind < 0.7 and earlier else admissible)
    return rng.choice(pool) if pool else action


def _first_sound(env: TextEnv, tasks: Sequence[str]) -> Info:
    """Start the first task that can be started, and return its info."""
    broken = BrokenTasks()
    for task in tasks:
        try:
            return env.reset(seed=0, options={"task": task})[1]
        except DataError as error:
            problem = BrokenTaskError(task, str(error))
            broken.add(problem)
    raise problem


def sample_words(
    env: TextEnv, panel: Sequence[str], teacher: Teacher, tasks: int, seed: int = 0
) -> Iterator[tuple[list[str], list[str]]]:
    """Play tasks of a panel, with mistakes, and collect the environment's words.

    Yields:
        (texts that were read, actions that were possible), for each task that can be started, and
        in which the teacher knows what to do after its mistakes.
    """
    rng, broken = random.Random(seed), BrokenTasks()
    for i in range(tasks):
        player = _Noting(teacher, rng)
        start = Start(panel[rng.randrange(len(panel))], 0, seed=i)
        try:
            (match,) = play_matches([{AGENT: player}], EnvPool(lambda: env), [start])
        except BrokenTaskError as error:
            broken.add(error)
            continue
        except NoExpertError:  # in the state that a mistake has led to
            continue
        episode = match.sides[AGENT]
        texts = [turn.observation for turn in episode.turns]
        last = match.infos[AGENT]["admissible_actions"]
        yield [episode.goal, *texts, episode.final_observation], [*player.actions, *last]


class _Noting(ScriptedPolicy):
    """Plays one episode like a teacher, with mistakes, and records the possible actions."""

    def __init__(self, teacher: Teacher, rng: random.Random) -> None:
        self._teacher, self._rng = teacher, rng
        self.actions: list[str] = []

    def choose(self, env: TextEnv, observation: str, view: View) -> str:
        right = self._teacher(env, view, self._rng)
        self.actions += [*view.admissible_actions, right]
        if self._rng.random() < _MISTAKES:
            return near_miss(right, view.admissible_actions, (), self._rng)
        return right
