"""Demonstrations: what a policy would read and write in a teacher's place, with some mistakes."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from anchorgym.agents.engines.contract import Generation
from anchorgym.agents.policies.base import Decision, Prompt, Session, View
from anchorgym.agents.policies.language import LanguageSession
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.envs import TextEnv
from anchorgym.training.config.section import ConfigError
from anchorgym.training.imitation.teachers import Teacher, near_miss
from anchorgym.training.learning.demonstrations import Demonstration
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.errors import ForkError
from anchorgym.training.rollout.play import play_matches
from anchorgym.training.rollout.types import Start
from anchorgym.training.rollout.worlds import AGENT

_MAX_LEFT_OUT = 200
"""Episodes in a row that may be left out before giving up."""
_USUAL_TOKENS = 448
_MEASURED = 15
"""Episodes that are measured to see how long they are."""


class LessonSession:
    """A session around others, whose episodes are learnt from and never forked.

    Args:
        sessions: the pupil's, whose key it has, and perhaps its teacher's.
    """

    def __init__(self, *sessions: Session) -> None:
        self.key = sessions[0].key
        self._sessions = sessions

    def fork(self, env: Any, turns: int | None = None) -> Session:
        """Refuse.

        Raises:
            ForkError: always.
        """
        raise ForkError("lessons are not forked: play them without a ForkStore")

    def shelve(self) -> None:
        """Refuse; see `fork`."""
        raise ForkError("lessons are not forked: play them without a ForkStore")

    def close(self) -> None:
        """Close all sessions."""
        for session in self._sessions:
            session.close()


def demonstrations(
    env: TextEnv,
    panel: Sequence[str],
    teacher: Teacher,
    policy: ModelPolicy,
    *,
    noise: float,
    max_tokens: int,
    seed: int | str,
) -> Iterator[Demonstration]:
    """Play a teacher on tasks of a panel, for ever, and yield what `policy` would read and write.

    A third of the episodes are clean, a third have mistakes with probability `noise`, a third
    with twice that. A mistake is a near miss of what the teacher would do, or a random action; it
    stays in the row, and what is imitated is the token that would have been right where it begins.
    Episodes with a row of more than `max_tokens` are left out, and so are those that outgrow the
    policy's context, or are won before they begin.

    Raises:
        ConfigError: nothing but episodes that are left out.
    """
    rng = random.Random(seed)
    left_out = 0
    while left_out < _MAX_LEFT_OUT:
        task = panel[rng.randrange(len(panel))]
        rate = noise * rng.randrange(3)
        rows = _demonstrate(env, task, teacher, policy, rate, rng)
        fits = 0 < max((len(row.tokens) for row in rows), default=0) <= max_tokens
        left_out = 0 if fits else left_out + 1
        if fits:
            yield from rows
    raise ConfigError(
        f"{left_out} demonstrations in a row are empty or longer than {max_tokens} tokens: raise "
        "clone.max_tokens (and policy.max_context), or lower env.max_turns"
    )


def usual_limit(
    env: TextEnv, panel: Sequence[str], teacher: Teacher, policy: ModelPolicy, seed: int | str
) -> int:
    """Return how many tokens a demonstration may have where nobody said so.

    It is half more than the median of some clean ones, at least 448, within the context.
    """
    rng = random.Random(seed)
    lengths = []
    for _ in range(_MEASURED):
        task = panel[rng.randrange(len(panel))]
        rows = _demonstrate(env, task, teacher, policy, 0.0, rng)
        lengths.append(max((len(row.tokens) for row in rows), default=0))
    return min(policy.max_context, max(_USUAL_TOKENS, int(1.5 * statistics.median(lengths))))


def _demonstrate(
    env: TextEnv,
    task: str,
    teacher: Teacher,
    policy: ModelPolicy,
    rate: float,
    rng: random.Random,
) -> list[Demonstration]:
    """Return the rows of one episode; none if it outgrows the context."""
    player = _Demonstrator(policy, teacher, rate, rng)
    start = Start(task, 0, rng.getrandbits(31))
    play_matches([{AGENT: player}], EnvPool(lambda: env), [start])
    return player.rows


class _Demonstrator:
    """Plays one episode as a teacher does, with mistakes, and notes the pupil's rows."""

    engine = None
    max_response = 1

    def __init__(
        self, pupil: ModelPolicy, teacher: Teacher, rate: float, rng: random.Random
    ) -> None:
        self.pupil, self.teacher, self.rate, self.rng = pupil, teacher, rate, rng
        self.rows: list[Demonstration] = []

    def open(self, env: TextEnv, agent: str = AGENT) -> Session:
        """Begin the episode."""
        return _DemonstratorSession(self, self.pupil.open(env, agent), env)


class _DemonstratorSession(LessonSession):
    def __init__(self, policy: _Demonstrator, pupil: LanguageSession, env: TextEnv) -> None:
        super().__init__(pupil)
        self._policy, self._pupil, self._env = policy, pupil, env
        self._earlier: tuple[str, ...] = ()
        self._right = self._action = ""

    def prompt(self, observation: str, view: View) -> Prompt | None:
        policy, admissible = self._policy, view.admissible_actions
        self._right = self._action = policy.teacher(self._env, view, policy.rng)
        if policy.rng.random() < policy.rate:
            self._action = near_miss(self._right, admissible, self._earlier, policy.rng)
        self._earlier = admissible
        prompt = self._pupil.prompt(observation, view)
        if prompt is None:
            policy.rows.clear()
            return None
        if prompt.restart:
            policy.rows.append(Demonstration())
        policy.rows[-1].read(prompt.tokens)
        return Prompt()

    def decide(self, generation: Generation | None) -> Decision:
        right = self._policy.pupil.template.response(self._right)
        self._policy.rows[-1].write(self._pupil.write(self._action), right)
        return Decision(self._action)
