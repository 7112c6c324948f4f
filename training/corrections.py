"""Episodes in which the policy acts and a teacher corrects it: DAgger for transcripts.

What a clone gets wrong is not what a script would get wrong on its behalf. Here the policy takes
some turns of an episode itself and the teacher takes the others, so that the teacher shows what to
do in states, and after words, that the policy has brought about (Ross et al., arXiv 1011.0686).
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence

from anchorgym.agents.engine import Sampling
from anchorgym.agents.policy import View
from anchorgym.agents.tiny import TinyPolicy
from anchorgym.training.cloning import Demonstration
from anchorgym.training.rollouts import Worlds
from anchorgym.training.teachers import Teacher


class Corrections:
    """Draws corrected episodes of the policy as it is now.

    Args:
        policy: acts; it is being trained.
        worlds: where; episodes are cut at their turn limit.
        teacher: corrects.
        share: chance that a turn is the policy's own.
        max_tokens: no further turn is begun once a transcript has so many, nor where it would
            outgrow the policy's context.
        seed: of tasks and turns.
    """

    def __init__(
        self,
        policy: TinyPolicy,
        worlds: Worlds,
        teacher: Teacher,
        *,
        share: float,
        max_tokens: int,
        seed: int,
    ) -> None:
        self._policy, self._worlds, self._teacher = policy, worlds, teacher
        self._share, self._max_tokens = share, max_tokens
        self._rng = random.Random(seed)
        self._sampling = Sampling(policy.max_response, 1.0)

    def draw(self, n: int) -> list[Demonstration]:
        """Play `n` episodes at once and return them as training rows, but for empty ones."""
        rng = self._rng
        panel = self._worlds.first.tasks()
        tasks = [panel[rng.randrange(len(panel))] for _ in range(n)]
        vector = self._worlds.take(n)
        observations, infos = vector.reset(
            seed=[rng.getrandbits(31) for _ in range(n)], options={"tasks": tasks}
        )
        rows = [Demonstration([], []) for _ in range(n)]
        unread: list[list[int]] = [[] for _ in range(n)]
        live = [i for i in range(n) if not infos["env"][i]["won"]]
        while live:
            actions: list[str | None] = [None] * n
            contexts = {
                i: self._policy.template.turn(observations[i], View.of(infos["env"][i]))
                for i in live
            }
            live = [i for i in live if self._fits(rows[i], contexts[i])]
            for i in live:
                rows[i].read(contexts[i])
                unread[i] += contexts[i]
                actions[i] = self._teacher(vector.envs[i], infos["env"][i], rng)
            own = [i for i in live if rng.random() < self._share]
            taught = {i: str(actions[i]) for i in live}
            for i, action in self._own_actions(own, rows, unread, taught).items():
                actions[i] = action
            for i in set(live) - set(own):
                response = self._policy.template.response(taught[i])
                rows[i].write(response, response)
                unread[i] += response
            observations, _, ended, cut, infos = vector.step(actions)
            live = [i for i in live if not (ended[i] or cut[i] or self._is_full(rows[i]))]
        for i in range(n):
            self._policy.engine.free((self, i))
        return [row for row in rows if row.tokens]

    def _own_actions(
        self,
        own: Sequence[int],
        rows: Sequence[Demonstration],
        unread: list[list[int]],
        taught: dict[int, str],
    ) -> dict[int, str]:
        """Let the policy write the turns that are its own; return its actions."""
        policy = self._policy
        asked: dict[Hashable, int] = {(self, i): i for i in own}
        for key, i in asked.items():
            policy.engine.submit(key, unread[i], self._sampling)
            unread[i] = []
        actions = {}
        while ready := policy.engine.poll():
            for key, generation in ready:
                i = asked[key]
                rows[i].write(generation.tokens, policy.template.response(taught[i]))
                if generation.stop == "length":
                    rows[i].read([policy.template.eos_id])
                    unread[i].append(policy.template.eos_id)
                actions[i] = policy.template.parse(generation.tokens)
        return actions

    def _fits(self, row: Demonstration, context: Sequence[int]) -> bool:
        """Whether a turn fits, with the token that closes a response that was cut."""
        needed = len(row.tokens) + len(context) + self._policy.max_response + 1
        return needed <= self._policy.max_context

    def _is_full(self, row: Demonstration) -> bool:
        return len(row.tokens) >= self._max_tokens
