"""The customers of the shop's site: an environment for each browser that takes part."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from anchorgym.envs.errors import AnchorgymError
from anchorgym.envs.webshop.env import WebShopEnv
from anchorgym.envs.webshop.html import as_html

MOST_CUSTOMERS: Final = 1024
"""Customers that are remembered."""
SECONDS_IN_USE: Final = 30 * 60.0
"""Time from a customer's last visit in which nobody else gets the place."""
MAX_TURNS: Final = 100
"""Turn limit of people, unless they choose another."""


class ShopFullError(AnchorgymError):
    """Every place is taken by a customer who was there lately."""

    def __init__(self) -> None:
        super().__init__("The shop is full. Please come again in half an hour.")


class Customer:
    """One browser's environment, and how its last action was taken."""

    def __init__(self, env: WebShopEnv, task: str | None, seed: int) -> None:
        self.env = env
        self.reason = ""
        self.over = False
        self.seen = 0.0
        self._begin(seed, None if task is None else {"task": task})

    def start(self) -> None:
        """Begin another task, which is drawn."""
        self._begin(secrets.randbits(31), None)

    def act(self, action: str) -> None:
        """Take a turn, unless the episode is over."""
        if not (self.over or self.env.shopping.done):
            _, _, _, self.over, info = self.env.step(action)
            self.reason = info["reason"]

    def page(self, token: str) -> str:
        """Return the page that the customer is on, with a token in its forms."""
        at = self.env.shopping
        return as_html(
            at,
            at.page,
            turn=self.env.turn,
            max_turns=self.env.max_turns,
            reason=self.reason,
            parts=at.parts,
            over=self.over and not at.done,
            token=token,
        )

    def _begin(self, seed: int, options: dict[str, Any] | None) -> None:
        self.env.reset(seed=seed, options=options)
        self.reason, self.over = "", False


class Customers:
    """All customers by their keys.

    Who only looks is not remembered: the first page follows from the key. Who acts takes a place,
    if need be that of the customer who came longest ago, but of none who came lately.

    Args:
        task: what every customer begins with; None draws one.
        arguments: of the environment.
        clock: returns seconds.

    Raises:
        AnchorgymError: they make no environment, or there is no such task.
    """

    def __init__(
        self,
        task: str | None,
        arguments: dict[str, Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._task, self._clock = task, clock
        self._arguments = {"max_turns": MAX_TURNS, **arguments, "observation": "html"}
        self._known: OrderedDict[str, Customer] = OrderedDict()
        self._new("")  # what is wrong with the arguments is said before anything is served

    def look(self, key: str) -> Customer:
        """Return the customer of a key; one that never acted is where all begin."""
        customer = self._known.get(key)
        return self._new(key) if customer is None else self._seen(key, customer)

    def take(self, key: str) -> Customer:
        """Return the customer of a key, who is remembered from then on.

        Raises:
            ShopFullError: all places are taken.
        """
        customer = self._known.get(key)
        if customer is None:
            if len(self._known) >= MOST_CUSTOMERS:
                oldest = next(iter(self._known.values()))
                if self._clock() - oldest.seen < SECONDS_IN_USE:
                    raise ShopFullError
                self._known.popitem(last=False)
            customer = self._known[key] = self._new(key)
        return self._seen(key, customer)

    def _seen(self, key: str, customer: Customer) -> Customer:
        customer.seen = self._clock()
        self._known.move_to_end(key)
        return customer

    def _new(self, key: str) -> Customer:
        seed = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest()) >> 1
        return Customer(WebShopEnv(**self._arguments), self._task, seed)
