"""The two levels of action: each says what it has, why something is refused, what it leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from anchorgym.envs.core import JSON
from anchorgym.envs.errors import did_you_mean
from anchorgym.envs.overcooked.kitchen import ACTIONS, INTERACT, STAY, Effect, Kitchen, State
from anchorgym.envs.overcooked.macros import Macro, Macros, Pursuit
from anchorgym.envs.spaces import as_admissible

Reasons = tuple[str, str]


class Acting(Protocol):
    """The level of actions that the cooks choose."""

    @property
    def names(self) -> tuple[str, ...]:
        """The actions, by number."""
        ...

    def refusal(self, state: State, seat: int, name: str) -> str:
        """Say why a cook's action would do nothing; empty if it would."""
        ...

    def choose(self, state: State, chosen: Sequence[str | None]) -> tuple[int, int, Reasons]:
        """Return the low-level actions of this tick, and why a chosen action is invalid."""
        ...

    def after(
        self,
        before: State,
        state: State,
        actions: tuple[int, int],
        effects: tuple[Effect, Effect],
        reasons: Reasons,
    ) -> Reasons:
        """Take note of a tick; return the reasons with those of what came to nothing."""
        ...

    def busy(self, seat: int) -> bool:
        """Whether a cook is not free to choose."""
        ...

    def clear(self) -> None:
        """Forget what the cooks are at."""
        ...

    def save(self) -> JSON:
        """Return what the cooks are at, as a list by seat."""
        ...

    def load(self, data: JSON) -> None:
        """Take what `save` returned."""
        ...


class LowLevel:
    """The six actions of the reference; a cook is always free to choose."""

    names = ACTIONS

    def __init__(self, kitchen: Kitchen) -> None:
        self._kitchen = kitchen

    def refusal(self, state: State, seat: int, name: str) -> str:
        """Say why an action would do nothing; empty if it would.

        To stay is always possible, and so is to walk where the partner stands: it may leave.
        """
        if name not in ACTIONS:
            return f"unknown action {name!r}.{did_you_mean(name, ACTIONS)}"
        action = ACTIONS.index(name)
        if action == INTERACT:
            return self._kitchen.refusal(state, seat)
        stance = state.stances[seat]
        if action != STAY and self._kitchen.moved[stance][action] == stance:
            return f"the way {name} is closed, and the cook faces it already"
        return ""

    def choose(self, state: State, chosen: Sequence[str | None]) -> tuple[int, int, Reasons]:
        """Return the actions as chosen; a refused one does nothing anyway."""
        numbers, reasons = [], []
        for seat, name in enumerate(chosen):
            name = "stay" if name is None else as_admissible(name, ACTIONS)
            reasons.append(self.refusal(state, seat, name))
            numbers.append(ACTIONS.index(name) if name in ACTIONS else STAY)
        return numbers[0], numbers[1], (reasons[0], reasons[1])

    def after(
        self,
        before: State,
        state: State,
        actions: tuple[int, int],
        effects: tuple[Effect, Effect],
        reasons: Reasons,
    ) -> Reasons:
        """Return the reasons as they are."""
        return reasons

    def busy(self, seat: int) -> bool:
        """Return False."""
        return False

    def clear(self) -> None:
        """Do nothing: there is nothing to forget."""

    def save(self) -> JSON:
        """Return that neither cook is at anything."""
        return [None, None]

    def load(self, data: JSON) -> None:
        """Check that neither cook is at anything."""
        if data != [None, None]:
            raise ValueError("the state is of mid-level actions")


class MidLevel:
    """Actions that take many ticks, see `Macros`."""

    def __init__(self, kitchen: Kitchen) -> None:
        self._macros = Macros(kitchen)
        self.names = tuple(map(str, self._macros.listed))
        self._pursuits: list[Pursuit | None] = [None, None]

    def refusal(self, state: State, seat: int, name: str) -> str:
        """Say why an action cannot be begun; empty if it can."""
        macro = self._macros.parse(name)
        if macro is None:
            return f"unknown action {name[:40]!r}.{did_you_mean(name, self.names)}"
        return self._macros.refusal(state, seat, macro)

    def choose(self, state: State, chosen: Sequence[str | None]) -> tuple[int, int, Reasons]:
        """Begin what was chosen, and get on with what was begun before."""
        numbers, reasons = [], []
        for seat, name in enumerate(chosen):
            reason = "" if name is None else self.refusal(state, seat, name)
            macro = None if name is None or reason else self._macros.parse(name)
            if macro is not None and not self.busy(seat):
                self._pursuits[seat] = Pursuit(macro)
            pursuit = self._pursuits[seat]
            numbers.append(self._macros.action(state, seat, pursuit) if pursuit else STAY)
            reasons.append(reason)
        return numbers[0], numbers[1], (reasons[0], reasons[1])

    def after(
        self,
        before: State,
        state: State,
        actions: tuple[int, int],
        effects: tuple[Effect, Effect],
        reasons: Reasons,
    ) -> Reasons:
        """Take note of a tick; return the reasons with those of what came to nothing."""
        found = list(reasons)
        for seat, pursuit in enumerate(self._pursuits):
            if pursuit:
                self._pursuits[seat], problem = self._macros.after(
                    before, state, seat, pursuit, actions[seat], effects[seat]
                )
                found[seat] = found[seat] or problem
        return found[0], found[1]

    def busy(self, seat: int) -> bool:
        """Whether a cook is carrying something out."""
        return self._pursuits[seat] is not None

    def clear(self) -> None:
        """Forget what the cooks are at."""
        self._pursuits = [None, None]

    def save(self) -> JSON:
        """Return [action, ticks] by seat; None for a cook that is free."""
        return [[str(p.macro), p.ticks] if p else None for p in self._pursuits]

    def load(self, data: JSON) -> None:
        """Take what `save` returned."""
        first, second = data
        self._pursuits = [self._read(first), self._read(second)]

    def _read(self, data: JSON) -> Pursuit | None:
        if data is None:
            return None
        macro: Macro | None = self._macros.parse(data[0])
        if macro is None:
            raise ValueError(f"no action of this kitchen: {data[0]!r}")
        return Pursuit(macro, int(data[1]))
