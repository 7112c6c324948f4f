"""Conversions between the text of policies and what environments give and take.

Text passes through, except for lone surrogates, see `anchorgym.envs.texts`. Other observations of
PettingZoo environments become text, and a response is parsed as an element of the action space;
anchors, goals and admissible actions are optional there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from gymnasium import Space
from gymnasium.spaces import Discrete

from anchorgym.agents.policies.base import View
from anchorgym.envs import Info
from anchorgym.envs.errors import ContractError
from anchorgym.envs.texts import brief, require_text, well_formed

_MASKS = ("action_mask", "legal_actions_mask")


def require_number(value: Any, what: str, source: object) -> float:
    """Return a number of a world.

    Raises:
        ContractError: it is none.
    """
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ContractError(
            f"{type(source).__name__} gave {brief(value)} as {what}, which must be a number: "
            "verify it with `anchorgym check`"
        ) from error


def as_info(info: Info, source: object) -> Info:
    """Return an info whose texts can be written and tokenized: the same object if they can.

    Raises:
        ContractError: a text is no string, or the admissible actions are no sequence.
    """
    listed: Any = info["admissible_actions"]
    if not isinstance(listed, tuple | list):
        raise ContractError(
            f"{type(source).__name__} gave {brief(listed)} as admissible actions, which must be a "
            "tuple of strings: verify it with `anchorgym check`"
        )
    texts = {
        "goal": require_text(info["goal"], "goal", source),
        "reason": require_text(info["reason"], "reason of an invalid action", source),
        "admissible_actions": tuple(
            require_text(action, "admissible action", source) for action in listed
        ),
    }
    if all(info[key] == text for key, text in texts.items()):  # type: ignore[literal-required]
        return info
    return cast(Info, {**info, **texts})


def as_text(observation: Any) -> str:
    """Return an observation as text: its own text if it has any, else its numbers."""
    if isinstance(observation, str):
        return well_formed(observation)
    if isinstance(observation, Mapping):
        if isinstance(observation.get("text"), str):
            return well_formed(str(observation["text"]))
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
        well_formed(str(info.get("goal", ""))),
        tuple(well_formed(str(action)) for action in actions),
        bool(info.get("action_valid", True)),
        well_formed(str(info.get("reason", ""))),
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
