"""Conversions between the text of policies and the spaces of any PettingZoo environment.

Text environments of this package pass through. Otherwise observations become text, and a response
is parsed as an element of the action space; anchors, goals and admissible actions are optional.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import Space
from gymnasium.spaces import Discrete

from anchorgym.agents.policies.base import View
from anchorgym.envs.errors import ContractError

_MASKS = ("action_mask", "legal_actions_mask")


def as_text(observation: Any) -> str:
    """Return an observation as text: its own text if it has any, else its numbers."""
    if isinstance(observation, str):
        return observation
    if isinstance(observation, Mapping):
        if isinstance(observation.get("text"), str):
            return str(observation["text"])
        parts = {key: value for key, value in observation.items() if key not in _MASKS}
        if len(parts) == 1:
            return as_text(next(iter(parts.values())))
        return " ".join(f"{key} {as_text(value)}" for key, value in parts.items())
    values = np.asarray(observation)
    if values.dtype.kind == "f":
        return " ".join(f"{value:.3g}" for value in values.ravel())
    return " ".join(map(str, values.ravel().tolist()))


def as_view(observation: Any, info: Mapping[str, Any], space: Space[Any]) -> View:
    """Return the view of an agent's info; missing fields are empty."""
    actions = info.get("admissible_actions")
    if actions is None:
        actions = _legal(observation, info, space)
    return View(
        str(info.get("goal", "")),
        tuple(map(str, actions)),
        bool(info.get("action_valid", True)),
        str(info.get("reason", "")),
    )


def as_action(text: str, view: View, space: Space[Any]) -> Any:
    """Parse a response as an element of the action space; None if it is none."""
    if not isinstance(space, Discrete):
        return text
    if view.admissible_actions and text not in view.admissible_actions:
        return None
    try:
        return int(text)
    except ValueError:
        return None


def instead(view: View, space: Space[Any]) -> Any:
    """Return an action in place of one that could not be parsed.

    Only environments that are not of this package's contract need it: they expect an action.

    Raises:
        ContractError: there is no such action.
    """
    if isinstance(space, Discrete):
        return int(view.admissible_actions[0]) if view.admissible_actions else int(space.start)
    raise ContractError(f"an action could not be read, and {space} names no other to take")


def _legal(observation: Any, info: Mapping[str, Any], space: Space[Any]) -> tuple[int, ...]:
    if not isinstance(space, Discrete):
        return ()
    sources = [info, observation] if isinstance(observation, Mapping) else [info]
    for source in sources:
        for name in _MASKS:
            if source.get(name) is not None:
                return tuple(int(i) + int(space.start) for i in np.flatnonzero(source[name]))
    return tuple(range(int(space.start), int(space.start + space.n)))
