"""The store of finished episodes' sessions and states, from which forks continue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from anchorgym.agents.policies.base import Session
from anchorgym.envs.errors import ContractError
from anchorgym.training.rollout.types import Episode, Origin, Start
from anchorgym.training.rollout.worlds import World


class ForkStore:
    """Stores sessions and states of finished episodes, so that forks can start at any turn.

    As a context manager it closes the sessions on exit.
    """

    def __init__(self) -> None:
        self._sessions: dict[int, tuple[Episode, Session]] = {}
        self._snapshots: dict[int, list[bytes]] = defaultdict(list)

    def __enter__(self) -> ForkStore:
        return self

    def __exit__(self, *_: object) -> None:
        for _episode, session in self._sessions.values():
            session.close()
        self._sessions.clear()
        self._snapshots.clear()

    def remember(self, episode: Episode, snapshot: bytes) -> None:
        """Store the state in which an episode takes its next turn."""
        self._snapshots[id(episode)].append(snapshot)

    def keep(self, episode: Episode, session: Session) -> None:
        """Store the session of an episode."""
        session.shelve()
        self._sessions[id(episode)] = episode, session

    def restore(self, world: World, start: Start, origin: Origin) -> Sequence[str]:
        """Restore the state in which a fork begins, and return the agents that take part.

        The start's seed redraws the later randomness, so that siblings do not share it.

        Raises:
            ContractError: the environment's state differs from the parent's.
        """
        turn = len(origin.lived)
        agents = world.restore(self._snapshots[id(origin.parent)][turn], start.seed)
        expected = origin.parent.turns[turn].anchor
        found = [sight[2].hex() for sight in map(world.sight, agents) if sight]
        if found != [expected.hex()]:
            raise ContractError(
                f"turn {origin.turn} of task {start.task!r} was taken in the state "
                f"{expected.hex()}, and its snapshot was restored as {', '.join(found)}: verify "
                "the environment with `anchorgym check`"
            )
        return agents

    def fork(self, world: World, origin: Origin) -> Session:
        """Return a session with the memory of the parent's turns before the origin's."""
        _, session = self._sessions[id(origin.parent)]
        return session.fork(world.env, origin.turn)
