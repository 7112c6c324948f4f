"""The engine for many games of one kitchen at once, in numpy: equal to `Kitchen.step`, game by
game.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anchorgym.envs.errors import OptionError
from anchorgym.envs.overcooked.items import CAPACITY, DISH, N_ITEMS, STARTED, size
from anchorgym.envs.overcooked.kitchen import INTERACT, NO_EFFECT, Effect, Kitchen, State
from anchorgym.envs.overcooked.layouts import COUNTER, DISHES, POT

Ints = NDArray[np.int_]
"""All arrays are of numpy's index type: tables are looked up without a conversion."""
_MANY: Final = 1000
"""More than there are pots: with a dish on a counter no other is useful."""
_CHANGING: Final = ("stances", "held", "_contents", "_waiting", "_about", "ticks")
"""Arrays that change in play."""


class BatchStep(NamedTuple):
    """What one tick did to each of `n` games."""

    rewards: Ints
    """The team's reward, `(n,)`."""
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
        horizon: the number of ticks after which a game is done.
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
        """By seat and game; as in `State`. To be read: `load` changes it, and what is held."""
        self.held = np.zeros((2, n_games), np.int_)
        """By seat and game; as in `State`."""
        n_slots = len(kitchen.pots) + len(kitchen.counters)
        self._contents = np.zeros((n_slots + 1, n_games), np.int_)
        self._game = np.tile(np.arange(n_games), 2)
        self._touched = np.zeros(n_games, np.bool_)
        self._waiting = np.zeros(n_games, np.int_)
        """Pots that want a dish, of each game: see `Kitchen._dish_is_useful`."""
        self._about = np.zeros(n_games, np.int_)
        """Dishes in hands; one on a counter counts as many."""
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
        self._count()

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
        out = np.zeros((3, 2, self.n_games), np.int_)
        self._interact(by_seat, out)
        self._move(by_seat)
        np.take(self._cooked, self.pots, out=self.pots, mode="clip")
        self.ticks += 1
        effects, paid, shaped = out
        return BatchStep(paid[0] + paid[1], shaped.T, effects.T, self.ticks >= self.horizon)

    def _interact(self, actions: Ints, out: Ints) -> None:
        """Let both seats interact, the first before the second.

        Both are looked up together. Where the first seat has done something, what the second one's
        interaction does is looked up again, afterwards: that is in few games.

        Args:
            actions: by seat, `(2, n)`.
            out: effects, rewards and shaped rewards, `(3, 2, n)`: filled where something is done.
        """
        (asked,) = (actions.reshape(-1) == INTERACT).nonzero()
        games, stances = self._game.take(asked), self.stances.reshape(-1).take(asked)
        at = self._slot.take(stances)
        at *= self.n_games
        at += games
        keys = self.held.reshape(-1).take(asked)
        keys *= len(self._cooked)
        keys += self._base.take(stances)
        contents, waiting = self._contents.reshape(-1), self._waiting.copy()
        found = self._table.take(keys + contents.take(at))
        # Most interactions of a random player do nothing: go on with the few that do.
        middle = int(asked.searchsorted(self.n_games))
        touched = games.take(found[:middle].nonzero()[0])
        self._touched[touched] = True
        late = self._touched.take(games[middle:]).nonzero()[0] + middle
        self._touched[touched] = False
        found[late] = 0
        (hits,) = found.nonzero()
        self._carry_out(asked.take(hits), at.take(hits), found.take(hits), waiting, out)
        again = self._table.take(keys.take(late) + contents.take(at.take(late)))
        (hits,) = again.nonzero()
        if hits.size:
            late = late.take(hits)
            self._carry_out(asked.take(late), at.take(late), again.take(hits), waiting, out)

    def _carry_out(self, who: Ints, at: Ints, done: Ints, waiting: Ints, out: Ints) -> None:
        """Carry out interactions that do something.

        Args:
            who: interacts, as seat * n + game.
            at: where, as slot * n + game.
            done: what it does, as an index into `effects`.
            waiting: pots that needed a dish when the tick began, `(n,)`.
            out: as in `_interact`.
        """
        games = self._game.take(who)
        (dishes,) = (done == self._dish).nonzero()
        if dishes.size:
            of = games.take(dishes)
            done[dishes[waiting.take(of) > self._about.take(of)]] = len(self.effects) - 1
        self.held.reshape(-1)[who] = self._held.take(done)
        self._contents.reshape(-1)[at] = self._content.take(done)
        np.add.at(self._waiting, games, self._more_waiting.take(done))
        np.add.at(self._about, games, self._more_about.take(done))
        effects, paid, shaped = out.reshape(3, -1)
        effects[who] = done
        paid[who] = self._reward.take(done)
        shaped[who] = self._shaped.take(done)

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
        self._count()

    def arrays(self) -> dict[str, Ints]:
        """Return copies of everything that changes in play, by name, for `restore`."""
        return {name: getattr(self, name).copy() for name in _CHANGING}

    def restore(self, arrays: Mapping[str, Ints]) -> None:
        """Go on from what `arrays` has returned, in a batch of as many games."""
        for name in _CHANGING:
            getattr(self, name)[:] = arrays[name]

    def _count(self) -> None:
        """Count anew what `_carry_out` keeps count of."""
        self._waiting[:] = self._waits.take(self.pots).sum(axis=0)
        self._about[:] = self._lying.take(self.counters).sum(axis=0)
        self._about += (self.held == DISH).sum(axis=0)

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
        self._lying = np.zeros(n_contents, np.int_)
        self._lying[DISH] = _MANY
        self._more_waiting, self._more_about = np.zeros((2, len(self.effects)), np.int_)
        for number, ((kind, held, content), effect) in enumerate(kitchen.effects.items(), start=1):
            self._more_about[number] = int(effect.held == DISH) - int(held == DISH)
            if kind == POT:
                self._more_waiting[number] = self._waits[effect.content] - self._waits[content]
            elif kind == COUNTER:
                self._more_about[number] += self._lying[effect.content] - self._lying[content]
        self._more_about[-1] = 1
