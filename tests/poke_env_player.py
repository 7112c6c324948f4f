"""poke-env's players on our bridge: fed from a seat's log and request, without a server."""

from __future__ import annotations

import logging
import random
from typing import Any

import orjson
from poke_env.battle import DoubleBattle
from poke_env.player import SimpleHeuristicsPlayer

from anchorgym.envs.vgc.records import Seat

IGNORED = ("uhtml", "uhtmlchange", "raw", "t:", "showteam", "html", "expire", "askreg", "inactive")


class PokeEnvHeuristics:
    """`SimpleHeuristicsPlayer` in one seat of one battle; it sees closed sheets, as online.

    Args:
        number: 0 or 1, the seat.
        format: of the battle.
        seed: of its team previews, which poke-env draws by chance.
    """

    def __init__(self, number: int, format: str, seed: int) -> None:
        self.rng = random.Random(seed)
        name = f"Player {number + 1}"
        self.player: Any = SimpleHeuristicsPlayer(battle_format=format, start_listening=False)
        self.battle: Any = DoubleBattle(f"battle-{format}-{seed}", name, logging.getLogger("x"), 9)
        self.battle.player_role = f"p{number + 1}"

    def choose(self, seat: Seat) -> str | None:
        """Take in what the seat was told, and return the choice if it is asked."""
        for line in seat["log"]:
            words = line.split("|")
            if len(words) > 1 and words[1] not in (*IGNORED, "win", "tie", ""):
                self.battle.parse_message(words)
        request = seat["request"]
        if request is None or seat["legal"] is None:
            return None
        self.battle.parse_request(orjson.loads(orjson.dumps(request)))
        if request.get("teamPreview"):
            order = self.rng.sample(range(1, len(request["side"]["pokemon"]) + 1), 4)
            return "team " + "".join(map(str, order))
        message: str = self.player.choose_move(self.battle).message
        return message.removeprefix("/choose ")
