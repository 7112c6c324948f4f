"""One episode as a state machine: requests out, answers in, a joint turn, and again.

    while not run.done:
        while requests := run.requests():
            for request in requests:
                run.answer(request, ...)
        run.decide()
        run.step()
    run.close()

Drivers advance many runs at a time; see `anchorgym.training.rollout.drivers`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from anchorgym.agents.engines.temperature import AdaptiveTemperature
from anchorgym.agents.planning import Dialogue, PlanningPolicy
from anchorgym.agents.policies.base import View
from anchorgym.envs.errors import DataError
from anchorgym.envs.plugins import wrong_result
from anchorgym.envs.texts import well_formed
from anchorgym.training.rollout.errors import BrokenTaskError, ForkError, RewardError, SeatError
from anchorgym.training.rollout.fork_store import ForkStore
from anchorgym.training.rollout.sides import (
    Answer,
    Ask,
    PlanningSide,
    Player,
    SessionSide,
    Side,
)
from anchorgym.training.rollout.types import Episode, Match, Origin, Start, StopReason, Turn
from anchorgym.training.rollout.worlds import Arrival, World

_NO_ADAPTIVE: Mapping[str, AdaptiveTemperature] = {}


class EpisodeRun:
    """One episode of a world, with a session in every seat.

    An agent that is not active is not asked for an action. Its rewards are then added to its last
    turn, or to its first turn if it has not acted yet. An agent whose context is full takes no
    further action. Agents may leave and join; `seats` names the policy of each.

    Args:
        world: world of the episode; it is reset to the start.
        seats: policy of each agent.
        start: start of the episode. A fork continues from a stored state with the memory of its
            parent; it has only its own turns, and the context of the first of them includes all
            tokens that were read and written before.
        number: number of the run in its rollout; the sampling noise depends on it.
        patience: number of invalid turns in a row after which an agent is cut as stuck; None never
            cuts.
        store: store that keeps the session and the states of the episode for forks.
        guests: agents that are not played by the current policies, so that learners skip them.
        adaptive: rule of each token's temperature, for agents with a rule of their own.

    Raises:
        SeatError: an agent has no policy.
        ForkError: the start is a fork, and its parent's state or session is missing.
        ContractError: the environment was not restored to the state of a fork.
    """

    def __init__(
        self,
        world: World,
        seats: Mapping[str, Player],
        start: Start,
        *,
        number: int = 0,
        patience: int | None = None,
        store: ForkStore | None = None,
        guests: Collection[str] = (),
        adaptive: Mapping[str, AdaptiveTemperature] = _NO_ADAPTIVE,
    ) -> None:
        self.match = Match(start, guests=frozenset(guests))
        self._world, self._seats, self._store = world, seats, store
        self._number, self._patience, self._adaptive = number, patience, adaptive
        self.dialogues: dict[str, Dialogue] = {}
        """Dialogues of the planners, by the seat of their team."""
        self._sides: dict[str, Side] = {}
        self._acting: dict[str, tuple[Side, View, Turn]] = {}
        self._actions: dict[str, Any] | None = None
        self._early: dict[str, float] = {}
        self._gone: set[str] = set()
        self._begun = self._asking = False
        self._in_play: Sequence[str] = ()
        self.done = False
        """Whether the episode has ended."""
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def requests(self) -> list[Ask]:
        """Begin the turn of every active agent, and return the open requests.

        Call it again when all are answered: a planner may ask several times. It returns an empty
        list when `decide` may be called.
        """
        if not self._begun:
            self._begin()
        if not self._asking:
            return []
        asked = (self._sides[agent].asked for agent in self._acting)
        return [ask for ask in asked if ask is not None]

    def answer(self, ask: Ask, answer: Answer) -> None:
        """Take the answer to one of the requests; their order does not matter."""
        self._sides[ask.agent].answer(answer)

    def decide(self) -> None:
        """Choose the action of every active agent."""
        actions = self._actions = {}
        reads = self._world.reads
        for agent, (side, view, turn) in self._acting.items():
            action = side.decide(turn)
            if isinstance(side, SessionSide) and not (reads or isinstance(action, str)):
                raise wrong_result(self._seats[agent], "an action", "a string", action)
            if reads:
                action, problem = self._world.read(agent, action, view)
                if problem:
                    turn.valid, turn.reason = False, problem
            actions[agent] = action

    def step(self) -> None:
        """Take the joint turn; do nothing if there are no actions to take.

        Raises:
            RewardError: the environment returned a reward that is not finite.
            SeatError: an agent joined without a policy, or came back after it had left.
        """
        if self.done:
            return
        if self._actions is None:
            self.decide()
        for agent, arrival in self._world.step(self._actions or {}).items():
            self._arrive(agent, arrival)
        self._begun, self._actions = False, None
        if self._store is not None or self._world.agents != self._in_play:
            self._look_around()

    def close(self) -> None:
        """Close all sessions."""
        for side in self._sides.values():
            side.close()
        self._sides = {}

    # Details --------------------------------------------------------------------------------

    def _open(self) -> None:
        start, world = self.match.start, self._world
        if start.origin is None:
            try:
                agents = world.reset(start)
            except DataError as error:
                raise BrokenTaskError(start.task, str(error)) from error
        elif self._store is None:
            raise ForkError("a fork goes on from what a store has kept: give a ForkStore")
        else:
            agents = self._store.restore(world, start, start.origin)
        if self._store is not None and len(agents) > 1:
            raise ForkError(
                f"episodes of {len(agents)} agents are not forked: play them without a ForkStore"
            )
        for agent in agents:
            self._join(agent)
        self._look_around()

    def _look_around(self) -> None:
        """Update the agents in play, and store the state before the next turn."""
        agents = self._world.agents
        if agents != self._in_play:
            self._meet(agents)
        if not agents:
            self.done = True
        elif self._store is not None and not self.done:
            for agent in agents:
                self._store.remember(self.match.sides[agent], self._world.snapshot())

    def _meet(self, agents: Sequence[str]) -> None:
        self._in_play = tuple(agents)
        for agent in agents:
            if agent in self._gone:
                raise SeatError(f"{agent} came back after it had left: give it a name of its own")
            if agent not in self.match.sides:
                self._join(agent)
        for agent in [agent for agent in self._sides if agent not in agents]:
            self._leave(agent)
            self._gone.add(agent)

    def _join(self, agent: str) -> None:
        """Open a session and an episode for an agent."""
        world, start = self._world, self.match.start
        if agent not in self._seats:
            raise SeatError(f"nobody plays {agent}: give a policy for each of {list(world.agents)}")
        info = world.info(agent)
        self.match.infos[agent] = info
        self._sides[agent] = self._side(agent)
        self.match.sides[agent] = Episode(
            start,
            world.task_type(start.task),
            won=bool(info.get("won", False)),
            goal=well_formed(str(info.get("goal", ""))),
            final_observation=world.text(agent),
        )
        if agent not in world.agents:  # its task is over at the start
            self._stop(agent, StopReason.TERMINATED)

    def _side(self, agent: str) -> Side:
        player, start = self._seats[agent], self.match.start
        if isinstance(player, PlanningPolicy):
            planning = player.open(self._world.env, start.seed)
            self.dialogues[agent] = planning.room.dialogue
            return PlanningSide(agent, player, planning)
        if start.origin is not None and self._store is not None:
            session = self._store.fork(self._world, start.origin)
        else:
            session = player.open(self._world.env, agent)
            if not hasattr(session, "prompt"):
                raise wrong_result(player, "open()", "a session", session)
        adaptive = None if agent in self.match.guests else self._adaptive.get(agent)
        return SessionSide(agent, player, session, self._number, adaptive)

    def _begin(self) -> None:
        """Begin a turn of every agent that is active and has not stopped."""
        self._begun, self._asking, self._actions = True, False, None
        acting = self._acting = {}
        world, episodes = self._world, self.match.sides
        for agent in self._in_play:
            episode = episodes[agent]
            if episode.stop:
                continue
            sight = world.sight(agent)
            if sight is None:
                continue
            text, view, anchor = sight
            turns, side = episode.turns, self._sides[agent]
            if turns and not turns[-1].valid:  # its last turn may be several joint turns ago
                view = view._replace(action_valid=False, reason=turns[-1].reason)
            turn = side.begin(text, view, anchor)
            if turn is None:
                self._stop(agent, StopReason.CONTEXT)
                continue
            if side.asked is not None:
                self._asking = True
            if not turns:
                _read_before(turn, episode.start.origin)
            turns.append(turn)
            acting[agent] = side, view, turn

    def _arrive(self, agent: str, arrival: Arrival) -> None:
        """Record the outcome of a step for an agent."""
        reward, stop, text, info, judged = arrival
        episode = self.match.sides[agent]
        turns, acted = episode.turns, agent in self._acting
        if not math.isfinite(reward):
            raise self._no_reward(agent, reward)
        if not turns:  # the agent has not acted yet
            self._early[agent] = self._early.get(agent, 0.0) + reward
        else:
            turn = turns[-1]
            turn.reward += reward
            if self._early:
                turn.reward += self._early.pop(agent, 0.0)
            if acted and judged:
                turn.valid = bool(info.get("action_valid", True))
                turn.reason = well_formed(str(info.get("reason", "")))
        self.match.infos[agent] = info
        episode.won = bool(info.get("won", False))
        if text is not None:
            episode.final_observation = text
        if acted and self.dialogues:
            self._sides[agent].observe(turns[-1], reward)
        if stop:
            episode.stop = episode.stop or stop
            self._leave(agent)
            self._gone.add(agent)
        elif acted and self._patience is not None and _is_stuck(turns, self._patience):
            self._stop(agent, StopReason.STUCK)

    def _no_reward(self, agent: str, reward: float) -> RewardError:
        turns = self.match.sides[agent].turns
        action = f" for the action {turns[-1].action[:80]!r}" if agent in self._acting else ""
        return RewardError(
            f"the environment gave {agent} the reward {reward}{action} in turn {len(turns)} of "
            f"task {self.match.start.task!r}: verify it with `anchorgym check`"
        )

    def _stop(self, agent: str, reason: StopReason) -> None:
        """End an agent's episode; the agent may stay in the world while others continue."""
        self.match.sides[agent].stop = reason
        if not self._world.may_pass:
            self._leave(agent)
            self.done = not self._sides

    def _leave(self, agent: str) -> None:
        """Hand an agent's session to the fork store, or close it."""
        side = self._sides.pop(agent, None)
        if side is None:
            return
        if self._store is None:
            side.close()
        else:
            side.keep_in(self._store, self.match.sides[agent])


def _is_stuck(turns: Sequence[Turn], patience: int) -> bool:
    last = turns[-patience:]
    return len(last) == patience and not any(turn.valid for turn in last)


def _read_before(first: Turn, origin: Origin | None) -> None:
    """Add the tokens before a fork's own turns to the context of its first turn."""
    if origin is None or first.restart:
        return
    before: tuple[int, ...] = ()
    for turn in origin.parent.history[: origin.turn]:
        before = () if turn.restart else before
        before += (*turn.context, *turn.response)
    first.context, first.restart = (*before, *first.context), True
