"""The red-team world's entry in the registry."""

from __future__ import annotations

from anchorgym.training.worlds.registry import World

WORLD = World(
    name="redteam",
    summary="Measure how well a team that was trained under attack resists attackers.",
    commands={"evaluate": "anchorgym.training.worlds.redteam.commands.evaluate:COMMAND"},
    former={"redteam-evaluate": "evaluate"},
)
