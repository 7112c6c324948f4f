"""The entry of Pokémon battles in the registry."""

from __future__ import annotations

from anchorgym.training.worlds.registry import World

_HERE = "anchorgym.training.worlds.vgc"

WORLD = World(
    name="vgc",
    summary="Clone, train and rank players of Pokémon double battles.",
    commands={
        "clone": f"{_HERE}.commands.clone:COMMAND",
        "train": f"{_HERE}.commands.train:COMMAND",
        "league": f"{_HERE}.commands.league:COMMAND",
    },
    former={"vgc-clone": "clone", "vgc-train": "train", "evaluate-league": "league"},
    records=f"{_HERE}.replaying:BattleFiles",
    setup=f"{_HERE}.simulator:install_simulator",
    setup_about="The battle simulator pokemon-showdown, from npm at a pinned version.",
)
