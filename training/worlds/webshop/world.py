"""WebShop's entry in the registry."""

from __future__ import annotations

from anchorgym.training.worlds.registry import World

WORLD = World(
    name="webshop",
    summary="Open WebShop as pages for a browser.",
    commands={"serve": "anchorgym.training.worlds.webshop.commands.serve:COMMAND"},
    former={"serve-webshop": "serve"},
)
