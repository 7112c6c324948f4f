"""Episodes in which the policy acts and a teacher corrects it: DAgger for transcripts.

What a clone gets wrong is not what a script would get wrong on its behalf. Here the policy takes
some turns of an episode itself and the teacher takes the others, so that the teacher shows what to
do in states, and after words, that the policy has brought about (Ross et al., arXiv 1011.0686).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from anchorgym.agents.engines.contract import Generation, Sampling
from anchorgym.agents.policies.base import Prompt, View
from anchorgym.agents.policies.language import LanguageSession
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.envs import Info
from anchorgym.training.imitation.cloning import Demonstration
from anchorgym.training.imitation.teachers import Teacher
from anchorgym.training.rollout.drivers.lock_step import answer_in_step
from anchorgym.training.rollout.env_pool import Worlds


class Corrections:
    """Draws corrected episodes of the policy as it is now.

    Args:
        policy: acts; it is being trained.
        worlds: where; episodes are cut at their turn limit, and where the context is full.
        panel: tasks that are drawn from.
        teacher: corrects.
        share: chance that a turn is the policy's own.
        max_tokens: no further turn is begun once an episode has so many.
    """

    def __init__(
        self,
        policy: ModelPolicy,
        worlds: Worlds,
        panel: Sequence[str],
        teacher: Teacher,
        *,
        share: float,
        max_tokens: int,
    ) -> None:
        self._policy, self._worlds, self._teacher = policy, worlds, teacher
        self._panel, self._share, self._max_tokens = panel, share, max_tokens
        self._sampling = Sampling(policy.max_response, 1.0)

    def draw(self, n: int, seed: int | str) -> list[Demonstration]:
        """Play `n` episodes at once and return them as training rows.

        Tasks and turns are drawn by `seed`; what the policy samples, by its engine's.
        """
        rng, panel = random.Random(seed), self._panel
        tasks = [panel[rng.randrange(len(panel))] for _ in range(n)]
        vector = self._worlds.take(n)
        observations, infos = vector.reset(
            seed=[rng.getrandbits(31) for _ in range(n)], options={"tasks": tasks}
        )
        pupils = [_Pupil(self._policy, self._policy.open(env)) for env in vector.envs]
        live = [i for i in range(n) if not infos["env"][i]["won"]]
        while live:
            live = [i for i in live if pupils[i].read(observations[i], infos["env"][i])]
            taught = {i: self._teacher(vector.envs[i], infos["env"][i], rng) for i in live}
            own = [i for i in live if rng.random() < self._share]
            answers = self._answers([pupils[i] for i in own])
            actions: list[str | None] = [None] * n
            for i in live:
                actions[i] = pupils[i].write(taught[i], answers.get(pupils[i].session.key))
            observations, _, ended, cut, infos = vector.step(actions)
            live = [i for i in live if not (ended[i] or cut[i])]
            live = [i for i in live if pupils[i].n_tokens < self._max_tokens]
        for pupil in pupils:
            pupil.session.close()
        return [row for pupil in pupils for row in pupil.rows]

    def _answers(self, pupils: Sequence[_Pupil]) -> dict[object, Generation]:
        asked = [(pupil.session.key, pupil.request()) for pupil in pupils]
        return {**answer_in_step(self._policy.engine, asked, self._sampling)}


class _Pupil:
    """The policy's side of one episode, and what is to be learnt from it.

    Attributes:
        session: its memory.
        rows: what is learnt from, a row wherever the context begins anew.
    """

    def __init__(self, policy: ModelPolicy, session: LanguageSession) -> None:
        self.session = session
        self.rows: list[Demonstration] = []
        self._template = policy.template
        self._unread = Prompt()

    @property
    def n_tokens(self) -> int:
        """Tokens of the episode."""
        return sum(len(row.tokens) for row in self.rows)

    def read(self, observation: str, info: Info) -> bool:
        """Begin a turn; False when the context is full."""
        prompt = self.session.prompt(observation, View.of(info))
        if prompt is None:
            return False
        if prompt.restart:
            self.rows.append(Demonstration())
            self._unread = prompt
        else:
            before = self._unread
            self._unread = Prompt(before.tokens + prompt.tokens, before.restart, prompt.allowed)
        self.rows[-1].read(prompt.tokens)
        return True

    def request(self) -> Prompt:
        """Return all that the engine has yet to read."""
        prompt, self._unread = self._unread, Prompt()
        return prompt

    def write(self, taught: str, generation: Generation | None) -> str:
        """Take the turn as the policy wrote it, or else as the teacher would; return the action."""
        if generation is None:
            tokens = self.session.write(taught)
            self.rows[-1].write(tokens, tokens)
            before = self._unread
            self._unread = Prompt((*before.tokens, *tokens), before.restart)
            return taught
        self.rows[-1].write(generation.tokens, self._template.response(taught))
        return self.session.decide(generation).action
