"""Worked examples for prompts, played by a teacher on training tasks."""

from __future__ import annotations

import random
from collections.abc import Sequence

from anchorgym.agents.policies.base import View
from anchorgym.agents.policies.scripted import ScriptedPolicy
from anchorgym.agents.prompts.examples import Example
from anchorgym.envs import TextEnv
from anchorgym.envs.errors import NoExpertError
from anchorgym.training.config.section import ConfigError
from anchorgym.training.imitation.teachers import Teacher, TeacherKind, find_teacher
from anchorgym.training.rollout.broken import BrokenTasks
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.errors import BrokenTaskError
from anchorgym.training.rollout.play import play_matches
from anchorgym.training.rollout.types import Start
from anchorgym.training.rollout.worlds import AGENT

_MOST_EMPTY = 50
"""Most episodes in a row without a turn before an error is raised."""


def worked_examples(
    env: TextEnv,
    panel: Sequence[str],
    measured: Sequence[str],
    n: int,
    seed: int,
    kind: TeacherKind = "auto",
) -> tuple[Example, ...]:
    """Return the first `n` turns of episodes of a teacher on training tasks.

    Args:
        env: environment, in which the tasks are.
        panel: training tasks; each is played once before any is played again.
        measured: tasks that success is measured on, which are left out.
        n: number of turns.
        seed: seed of the choice of tasks and of the play.
        kind: teacher; see `find_teacher`.

    Raises:
        BrokenTaskError: none of the tasks can be started.
        ConfigError: there is no such teacher, or no other training task, or episodes end before
            their first turn.
    """
    if n == 0:
        return ()
    held_out = frozenset(measured)
    panel = [task for task in panel if task not in held_out]
    if not panel:
        raise ConfigError(
            "policy.examples: there are no training tasks beside those that success is measured "
            "on: measure on held-out tasks, or leave the examples out"
        )
    teacher, _ = find_teacher(env, panel, kind)
    rng, broken = random.Random(f"{seed}/examples"), BrokenTasks()
    examples: list[Example] = []
    tasks: list[str] = []
    empty = 0
    while len(examples) < n:
        tasks = tasks or rng.sample(panel, len(panel))
        player = _Noting(teacher, rng)
        start = Start(tasks.pop(), 0, rng.getrandbits(31))
        try:
            play_matches([{AGENT: player}], EnvPool(lambda: env), [start])
        except BrokenTaskError as error:
            broken.add(error)
        except NoExpertError:
            pass  # what was played until then is shown
        empty = 0 if player.turns else empty + 1
        if empty >= _MOST_EMPTY:
            raise ConfigError(
                f"policy.examples: {empty} episodes in a row are empty or cannot be started. Try "
                "the environment with `anchorgym check`"
            )
        examples += player.turns
    return tuple(examples[:n])


class _Noting(ScriptedPolicy):
    """Plays one episode like a teacher, and notes its turns."""

    def __init__(self, teacher: Teacher, rng: random.Random) -> None:
        self._teacher, self._rng = teacher, rng
        self.turns: list[Example] = []

    def choose(self, env: TextEnv, observation: str, view: View) -> str:
        action = self._teacher(env, view, self._rng)
        self.turns.append(
            Example(
                goal=view.goal,
                observation=observation,
                admissible_actions=view.admissible_actions,
                valid=view.action_valid,
                reason=view.reason,
                action=action,
                turn=len(self.turns),
            )
        )
        return action
