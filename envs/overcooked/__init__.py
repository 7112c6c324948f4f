"""Overcooked: two cooks, one kitchen, soups to deliver."""

from anchorgym.envs.overcooked.kitchen import ACTIONS, Effect, Kitchen, State
from anchorgym.envs.overcooked.layouts import (
    CLASSIC,
    Layout,
    Start,
    draw_layout,
    layout_names,
    load_layout,
)
from anchorgym.envs.overcooked.rules import Rules

__all__ = [
    "ACTIONS",
    "CLASSIC",
    "Effect",
    "Kitchen",
    "Layout",
    "Rules",
    "Start",
    "State",
    "draw_layout",
    "layout_names",
    "load_layout",
]
