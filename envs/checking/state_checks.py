"""Checks of the states of an environment: determinism, snapshots, anchors."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from typing import Any

from anchorgym.envs.checking.moments import Fault, FaultError, Moment, Script
from anchorgym.envs.checking.poison import NONSENSE
from anchorgym.envs.checking.probe import (
    IDLE,
    BaseProbe,
    Probe,
    Visit,
    admissible,
    back,
    begin,
    blamed,
    caught,
    difference,
    first_difference,
    is_template,
    kept_state,
    pick,
    playing,
    replay,
    state_difference,
    state_text,
    take,
)
from anchorgym.envs.checking.report import described, shown
from anchorgym.envs.core import TextEnv
from anchorgym.envs.errors import SnapshotError

_STATE = (
    *("task_id", "goal", "anchor", "joint_anchor", "admissible_actions", "active"),
    *("won", "progress"),
)
_START = ("observation", "goal", "anchor", "joint_anchor", "admissible_actions", "active")
_EFFECT = ("reward", "anchor", "won", "terminated")
_SEEDS = 64
_MOST_TRIES = 600


def determinism(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """Two instances with one seed and the same actions give the same episodes."""
    env = probe.fresh()
    remedy = "draw all randomness from self.np_random, keep no state on the class"
    for script, trace in zip(probe.scripts, probe.traces, strict=True):
        if found := first_difference(trace, replay(env, script)):
            where = script.upto(found[0])
            seen = f"on another instance, {found[1]}{_states_apart(probe.env, env, where)}"
            yield Fault(seen, remedy, where)
    if probe.unanchored:
        return
    for seed in range(probe.seed, probe.seed + 4):
        drawn = [begin(one, Script("", seed)).task for one in (env, probe.env)]
        if drawn[0] != drawn[1]:
            yield Fault(f"reset(seed={seed}) drew task {drawn[0]!r}, then {drawn[1]!r}", remedy)


def leftovers(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """An episode leaves nothing behind for the next."""
    remedy = "set everything that an episode changes in start()"
    for script, trace in zip(probe.scripts, probe.traces, strict=True):
        if found := first_difference(trace, replay(probe.env, script)):
            where = script.upto(found[0])
            seen = f"after other episodes, {found[1]}"
            seen += _states_apart(probe.fresh(), probe.env, where)
            yield Fault(seen, remedy, where)


def queries(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """Asking for snapshot, anchor or admissible actions changes nothing."""
    remedy = "let questions read the state, and neither change it nor draw from np_random"
    for script, trace in zip(probe.scripts, probe.traces, strict=True):
        asked: list[Moment] = []
        for turn, moment in enumerate(playing(probe.env, script)):
            asked.append(moment)
            with blamed("asking for the state", script.upto(turn)):
                if probe.answers(probe.env) != probe.answers(probe.env):
                    seen = "the same question, asked twice, had two answers"
                    yield Fault(seen, remedy, script.upto(turn))
                    return
        if found := first_difference(trace, asked):
            seen = f"with questions between the turns, {found[1]}"
            yield Fault(seen, remedy, script.upto(found[0]))


def snapshot(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """A snapshot is UTF-8 JSON."""
    remedy = "return bytes of UTF-8 JSON, as TextEnv.snapshot does from save()"
    for visit in probe.visits:
        try:
            json.loads(visit.snapshot.decode())
        except (AttributeError, ValueError, RecursionError) as error:
            yield Fault(f"snapshot() gave no JSON: {described(error)}", remedy, visit.where)


def anchor_scope(probe: Probe) -> Iterator[Fault]:
    """The anchor leaves out the turn counter and the randomness."""
    env = probe.env
    for script in probe.scripts:
        for turn, moment in enumerate(playing(env, script)):
            if turn not in (0, len(script.actions) // 2) or moment.ended:
                continue
            yield from _anchor_leaks(env, script.upto(turn))
            if turn:
                break


def task_start(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """A task starts the same whatever the seed."""
    remedy = (
        "draw nothing in start(): the task id fixes the start, the seed what comes later; draw a "
        "hidden secret in act(), at the first action that needs it"
    )
    for task in dict.fromkeys([*(script.task for script in probe.scripts), *probe.panel[:4]]):
        first = begin(probe.env, Script(task, probe.seed))
        state = state_text(probe.env)
        for seed in (probe.seed + 1, probe.seed + 2):
            where = Script(task, seed)
            if text := difference(first, begin(probe.env, where), _START):
                text += state_difference(state, state_text(probe.env))
                yield Fault(f"with another seed, {text}", remedy, where)


def restore(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """A restored state has the future it would have had, in any instance."""
    remedy = "put all that act() and admissible_actions() read into save() and load()"
    for script, trace in zip(probe.scripts, probe.traces, strict=True):
        turns = _points(script)
        visits = [
            visit
            for visit in probe.visits
            if visit.where.seed == script.seed and len(visit.where.actions) in turns
        ]
        for env, which in ((probe.env, "the same"), (probe.fresh(), "another")):
            for visit in visits:
                turn = len(visit.where.actions)
                got = back(env, visit)
                text = difference(trace[turn].as_restored(), got, ("observation", *_STATE))
                if text:
                    text += state_difference(kept_state(visit.snapshot), state_text(env))
                if env.turn != turn:
                    text = text or f"turn {turn} became {env.turn}"
                if text := text or _future_difference(env, script, trace, turn):
                    yield Fault(f"restored in {which} instance, {text}", remedy, visit.where)


def reseed(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """Restored with a new seed, chance takes another course; with the same seed, the same."""
    for script, trace in zip(probe.scripts, probe.traces, strict=True):
        visit = next(v for v in probe.visits if v.where == script.upto(0))
        futures = [_future(probe.env, visit, script, seed) for seed in (1, 1, 2)]
        if found := first_difference(futures[0], futures[1]):
            seen = f"restored twice with seed 1, {found[1]}"
            yield Fault(seen, "let restore(data, seed) reseed np_random", script.upto(found[0]))
        if not _parts(probe, script, trace):
            continue
        seeds = range(1, _SEEDS + 1)
        others = (_future(probe.env, visit, script, seed) for seed in seeds)
        if not any(first_difference(futures[0], other) for other in others):
            yield Fault(
                f"{_SEEDS} seeds given to restore() lead to one future, though chance plays a part",
                "redraw all randomness in restore(data, seed): keep no drawn future in the state",
                script,
            )


def admissible_actions(probe: Probe) -> Iterator[Fault]:
    """Every listed action that is no template is valid."""
    rng, tried = probe.rng("admissible"), 0
    for visit in _distinct(probe.visits):
        listed = [action for action in admissible(visit.moment) if not is_template(action)]
        for action in rng.sample(listed, min(len(listed), 12)):
            back(probe.env, visit)
            got = take(probe.env, action, visit.where)
            if not got.info.get("action_valid"):
                yield Fault(
                    f"the listed action {shown(action)} is refused: "
                    f"{shown(got.info.get('reason'))}",
                    "list in admissible_actions() what act() accepts, and nothing else",
                    visit.where.then(action),
                )
            tried += 1
        if tried > _MOST_TRIES:
            return


def anchors(probe: Probe) -> Iterator[Fault]:
    """Equal anchors mean the same admissible actions and the same next states."""
    rng, tries = probe.rng("anchors"), 0
    remedy = "let anchor() tell apart what act() and admissible_actions() tell apart"
    for one, other in twins(probe.visits):
        listed = admissible(one.moment), admissible(other.moment)
        if set(listed[0]) != set(listed[1]):
            seen = f"one anchor, but admissible {shown(listed[0])} and {shown(listed[1])}"
            seen += _two_states(one, other)
            yield Fault(f"{seen}; the other is after {_short(one.where)}", remedy, other.where)
            continue
        for action in _sample(probe.env, one, rng):
            tries += 1
            back(probe.env, one, seed=tries)
            expected = take(probe.env, action, one.where)
            back(probe.env, other, seed=tries)
            text = difference(expected, take(probe.env, action, other.where), _EFFECT)
            if text:
                seen = f"one anchor, but after {shown(action)} {text}"
                seen += _two_states(one, other)
                yield Fault(f"{seen}; the other is after {_short(one.where)}", remedy, other.where)
                break
        if tries > _MOST_TRIES:
            return


def foreign_snapshots(probe: BaseProbe[Any]) -> Iterator[Fault]:
    """Foreign, stale and damaged snapshots raise SnapshotError; the episode goes on unharmed."""
    env, script, trace = probe.env, probe.scripts[0], probe.traces[0]
    remedy = "read snapshots with TextEnv.restore, or raise SnapshotError before changing anything"
    half = len(script.actions) // 2
    replay(env, script.upto(half))
    before = env.snapshot()
    for name, data in _foreign(probe, before):
        for which, one in (("", env), (" before reset", probe.fresh())):
            with caught() as raised:
                one.restore(data)
            if isinstance(raised.error, SnapshotError):
                continue
            happened = described(raised.error) if raised.error is not None else "nothing"
            seen = f"restore({name}){which} raised {happened}"
            yield Fault(seen, remedy, script.upto(half))
            return
    changed = "the state has changed" if env.snapshot() != before else ""
    if text := changed or _future_difference(env, script, trace, half):
        yield Fault(f"after refused snapshots, {text}", remedy, script.upto(half))


# Details ----------------------------------------------------------------------------------------


def _anchor_leaks(env: TextEnv, where: Script) -> Iterator[Fault]:
    before = env.anchor()
    env.np_random.random()
    if env.anchor() != before:
        seen = "the anchor changes when the random generator is drawn from"
        yield Fault(seen, "leave the generator out of anchor()", where)
    for action in (IDLE, NONSENSE):
        before, state = env.anchor(), state_text(env)
        moment = take(env, action, where)
        if not moment.info.get("action_valid") and env.anchor() != before:
            seen = f"the anchor changes on the invalid action {shown(action)}"
            seen += state_difference(state, state_text(env))
            remedy = "leave turn counters and logs out of anchor(); a refused action does nothing"
            yield Fault(seen, remedy, where.then(action))


def _states_apart(one: Any, other: Any, where: Script) -> str:
    """Say how the states of two instances differ that were played alike."""
    texts: list[str] = []
    with suppress(FaultError):  # played once more, it may not even get there
        for env in (one, other):
            replay(env, where)
            texts.append(state_text(env))
        return state_difference(*texts)
    return ""


def _two_states(one: Visit, other: Visit) -> str:
    return state_difference(kept_state(one.snapshot), kept_state(other.snapshot), "and")


def _points(script: Script) -> set[int]:
    """Return the turns after which a script is kept and gone on with."""
    turns = {0, len(script.actions) // 2, max(len(script.actions) - 1, 0)}
    if IDLE in script.actions:
        turns.add(script.actions.index(IDLE) + 1)
    return turns


def _future_difference(env: Any, script: Script, trace: list[Moment], turn: int) -> str:
    for i, action in enumerate(script.actions[turn:], start=turn):
        text = difference(trace[i + 1], take(env, action, script.upto(i)))
        if text:
            return f"after {i + 1 - turn} more turns {text}"
    return ""


def _future(env: Any, visit: Visit, script: Script, seed: int) -> list[Moment]:
    back(env, visit, seed=seed)
    return [take(env, action, visit.where) for action in script.actions[len(visit.where.actions) :]]


def _parts(probe: BaseProbe[Any], script: Script, trace: list[Moment]) -> bool:
    """Whether chance plays a part: other seeds give the same actions another course."""
    seeds = range(script.seed + 1, script.seed + 9)
    return any(
        first_difference(trace, replay(probe.env, script._replace(seed=seed))) for seed in seeds
    )


def _body(visit: Visit) -> str:
    """What a snapshot says of the world: without turn, randomness and what was seen last."""
    body = json.loads(visit.snapshot)
    if not isinstance(body, dict):
        return str(body)
    kept = {k: v for k, v in body.items() if k not in ("turn", "rng", "check", "observation")}
    return json.dumps(kept, sort_keys=True)


def _key(visit: Visit) -> tuple[str, bytes]:
    return visit.where.task, visit.moment.key


def _distinct(visits: list[Visit]) -> list[Visit]:
    return list({_key(visit): visit for visit in visits if not visit.moment.ended}.values())


def twins(visits: list[Visit]) -> list[tuple[Visit, Visit]]:
    """Return pairs of states with one anchor, those whose snapshots differ most first."""
    pairs: list[tuple[bool, Visit, Visit]] = []
    shortest = sorted(visits, key=lambda visit: len(visit.where.actions))
    for _, group in groupby(sorted(shortest, key=_key), key=_key):
        first, *rest = group
        others: dict[str, Visit] = {}
        for visit in rest:
            others.setdefault(_body(visit), visit)
        same = others.pop(_body(first), None)
        pairs += [(False, first, other) for other in list(others.values())[:4]]
        if same is not None:
            pairs.append((True, first, same))
    return [(one, other) for _, one, other in sorted(pairs, key=lambda pair: pair[0])]


def _sample(env: TextEnv, visit: Visit, rng: random.Random) -> list[str]:
    concrete = [action for action in admissible(visit.moment) if not is_template(action)]
    if len(concrete) > 8:
        concrete = rng.sample(concrete, 8)
    if len(concrete) == len(admissible(visit.moment)) and concrete:
        return concrete
    return [*concrete, *(pick(env, visit.moment, rng) for _ in range(4))]


def _short(script: Script) -> str:
    return f"[{', '.join(shown(action) for action in script.actions)}]"


def _foreign(probe: BaseProbe[Any], good: bytes) -> Iterator[tuple[str, Any]]:
    longer, stranger = probe.fresh(), probe.fresh()
    longer.max_turns += 1
    # The hardest foreigner: another class whose states look the same.
    stranger.__class__ = type("Stranger", (type(stranger),), {})
    for other in (longer, stranger):
        begin(other, probe.scripts[0])
    middle = len(good) // 2
    flipped = bytes([good[middle] ^ 1])
    yield "b''", b""
    yield "b'{}'", b"{}"
    yield "a list", b"[1, 2]"
    yield "random bytes", random.Random(0).randbytes(200)
    yield "half a snapshot", good[:middle]
    yield "a snapshot with one bit changed", good[:middle] + flipped + good[middle + 1 :]
    yield "deep brackets", b"[" * 100_000
    yield "None", None
    yield "7", 7
    yield "a snapshot with another max_turns", longer.snapshot()
    yield "a snapshot of another class", stranger.snapshot()
    try:
        body = json.loads(good)
    except ValueError:
        return
    if isinstance(body, dict) and "turn" in body:
        yield "a changed turn", json.dumps({**body, "turn": body["turn"] + 1}).encode()
        yield "another task", json.dumps({**body, "task": probe.panel[-1] + "x"}).encode()
