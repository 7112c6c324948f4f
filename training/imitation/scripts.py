"""Imitation of scripts: vocabularies and clones of language policies, and counted tables."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from anchorgym.agents.engines.contract import Generation
from anchorgym.agents.engines.seeding import mix_seed
from anchorgym.agents.policies.base import Decision, Policy, Prompt, Session, View
from anchorgym.agents.policies.language import LanguageSession
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.agents.policies.tabular import TabularPolicy, TabularSession
from anchorgym.training.config.sections import CloneConfig, PolicyConfig
from anchorgym.training.imitation.cloning import CloneStep, Cloning
from anchorgym.training.imitation.demonstrations import ImitationSession
from anchorgym.training.learning.demonstrations import Demonstration
from anchorgym.training.learning.table_learner import add_counts
from anchorgym.training.rollout.drivers import SamplingRule
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.play import play_matches
from anchorgym.training.rollout.sides import Seats
from anchorgym.training.rollout.types import Start
from anchorgym.training.run.components import tiny_policy
from anchorgym.training.run.recovery import Recovery

Cast = Callable[[random.Random], Seats]
"""Draws the policies of a match to imitate."""

_WAVE = 32
"""Most matches that are played together."""
_WAVE_TURNS = 800
"""Most turns of all matches that are played together."""
_ENOUGH_TEXTS = 12_000
"""Number of texts after which no more words are collected, as few new ones would follow."""


class TaughtPolicy:
    """Plays like a script, and records the episode in a pupil's tokens.

    Args:
        pupil: policy whose prompts and tokens are recorded.
        teacher: policy that decides; it needs no engine.
    """

    engine = None
    max_response = 1

    def __init__(self, pupil: ModelPolicy, teacher: Policy) -> None:
        self.pupil, self.teacher = pupil, teacher
        self.rows: list[Demonstration] = []

    def open(self, env: Any, agent: str = "agent") -> _TaughtSession:
        """Begin an episode."""
        pupil = self.pupil.open(env, agent)
        return _TaughtSession(self, pupil, self.teacher.open(env, agent))


class _TaughtSession(ImitationSession):
    def __init__(self, policy: TaughtPolicy, pupil: LanguageSession, teacher: Session) -> None:
        super().__init__(pupil, teacher)
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


def starts(panel: Sequence[str], n: int, rng: random.Random) -> list[Start]:
    """Draw the starts of matches; a world without tasks starts from its seed alone."""
    return [
        Start(panel[rng.randrange(len(panel))] if panel else "", i, rng.getrandbits(31))
        for i in range(n)
    ]


def wave_of(world: Any) -> int:
    """Return the number of a world's matches to play together."""
    limit = getattr(world, "max_turns", None)
    return max(1, min(_WAVE, _WAVE_TURNS // limit)) if limit else _WAVE


def panel_of(world: Any) -> tuple[str, ...]:
    """Return the training tasks of a world; empty if it has no tasks."""
    tasks = getattr(world, "tasks", None)
    return tuple(tasks()) if callable(tasks) else ()


def new_language_policy(
    envs: EnvPool[Any],
    cast: Cast,
    config: PolicyConfig,
    *,
    env_id: str,
    matches: int,
    seed: int = 0,
) -> ModelPolicy:
    """Build an untrained policy with the vocabulary of scripts in a world.

    Args:
        envs: pool of environments.
        cast: function that draws the scripts of a match.
        config: settings of the model.
        env_id: id of the environment.
        matches: number of matches from which words are collected.
        seed: seed of the matches and of the weights.

    Raises:
        ConfigError: the policy could not write the actions of the scripts.
    """
    rng, panel = random.Random(f"{seed}/vocabulary"), panel_of(envs.first)
    wave = wave_of(envs.first)
    texts: list[str] = []
    actions: list[str] = []
    for first in range(0, matches, wave):
        if len(texts) > _ENOUGH_TEXTS:
            break
        n = min(wave, matches - first)
        seats = [cast(rng) for _ in range(n)]
        noise = SamplingRule(seed=mix_seed(seed, "vocabulary", first))
        played = play_matches(seats, envs, starts(panel, n, rng), sampling=noise)
        for side in (side for match in played for side in match.sides.values()):
            texts += [side.goal, *(turn.observation for turn in side.turns)]
            actions += [turn.action for turn in side.turns if turn.action]
    return tiny_policy(config, texts, actions, env_id=env_id, seed=seed)


def lessons(
    pupil: ModelPolicy, agents: Sequence[str], envs: EnvPool[Any], cast: Cast, seed: int | str
) -> Iterator[Demonstration]:
    """Let scripts play endlessly; yield the episodes of `agents` in `pupil`'s tokens."""
    rng, panel = random.Random(seed), panel_of(envs.first)
    wave = wave_of(envs.first)
    for number in itertools.count():
        seats: list[Seats] = []
        taught: list[TaughtPolicy] = []
        for _ in range(wave):
            scripts = cast(rng)
            own = {
                agent: TaughtPolicy(pupil, scripts[agent]) for agent in agents if agent in scripts
            }
            taught += own.values()
            seats.append({**scripts, **own})
        noise = SamplingRule(seed=mix_seed(seed, "lessons", number))
        play_matches(seats, envs, starts(panel, wave, rng), sampling=noise)
        rows = [row for policy in taught for row in policy.rows if row.tokens]
        if pupil.form == "window":  # one row a turn: adjacent rows are nearly equal
            rng.shuffle(rows)
        yield from rows


def clone(
    pupil: ModelPolicy,
    agents: Sequence[str],
    envs: EnvPool[Any],
    cast: Cast,
    config: CloneConfig,
    *,
    updates: int,
    seed: int = 0,
    recovery: Recovery | None = None,
) -> Iterator[CloneStep]:
    """Clone scripts: train a policy in place on the seats of `agents`; yield after each update.

    Args:
        pupil: policy to train.
        agents: agents whose seats are imitated.
        envs: pool of environments.
        cast: function that draws the scripts of a match.
        config: settings of the optimizer; `noise` is ignored, as scripts make no mistakes.
        updates: number of optimizer steps.
        seed: seed of the matches and of the order of batches.
        recovery: checkpoints to resume from, and to save between two pools.
    """

    def pool(number: int) -> Iterator[Demonstration]:
        shown = lessons(pupil, agents, envs, cast, f"{seed}/lessons/{number}")
        longest = config.max_tokens or pupil.max_context
        return (row for row in shown if len(row.tokens) <= longest)

    with Cloning(pupil, pool, config, updates=updates, seed=seed) as cloning:
        if recovery and recovery.saved:
            cloning.learner.load(recovery.saved.part("cloning"))
        while cloning.done < updates:
            if recovery and recovery.due():
                recovery.save({"done": cloning.done}, {"cloning": cloning.learner})
            yield from cloning.pool()


def count(
    pupil: TabularPolicy,
    agents: Sequence[str],
    envs: EnvPool[Any],
    cast: Cast,
    *,
    matches: int,
    seed: int | str = 0,
) -> None:
    """Set a table to the frequencies of scripts' actions in the seats of `agents`.

    The probability of an option is proportional to 1 + its count in a situation; options with the
    same action share its count in equal parts.

    Args:
        pupil: policy whose table is changed in place.
        agents: agents whose seats are imitated.
        envs: pool of environments.
        cast: function that draws the scripts of a match.
        matches: number of matches to play.
        seed: seed of the matches.
    """
    rng, panel = random.Random(seed), panel_of(envs.first)
    chosen: list[Choice] = []
    for first in range(0, matches, _WAVE):
        n = min(_WAVE, matches - first)
        seats: list[Seats] = []
        for _ in range(n):
            scripts = cast(rng)
            own = {a: _CountedPolicy(pupil, scripts[a], chosen) for a in agents if a in scripts}
            seats.append({**scripts, **own})
        noise = SamplingRule(seed=mix_seed(seed, "counts", first))
        play_matches(seats, envs, starts(panel, n, rng), sampling=noise)
    add_counts(pupil, chosen)


Choice = tuple[int, list[int]]
"""A row of a table, and the options whose action the script chose there."""


class _CountedPolicy:
    """Plays like a script, and records the options of a table that give the same actions."""

    engine = None
    max_response = 1

    def __init__(self, pupil: TabularPolicy, teacher: Policy, chosen: list[Choice]) -> None:
        self.pupil, self.teacher, self.chosen = pupil, teacher, chosen

    def open(self, env: Any, agent: str = "agent") -> _CountedSession:
        """Begin an episode."""
        sides = self.pupil.open(env, agent), self.teacher.open(env, agent)
        return _CountedSession(*sides, self.chosen)


class _CountedSession(ImitationSession):
    def __init__(self, pupil: TabularSession, teacher: Session, chosen: list[Choice]) -> None:
        super().__init__(pupil, teacher)
        self._pupil, self._teacher, self._chosen = pupil, teacher, chosen
        self._row = 0

    def prompt(self, observation: str, view: View) -> Prompt | None:
        self._teacher.prompt(observation, view)
        prompt = self._pupil.prompt(observation, view)
        if prompt is not None:
            self._row = prompt.tokens[0]
        return prompt

    def decide(self, generation: Generation | None) -> Decision:
        decision = self._teacher.decide(None)
        self._chosen.append((self._row, self._pupil.options_for(decision.action)))
        return decision
