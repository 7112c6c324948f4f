"""Sessions and states of finished episodes, for forks to go on from."""

from __future__ import annotations

from collections import defaultdict

from anchorgym.agents.policies.base import Session
from anchorgym.envs import Info, TextEnv
from anchorgym.envs.errors import ContractError
from anchorgym.training.rollout.types import Episode, Origin, Start


class ForkStore:
    """Sessions of finished episodes and the states they met, so that forks go on from any turn.

    As a context manager it closes them at the end.
    """

    def __init__(self) -> None:
        self._sessions: dict[int, tuple[Episode, Session]] = {}
        self._snapshots: dict[int, list[bytes]] = defaultdict(list)

    def __enter__(self) -> ForkStore:
        return self

    def __exit__(self, *_: object) -> None:
        for store in self._sessions.values():
            store[1].close()
        self._sessions.clear()
        self._snapshots.clear()

    def remember(self, episode: Episode, env: TextEnv) -> None:
        """Keep the state in which an episode takes its next turn."""
        self._snapshots[id(episode)].append(env.snapshot())

    def keep(self, episode: Episode, session: Session) -> None:
        """Keep the session of an episode."""
        session.shelve()
        self._sessions[id(episode)] = episode, session

    def restore(self, env: TextEnv, start: Start, origin: Origin) -> tuple[str, Info]:
        """Put an environment where a fork begins, and return what is seen there.

        The start's seed redraws the randomness from there on, so that siblings do not share it.

        Raises:
            ContractError: the environment is in another state than the parent was.
        """
        turn = len(origin.lived)
        seen = env.restore(self._snapshots[id(origin.parent)][turn], seed=start.seed)
        expected, found = origin.parent.turns[turn].anchor, seen[1]["anchor"]
        if found != expected:
            raise ContractError(
                f"turn {origin.turn} of task {start.task!r} was taken in the state "
                f"{expected.hex()}, and its snapshot was restored as {found.hex()}: verify the "
                "environment with `anchorgym check`"
            )
        return seen

    def fork(self, env: TextEnv, origin: Origin) -> Session:
        """Return a session that has lived through the parent's turns before the origin's."""
        _, session = self._sessions[id(origin.parent)]
        return session.fork(env, origin.turn)
