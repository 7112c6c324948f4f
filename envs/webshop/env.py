"""WebShop as a Gymnasium environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, cast, get_args

from anchorgym.envs.core import JSON, ExpertKind, Outcome, TextEnv
from anchorgym.envs.errors import NoExpertError, OptionError, ResetNeededError
from anchorgym.envs.webshop.expert import full_action, honest_action, rule_action
from anchorgym.envs.webshop.goals import SPLITS
from anchorgym.envs.webshop.official import GoalKind, official_shop
from anchorgym.envs.webshop.packages import fuzzy_matching, porter_stemmer
from anchorgym.envs.webshop.pages import address, as_rich_text, as_text
from anchorgym.envs.webshop.score import MODES, Mode
from anchorgym.envs.webshop.shop import Shop, generated_shop
from anchorgym.envs.webshop.shopping import Shopping

DATA_VARIABLE: Final = "WEBSHOP_DATA"
GENERATED_SIZE: Final = 1000
Observation = Literal["text", "text_rich", "html", "url"]
OBSERVATIONS: Final[tuple[Observation, ...]] = get_args(Observation)
Reward = Literal["score", "won"]
REWARDS: Final[tuple[Reward, ...]] = get_args(Reward)


class WebShopEnv(TextEnv):
    """Shopping in text: search a catalogue, compare, choose options, and buy what was asked for.

    Actions are `search[keywords]` and `click[value]`, where the value is what a button, a product
    or an option says, in any case. The reward comes with the purchase and is its score in [0, 1];
    the task is won when that is 1. Nothing is random but the draw of a task.

    `info` adds `score`, that of the purchase, once it is made. `progress` is that score
    then, and before half of what buying the product on the page would score.

    Args:
        data: the folder with the official files (see `official.py`). By default WEBSHOP_DATA
            names it; products are generated where that is not set either.
        split: train, dev or test.
        observation: "text" (separated by [SEP]), "text_rich" (a line each, buttons marked), "html"
            or "url".
        max_turns: the number of turns after which an episode is truncated.
        goals: of official data: "human" or "synthetic" instructions; by default those of people
            where there are any.
        n_products: how many products there are: by default 1,000 generated ones, or all that are
            listed.
        catalogue_seed: of a generated catalogue, of prices given as ranges, and of price limits.
        score: "fixed", or "faithful" to the original with its defects; see `score_purchase`.
        reward: "score", what the purchase scores, or "won", 1 where that is 1 and else 0.
        show_attributes: whether products have the page of their attributes, as in the original
            for people; its text environment leaves it out.
        render_mode: None, or "ansi".

    Raises:
        DataError: the data named are missing or broken.
        UnknownSplitError: there is no such split.
        OptionError: an argument has no such value.
        MissingExtraError: the packages of the extra `webshop` are not installed.
    """

    splits: ClassVar[tuple[str, ...]] = SPLITS
    stochastic: ClassVar[bool] = False
    max_observation_length: ClassVar[int] = 1 << 20

    def __init__(
        self,
        *,
        data: str | os.PathLike[str] | None = None,
        split: str = "train",
        observation: Observation = "text",
        max_turns: int = 15,
        goals: GoalKind | None = None,
        n_products: int | None = None,
        catalogue_seed: int = 0,
        score: Mode = "fixed",
        reward: Reward = "score",
        show_attributes: bool = True,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(split=split, max_turns=max_turns, render_mode=render_mode)
        fuzzy_matching(), porter_stemmer()  # what is missing is said before a shop opens
        if observation not in OBSERVATIONS:
            raise OptionError(
                f"there is no observation {observation!r}: choose {' or '.join(OBSERVATIONS)}"
            )
        if score not in MODES:
            raise OptionError(f"there is no score {score!r}: choose {' or '.join(MODES)}")
        if reward not in REWARDS:
            raise OptionError(f"there is no reward {reward!r}: choose {' or '.join(REWARDS)}")
        self.observation = observation
        self.reward = reward
        self.score_mode = score
        self.show_attributes = show_attributes
        self._catalogue = {"goals": goals, "n_products": n_products, "seed": catalogue_seed}
        self.shop = _shop(data, goals, n_products, catalogue_seed)
        self._shopping: Shopping | None = None

    @property
    def shopping(self) -> Shopping:
        """The customer: where they are, what they chose, what was seen."""
        if self._shopping is None:
            raise ResetNeededError("no episode is running: call reset() or restore() first")
        return self._shopping

    def tasks(self, split: str | None = None) -> Sequence[str]:
        """Return the task ids of a split, `<asin>/<number of the goal>`; see `TextEnv.tasks`."""
        return self.shop.tasks(self.split if split is None else split)

    def task_type(self, task: str) -> str:
        """Return the category of the product that is asked for."""
        return self.shop.category(task)

    def start(self, task: str) -> str:
        """Open the shop with a goal, of any split; see `TextEnv.start`.

        Raises:
            UnknownTaskError: there is no such task.
        """
        goal = self.shop.goal(task)
        self.goal = goal.instruction
        self._shopping = Shopping(self.shop, goal, self.score_mode, self.show_attributes)
        return self.shown()

    def act(self, action: str) -> Outcome:
        """Search or click."""
        at = self.shopping
        problem = at.act(action)
        done, reward = at.done, 0.0
        if done and not problem:
            reward = at.score if self.reward == "score" else float(at.score == 1)
        return Outcome(self.shown(), reward, done, problem)

    def shown(self) -> str:
        """Return the page as the observation shows it."""
        at = self.shopping
        if self.observation == "text":
            return as_text(at, at.page)
        if self.observation == "text_rich":
            return as_rich_text(at, at.page)
        if self.observation == "url":
            return address(at)
        from anchorgym.envs.webshop.html import as_html  # its templates take time to load

        return as_html(at, at.page)

    def refusal(self, reason: str) -> str:
        """Show the page again: an action that cannot be read changes nothing."""
        return self.shown()

    def admissible_actions(self) -> tuple[str, ...]:
        """Return what can be done on this page; `search[<keywords>]` stands for every search."""
        return self.shopping.actions()

    def save(self) -> JSON:
        """Return where the customer is and what was seen."""
        return self.shopping.state()

    def load(self, state: JSON) -> None:
        """Take a state of this task."""
        self.shopping.load(state)

    def anchor(self) -> bytes:
        """Return the key of the page with its choices; see `Shopping.key`."""
        return self.shopping.key()

    def won(self) -> bool:
        """Whether the purchase was exactly what was asked for."""
        return self.shopping.score == 1

    def progress(self) -> float:
        """Return the score of the purchase, or half of what buying what is shown would score."""
        at = self.shopping
        return at.score if at.done else at.worth() / 2

    def extra_info(self) -> Mapping[str, Any]:
        """Return the score of the purchase, once it is made."""
        at = self.shopping
        return {"score": at.score} if at.done else {}

    def config(self) -> Mapping[str, JSON]:
        """Return what decides how the shop looks and what it sells."""
        return {
            **self._catalogue,
            "observation": self.observation,
            "score": self.score_mode,
            "reward": self.reward,
            "show_attributes": self.show_attributes,
            "catalogue": self.shop.fingerprint,
        }

    def expert_action(self, kind: ExpertKind = "honest") -> str:
        """Return the next action of the customer that knows what was seen, or the goal too.

        Raises:
            NoExpertError: the purchase is made, no search finds the goal, or there is no such
                expert.
        """
        at = self.shopping
        if at.done:
            raise NoExpertError("the purchase is made: nothing is left to do")
        if kind == "honest":
            return honest_action(at, self.max_turns - self.turn)
        if kind == "full":
            action = full_action(at)
            if action is None:
                raise NoExpertError(f"no search finds {at.goal.asin}")
            return action
        raise NoExpertError(f"there is no {kind!r} expert: choose 'honest' or 'full'")

    def rule_action(self) -> str:
        """Return the next action of the paper's rule baseline.

        It searches for the whole instruction, opens the first product and buys it as it is.
        """
        return rule_action(self.shopping)


def _shop(
    data: str | os.PathLike[str] | None, goals: GoalKind | None, n_products: int | None, seed: int
) -> Shop:
    if n_products is not None and n_products < 1:
        raise OptionError(f"n_products must be at least 1, got {n_products}")
    folder = os.fspath(data) if data is not None else os.environ.get(DATA_VARIABLE)
    if not folder and data is None:
        if goals is not None:
            raise OptionError("goals are a choice of official data: give data=… too")
        return generated_shop(n_products or GENERATED_SIZE, seed)
    path = Path(os.path.expandvars(cast(str, folder))).expanduser()
    return official_shop(path.resolve(), goals, n_products, seed)
