"""The engine for many games of one kitchen at once, in numpy: equal to `Kitchen.step`, game by
game.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anchorgym.envs.errors import OptionError
from anchorgym.envs.overcooked.items import CAPACITY, DISH, N_ITEMS, STARTED, size
from anchorgym.envs.overcooked.kitchen import INTERACT, NO_EFFECT, Effect, Kitchen, State
from anchorgym.envs.overcooked.layouts import DISHES

Ints = NDArray[np.int_]
"""All arrays are of numpy's index type: tables are looked up without a conversion."""


class BatchStep(NamedTuple):
    """What one tick did to each of `n` games."""

    rewards: Ints
    """Of the team, `(n,)`."""
    shaped: Ints
    """By game and seat, `(n, 2)`."""
    effects: Ints
    """By game and seat, `(n, 2)`: indices into `KitchenBatch.effects`, 0 for none."""
    done: NDArray[np.bool_]
    """Which games have reached the horizon, `(n,)`: `reset` them before going on."""


class KitchenBatch:
    """Many games of one kitchen.

    Args:
        kitchen: what they are played in.
        n_games: how many.
        horizon: a game is done after so many ticks.
    """

    def __init__(self, kitchen: Kitchen, n_games: int, horizon: int = 400) -> None:
        if n_games < 1 or horizon < 1:
            raise OptionError("a batch needs at least one game, and a tick for it")
        self.kitchen = kitchen
        self.n_games = n_games
        self.horizon = horizon
        self.effects: tuple[Effect, ...] = (
            NO_EFFECT,
            *kitchen.effects.values(),
            kitchen.useful_dish,
        )
        self._compile()
        self.stances = np.zeros((2, n_games), np.int_)
        """By seat and game; as in `State`."""
        self.held = np.zeros((2, n_games), np.int_)
        """By seat and game; as in `State`."""
        n_slots = len(kitchen.pots) + len(kitchen.counters)
        self._contents = np.zeros((n_slots + 1, n_games), np.int_)
        self._game = np.tile(np.arange(n_games), 2)
        self.ticks = np.zeros(n_games, np.int_)
        """Ticks played of each game."""
        self.reset()

    # Playing --------------------------------------------------------------------------------

    def reset(
        self, games: NDArray[np.bool_] | Ints | None = None, start: State | None = None
    ) -> None:
        """Put games back to their start.

        Args:
            games: mask or indices of games; None for all.
            start: another state than the kitchen's first.
        """
        where = slice(None) if games is None else games
        state = self.kitchen.start() if start is None else start
        self.stances[:, where] = np.array(state.stances)[:, None]
        self.held[:, where] = np.array(state.held)[:, None]
        self._contents[:-1, where] = np.array(state.pots + state.counters)[:, None]
        self.ticks[where] = 0

    def step(self, actions: NDArray[np.integer]) -> BatchStep:
        """Play one tick of every game.

        Args:
            actions: `(n, 2)`, by game and seat, indices into `ACTIONS`.

        Raises:
            OptionError: the array has another shape.
        """
        if actions.shape != (self.n_games, 2):
            raise OptionError(f"actions must be of shape {(self.n_games, 2)}, not {actions.shape}")
        by_seat = actions.T.astype(np.int_, order="C")
        rewards = np.zeros(self.n_games, np.int_)
        shaped, effects = np.zeros((2, 2, self.n_games), np.int_)
        self._interact(by_seat, rewards, shaped, effects)
        self._move(by_seat)
        np.take(self._cooked, self.pots, out=self.pots, mode="clip")
        self.ticks += 1
        return BatchStep(rewards, shaped.T, effects.T, self.ticks >= self.horizon)

    def _interact(self, actions: Ints, rewards: Ints, shaped: Ints, effects: Ints) -> None:
        """Let both seats interact, the first one before the second.

        Args:
            actions: by seat, `(2, n)`.
            rewards: of the team, `(n,)`.
            shaped, effects: by seat, `(2, n)`. These three are filled where something is done.
        """
        # What the first seat cannot change is looked up for both at once.
        (asked,) = (actions.reshape(-1) == INTERACT).nonzero()
        games, stances = self._game.take(asked), self.stances.reshape(-1).take(asked)
        at = self._slot.take(stances)
        at *= self.n_games
        at += games
        keys = self.held.reshape(-1).take(asked)
        keys *= len(self._cooked)
        keys += self._base.take(stances)
        before = self.pots.copy()
        contents, middle = self._contents.reshape(-1), int(asked.searchsorted(self.n_games))
        for seat, own in ((0, slice(None, middle)), (1, slice(middle, None))):
            places = at[own]
            found = self._table.take(keys[own] + contents.take(places))
            # Most interactions of a random player do nothing: go on with the few that do.
            (hits,) = found.nonzero()
            if not hits.size:
                continue
            playing, found, places = games[own].take(hits), found.take(hits), places.take(hits)
            (dishes,) = (found == self._dish).nonzero()
            if dishes.size:
                useful = self._dish_is_useful(playing[dishes], before)
                found[dishes[useful]] = len(self.effects) - 1
            self.held[seat][playing] = self._held.take(found)
            contents[places] = self._content.take(found)
            effects[seat][playing] = found
            shaped[seat][playing] = self._shaped.take(found)
            rewards[playing] += self._reward.take(found)

    def _dish_is_useful(self, games: Ints, before: Ints) -> NDArray[np.bool_]:
        lying = (self.counters[:, games] == DISH).any(axis=0)
        in_hands = (self.held[:, games] == DISH).sum(axis=0)
        waiting = self._waits.take(before[:, games]).sum(axis=0)
        useful: NDArray[np.bool_] = ~lying & (in_hands < waiting)
        return useful

    def _move(self, actions: Ints) -> None:
        move = self.stances * 6
        move += actions
        new = self._moved.take(move)
        cells, old = new >> 2, self.stances >> 2
        clash = (cells[0] == cells[1]) | ((cells[0] == old[1]) & (cells[1] == old[0]))
        np.copyto(new, self._turned.take(move), where=clash)
        self.stances = new

    # Looking --------------------------------------------------------------------------------

    @property
    def pots(self) -> Ints:
        """By pot and game: `(n_pots, n)`; as in `State`."""
        return self._contents[: len(self.kitchen.pots)]

    @property
    def counters(self) -> Ints:
        """By counter and game: `(n_counters, n)`; as in `State`."""
        return self._contents[len(self.kitchen.pots) : -1]

    def state(self, game: int) -> State:
        """Return one game as the scalar engine has it."""
        first, second = self.stances[:, game].tolist()
        held0, held1 = self.held[:, game].tolist()
        counters, pots = self.counters[:, game].tolist(), self.pots[:, game].tolist()
        return State((first, second), (held0, held1), tuple(counters), tuple(pots))

    def load(self, states: Sequence[State], ticks: int = 0) -> None:
        """Put every game into a state of its own, `ticks` after its start."""
        if len(states) != self.n_games:
            raise OptionError(f"{self.n_games} games need as many states, not {len(states)}")
        self.stances[:] = np.array([state.stances for state in states]).T
        self.held[:] = np.array([state.held for state in states]).T
        self._contents[:-1] = np.array([state.pots + state.counters for state in states]).T
        self.ticks[:] = ticks

    # Compiling ------------------------------------------------------------------------------

    def _compile(self) -> None:
        kitchen = self.kitchen
        self._cooked = np.array(kitchen.cooked, np.int_)
        self._moved = np.array(kitchen.moved, np.int_).reshape(-1)
        self._turned = np.array(kitchen.turned, np.int_).reshape(-1)
        n_contents = len(kitchen.cooked)
        self._table = np.zeros((max(kitchen.kinds) + 1) * N_ITEMS * n_contents, np.int_)
        for number, (kind, held, content) in enumerate(kitchen.effects, start=1):
            self._table[(kind * N_ITEMS + held) * n_contents + content] = number
            if kind == DISHES:
                self._dish = number
        self._held = np.array([effect.held for effect in self.effects])
        self._content = np.array([effect.content for effect in self.effects])
        self._reward = np.array([effect.reward for effect in self.effects])
        self._shaped = np.array([effect.shaped for effect in self.effects])
        slots = {cell: slot for slot, cell in enumerate(kitchen.pots + kitchen.counters)}
        self._slot = np.array([slots.get(cell, len(slots)) for cell in kitchen.front])
        kinds = [kitchen.kinds[cell] if cell >= 0 else 0 for cell in kitchen.front]
        self._base = np.array(kinds) * N_ITEMS * n_contents
        waits = [pot >= STARTED or 0 < size(pot) < CAPACITY for pot in range(n_contents)]
        self._waits = np.array(waits, np.int_)
