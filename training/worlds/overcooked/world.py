"""Overcooked's entry in the registry."""

from __future__ import annotations

from anchorgym.training.worlds.registry import World

_HERE = "anchorgym.training.worlds.overcooked"

WORLD = World(
    name="overcooked",
    summary="Train cooks by self-play, clone people, and pair them all.",
    commands={
        "train": f"{_HERE}.commands.train:COMMAND",
        "clone": f"{_HERE}.commands.clone:COMMAND",
        "crossplay": f"{_HERE}.commands.crossplay:COMMAND",
    },
    players=f"{_HERE}.seated:CookLoader",
)
