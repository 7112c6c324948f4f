"""Episodes in which the policy acts and a teacher corrects it: DAgger for transcripts.

What a clone gets wrong is not what a script would get wrong on its behalf. Here the policy takes
some turns of an episode itself and the teacher takes the others, so that the teacher shows what to
do in states, and after words, that the policy has brought about (Ross et al., arXiv 1011.0686).
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence

from anchorgym.agents.engine import Sampling
from anchorgym.agents.model_policy import ModelPolicy
from anchorgym.agents.policy import View
from anchorgym.training.cloning import DONE, MISTAKE, READ, Demonstration
from anchorgym.training.rollouts import Worlds
from anchorgym.training.teachers import Teacher


class Corrections:
    """Draws corrected episodes of the policy as it is now.

    Args:
        policy: acts; it is being trained.
        worlds: where; episodes are cut at their turn limit.
        panel: tasks that are drawn from.
        teacher: corrects.
        share: chance that a turn is the policy's own.
        max_tokens: no further turn is begun once a transcript has so many, nor where it would
            outgrow the policy's context.
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
        """Play `n` episodes at once and return them as training rows, but for empty ones.

        Tasks and turns are drawn by `seed`; what the policy samples, by its engine's.
        """
        rng, panel = random.Random(seed), self._panel
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
                i: self._policy.template.turn(observations[i], View.of(infos["env"][i]), "eos")
                for i in live
            }
            live = [i for i in live if self._fits(rows[i], contexts[i])]
            for i in live:
                _extend(rows[i], unread[i], contexts[i], READ)
                actions[i] = self._teacher(vector.envs[i], infos["env"][i], rng)
            own = [i for i in live if rng.random() < self._share]
            taught = {i: str(actions[i]) for i in live}
            for i, action in self._own_actions(own, rows, unread, taught).items():
                actions[i] = action
            for i in set(live) - set(own):
                _extend(rows[i], unread[i], self._policy.template.response(taught[i]), DONE)
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
                right = list(generation.tokens) == policy.template.response(taught[i])
                _extend(rows[i], [], generation.tokens, DONE if right else MISTAKE)
                if generation.stop == "length":
                    _extend(rows[i], unread[i], [policy.template.eos_id], MISTAKE)
                actions[i] = policy.template.parse(generation.tokens).action
        return actions

    def _fits(self, row: Demonstration, context: Sequence[int]) -> bool:
        """Whether a turn fits, with the token that closes a response that was cut."""
        needed = len(row.tokens) + len(context) + self._policy.max_response + 1
        return needed <= self._policy.max_context

    def _is_full(self, row: Demonstration) -> bool:
        return len(row.tokens) >= self._max_tokens


def _extend(row: Demonstration, unread: list[int], tokens: Sequence[int], kind: int) -> None:
    """Append tokens to a transcript, and to what the engine has yet to read of it."""
    row.tokens.extend(tokens)
    row.kinds.extend([kind] * len(tokens))
    unread.extend(tokens)
