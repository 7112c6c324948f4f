"""Checks that only environments of several agents need.

As for one agent, a check is a function from a probe to the faults it sees; its first docstring
line is what holds in a sound environment.
"""

from __future__ import annotations

import io
import math
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from itertools import groupby
from typing import Any, cast

import numpy as np
from gymnasium.spaces import Discrete

from anchorgym.envs.bookkeeping import value_digest
from anchorgym.envs.checking.checks import info_problems
from anchorgym.envs.checking.moments import Fault, FaultError, JointMoment, Moment, Script
from anchorgym.envs.checking.parallel_probe import JointProbe, listed_for, pick_joint
from anchorgym.envs.checking.poison import Poison, poisons, refusal_problems
from anchorgym.envs.checking.probe import (
    Visit,
    back,
    begin,
    blamed,
    caught,
    difference,
    is_template,
    kept_state,
    playing,
    replay,
    state_difference,
    take,
)
from anchorgym.envs.checking.remedies import FIX_CRASH
from anchorgym.envs.checking.report import described, shown
from anchorgym.envs.checking.state_checks import twins
from anchorgym.envs.errors import NoExpertError
from anchorgym.envs.multi.one_active import OneActiveEnv
from anchorgym.envs.multi.turns import TurnsEnv
from anchorgym.envs.multi.world import MultiAgentEnv
from anchorgym.envs.spaces import Unicode

_EFFECT = ("reward", "terminated", "joint_anchor", "anchor", "won")
_EFFECT_AT_HORIZON = ("reward", "terminated", "won")
"""Where only one of two states is at the turn limit, its agents leave: anchors tell that apart."""
_TOLD = ("anchor", "admissible_actions", "active")
_MOST_TRIES = 400
_OTHER_SEEDS = 6
_MOST_CYCLES = 200


def agents(probe: JointProbe) -> Iterator[Fault]:
    """A turn speaks of the agents that were in play; who ends leaves, and stays away."""
    remedy = "return all five dictionaries for exactly the agents that were in play before the turn"
    env = probe.env
    for script in probe.scripts:
        gone: set[str] = set()
        before: list[str] = []
        for turn, moment in enumerate(playing(env, script)):
            where = script.upto(turn)
            told = {"observations": moment.observation, "infos": moment.info}
            if turn:
                told |= {"rewards": moment.reward, "terminations": moment.terminated}
                told |= {"truncations": moment.truncated}
            expected = set(before) if turn else set(env.agents)
            for name, part in told.items():
                if not isinstance(part, Mapping) or set(part) != expected:
                    seen = f"the {name} are of {shown(sorted(part))}, not of {sorted(expected)}"
                    yield Fault(seen, remedy, where)
            strangers = set(env.agents) - set(env.possible_agents)
            if strangers:
                yield Fault(f"{sorted(strangers)} are in play, but not possible", remedy, where)
            if turn:
                ended = {a for a in before if moment.terminated[a] or moment.truncated[a]}
                gone |= ended
                if gone & set(env.agents) or set(before) - ended - set(env.agents):
                    seen = f"of {before}, {sorted(ended)} ended, and {env.agents} are in play"
                    yield Fault(seen, "let env.agents be those that have not ended", where)
            before = list(env.agents)


def steps(probe: JointProbe) -> Iterator[Fault]:
    """Rewards are finite numbers, ends are bools, for each agent."""
    for where, moment in _moments(probe):
        if not where.actions:
            continue
        for agent, reward in moment.reward.items():
            if not (isinstance(reward, int | float | np.number) and math.isfinite(reward)):
                seen = f"the reward of {agent} is {shown(reward)}"
                yield Fault(seen, "return finite floats as rewards", where)
        for name in ("terminated", "truncated"):
            for agent, flag in moment.get(name).items():
                if not isinstance(flag, bool):
                    seen = f"{name} of {agent} is {shown(flag)}"
                    yield Fault(seen, "return bools as ends", where)


def spaces(probe: JointProbe) -> Iterator[Fault]:
    """Observations and listed actions are inside the spaces, and a space is always one object."""
    env = probe.env
    for agent in env.possible_agents:
        for name in ("observation_space", "action_space"):
            if getattr(env, name)(agent) is not getattr(env, name)(agent):
                seen = f"{name}({agent!r}) gives another object each time"
                yield Fault(seen, "make the spaces in the constructor")
    for where, moment in _moments(probe):
        for agent, seen in moment.observation.items():
            if not env.observation_space(agent).contains(seen):
                text = f"{agent} observes {shown(seen)}, outside {env.observation_space(agent)}"
                yield Fault(text, "return what is in the space, or widen it", where)
            for action in listed_for(moment.of(agent)):
                template = isinstance(action, str) and is_template(action)
                if not template and not env.action_space(agent).contains(action):
                    text = f"the action {shown(action)} listed for {agent} is outside its space"
                    yield Fault(text, "list elements of the action space", where)


def pettingzoo(probe: JointProbe) -> Iterator[Fault]:
    """PettingZoo's own tests pass, of the environment and of its view by turns."""
    # Only a check needs them, and they take long to import.
    from pettingzoo.test.api_test import api_test
    from pettingzoo.test.parallel_test import parallel_api_test
    from pettingzoo.test.seed_test import parallel_seed_test, seed_test

    remedy = "see the documentation of pettingzoo.ParallelEnv, or of AECEnv"
    env = probe.fresh()
    tests: dict[str, Callable[[], Any]] = {
        "parallel_api_test": lambda: parallel_api_test(env, num_cycles=_MOST_CYCLES),
        "parallel_seed_test": lambda: parallel_seed_test(probe.make, num_cycles=_MOST_CYCLES),
    }
    if isinstance(env, MultiAgentEnv):
        view = TurnsEnv(cast(Any, probe.fresh()))
        tests["api_test"] = lambda: api_test(view, _MOST_CYCLES)
    if isinstance(env, OneActiveEnv):
        tests = {
            "api_test": lambda: api_test(env.env, _MOST_CYCLES),
            "seed_test": lambda: seed_test(lambda: cast(Any, probe.make()).env, _MOST_CYCLES),
        }
    for name, test in tests.items():
        with caught() as raised, warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            test()
        if raised.error is not None:
            yield Fault(f"{name} raised {described(raised.error)}", remedy)


def info(probe: JointProbe) -> Iterator[Fault]:
    """Infos hold every key of `AgentInfo`, with the right types and consistent values."""
    remedy = "leave the infos to MultiAgentEnv; active() returns a bool"
    for where, moment in _moments(probe):
        for agent in moment.info:
            view = moment.of(agent)
            for problem, what in info_problems(view, first=not where.actions):
                if "more than strings" not in problem:  # it lists elements of its action space
                    yield Fault(f"{agent}: {problem}", what, where)
            if not isinstance(view.info.get("active"), bool):
                seen = f"{agent}: info['active'] is {shown(view.info.get('active'))}"
                yield Fault(seen, remedy, where)


def active(probe: JointProbe) -> Iterator[Fault]:
    """What an inactive agent says changes nothing."""
    env, tries = probe.env, 0
    remedy = "let active(agent) be True whenever the agent's action is read"
    for visit in probe.visits:
        asleep = [a for a, view in _in_play(visit).items() if view.info.get("active") is False]
        if not asleep:
            continue
        rng = probe.rng(f"active {tries}")
        back(env, visit, seed=tries)
        joint = pick_joint(env, visit.moment, rng)
        expected = take(env, joint, visit.where)
        loud = {**joint, asleep[0]: env.action_space(asleep[0]).sample()}
        back(env, visit, seed=tries)
        if text := difference(expected, take(env, loud, visit.where)):
            seen = f"{asleep[0]} is inactive, but with its action {text}"
            yield Fault(seen, remedy, visit.where.then(loud))
        tries += 1
        if tries > _MOST_TRIES:
            return


def invalid_actions(probe: JointProbe) -> Iterator[Fault]:
    """Invalid, poisoned and missing actions cost one turn, say why, and never raise."""
    env = cast(Any, probe.env)
    for script in (probe.scripts[0].upto(0), probe.scripts[-1].upto(2)):
        moment = replay(env, script)[-1]
        for agent in list(env.agents):
            if moment.get("active").get(agent) is not True:
                continue
            for poison in _poisons(env.action_space(agent), cast(JointMoment, moment).of(agent)):
                yield from _poisoned(env, script, agent, poison)


def admissible_actions(probe: JointProbe) -> Iterator[Fault]:
    """Every listed action that is no template is valid."""
    env, rng, tried = probe.env, probe.rng("admissible"), 0
    for visit in {(v.where.task, v.moment.key): v for v in probe.visits}.values():
        for agent, view in _in_play(visit).items():
            listed = [a for a in listed_for(view) if not (isinstance(a, str) and is_template(a))]
            for action in rng.sample(listed, min(len(listed), 6)):
                back(env, visit)
                joint = {**pick_joint(env, visit.moment, rng), agent: action}
                got = take(env, joint, visit.where).info.get(agent, {})
                if not got.get("action_valid"):
                    seen = f"the action {shown(action)} listed for {agent} is refused: "
                    seen += shown(got.get("reason"))
                    remedy = "list in admissible_actions() what act() accepts, and nothing else"
                    yield Fault(seen, remedy, visit.where.then(joint))
                tried += 1
        if tried > _MOST_TRIES:
            return


def anchor_scope(probe: JointProbe) -> Iterator[Fault]:
    """The anchor leaves out the randomness."""
    env = cast(Any, probe.env)
    remedy = "leave the random generator out of anchor() and information_set()"
    for visit in probe.visits[:_MOST_TRIES]:
        got = back(env, visit, seed=1)
        for name in ("joint_anchor", "anchor"):
            if text := difference(back(env, visit), got, (name,)):
                yield Fault(f"restored with another seed, {text}", remedy, visit.where)
                return


def anchors(probe: JointProbe) -> Iterator[Fault]:
    """Equal anchors mean the same information sets, admissible actions and next states."""
    env, rng, tries = probe.env, probe.rng("anchors"), 0
    remedy = "let anchor() tell apart what act(), observe() and admissible_actions() tell apart"
    for one, other in twins(probe.visits):
        told = back(env, one), back(env, other)
        states = state_difference(kept_state(one.snapshot), kept_state(other.snapshot), "and")
        if text := difference(*told, _TOLD):
            yield Fault(f"one anchor, but {text}{states}", remedy, other.where)
            continue
        for _ in range(6):
            tries += 1
            back(env, one, seed=tries)
            joint = pick_joint(env, told[0], rng)
            expected = take(env, joint, one.where)
            back(env, other, seed=tries)
            found = take(env, joint, other.where)
            same_end = expected.truncated == found.truncated
            if text := difference(expected, found, _EFFECT if same_end else _EFFECT_AT_HORIZON):
                seen = f"one anchor, but after {shown(joint)} {text}{states}"
                yield Fault(seen, remedy, other.where)
                break
        if tries > _MOST_TRIES:
            return


def information_sets(probe: JointProbe) -> Iterator[Fault]:
    """An agent's anchor fixes what it may do, and tells no more than it has seen and done."""
    lives = sorted(_lives(probe), key=lambda life: (life.where.task, life.agent, life.history))
    for _, group in groupby(lives, key=lambda life: (life.where.task, life.agent, life.history)):
        first, *rest = group
        for life in rest:
            if life.view.info.get("anchor") != first.view.info.get("anchor"):
                seen = f"{life.agent} saw and did the same, but has another anchor than after seed "
                remedy = "let information_set(agent) depend on what that agent may know alone"
                yield Fault(f"{seen}{first.where.seed}", remedy, life.where)
                return
    keyed: dict[tuple[str, str, bytes], Moment] = {}
    for life in lives:
        key = life.where.task, life.agent, life.view.info["anchor"]
        first_view = keyed.setdefault(key, life.view)
        if text := difference(first_view, life.view, _TOLD[1:]):
            remedy = "let information_set(agent) tell apart when an agent may do other things"
            yield Fault(f"{life.agent} has one anchor, but {text}", remedy, life.where)
            return


# Details ----------------------------------------------------------------------------------------


class _Life:
    """What one agent has been through up to a turn."""

    def __init__(self, agent: str, where: Script, view: Moment, history: bytes) -> None:
        self.agent, self.where, self.view, self.history = agent, where, view, history


def _lives(probe: JointProbe) -> Iterator[_Life]:
    """Yield what agents went through, also where other seeds dealt the others something else."""
    for script in probe.scripts[:6]:
        for seed in range(script.seed, script.seed + _OTHER_SEEDS):
            yield from _lived(probe.env, script._replace(seed=seed))


def _lived(env: Any, script: Script) -> Iterator[_Life]:
    moment, histories = cast(JointMoment, begin(env, script)), dict[str, bytes]()
    for turn in range(len(script.actions) + 1):
        for agent in list(env.agents):
            view = moment.of(agent)
            seen = [view.observation, listed_for(view), view.info.get("active")]
            seen += [view.info.get("reason"), view.info.get("goal")]
            histories[agent] = value_digest([histories.get(agent, b""), seen])
            yield _Life(agent, script.upto(turn), view, histories[agent])
        if turn == len(script.actions) or not env.agents:
            return
        joint = {a: action for a, action in script.actions[turn].items() if a in env.agents}
        for agent, action in joint.items():
            histories[agent] = value_digest([histories[agent], shown(action)])
        moment = cast(JointMoment, take(env, joint, script.upto(turn)))
        for agent in env.agents:
            histories[agent] = value_digest([histories[agent], float(moment.reward[agent])])


def _moments(probe: JointProbe) -> Iterator[tuple[Script, JointMoment]]:
    for script, trace in zip(probe.scripts, probe.traces, strict=True):
        for turn, moment in enumerate(trace):
            yield script.upto(turn), cast(JointMoment, moment)


def _in_play(visit: Visit) -> dict[str, Moment]:
    moment = cast(JointMoment, visit.moment)
    return {agent: moment.of(agent) for agent in moment.as_restored().info}


def _poisons(space: Any, view: Moment) -> list[Poison]:
    nothing = Poison("no action", None)
    if isinstance(space, Unicode):
        return [nothing, *poisons(view)]
    odd: list[Any] = ["text", -1, 0.5, float("nan"), [], {}, np.zeros((2, 7)), b"\0", 10**30]
    if isinstance(space, Discrete):
        odd.append(int(space.start + space.n))
    return [nothing, *(Poison(shown(one), one) for one in odd if not _inside(space, one))]


def _inside(space: Any, value: Any) -> bool:
    try:
        return bool(space.contains(value))
    except Exception:  # some spaces ask anything for its shape
        return False


def _poisoned(env: Any, script: Script, agent: str, poison: Poison) -> Iterator[Fault]:
    moment = replay(env, script)[-1]
    joint = {**pick_joint(env, moment, random.Random(0)), agent: poison.action}
    turn = getattr(env, "turn", 0)
    try:
        got = cast(JointMoment, take(env, joint, script)).of(agent)
    except FaultError as error:
        remedy = error.fault.remedy
        if remedy == FIX_CRASH:
            remedy = "answer any action with AgentOutcome(reason='why it is invalid')"
        yield Fault(f"{agent}, {poison.name}: {error.fault.seen}", remedy, error.fault.where)
        return
    cost = getattr(env, "turn", turn + 1) - turn
    for problem, remedy in refusal_problems(env.observation_space(agent), got, poison, cost):
        yield Fault(f"{agent}, {poison.name}: {problem}", remedy, script.then(joint))


def expert(probe: JointProbe) -> Iterator[Fault]:
    """An expert, where there is one, names valid actions and changes nothing."""
    env = cast(Any, probe.env)
    if not isinstance(env, MultiAgentEnv):
        return
    for visit in probe.visits[:60]:
        for agent, view in _in_play(visit).items():
            back(env, visit)
            if not view.info.get("active"):
                continue
            with blamed(f"expert_action({agent!r})", visit.where):
                action = _asked(env, agent)
            if action is None:
                return
            if env.snapshot() != visit.snapshot:
                yield Fault("expert_action() changes the state", "let it do no more", visit.where)
                return
            joint = {**pick_joint(env, visit.moment, random.Random(0)), agent: action}
            got = take(env, joint, visit.where).info[agent]
            if not got["action_valid"]:
                seen = f"the expert's action for {agent} is refused: {shown(got['reason'])}"
                yield Fault(seen, "let expert_action() name a valid action", visit.where)
                return


def _asked(env: MultiAgentEnv[Any, Any], agent: str) -> Any:
    try:
        return env.expert_action(agent)
    except NoExpertError:
        return None
