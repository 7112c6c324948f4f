"""One seat of a kitchen with a cook in the other, for learners of single-agent worlds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from anchorgym.envs.errors import OptionError
from anchorgym.envs.multi import SeatEnv
from anchorgym.envs.overcooked.cooks import Cook, make_cook
from anchorgym.envs.overcooked.env import COOKS, OvercookedEnv


def beside(partner: str | Cook, seat: int = 0, **kwargs: Any) -> SeatEnv:
    """Return one seat of a kitchen with a cook in the other, as a Gymnasium environment.

    Args:
        partner: a cook, or its name.
        seat: the seat to play, 0 or 1.
        kwargs: of `OvercookedEnv`, with low-level actions.

    Raises:
        OptionError: no such cook or seat, or mid-level actions.
    """
    if seat not in (0, 1) or kwargs.get("actions", "low") != "low":
        raise OptionError("a seat beside a cook is 0 or 1, and has low-level actions")
    env = OvercookedEnv(**kwargs)
    cook = make_cook(partner, env.kitchen) if isinstance(partner, str) else partner

    def others(
        agent: str, observation: Any, info: Mapping[str, Any], rng: np.random.Generator
    ) -> Any:
        number = cook(env.game, COOKS.index(agent), rng)
        return env.action_names[number] if env.observation == "text" else number

    return SeatEnv(env, COOKS[seat], others)
