"""Demonstrations: a teacher's episodes, with some mistakes, in a policy's tokens."""

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
from anchorgym.envs.errors import NoExpertError
from anchorgym.training.config.section import ConfigError
from anchorgym.training.imitation.teachers import Teacher, near_miss
from anchorgym.training.learning.demonstrations import Demonstration
from anchorgym.training.rollout.broken import BrokenTasks
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.errors import BrokenTaskError, ForkError
from anchorgym.training.rollout.play import play_matches
from anchorgym.training.rollout.types import Start
from anchorgym.training.rollout.worlds import AGENT

_MAX_LEFT_OUT = 200
"""Most episodes in a row that may be left out before an error is raised."""
_USUAL_TOKENS = 448
_MEASURED = 15
"""Number of episodes whose length is measured."""


class ImitationSession:
    """A session for imitation, which wraps other sessions and cannot be forked.

    Args:
        sessions: session of the pupil, whose key it takes over, and optionally of the teacher.
    """

    def __init__(self, *sessions: Session) -> None:
        self.key = sessions[0].key
        self._sessions = sessions

    def fork(self, env: Any, turns: int | None = None) -> Session:
        """Refuse to be forked.

        Raises:
            ForkError: always.
        """
        raise ForkError("imitated episodes are not forked: play them without a ForkStore")

    def shelve(self) -> None:
        """Refuse to be shelved; see `fork`."""
        raise ForkError("imitated episodes are not forked: play them without a ForkStore")

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
    """Let a teacher play tasks of a panel, endlessly, and yield the episodes in `policy`'s tokens.

    A third of the episodes are clean, a third have mistakes with probability `noise`, a third with
    twice that probability. A mistake is a near miss of the teacher's action, or a random action; it
    stays in the row, but at its first wrong token the right one is imitated. Episodes with a row of
    more than `max_tokens`, episodes that exceed the policy's context, that are won at the start,
    cannot be started or come to where the teacher knows nothing to do are left out.

    Raises:
        ConfigError: too many episodes in a row were left out.
    """
    rng, broken = random.Random(seed), BrokenTasks()
    left_out = empty = 0
    while left_out < _MAX_LEFT_OUT:
        task = panel[rng.randrange(len(panel))]
        rate = noise * rng.randrange(3)
        rows = _demonstrate(env, task, teacher, policy, rate, rng, broken)
        fits = 0 < max((len(row.tokens) for row in rows), default=0) <= max_tokens
        left_out, empty = (0, 0) if fits else (left_out + 1, empty + (not rows))
        if fits:
            yield from rows
    if empty == left_out:
        raise ConfigError(
            f"{left_out} demonstrations in a row are empty: episodes end before their first turn, "
            "or cannot be started. Try the environment with `anchorgym check`"
        )
    raise ConfigError(
        f"{left_out} demonstrations in a row are empty or longer than {max_tokens} tokens: raise "
        "clone.max_tokens (and policy.max_context), or lower env.max_turns"
    )


def usual_limit(
    env: TextEnv, panel: Sequence[str], teacher: Teacher, policy: ModelPolicy, seed: int | str
) -> int:
    """Return the default limit of a demonstration's tokens.

    The limit is 1.5 times the median of some clean episodes, at least 448, within the context.
    """
    rng, broken = random.Random(seed), BrokenTasks()
    lengths = []
    for _ in range(_MEASURED):
        task = panel[rng.randrange(len(panel))]
        rows = _demonstrate(env, task, teacher, policy, 0.0, rng, broken)
        lengths.append(max((len(row.tokens) for row in rows), default=0))
    return min(policy.max_context, max(_USUAL_TOKENS, int(1.5 * statistics.median(lengths))))


def _demonstrate(
    env: TextEnv,
    task: str,
    teacher: Teacher,
    policy: ModelPolicy,
    rate: float,
    rng: random.Random,
    broken: BrokenTasks,
) -> list[Demonstration]:
    """Return the rows of one episode.

    There are none if it exceeds the context, cannot be started, or comes to a state in which the
    teacher does not know what to do.
    """
    player = _Demonstrator(policy, teacher, rate, rng)
    start = Start(task, 0, rng.getrandbits(31))
    try:
        play_matches([{AGENT: player}], EnvPool(lambda: env), [start])
    except BrokenTaskError as error:
        broken.add(error)
    return player.rows


class _Demonstrator:
    """Plays one episode like a teacher, with mistakes, and records the pupil's rows."""

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


class _DemonstratorSession(ImitationSession):
    def __init__(self, policy: _Demonstrator, pupil: LanguageSession, env: TextEnv) -> None:
        super().__init__(pupil)
        self._policy, self._pupil, self._env = policy, pupil, env
        self._earlier: tuple[str, ...] = ()
        self._right = self._action = ""

    def prompt(self, observation: str, view: View) -> Prompt | None:
        policy, admissible = self._policy, view.admissible_actions
        try:
            self._right = self._action = policy.teacher(self._env, view, policy.rng)
        except NoExpertError:  # in the state that a mistake has led to
            policy.rows.clear()
            return None
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
