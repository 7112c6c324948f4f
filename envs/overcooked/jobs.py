"""Decisions of the planner: who does what next, without the ways there.

Each cook gets the place it should face next. What it holds decides that mostly; empty hands go to
the job that is soonest done. A thing is handed over across a counter where its carrier cannot
reach where it belongs, or would go far for what the partner has at hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from anchorgym.envs.overcooked.items import (
    CAPACITY,
    DISH,
    NOTHING,
    ONION,
    STARTED,
    TOMATO,
    is_soup,
    onions,
    pot_mix,
    size,
    tomatoes,
    with_ingredient,
)
from anchorgym.envs.overcooked.kitchen import Kitchen, State
from anchorgym.envs.overcooked.layouts import DISHES, ONIONS, SERVING, TOMATOES
from anchorgym.envs.overcooked.walking import FAR, Walks

SAVING: Final = 4
"""Ticks that a cook must save by handing over a thing that it could carry itself."""
STOCK: Final = 2
"""Ingredients that lie ready for the next soup while every pot is full."""
_LATER: Final = 12
"""Ticks that are added to the cost of fetching what is not needed yet."""


class Goal(NamedTuple):
    """Where a cook should be facing."""

    cell: int
    interact: bool = True
    """False: to wait there."""


class Job(NamedTuple):
    """Something for empty hands to do."""

    kind: str
    cost: int
    goal: Goal


class Jobs:
    """Decides for both cooks of a kitchen.

    Args:
        kitchen: where.
        walks: its ways.
        last: whether the next soup is the last: one pot is enough then, nothing is laid in for
            another soup, and a dish is fetched before the soup is complete.
    """

    def __init__(self, kitchen: Kitchen, walks: Walks, *, last: bool = False) -> None:
        self._kitchen, self._walks, self._last = kitchen, walks, last
        self._places: dict[int, list[int]] = {}
        for cell, kind in enumerate(kitchen.kinds):
            self._places.setdefault(kind, []).append(cell)
        self._hatches = self._places[SERVING]
        self._raw = [i for k, i in ((ONIONS, ONION), (TOMATOES, TOMATO)) if k in self._places]
        self._targets = {mix: self._target(mix) for mix in range(STARTED)}

    def goals(self, state: State) -> list[Goal | None]:
        """Return where each cook should go; None for one that has nothing to do."""
        goals = [self._with_hands_full(state, seat) for seat in (0, 1)]
        idle = [seat for seat in (0, 1) if state.held[seat] == NOTHING]
        wanted = self._wanted(state)
        while idle:
            jobs = [(job.cost, seat, job) for seat in idle for job in self._jobs(state, seat)]
            jobs = [entry for entry in jobs if wanted.get(entry[2].kind, 0) > 0]
            if not jobs:
                break
            _, seat, job = min(jobs)
            goals[seat] = job.goal
            wanted[job.kind] -= 1
            idle.remove(seat)
        return goals

    def own_goal(self, state: State, seat: int) -> Goal | None:
        """Return where a cook would go that does not ask what its partner is about to do."""
        if state.held[seat] != NOTHING:
            return self._with_hands_full(state, seat)
        wanted = self._wanted(state)
        jobs = [job for job in self._jobs(state, seat) if wanted.get(job.kind, 0) > 0]
        return min(jobs, key=lambda job: (job.cost, job.goal)).goal if jobs else None

    # Full hands -----------------------------------------------------------------------------

    def _with_hands_full(self, state: State, seat: int) -> Goal | None:
        held = state.held[seat]
        if held == NOTHING:
            return None
        if is_soup(held):
            return self._bring(state, seat, self._hatches)
        if held == DISH:
            return self._with_dish(state, seat)
        return self._with_ingredient(state, seat, held)

    def _with_dish(self, state: State, seat: int) -> Goal | None:
        on = [(cell, pot) for cell, pot in self._pots(state) if pot >= STARTED or self._last]
        stance = state.stances[seat]
        if not on:
            return self._put_down(state, seat)
        waits = [
            (max(self._walks.distance(stance, cell), self._left(pot)), cell, pot)
            for cell, pot in on
        ]
        reached = [wait for wait in waits if self._walks.distance(stance, wait[1]) < FAR]
        if not reached:
            return self._bring(state, seat, [cell for cell, _ in on])
        _, cell, pot = min(reached)
        return Goal(cell, interact=self._kitchen.is_ready(pot))

    def _with_ingredient(self, state: State, seat: int, held: int) -> Goal | None:
        takers = [cell for cell, pot in self._pots(state) if self._takes(pot, held)]
        if takers:
            return self._bring(state, seat, takers)
        if self._reaches(state, seat, self._kitchen.pots):
            if self._should_make_room(state, seat):
                return self._put_down(state, seat)
            soonest = min(self._pots(state), key=lambda pair: self._until_empty(pair[1]))
            return Goal(soonest[0], interact=False)
        return self._bring(state, seat, self._kitchen.pots)

    def _should_make_room(self, state: State, seat: int) -> bool:
        """Whether the hands are needed for a dish that the partner will not plate with."""
        started = any(pot >= STARTED for pot in state.pots)
        partner = state.held[1 - seat]
        first = partner not in (ONION, TOMATO) or seat == 0
        comes = partner == DISH or self._reaches(state, seat, self._dishes(state))
        late = any(self._kitchen.is_ready(pot) for pot in state.pots)
        served = partner == DISH if late else self._plates(state, 1 - seat)
        return started and first and comes and not served

    def _plates(self, state: State, seat: int) -> bool:
        """Whether a cook can take the next soup from a pot."""
        held = state.held[seat]
        able = held == DISH or (held == NOTHING and self._reaches(state, seat, self._dishes(state)))
        return able and self._reaches(state, seat, self._kitchen.pots)

    def _dishes(self, state: State) -> list[int]:
        lying = zip(self._kitchen.counters, state.counters, strict=True)
        return self._places[DISHES] + [cell for cell, item in lying if item == DISH]

    def _bring(self, state: State, seat: int, sinks: Iterable[int]) -> Goal | None:
        """Return where to take what is held: to where it belongs, or to a counter between."""
        sinks = list(sinks)
        found = self._walks.nearest(state.stances[seat], sinks)
        over = self._hand_over(state, seat, sinks)
        if found is None:
            return None if over is None else Goal(over[1])
        if over and found[0] - over[0] >= SAVING and over[2] <= found[0]:
            return Goal(over[1])
        return Goal(found[1])

    def _hand_over(self, state: State, seat: int, sinks: list[int]) -> tuple[int, int, int] | None:
        """Return the best counter as (ticks to face it, cell, the partner's ticks from there)."""
        options = []
        for cell, item in zip(self._kitchen.counters, state.counters, strict=True):
            mine = self._walks.distance(state.stances[seat], cell) if not item else FAR
            theirs = self._via(state.stances[1 - seat], cell, sinks) if mine < FAR else FAR
            if theirs < FAR:
                options.append((mine + theirs, mine, cell, theirs))
        return min(options)[1:] if options else None

    def _put_down(self, state: State, seat: int) -> Goal | None:
        """Return a free counter near by, if possible one that the partner has no use for."""
        mine, theirs = state.stances[seat], state.stances[1 - seat]
        ways = [
            (self._walks.distance(mine, c) + 3 * (self._walks.distance(theirs, c) < FAR), c)
            for c, item in zip(self._kitchen.counters, state.counters, strict=True)
            if not item and self._walks.distance(mine, c) < FAR
        ]
        return Goal(min(ways)[1]) if ways else None

    # Empty hands ----------------------------------------------------------------------------

    def _wanted(self, state: State) -> dict[str, int]:
        """How many of each job there are to do."""
        pots = [pot for _, pot in self._pots(state)]
        started = sum(pot >= STARTED for pot in pots)
        soon = sum(pot < STARTED and self._is_complete(pot) for pot in pots)
        soon += any(self._foresees(state, seat) for seat in (0, 1))
        dishes = state.held.count(DISH)
        room = sum(self._room(pot) for pot in pots)
        carried = sum(item in (ONION, TOMATO) for item in state.held)
        stock = sum(item in (ONION, TOMATO) for item in state.counters)
        return {
            "soup": 2,
            "start": sum(map(self._waits_to_be_started, pots)),
            "dish": started + soon - dishes,
            "store dish": started + soon - dishes - state.counters.count(DISH),
            "ingredient": max(room - carried, 0)
            or int(started > 0 and carried == 0 and not self._last),
            "store ingredient": (room if self._last else max(room, STOCK)) - carried - stock,
        }

    def _jobs(self, state: State, seat: int) -> Iterator[Job]:
        stance = state.stances[seat]
        lying = dict(zip(self._kitchen.counters, state.counters, strict=True))
        for cell in (c for c, item in lying.items() if is_soup(item)):
            yield from self._fetch("soup", stance, [cell], self._hatches, 0)
        for cell, pot in self._pots(state):
            if self._waits_to_be_started(pot) and self._walks.distance(stance, cell) < FAR:
                yield Job("start", self._walks.distance(stance, cell), Goal(cell))
        early = self._foresees(state, seat)
        on = [(c, p) for c, p in self._pots(state) if p >= STARTED or self._is_complete(p) or early]
        if on:
            left = min(self._left(p) for _, p in on)
            yield from self._fetch("dish", stance, self._dishes(state), [c for c, _ in on], left)
            yield from self._supply(state, seat, "dish", self._places[DISHES])
        yield from self._ingredients(state, seat, lying)

    def _ingredients(self, state: State, seat: int, lying: dict[int, int]) -> Iterator[Job]:
        for item in self._raw:
            kind = self._places[ONIONS if item == ONION else TOMATOES]
            takers = [cell for cell, pot in self._pots(state) if self._takes(pot, item)]
            if not takers and not self._wants_next(item):
                continue
            supply = list(self._supply(state, seat, "ingredient", kind))
            yield from supply
            sources = [c for c, thing in lying.items() if thing == item]
            sources = [c for c in sources if not self._is_for_partner(state, seat, c)]
            sources += [] if supply else kind
            jobs = self._fetch(
                "ingredient", state.stances[seat], sources, takers or self._kitchen.pots, 0
            )
            if takers:
                yield from jobs
            elif self._plates(state, 1 - seat):
                yield from (job._replace(cost=job.cost + _LATER) for job in jobs)

    def _is_for_partner(self, state: State, seat: int, cell: int) -> bool:
        """Whether what lies there would be handed over again by this cook."""
        mine, theirs = state.stances[seat], state.stances[1 - seat]
        carried = self._via(mine, cell, self._kitchen.pots) - self._walks.distance(mine, cell)
        return carried > SAVING and self._via(theirs, cell, self._kitchen.pots) <= carried

    def _fetch(
        self, kind: str, stance: int, sources: list[int], sinks: Sequence[int], ready_in: int
    ) -> Iterator[Job]:
        """The soonest way to get a thing to where it belongs, all by oneself."""
        ways = [(self._via(stance, source, sinks), source) for source in sources]
        cost, source = min(ways, default=(FAR, -1))
        if cost < FAR:
            yield Job(kind, max(cost, ready_in), Goal(source))

    def _supply(self, state: State, seat: int, kind: str, sources: list[int]) -> Iterator[Job]:
        """To fetch what the partner needs from where it cannot get it, or not as soon."""
        mine, theirs = state.stances[seat], state.stances[1 - seat]
        found = self._walks.nearest(mine, sources)
        pots = self._kitchen.pots
        if found and self._reaches(state, 1 - seat, pots):
            alone = self._via(theirs, found[1], pots)
            carried = self._via(mine, found[1], pots)
            if carried >= FAR or (alone > found[0] + SAVING and carried - found[0] > SAVING):
                yield Job(f"store {kind}", found[0], Goal(found[1]))

    # Details --------------------------------------------------------------------------------

    def _pots(self, state: State) -> list[tuple[int, int]]:
        """Return (cell, pot) of all pots; for a last soup, of the one that is farthest on."""
        pots = list(zip(self._kitchen.pots, state.pots, strict=True))
        return [max(pots, key=lambda pair: self._order(pair[1]))] if self._last else pots

    def _order(self, pot: int) -> tuple[bool, int]:
        return pot >= STARTED and pot_mix(pot) in self._kitchen.rules.wanted, size(pot_mix(pot))

    def _until_empty(self, pot: int) -> int:
        """Return after how many ticks a pot can be emptied; one that holds nothing never is."""
        return self._kitchen.remaining(pot) if pot else FAR

    def _left(self, pot: int) -> int:
        return self._kitchen.remaining(pot) if pot >= STARTED else 0

    def _foresees(self, state: State, seat: int) -> bool:
        """Whether a cook may fetch the last soup's dish while its ingredients are on their way."""
        (_, pot), *others = self._pots(state)
        room = self._room(pot)
        if not self._last or others or room == 0:
            return False
        partner = state.held[1 - seat] in (ONION, TOMATO)
        if self._reaches(state, seat, self._kitchen.pots):
            return partner and room == 1 and self._reaches(state, 1 - seat, self._kitchen.pots)
        stock = sum(item in (ONION, TOMATO) for item in (*state.counters, state.held[1 - seat]))
        return stock >= room

    def _reaches(self, state: State, seat: int, cells: Iterable[int]) -> bool:
        return self._walks.nearest(state.stances[seat], cells) is not None

    def _via(self, stance: int, cell: int, sinks: Iterable[int]) -> int:
        """Ticks to face a place, take from it, and face one of the sinks."""
        ways = [
            self._walks.between(stance, there) + 1 + self._walks.distance(there, sink)
            for there in self._walks.facing(cell)
            for sink in sinks
        ]
        return min([FAR, *ways])

    def _target(self, mix: int) -> int:
        """Return the wanted mix that a pot with this in it should become; 0 if none can be."""
        rules = self._kitchen.rules
        options = [
            (rules.worth(goal) / (8 * size(goal) + rules.cook_time(goal)), goal)
            for goal in rules.wanted
            if onions(goal) >= onions(mix) and tomatoes(goal) >= tomatoes(mix)
            and (ONION in self._raw or onions(goal) == onions(mix))
            and (TOMATO in self._raw or tomatoes(goal) == tomatoes(mix))
        ]  # fmt: skip
        return max(options)[1] if options else 0

    def _is_complete(self, pot: int) -> bool:
        """Whether nothing more belongs into a pot that was not started."""
        mix = pot_mix(pot)
        target = self._targets[mix]
        full = size(mix) == CAPACITY
        return full or (mix == target if target else mix > 0 and self._starts_by_hand)

    def _waits_to_be_started(self, pot: int) -> bool:
        return self._starts_by_hand and pot < STARTED and self._is_complete(pot)

    @property
    def _starts_by_hand(self) -> bool:
        return self._kitchen.rules.cooking == "manual"

    def _room(self, pot: int) -> int:
        if pot >= STARTED or self._is_complete(pot):
            return 0
        return (size(self._targets[pot]) or CAPACITY) - size(pot)

    def _takes(self, pot: int, item: int) -> bool:
        if pot >= STARTED or self._is_complete(pot):
            return False
        target, more = self._targets[pot], with_ingredient(pot, item)
        fits = onions(more) <= onions(target) and tomatoes(more) <= tomatoes(target)
        return fits if target else True

    def _wants_next(self, item: int) -> bool:
        target = self._targets[0]
        return (onions(target) if item == ONION else tomatoes(target)) > 0
