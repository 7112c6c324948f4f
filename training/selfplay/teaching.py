"""Language policies for worlds of several agents: their words, and a first lesson from scripts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from anchorgym.agents.language import LanguageSession
from anchorgym.agents.model_policy import ModelPolicy
from anchorgym.agents.policy import Decision, Generation, Policy, Prompt, Session, View
from anchorgym.training.cloning import CloneStep, Cloning, Demonstration
from anchorgym.training.config import CloneConfig, PolicyConfig
from anchorgym.training.parts import tiny_policy
from anchorgym.training.rollouts import Start
from anchorgym.training.selfplay.matches import Arenas, Seats, play_matches

Cast = Callable[[random.Random], Seats]
"""Draws who plays what in a match that is learnt from."""

_WAVE = 32
"""Matches that are played together."""


class TaughtPolicy:
    """Plays as a script does, and notes what a pupil would have read and written.

    Args:
        pupil: whose prompts and words they are.
        teacher: decides; it needs no engine.
    """

    engine = None

    def __init__(self, pupil: ModelPolicy, teacher: Policy) -> None:
        self.pupil, self.teacher = pupil, teacher
        self.rows: list[Demonstration] = []

    def open(self, env: Any, agent: str = "agent") -> _TaughtSession:
        """Begin an episode."""
        pupil = self.pupil.open(env, agent)
        return _TaughtSession(self, pupil, self.teacher.open(env, agent))


class _TaughtSession:
    def __init__(self, policy: TaughtPolicy, pupil: LanguageSession, teacher: Session) -> None:
        self.key = pupil.key
        self._policy, self._pupil, self._teacher = policy, pupil, teacher
        self._row = Demonstration()

    def prompt(self, observation: str, view: View) -> Prompt | None:
        self._teacher.prompt(observation, view)
        prompt = self._pupil.prompt(observation, view)
        if prompt is None:
            return None
        if prompt.restart:
            self._row = Demonstration()
            self._policy.rows.append(self._row)
        self._row.read(prompt.tokens)
        return Prompt()

    def decide(self, generation: Generation | None) -> Decision:
        decision = self._teacher.decide(None)
        tokens = self._pupil.write(decision.action)
        self._row.write(tokens, tokens)
        return decision

    def fork(self, env: Any, turns: int | None = None) -> Session:
        raise NotImplementedError("lessons are not forked")

    def shelve(self) -> None:
        raise NotImplementedError("lessons are not forked")

    def close(self) -> None:
        self._pupil.close()
        self._teacher.close()


def starts(panel: Sequence[str], n: int, rng: random.Random) -> list[Start]:
    """Draw the starts of matches; a world without tasks is started by its seed alone."""
    return [
        Start(panel[rng.randrange(len(panel))] if panel else "", i, rng.getrandbits(31))
        for i in range(n)
    ]


def panel_of(world: Any) -> tuple[str, ...]:
    """Return the tasks that a world trains on; none if it has none."""
    tasks = getattr(world, "tasks", None)
    return tuple(tasks()) if callable(tasks) else ()


def new_language_policy(
    arenas: Arenas, cast: Cast, config: PolicyConfig, *, env_id: str, matches: int, seed: int = 0
) -> ModelPolicy:
    """Build an untrained policy with the words that scripts read and write in a world.

    Args:
        arenas: of the world.
        cast: draws the scripts.
        config: of the model.
        env_id: of the world.
        matches: that words are collected from.
        seed: of what is played, and of the weights.

    Raises:
        ConfigError: the policy could not write what the scripts do.
    """
    rng, panel = random.Random(f"{seed}/vocabulary"), panel_of(arenas.first)
    texts: list[str] = []
    actions: list[str] = []
    for first in range(0, matches, _WAVE):
        n = min(_WAVE, matches - first)
        played = play_matches([cast(rng) for _ in range(n)], arenas, starts(panel, n, rng))
        for side in (side for match in played for side in match.sides.values()):
            texts += [side.goal, *(turn.observation for turn in side.turns)]
            actions += [turn.action for turn in side.turns if turn.action]
    return tiny_policy(config, texts, actions, env_id=env_id, seed=seed)


def lessons(
    pupil: ModelPolicy, agents: Sequence[str], arenas: Arenas, cast: Cast, seed: int | str
) -> Iterator[Demonstration]:
    """Play scripts for ever; yield what `pupil` would read and write in the seats of `agents`."""
    rng, panel = random.Random(seed), panel_of(arenas.first)
    while True:
        seats: list[Seats] = []
        taught: list[TaughtPolicy] = []
        for _ in range(_WAVE):
            scripts = cast(rng)
            own = {
                agent: TaughtPolicy(pupil, scripts[agent]) for agent in agents if agent in scripts
            }
            taught += own.values()
            seats.append({**scripts, **own})
        play_matches(seats, arenas, starts(panel, _WAVE, rng))
        yield from (row for policy in taught for row in policy.rows if row.tokens)


def clone(
    pupil: ModelPolicy,
    agents: Sequence[str],
    arenas: Arenas,
    cast: Cast,
    config: CloneConfig,
    *,
    updates: int,
    seed: int = 0,
) -> Iterator[CloneStep]:
    """Train a policy in place on what scripts do in the seats of `agents`; a yield an update."""

    def pool(number: int) -> Iterator[Demonstration]:
        shown = lessons(pupil, agents, arenas, cast, f"{seed}/lessons/{number}")
        longest = config.max_tokens or pupil.max_context
        return (row for row in shown if len(row.tokens) <= longest)

    with Cloning(pupil, pool, config, updates=updates, seed=seed) as cloning:
        while cloning.done < updates:
            yield from cloning.pool()
