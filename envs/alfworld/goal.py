"""What a game asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

GoalKind = Literal["place", "look", "clean", "heat", "cool", "two"]

TASK_TYPES: Final[dict[GoalKind, str]] = {
    "place": "pick_and_place_simple",
    "look": "look_at_obj_in_light",
    "clean": "pick_clean_then_place_in_recep",
    "heat": "pick_heat_then_place_in_recep",
    "cool": "pick_cool_then_place_in_recep",
    "two": "pick_two_obj_and_place",
}
"""The official name of each kind of goal, in the official order."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What wins a game. Types are lower-cased, without PDDL's "type" at the end."""

    kind: GoalKind
    object_type: str
    target_type: str
    """Type of the receptacle that the object belongs in; for "look", of the lamp."""

    @property
    def task_type(self) -> str:
        """The official name of this kind of task."""
        return TASK_TYPES[self.kind]
