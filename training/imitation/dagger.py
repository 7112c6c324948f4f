"""DAgger for transcripts: the policy acts and a teacher corrects it.

A clone's own mistakes differ from scripted ones. Here the policy takes some turns of an episode and
the teacher takes the others, so that the teacher shows what to do in states and after responses
that the policy itself produces (Ross et al., arXiv 1011.0686).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from anchorgym.agents.engines.contract import Generation, Sampling
from anchorgym.agents.policies.base import Decision, Prompt, Session, View
from anchorgym.agents.policies.language import LanguageSession
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.envs import TextEnv
from anchorgym.envs.errors import NoExpertError
from anchorgym.training.imitation.demonstrations import ImitationSession
from anchorgym.training.imitation.teachers import Teacher
from anchorgym.training.learning.demonstrations import Demonstration
from anchorgym.training.rollout.broken import BrokenTasks
from anchorgym.training.rollout.drivers.contract import Driver
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.play import rollout
from anchorgym.training.rollout.types import Start


class Corrections:
    """Draws corrected episodes of the current policy.

    Args:
        policy: policy in training, which acts.
        envs: pool of environments; their turn limit and the policy's context cut episodes.
        panel: ids of the tasks to draw from.
        teacher: teacher that corrects.
        share: probability that the policy itself takes a turn.
        max_tokens: number of tokens after which an episode begins no further turn.
        driver: driver of the episodes; by default lock-step.
    """

    def __init__(
        self,
        policy: ModelPolicy,
        envs: EnvPool[TextEnv],
        panel: Sequence[str],
        teacher: Teacher,
        *,
        share: float,
        max_tokens: int,
        driver: Driver | None = None,
    ) -> None:
        self._policy, self._envs, self._teacher = policy, envs, teacher
        self._panel, self._share, self._max_tokens = panel, share, max_tokens
        self._driver = driver
        self._broken = BrokenTasks()

    def draw(self, n: int, seed: int | str) -> list[Demonstration]:
        """Play `n` episodes together and return them as training rows.

        The seed determines tasks, who takes each turn, and the policy's samples. A task that cannot
        be started is replaced by another one.
        """
        rng, panel = random.Random(seed), self._panel
        tasks = [panel[rng.randrange(len(panel))] for _ in range(n)]
        rows, _ = self._broken.play(tasks, panel, rng, lambda drawn: self._played(drawn, rng, seed))
        return [row for of_episode in rows for row in of_episode]

    def _played(
        self, tasks: Sequence[str], rng: random.Random, seed: int | str
    ) -> list[list[Demonstration]]:
        starts = [Start(task, i, rng.getrandbits(31)) for i, task in enumerate(tasks)]
        player = CorrectedPolicy(
            self._policy, self._teacher, rng, share=self._share, max_tokens=self._max_tokens
        )
        sampling = Sampling(self._policy.max_response, 1.0).derived(seed)
        rollout(player, self._envs, starts, sampling, driver=self._driver)
        return player.rows


class CorrectedPolicy:
    """A policy with a teacher, which takes some turns and gives the right action for all.

    Args:
        pupil: policy that takes the other turns.
        teacher: teacher that corrects.
        rng: random generator that draws who takes a turn.
        share: probability that the pupil takes a turn.
        max_tokens: number of tokens after which an episode begins no further turn.

    Attributes:
        rows: training rows of each episode, in the order of opening; a new row begins where the
            context is restarted.
    """

    def __init__(
        self,
        pupil: ModelPolicy,
        teacher: Teacher,
        rng: random.Random,
        *,
        share: float,
        max_tokens: int,
    ) -> None:
        self.pupil, self.teacher, self.rng = pupil, teacher, rng
        self.share, self.max_tokens = share, max_tokens
        self.engine, self.max_response = pupil.engine, pupil.max_response
        self.rows: list[list[Demonstration]] = []

    def open(self, env: TextEnv, agent: str = "agent") -> Session:
        """Begin an episode."""
        self.rows.append([])
        return _CorrectedSession(self, self.pupil.open(env, agent), env, self.rows[-1])


class _CorrectedSession(ImitationSession):
    """The pupil's session, in which the engine reads the teacher's responses."""

    def __init__(
        self,
        policy: CorrectedPolicy,
        pupil: LanguageSession,
        env: TextEnv,
        rows: list[Demonstration],
    ) -> None:
        super().__init__(pupil)
        self._policy, self._pupil, self._env, self._rows = policy, pupil, env, rows
        self._taught, self._is_own = "", False

    def prompt(self, observation: str, view: View) -> Prompt | None:
        policy = self._policy
        if sum(len(row.tokens) for row in self._rows) >= policy.max_tokens:
            return None
        try:
            self._taught = policy.teacher(self._env, view, policy.rng)
        except NoExpertError:
            return None  # the policy has come to where the teacher knows nothing to do
        prompt = self._pupil.prompt(observation, view)
        if prompt is None:
            return None
        if prompt.restart:
            self._rows.append(Demonstration())
        self._rows[-1].read(prompt.tokens)
        self._is_own = policy.rng.random() < policy.share
        return prompt if self._is_own else replace(prompt, given=self._right())

    def decide(self, generation: Generation | None) -> Decision:
        if self._is_own and generation is not None:
            self._rows[-1].write(generation.tokens, self._right())
            return self._pupil.decide(generation)
        tokens = self._pupil.write(self._taught)
        self._rows[-1].write(tokens, tokens)
        return Decision(self._taught)

    def _right(self) -> tuple[int, ...]:
        return tuple(self._policy.pupil.template.response(self._taught))
