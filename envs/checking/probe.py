"""Playing an environment for its checks: scripts of actions, and what they gave."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast

import numpy as np
from gymnasium.utils.env_checker import data_equivalence
from pettingzoo import ParallelEnv

from anchorgym.envs.checking.moments import Fault, FaultError, JointMoment, Moment, Script
from anchorgym.envs.checking.remedies import crash_remedy, make_remedy
from anchorgym.envs.checking.report import contrast, described, parting
from anchorgym.envs.core import ExpertKind, TextEnv

IDLE = "\0"
"""An action that `TextEnv` refuses by itself: the turn passes and no world sees why."""

_TEMPLATE = re.compile(r"<[^<>]+>")
_WORDS = ("red", "lamp", "7", "north", "hello")
_LONGEST_SCRIPT = 50
_LARGEST_PANEL = 10_000
_TASKS_PLAYED = 4


class Playable(Protocol):
    """An environment as the checks play it, for one agent or several."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Start an episode."""

    def step(self, action: Any, /) -> Any:
        """Take a turn."""


E = TypeVar("E", bound=Playable)


class Visit(NamedTuple):
    """A state on the way through a script."""

    where: Script
    snapshot: bytes
    moment: Moment


class BaseProbe(Generic[E]):
    """Makes instances of an environment and plays them, always the same way for one seed.

    Args:
        make: makes a new instance.
        episodes: how many episodes are explored.
        seed: of the exploration.
    """

    idle: Any = IDLE
    """An action, or joint action, that does nothing but let a turn pass."""
    unanchored = ""
    """Why checks of anchors and snapshots are skipped; empty where they are not."""

    def __init__(self, make: Callable[[], E], *, episodes: int, seed: int) -> None:
        self.make = make
        self.episodes = episodes
        self.seed = seed

    def fresh(self) -> E:
        """Make an instance that has played nothing."""
        with blamed("making an instance", remedy=make_remedy):
            return self.make()

    def rng(self, purpose: str) -> random.Random:
        """Return the random generator of a purpose."""
        return random.Random(f"{self.seed} {purpose}")

    def answers(self, env: E) -> tuple[Any, ...]:
        """Return the answers to every question that may be asked of a state."""
        raise NotImplementedError

    def explored(self, env: E, start: Script, rng: random.Random, *, guided: bool) -> Script:
        """Play an episode and return its script."""
        raise NotImplementedError

    @cached_property
    def env(self) -> E:
        """The instance that most checks share."""
        return self.fresh()

    @cached_property
    def panel(self) -> list[str]:
        """The task ids, the first thousands of a very large panel."""
        if self.unanchored:
            return [""]
        with blamed("tasks()"):
            return list(islice(cast(Any, self.env).tasks(), _LARGEST_PANEL))

    @cached_property
    def scripts(self) -> list[Script]:
        """Explored episodes of a few tasks: at random first, then as the expert says, and so on."""
        env, rng = self.fresh(), self.rng("scripts")
        tasks = rng.sample(self.panel, min(len(self.panel), _TASKS_PLAYED))
        return [
            self.explored(
                env,
                Script(tasks[i % len(tasks)], self.seed + i),
                rng,
                guided=i // len(tasks) % 2 == 1,
            )
            for i in range(self.episodes)
        ]

    @cached_property
    def traces(self) -> list[list[Moment]]:
        """What the scripts give on the shared instance, played in their order."""
        return [replay(self.env, script) for script in self.scripts]

    @cached_property
    def visits(self) -> list[Visit]:
        """Every state that the scripts pass."""
        visits: list[Visit] = []
        for script in self.scripts:
            for turn, moment in enumerate(playing(self.env, script)):
                with blamed("snapshot()", script.upto(turn)):
                    kept = cast(Any, self.env).snapshot()
                    visits.append(Visit(script.upto(turn), kept, moment))
        return visits


class Probe(BaseProbe[TextEnv]):
    """Plays environments of one agent, see `BaseProbe`."""

    def answers(self, env: TextEnv) -> tuple[Any, ...]:
        """Return the answers to every question that may be asked of a state."""
        return (
            env.anchor(),
            env.admissible_actions(),
            env.won(),
            env.progress(),
            env.snapshot(),
        )

    def explored(self, env: TextEnv, start: Script, rng: random.Random, *, guided: bool) -> Script:
        """Play an episode at random, or mostly as the expert says, and return its script."""
        return explore(env, start, rng, guided=guided)


def shortened(env: Playable, fault: Fault) -> Fault:
    """Leave out the first actions before a turn that raises, where it raises without them too."""
    if fault.where is None or not fault.seen.startswith("step() raised"):
        return fault
    actions = fault.where.actions
    for first in reversed(range(1, len(actions))):
        shorter = fault.where._replace(actions=actions[first:])
        try:
            replay(env, shorter)
        except FaultError as error:
            if (error.fault.seen, error.fault.where) == (fault.seen, shorter):
                return error.fault
    return fault


class Raised:
    """The exception that a `caught` block has raised, or None."""

    error: BaseException | None = None


@contextmanager
def caught() -> Iterator[Raised]:
    """Catch whatever the environment raises, `SystemExit` too, but not an interrupt."""
    raised = Raised()
    try:
        yield raised
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raised.error = error


@contextmanager
def blamed(
    call: str,
    where: Script | None = None,
    remedy: Callable[[BaseException], str] = crash_remedy,
) -> Iterator[None]:
    """Turn whatever the environment raises into a `FaultError`."""
    with caught() as raised:
        yield
    if isinstance(error := raised.error, FaultError):
        raise error
    if error is not None:
        seen = f"{call} raised {described(error)}"
        raise FaultError(Fault(seen, remedy(error), where)) from error


@contextmanager
def blameless() -> Iterator[None]:
    """Ignore whatever the environment raises, where another check is to say so."""
    with caught():
        yield


def begin(env: Playable, script: Script) -> Moment:
    """Start the task of a script."""
    # A world that draws from the process-global generators is to be named by one check only.
    random.seed(script.seed)
    np.random.seed(script.seed % 2**32)
    with blamed("reset()", script.upto(0)):
        options = {"task": script.task} if script.task else None
        observation, info = env.reset(seed=script.seed, options=options)
        return _moment(env, observation, dict(info))


def take(env: Playable, action: Any, where: Script) -> Moment:
    """Take one turn; `where` says how the state was reached."""
    with blamed("step()", where.then(action)):
        observation, reward, terminated, truncated, info = env.step(action)
        return _moment(env, observation, dict(info), reward, terminated, truncated)


def playing(env: Playable, script: Script) -> Iterator[Moment]:
    """Play a script and give each moment while the environment is in it."""
    yield begin(env, script)
    for turn, action in enumerate(script.actions):
        yield take(env, action, script.upto(turn))


def replay(env: Playable, script: Script) -> list[Moment]:
    """Play a script to its end: one moment more than it has actions."""
    return list(playing(env, script))


def back(env: Any, visit: Visit, seed: int | None = None) -> Moment:
    """Restore a state."""
    with blamed("restore()", visit.where):
        observation, info = env.restore(visit.snapshot, seed=seed)
        return _moment(env, observation, dict(info))


def explore(env: TextEnv, start: Script, rng: random.Random, *, guided: bool) -> Script:
    """Play an episode at random, or mostly as the expert says, and return its script."""
    script, moment = start, begin(env, start)
    env.action_space.seed(start.seed)
    while not moment.ended and len(script.actions) < min(env.max_turns, _LONGEST_SCRIPT):
        action = _guidance(env, rng) if guided else None
        if rng.random() < 0.1:
            action = IDLE
        elif action is None:
            action = pick(env, moment, rng)
        moment = take(env, action, script)
        script = script.then(action)
    return script


def pick(env: TextEnv, moment: Moment, rng: random.Random) -> str:
    """Choose an admissible action, its template filled in; free text if none is listed."""
    listed = admissible(moment)
    if listed:
        return fill(rng.choice(listed), rng)
    return rng.choice([*_WORDS, env.action_space.sample()])


def fill(action: str, rng: random.Random) -> str:
    """Put words in the place of an action's placeholders, where it has any."""
    return _TEMPLATE.sub(lambda _: rng.choice(_WORDS), action)


def admissible(moment: Moment) -> list[str]:
    """Return the admissible actions as far as they are what they should be."""
    listed = moment.info.get("admissible_actions")
    if not isinstance(listed, tuple | list):
        return []
    return [action for action in listed if isinstance(action, str)]


def is_template(action: str) -> bool:
    """Whether an action stands for many: it holds a `<placeholder>`."""
    return _TEMPLATE.search(action) is not None


def difference(expected: Moment, got: Moment, names: tuple[str, ...] = ()) -> str:
    """Say what differs between two moments; empty when nothing does."""
    for name in names or ("observation", "reward", "terminated", "truncated"):
        if not data_equivalence(expected.get(name), got.get(name), exact=True):
            return f"{name} {contrast(expected.get(name), got.get(name))}"
    if names:
        return ""
    for key in sorted({*expected.info, *got.info}):
        if not data_equivalence(expected.info.get(key), got.info.get(key), exact=True):
            return f"info[{key!r}] {contrast(expected.info.get(key), got.info.get(key))}"
    return ""


def first_difference(expected: list[Moment], got: list[Moment]) -> tuple[int, str] | None:
    """Return the turn at which two traces part, and how; None when they do not."""
    for turn, (one, other) in enumerate(zip(expected, got, strict=True)):
        if text := difference(one, other):
            return turn, text
    return None


def state_text(env: Any) -> str:
    """Return `save()` as JSON text; empty where that fails, which is for other checks to say."""
    with blameless():
        return json.dumps(env.save(), sort_keys=True)
    return ""


def kept_state(snapshot: bytes) -> str:
    """Return the `save()` in a snapshot as JSON text; empty where there is none."""
    with blameless():
        return json.dumps(json.loads(snapshot)["state"], sort_keys=True)
    return ""


def state_difference(expected: str, got: str, word: str = "became") -> str:
    """Say how two states differ, to follow what was seen; empty when nothing does."""
    if not (expected and got) or expected == got:
        return ""
    return f"; save() {parting(expected, got, word=word)}"


def _moment(env: Any, observation: Any, info: Any, reward: Any = 0.0, *ends: Any) -> Moment:
    if not isinstance(env, ParallelEnv):
        return Moment(observation, info, reward, *ends)
    terminated, truncated = ends or (False, False)
    key = env.anchor() if hasattr(env, "anchor") else None
    return JointMoment(observation, info, reward, terminated, truncated, key)


def _guidance(env: TextEnv, rng: random.Random) -> str | None:
    # Some random moves even when guided: an expert alone never sees a state twice.
    if rng.random() < 0.25:
        return None
    honest = _ask(env, "honest")
    return honest if honest is not None else _ask(env, "full")


def _ask(env: TextEnv, kind: ExpertKind) -> str | None:
    # Whatever is wrong with the expert is for its own check to say.
    with blameless():
        action = cast(object, env.expert_action(kind))
        return action if isinstance(action, str) else None
    return None
