"""Random draws that are named by what they decide."""

from __future__ import annotations

from anchorgym.envs.draws import Draws


def draws(what: str, seed: int, name: str) -> Draws:
    """Return the draws that decide something about something, for a catalogue's seed."""
    return Draws(f"webshop/{seed}/{what}/{name}")
