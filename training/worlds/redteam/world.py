"""What the red-team world adds to the command line."""

from __future__ import annotations

from anchorgym.training.worlds.registry import World

WORLD = World(
    name="redteam",
    summary="Measure how a team that was trained under attack stands up.",
    commands={"evaluate": "anchorgym.training.worlds.redteam.commands.evaluate:COMMAND"},
    former={"redteam-evaluate": "evaluate"},
)
