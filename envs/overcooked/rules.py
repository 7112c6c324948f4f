"""Rules of a kitchen: its orders, what they are worth and how long they cook."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from anchorgym.envs.errors import LayoutError
from anchorgym.envs.overcooked.items import ALL_MIXES, CAPACITY, mix_of, onions, size, tomatoes

Cooking = Literal["auto", "manual"]
Amount = int | Mapping[str, int]
"""One number for every soup; or a number for each "onion" and each "tomato" in it; or a number by
recipe, such as {"ooo": 20, "oo": 9}, and 20 for every other recipe."""

USUAL = 20
"""What a soup is worth, and how many ticks it cooks, where nothing else is said."""


@dataclass(frozen=True)
class Rules:
    """The rules of one kitchen; two kitchens in one process may have different ones.

    Raises:
        LayoutError: a recipe, an amount or the way of cooking makes no sense.
    """

    orders: tuple[str, ...] = ("ooo",)
    """Recipes that are worth something; none: every recipe is."""
    bonus: tuple[str, ...] = ()
    """Orders that are worth `bonus_factor` times as much."""
    cooking: Cooking = "auto"
    """With "auto" a pot starts with its third ingredient; with "manual" a cook with empty hands
    starts it, full or not."""
    value: Amount = USUAL
    time: Amount = USUAL
    """In ticks; at least 1."""
    bonus_factor: int = 2
    _values: dict[int, int] = field(init=False, repr=False, compare=False)
    _times: dict[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check and look up every recipe once."""
        try:
            orders = {mix_of(order) for order in self.orders} or set(ALL_MIXES)
            bonus = {mix_of(order) for order in self.bonus}
            worth = {mix: _amount(self.value, mix) for mix in ALL_MIXES}
            times = {mix: _amount(self.time, mix) for mix in ALL_MIXES}
        except (ValueError, KeyError, TypeError) as error:
            raise LayoutError(f"rules that cannot be read: {error}") from error
        self._check(orders, bonus, times)
        values = {
            mix: (worth[mix] * (self.bonus_factor if mix in bonus else 1) if mix in orders else 0)
            for mix in ALL_MIXES
        }
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_times", times)

    def _check(self, orders: set[int], bonus: set[int], times: dict[int, int]) -> None:
        if self.cooking not in ("auto", "manual"):
            raise LayoutError(f"cooking is 'auto' or 'manual', not {self.cooking!r}")
        if not bonus <= orders:
            raise LayoutError(f"bonus orders must be among the orders: {self.bonus}")
        if min(times.values()) < 1:
            raise LayoutError("a soup cooks for at least one tick")
        if self.cooking == "auto" and any(size(mix) < CAPACITY for mix in orders):
            raise LayoutError(
                "a pot that starts by itself makes no soups of fewer than three ingredients: "
                "choose cooking='manual' for these orders"
            )

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Rules:
        """Return rules from JSON values; what is not said is usual.

        Raises:
            LayoutError: a key that is no rule, or a rule that makes no sense.
        """
        known = {f.name for f in dataclasses.fields(cls) if f.init}
        if set(data) - known:
            raise LayoutError(f"no rules: {sorted(set(data) - known)}; these are: {sorted(known)}")
        lists = {key: tuple(data[key]) for key in ("orders", "bonus") if key in data}
        return cls(**{**data, **lists})

    def data(self) -> dict[str, Any]:
        """Return the rules as JSON values."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}

    def worth(self, mix: int) -> int:
        """Return the reward for delivering a soup; 0 if nobody ordered it."""
        return self._values[mix]

    def cook_time(self, mix: int) -> int:
        """Return for how many ticks a mix cooks."""
        return self._times[mix]

    @property
    def wanted(self) -> tuple[int, ...]:
        """Mixes that are worth something, the best first."""
        return tuple(sorted((m for m in ALL_MIXES if self.worth(m)), key=lambda m: -self.worth(m)))


def _amount(amount: Amount, mix: int) -> int:
    if isinstance(amount, int):
        return amount
    if "onion" in amount or "tomato" in amount:
        return amount["onion"] * onions(mix) + amount["tomato"] * tomatoes(mix)
    return {mix_of(recipe): number for recipe, number in amount.items()}.get(mix, USUAL)
