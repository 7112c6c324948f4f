"""Seats of a multi-agent world: assigns policies, and optionally a person, to the agents."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from anchorgym.agents.engines import EngineFactory
from anchorgym.agents.engines.contract import Generation
from anchorgym.agents.policies.base import Decision, Policy, Prompt, Session, View
from anchorgym.agents.policies.human import Desk, HumanPolicy
from anchorgym.agents.policies.scripted import RandomPolicy, ScriptedPolicy
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.envs import ExpertKind, TextEnv
from anchorgym.envs.errors import NoExpertError, OptionError, did_you_mean
from anchorgym.envs.texts import well_formed
from anchorgym.training.imitation.scripts import panel_of
from anchorgym.training.rollout.drivers import SamplingRule
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.play import play_matches
from anchorgym.training.rollout.types import Match, Start
from anchorgym.training.run.policies import named_policy
from anchorgym.training.selfplay.assembly import empty_table
from anchorgym.training.selfplay.players import SCRIPTED, scripted
from anchorgym.training.selfplay.roles import agents_of
from anchorgym.training.worlds.registry import find_player_loader

_MOST_TRIES = 200
"""Most tasks that are tried to find one in which a seat takes part."""


class UsualPolicy(ScriptedPolicy):
    """Plays like the world's honest expert, or at random if there is none."""

    def __init__(self, seed: int = 0) -> None:
        self._random = RandomPolicy(seed)

    def choose_for(self, agent: str, env: Any, observation: str, view: View) -> str:
        """Ask the expert of the agent."""
        try:
            return well_formed(str(env.expert_action(agent, "honest")))
        except (NoExpertError, AttributeError):  # other packages' worlds have no experts
            return self._random.choose(env, observation, view)


class Seat:
    """One agent's view of a world, as the interface to a person needs it."""

    def __init__(self, env: Any, agent: str, view: View, turn: int) -> None:
        self._env, self._agent, self._view = env, agent, view
        self.turn = getattr(env, "turn", turn)
        self.max_turns = getattr(env, "max_turns", None) or "?"

    def admissible_actions(self) -> tuple[str, ...]:
        """Return the agent's admissible actions."""
        return self._view.admissible_actions

    def expert_action(self, kind: ExpertKind = "honest") -> str:
        """Return an expert's action for the agent.

        Raises:
            NoExpertError: there is no such expert.
        """
        if not hasattr(self._env, "expert_action"):
            raise NoExpertError(f"this world has no {kind} expert")
        return well_formed(str(self._env.expert_action(self._agent, kind)))


class SeatedPerson(ScriptedPolicy):
    """A person who plays one of several agents.

    Args:
        desk: interface to the person.
    """

    def __init__(self, desk: Desk) -> None:
        self._person, self._turns = HumanPolicy(desk), 0

    def choose_for(self, agent: str, env: Any, observation: str, view: View) -> str:
        """Show the turn and ask.

        Raises:
            EOFError: the person leaves.
        """
        seat = Seat(env, agent, view, self._turns)
        self._turns += 1
        return self._person.choose(cast(TextEnv, seat), observation, view)


class Announced:
    """A policy whose turns are shown as they are taken.

    Args:
        policy: policy that plays.
        desk: interface that shows the turns.
    """

    def __init__(self, policy: Policy, desk: Desk) -> None:
        self.policy, self.desk = policy, desk
        self.engine = policy.engine
        self.max_response = policy.max_response

    def open(self, env: Any, agent: str = "agent") -> Session:
        """Begin an episode."""
        return _AnnouncedSession(self.policy.open(env, agent), agent, self.desk)


class _AnnouncedSession:
    def __init__(self, session: Session, agent: str, desk: Desk) -> None:
        self.key = session.key
        self._session, self._agent, self._desk = session, agent, desk

    def prompt(self, observation: str, view: View) -> Prompt | None:
        return self._session.prompt(observation, view)

    def decide(self, generation: Generation | None) -> Decision:
        decision = self._session.decide(generation)
        self._desk.say(f"{self._agent}: {decision.action}")
        return decision

    def fork(self, env: Any, turns: int | None = None) -> Session:
        return _AnnouncedSession(self._session.fork(env, turns), self._agent, self._desk)

    def shelve(self) -> None:
        self._session.shelve()

    def close(self) -> None:
        self._session.close()


def find_seat(env: Any, name: str | None) -> str:
    """Return the agent of a name.

    Raises:
        OptionError: there is no agent of that name, or no name is given.
    """
    agents = list(env.possible_agents)
    if name is None:
        raise OptionError(
            f"say which seat is yours, --seat {' or '.join(agents)}; or have others play them all: "
            "--policy PLAYER"
        )
    if name not in agents:
        raise OptionError(
            f"there is no seat {name!r}.{did_you_mean(name, agents)} There are {', '.join(agents)}"
        )
    return name


def fill_seats(
    env: Any,
    everybody: str | None,
    given: Sequence[str],
    seed: int,
    engine: EngineFactory | None = None,
) -> dict[str, Policy]:
    """Return the policy of each agent.

    Args:
        env: world of the match.
        everybody: player of all seats that `given` does not name; None for experts if there are
            any.
        given: `SEAT=PLAYER` assignments, in which a seat may be a pattern such as `defender_*`.
        seed: seed of the policies' random draws.
        engine: factory of the engines of saved policies; by default one in this process.

    Raises:
        OptionError: an assignment is not of the form SEAT=PLAYER.
        RoleError: a pattern matches no agent.
        PolicyError: a folder holds no policy.
    """
    usual = UsualPolicy(seed) if everybody is None else load_seat(env, everybody, seed, engine)
    seats: dict[str, Policy] = dict.fromkeys(env.possible_agents, usual)
    for assignment in given:
        pattern, equals, player = assignment.partition("=")
        if not equals:
            raise OptionError(f"--with takes SEAT=PLAYER, got {assignment!r}")
        seats |= dict.fromkeys(
            agents_of([pattern], env.possible_agents), load_seat(env, player, seed, engine)
        )
    return seats


def load_seat(env: Any, name: str, seed: int, engine: EngineFactory | None = None) -> Policy:
    """Return the policy of a name.

    Args:
        env: world of the match.
        name: `expert`, `random`, `script:NAME,NAME`, the folder of a saved policy, table or
            world-specific player, or `module:Name` for the user's own loader.
        seed: seed of the policy's random draws.
        engine: factory of the engine of a saved policy; by default one in this process.

    Raises:
        PolicyError: the folder holds no policy, or the loader returns none.
        TableError: the folder holds a damaged table.
        AnchorgymError: the player belongs to another world.
    """
    policy = scripted(name, seed)
    if policy is not None:
        return policy
    if TabularPolicy.is_kept_in(Path(name)):
        table = empty_table(env)
        table.load(name)
        return table
    loader = find_player_loader(Path(name))
    if loader is not None:
        return loader.load(Path(name), env, seed)
    return named_policy(name, engine=engine, seed=seed, known=SCRIPTED)


def start_for(env: Any, seat: str | None, task: str | None, seed: int) -> Start:
    """Return a start of the given task, or of a random one in which the seat takes part.

    Raises:
        OptionError: the seat takes no part in the given task, or in any that was drawn.
        UnknownTaskError: there is no such task.
    """
    panel = panel_of(env)
    if task is None and not panel:
        return Start("", 0, seed)
    rng = random.Random(seed)
    drawn = [task] if task is not None else [rng.choice(panel) for _ in range(_MOST_TRIES)]
    for one in drawn:
        env.reset(seed=seed, options={"task": one})
        if seat is None or seat in env.agents:
            return Start(one, 0, seed)
    raise OptionError(
        f"{seat} takes no part in task {drawn[-1]!r}: give --task one in which it does"
    )


def play_seats(env: Any, seats: Mapping[str, Policy], start: Start, temperature: float) -> Match:
    """Play one match.

    Args:
        env: world of the match.
        seats: policy of each agent.
        start: start of the match, whose seed is also that of the sampling noise.
        temperature: sampling temperature of saved policies; 0 is greedy.

    Raises:
        EOFError: a person left.
    """
    (match,) = play_matches(
        [seats],
        EnvPool(lambda: env),
        [start],
        sampling=SamplingRule(temperature, seed=start.seed),
    )
    return match
