"""Checks of the answers of an environment: tasks, infos, spaces, refusals, ends.

Each check is a function from a `Probe` to the faults it sees. Its first docstring line is what
holds in a sound environment, its name is the name in reports.
"""

from __future__ import annotations

import math
import random
import re
import warnings
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, get_type_hints

import numpy as np
from gymnasium.utils.env_checker import check_env as gymnasium_check_env

from anchorgym.envs.checking.moments import Fault, FaultError, Moment, Script
from anchorgym.envs.checking.poison import poisons, refusal_problems
from anchorgym.envs.checking.probe import (
    BaseProbe,
    Probe,
    admissible,
    begin,
    blamed,
    caught,
    is_template,
    replay,
    take,
)
from anchorgym.envs.checking.remedies import FIX_CRASH, WRONG_INFO, crash_remedy
from anchorgym.envs.checking.report import described, shown
from anchorgym.envs.core import ExpertKind, Info, TextEnv
from anchorgym.envs.errors import (
    NoExpertError,
    OptionError,
    ResetNeededError,
    UnknownTaskError,
)

_MOST_TURNS = 1000
_MOST_EXPERT_TURNS = 60
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_IRRELEVANT = ("No render fps was declared",)
"""Warnings of Gymnasium's checker that mean nothing for text."""


def panel(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """Task ids are unique, non-empty strings, the same on every instance."""
    ids = probe.panel
    remedy = "return the same tuple of unique, non-empty strings from tasks() every time"
    if not ids:
        yield Fault("tasks() is empty", remedy)
    wrong = [task for task in ids if not (isinstance(task, str) and task and task.isprintable())]
    if wrong:
        yield Fault(f"the task id {shown(wrong[0])} is no printable string", remedy)
    elif len(set(ids)) < len(ids):
        twice = next(task for i, task in enumerate(ids) if task in ids[:i])
        yield Fault(f"the task id {shown(twice)} is there twice", remedy)
    elif not (hasattr(probe.env.tasks(), "__len__") and hasattr(probe.env.tasks(), "__getitem__")):
        yield Fault(f"tasks() gives a {type(probe.env.tasks()).__name__}, no sequence", remedy)
    other = probe.fresh()
    with blamed("tasks(split)"):
        if list(other.tasks(other.split))[: len(ids)] != ids:
            yield Fault("tasks() differs between two instances, or from tasks(env.split)", remedy)


def plays(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """Episodes of listed actions run without raising."""
    _ = probe.traces  # to play them is the check: what raises becomes a fault
    yield from ()


def info(probe: Probe) -> Iterator[Fault]:
    """Infos hold every key of `Info`, with the right types and consistent values."""
    for where, moment in _moments(probe):
        for problem, remedy in info_problems(moment, first=not where.actions):
            yield Fault(problem, remedy, where)


def steps(probe: Probe) -> Iterator[Fault]:
    """Rewards are finite numbers, ends are bools."""
    for where, moment in _moments(probe):
        reward, remedy = moment.reward, "return a finite float as Outcome.reward"
        if not (isinstance(reward, int | float) and math.isfinite(reward)):
            yield Fault(f"the reward is {shown(reward)}", remedy, where)
        for name in ("terminated", "truncated"):
            if not isinstance(moment.get(name), bool):
                seen = f"{name} is {shown(moment.get(name))}"
                yield Fault(seen, f"return a bool as {name}", where)


def spaces(probe: Probe) -> Iterator[Fault]:
    """Observations and listed actions are inside their spaces."""
    for where, moment in _moments(probe):
        if moment.observation not in probe.env.observation_space:
            yield _outside(probe.env, moment, where)
        for action in admissible(moment):
            if not is_template(action) and action not in probe.env.action_space:
                yield Fault(
                    f"the listed action {shown(action)} is outside {probe.env.action_space}",
                    "list well-formed, shorter actions, or raise max_action_length",
                    where,
                )


def expert(probe: Probe) -> Iterator[Fault]:
    """An expert, where there is one, names valid actions and changes nothing."""
    kinds: tuple[ExpertKind, ...] = ("honest", "full")
    for kind in kinds:
        for script in probe.scripts[:3]:
            yield from _follow(probe.env, kind, script.upto(0))


def before_reset(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """Before the first reset, step and snapshot raise ResetNeededError."""
    remedy = "raise ResetNeededError when no episode is running, as TextEnv does"
    env = probe.fresh()
    yield from _refuses(
        ResetNeededError, Fault("step() before reset", remedy), env.step, probe.idle
    )
    env = probe.fresh()
    yield from _refuses(ResetNeededError, Fault("snapshot() before reset", remedy), env.snapshot)


def global_random(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """Playing leaves Python's and NumPy's global random generators alone."""
    remedy = "draw from self.np_random only, and never seed the global generators"
    for script in probe.scripts:
        before = _global_state()
        with blamed("reset()", script.upto(0)):
            options = {"task": script.task} if script.task else None
            probe.env.reset(seed=script.seed, options=options)
        if _global_state() != before:
            yield Fault("reset uses a global random generator", remedy, script.upto(0))
            return
        for turn, action in enumerate(script.actions):
            take(probe.env, action, script.upto(turn))
            if _global_state() != before:
                seen = "a turn uses a global random generator"
                yield Fault(seen, remedy, script.upto(turn + 1))
                return


def reset(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """Reset plays the task it is given, or one that the seed draws."""
    env = probe.env
    for task in dict.fromkeys(script.task for script in probe.scripts):
        where = Script(task, probe.seed)
        moment = begin(env, where)
        if moment.task != task or env.task != task:
            seen = f"reset to task {task!r} plays {shown(moment.task)}"
            yield Fault(seen, "start the task that reset was given", where)
    draws = {begin(env, Script("", probe.seed + i)).task for i in range(24)}
    if len(probe.panel) > 1 and len(draws) == 1:
        remedy = "without a task, let reset draw one from the seed, as TextEnv.reset does"
        yield Fault("24 seeds drew one and the same task", remedy)


def reset_options(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """Reset refuses unknown tasks and options with a typed error, and the episode goes on."""
    env = probe.env
    refused: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"task": "no such task"}, UnknownTaskError),
        ({"task": 7}, UnknownTaskError),
        ({"no such option": 1}, OptionError),
    ]
    middles = [script.upto(len(script.actions) // 2) for script in probe.scripts[:4]]
    for script, (options, error) in product(middles, refused):
        replay(env, script)
        before = env.snapshot()
        remedy = f"raise {error.__name__} before anything is changed"
        fault = Fault(f"reset(options={options})", remedy, script)
        yield from _refuses(error, fault, env.reset, seed=1, options=options)
        if env.snapshot() != before:
            yield fault._replace(seen=f"{fault.seen} changed the running episode")


def invalid_actions(probe: Probe) -> Iterator[Fault]:
    """Invalid and poisoned actions cost one turn, say why, and never raise."""
    env = probe.env
    for script in (probe.scripts[0].upto(0), probe.scripts[-1].upto(3)):
        moment = replay(env, script)[-1]
        for poison in poisons(moment):
            replay(env, script)
            turn = env.turn
            try:
                got = take(env, poison.action, script)
            except FaultError as error:
                remedy = error.fault.remedy
                if remedy == FIX_CRASH:
                    remedy = "answer any string with Outcome(text, reason='why it is invalid')"
                yield Fault(f"{poison.name}: {error.fault.seen}", remedy, error.fault.where)
                continue
            space = env.observation_space
            for problem, remedy in refusal_problems(space, got, poison, env.turn - turn):
                yield Fault(f"{poison.name}: {problem}", remedy, script.then(poison.action))


def truncation(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """An episode is truncated at `max_turns`, not before; then reset starts another."""
    env, script = probe.fresh(), probe.scripts[0].upto(0)
    # A long horizon is shortened: what is checked is that the limit is kept.
    env.max_turns = min(env.max_turns, _MOST_TURNS)
    begin(env, script)
    for turn in range(1, env.max_turns + 1):
        moment, script = take(env, probe.idle, script), script.then(probe.idle)
        if _any(moment.terminated):
            return
        if _any(moment.truncated) != (turn == env.max_turns):
            seen = f"truncated is {moment.truncated} in turn {turn} of {env.max_turns}"
            yield Fault(seen, "leave truncation to the base class's step", script)
            return
    begin(env, script)
    if _any(take(env, probe.idle, script).truncated) != (env.max_turns == 1):
        yield Fault("the episode after a truncated one is truncated at once", "clear it in reset")


def gymnasium(probe: Probe) -> Iterator[Fault]:
    """Gymnasium's own checker passes."""
    env, remedy = probe.fresh(), "see the documentation of gymnasium.Env"
    env.action_space.seed(probe.seed)
    with caught() as raised, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        # Other render modes are made from the spec; a class that is not registered has none.
        gymnasium_check_env(env, skip_render_check=env.spec is None)
    if raised.error is not None:
        one_turn = env.max_turns == 1 and "truncates after 1 step" in str(raised.error)
        if not one_turn:
            yield Fault(f"it raised {described(raised.error)}", remedy)
    for warning in warned:
        text = _COLOUR.sub("", str(warning.message)).strip()
        if text.startswith("WARN:") and not any(known in text for known in _IRRELEVANT):
            yield Fault(text.removeprefix("WARN:").strip(), remedy)


# Details ----------------------------------------------------------------------------------------


def _any(flags: Any) -> bool:
    """Whether a flag is set, or one of several agents'."""
    return any(flags.values()) if isinstance(flags, dict) else bool(flags)


def _follow(env: TextEnv, kind: ExpertKind, script: Script) -> Iterator[Fault]:
    """Play an episode as the expert says, as long as it says something."""
    remedy = "let expert_action(kind) name a valid action or raise NoExpertError, and do no more"
    moment = begin(env, script)
    while not moment.ended and len(script.actions) < _MOST_EXPERT_TURNS:
        before = env.snapshot()
        with caught() as raised:
            action = env.expert_action(kind)
        if (error := raised.error) is not None:
            if not isinstance(error, NoExpertError):
                yield Fault(f"expert_action({kind!r}) raised {described(error)}", remedy, script)
            return
        if env.snapshot() != before:
            yield Fault(f"expert_action({kind!r}) changes the state", remedy, script)
            return
        moment, script = take(env, action, script), script.then(action)
        if not moment.info.get("action_valid"):
            seen = f"the {kind} expert's action is refused: {shown(moment.info.get('reason'))}"
            yield Fault(seen, remedy, script)
            return


def _moments(probe: Probe) -> Iterator[tuple[Script, Moment]]:
    for script, trace in zip(probe.scripts, probe.traces, strict=True):
        for turn, moment in enumerate(trace):
            yield script.upto(turn), moment


_INFO_TYPES: dict[str, type | tuple[type, ...]] = {
    "task_id": str,
    "goal": str,
    "anchor": bytes,
    "admissible_actions": tuple,
    "action_valid": bool,
    "reason": str,
    "won": bool,
    "progress": (int, float),
}
assert _INFO_TYPES.keys() == get_type_hints(Info).keys()


def info_problems(moment: Moment, *, first: bool) -> Iterator[tuple[str, str]]:
    """Say what is wrong with an info: (problem, remedy)."""
    found, remedy = moment.info, "leave the infos to TextEnv"
    wrong = [key for key, kind in _INFO_TYPES.items() if not isinstance(found.get(key), kind)]
    for key in wrong:
        if key in found:
            yield f"info[{key!r}] is {shown(found[key])}", WRONG_INFO.get(key, remedy)
        else:
            yield f"info[{key!r}] is missing", remedy
    if wrong:
        return
    if not found["anchor"]:
        yield "info['anchor'] is empty", WRONG_INFO["anchor"]
    listed = found["admissible_actions"]
    if not all(isinstance(action, str) for action in listed):
        seen = f"info['admissible_actions'] holds more than strings: {shown(listed)}"
        yield seen, WRONG_INFO["admissible_actions"]
    remedy = f"{remedy}, and let won(), progress() and act() agree"
    if not 0 <= found["progress"] <= 1:
        yield f"info['progress'] is {found['progress']}, outside [0, 1]", remedy
    elif found["won"] and found["progress"] != 1:
        yield f"info['progress'] is {found['progress']} in a world that is won", remedy
    if found["action_valid"] == bool(found["reason"]):
        seen = f"action_valid is {found['action_valid']}, the reason {shown(found['reason'])}"
        yield seen, remedy
    if first and not found["action_valid"]:
        yield "action_valid is False before any action", remedy


def _outside(env: TextEnv, moment: Moment, where: Script) -> Fault:
    remedy = "return well-formed strings, shorten them, or raise max_observation_length"
    if not isinstance(moment.observation, str):
        source = "act(), as Outcome.observation" if where.actions else "start()"
        remedy = f"return a string from {source}"
    seen = f"the observation {shown(moment.observation)} is outside {env.observation_space}"
    return Fault(seen, remedy, where)


def _refuses(
    error: type[Exception], fault: Fault, call: Callable[..., object], *args: Any, **kwargs: Any
) -> Iterator[Fault]:
    """Give the fault, completed by what happened, unless the call raises the error."""
    with caught() as raised:
        call(*args, **kwargs)
    if (other := raised.error) is None:
        yield fault._replace(seen=f"{fault.seen} raised nothing")
    elif not isinstance(other, error):
        seen = f"{fault.seen} raised {described(other)}"
        yield fault._replace(seen=seen, remedy=crash_remedy(other, fault.remedy))


def _global_state() -> tuple[Any, ...]:
    numpy_state = np.random.get_state(legacy=False)["state"]
    return random.getstate(), numpy_state["key"].tobytes(), numpy_state["pos"]
