"""A shop: its products, its search engine, and what its customers ask for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Final, Protocol

from anchorgym.envs.errors import DataError, OptionError, UnknownTaskError
from anchorgym.envs.webshop.generator import (
    FAMILY,
    GOALS,
    VERSION,
    asin_of,
    generated_goal,
    generated_product,
    kinds,
    row_of,
)
from anchorgym.envs.webshop.goals import Goal, price_of, shuffled, split_goals
from anchorgym.envs.webshop.pages import Page
from anchorgym.envs.webshop.products import Product
from anchorgym.envs.webshop.search import SearchIndex
from anchorgym.envs.webshop.store import generated_index

PRODUCTS_KEPT: Final = 8192
"""Products that a shop keeps, of those met last."""
PAGES_KEPT: Final = 8192
"""Product pages that a shop keeps: enough for all of 1,000 products."""
RESULTS_KEPT: Final = 512
"""Pages of results, which seldom come again but for the same customer."""
GOALS_KEPT: Final = 1024
LARGEST: Final = 10_000_000
_TASK_FORM: Final = "A task is <asin>/<number of the goal>, such as {example}."


class PageCache:
    """The pages that were shown last; they are the same for every customer."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, Page] = OrderedDict()

    def find(self, key: Hashable, make: Callable[[], Page]) -> Page:
        """Return the page of a key, made if it is not there."""
        page = self._kept.get(key)
        if page is None:
            page = self._kept[key] = make()
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return page


class Shop(Protocol):
    """Products by their row, goals by their id. All environments of a process share one."""

    index: SearchIndex
    pages: PageCache
    result_pages: PageCache
    fingerprint: str
    """What was sold: equal for shops of the same products."""

    def product(self, row: int) -> Product:
        """Return the product in a row."""
        ...

    def price(self, row: int) -> float:
        """Return what it costs, in dollars."""
        ...

    def tasks(self, split: str) -> Sequence[str]:
        """Return the ids of a split's goals, the same on every machine.

        Raises:
            UnknownSplitError: there is no such split.
            DataError: the data hold no goals.
        """
        ...

    def goal(self, task: str) -> Goal:
        """Return a goal, of any split.

        Raises:
            UnknownTaskError: there is no such goal.
        """
        ...

    def category(self, task: str) -> str:
        """Return the category of the product that a goal was written for; errors as `goal`."""
        ...


class GeneratedShop:
    """A shop of the generator. Its products are made when they are looked at.

    Args:
        size: how many products there are.
        seed: of everything.

    Raises:
        OptionError: the size is none.
    """

    def __init__(self, size: int, seed: int) -> None:
        if not FAMILY <= size <= LARGEST:
            raise OptionError(f"a catalogue has {FAMILY} to {LARGEST:,} products, got {size}")
        self.size, self.seed = size, seed
        self.index = generated_index(size, seed)
        self.pages, self.result_pages = PageCache(PAGES_KEPT), PageCache(RESULTS_KEPT)
        self.fingerprint = f"generated {VERSION}"
        self._product = lru_cache(PRODUCTS_KEPT)(lambda row: generated_product(seed, row))
        self._goal = lru_cache(GOALS_KEPT)(lambda row, n: generated_goal(seed, row, n))
        self._splits: dict[str, tuple[str, ...]] = {}
        self._order: list[str] = []

    def product(self, row: int) -> Product:
        """Return the product in a row; see `Shop.product`."""
        return self._product(row)

    def price(self, row: int) -> float:
        """Return its price; see `Shop.price`."""
        return self._product(row).pricing[0]

    def tasks(self, split: str) -> Sequence[str]:
        """Return the ids of a split's goals; see `Shop.tasks`."""
        if split not in self._splits:
            self._splits[split] = tuple(split_goals(self._all(), split))
        return self._splits[split]

    def goal(self, task: str) -> Goal:
        """Return a goal; see `Shop.goal`."""
        return self._goal(*self._parse(task))

    def category(self, task: str) -> str:
        """Return the category of its product; see `Shop.category`."""
        row, _ = self._parse(task)
        return kinds()[row // FAMILY % len(kinds())].category

    def _all(self) -> list[str]:
        if not self._order:
            self._order = shuffled(
                [
                    f"{asin_of(row)}/{number}"
                    for row in range(self.size)
                    for number in range(GOALS[row % FAMILY])
                ]
            )
        return self._order

    def _parse(self, task: str) -> tuple[int, int]:
        asin, _, number = task.partition("/")
        row = row_of(asin)
        if row is not None and row < self.size:
            numbers = [str(n) for n in range(GOALS[row % FAMILY])]
            if number in numbers:
                return row, int(number)
        example = f"{asin_of(0)}/0"
        raise UnknownTaskError(task, hint=_TASK_FORM.format(example=example))


class ListedShop:
    """A shop of products and goals that are given.

    Args:
        products: by row; read when they are looked at.
        index: of their texts.
        goals: in their order.
        seed: of the prices.
        fingerprint: of all this.

    Raises:
        DataError: there are no goals.
    """

    def __init__(
        self,
        products: Sequence[Product],
        index: SearchIndex,
        goals: Sequence[Goal],
        seed: int,
        fingerprint: str,
    ) -> None:
        if not goals:
            raise DataError(
                "the data hold no goals: choose goals='synthetic' (instructions of "
                "items_ins_v2*.json) or goals='human' (those of items_human_ins.json)"
            )
        self.index = index
        self.pages, self.result_pages = PageCache(PAGES_KEPT), PageCache(RESULTS_KEPT)
        self.fingerprint = fingerprint
        self.goals = {goal.id: goal for goal in goals}
        self._products, self._seed = products, seed
        self._product = lru_cache(PRODUCTS_KEPT)(products.__getitem__)
        self._order = shuffled([goal.id for goal in goals])

    def product(self, row: int) -> Product:
        """Return the product in a row; see `Shop.product`."""
        return self._product(row)

    def price(self, row: int) -> float:
        """Return its price; see `Shop.price`."""
        return price_of(self._product(row), self._seed)

    def tasks(self, split: str) -> Sequence[str]:
        """Return the ids of a split's goals; see `Shop.tasks`."""
        return tuple(split_goals(self._order, split))

    def goal(self, task: str) -> Goal:
        """Return a goal; see `Shop.goal`."""
        if task not in self.goals:
            near = (known for known in self.goals if known[:4] == task[:4])
            hint = _TASK_FORM.format(example=self._order[0])
            raise UnknownTaskError(task, near, hint)
        return self.goals[task]

    def category(self, task: str) -> str:
        """Return the category of its product; see `Shop.category`."""
        return self.goal(task).category


@lru_cache(maxsize=8)
def generated_shop(size: int, seed: int) -> GeneratedShop:
    """Return a generated shop, shared by all environments of this process."""
    return GeneratedShop(size, seed)
