"""Lookup of battle players by name, and the starts of their battles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from anchorgym.agents.engines import EngineFactory
from anchorgym.envs.errors import OptionError, did_you_mean
from anchorgym.envs.vgc.arena import Contender, Programs
from anchorgym.envs.vgc.bridge import Bridge
from anchorgym.envs.vgc.knowledge import Knowledge
from anchorgym.envs.vgc.players.base import Player, RandomPlayer
from anchorgym.envs.vgc.players.heuristic import Heuristic
from anchorgym.envs.vgc.players.language import LanguagePlayer
from anchorgym.envs.vgc.players.max_power import MaxPowerPlayer
from anchorgym.envs.vgc.players.search import SearchPlayer
from anchorgym.envs.vgc.records import BattleRecord, seed_of
from anchorgym.envs.vgc.teams import VERSUS, GeneratedTeams, PastedTeams, TeamSource, teams_of
from anchorgym.training.worlds.vgc.chatting import chat_model
from anchorgym.training.worlds.vgc.config import BattleConfig
from anchorgym.training.worlds.vgc.policy import TokenPlayer, load_policy

GREEDY: Final = ":greedy"
"""Suffix of a policy's folder, for greedy play."""
LANGUAGE: Final = "language:"
"""Prefix of a chat model's folder, for a player that picks from numbered menus."""

_PROGRAMS: Final[dict[str, Callable[[Knowledge], Callable[[np.random.Generator], Player]]]] = {
    "random": lambda known: RandomPlayer,
    "max-power": lambda known: lambda rng: MaxPowerPlayer(known, rng),
    "heuristic": lambda known: lambda rng: Heuristic(known),
}
SEARCHES: Final = ("search", "oracle-search")
NAMES: Final = (*_PROGRAMS, *SEARCHES)
"""Names of untrained players; the oracle sees hidden information, and serves as an upper bound."""


def contender(
    name: str, known: Knowledge, bridge: Bridge, engine: EngineFactory | None = None
) -> Contender:
    """Return the player of a name: one of `NAMES`, or the folder of a policy.

    Args:
        name: a folder may end in `:greedy`; `language:FOLDER` is a chat model.
        known: knowledge of the format.
        bridge: bridge to the simulator, for players that look ahead.
        engine: factory of the engine of a chat model; by default one in this process.

    Raises:
        OptionError: there is no player of that name.
        DataError: the folder holds no policy of this version.
    """
    if name in _PROGRAMS:
        return Programs(_PROGRAMS[name](known), known.tables)
    if name in SEARCHES:
        return SearchPlayer(bridge, known, oracle=name == "oracle-search")
    if name.startswith(LANGUAGE):
        folder = Path(name.removeprefix(LANGUAGE))
        return LanguagePlayer(chat_model(folder, engine=engine), known)
    require_player(name)
    net, _ = load_policy(newest_policy(Path(name.removesuffix(GREEDY))))
    return TokenPlayer(net, known, greedy=name.endswith(GREEDY))


def require_player(name: str) -> None:
    """Check that there is a player of a name, without loading it.

    Raises:
        OptionError: there is no player of that name.
    """
    known = name in NAMES or name.startswith(LANGUAGE)
    if not known and not Path(name.removesuffix(GREEDY)).is_dir():
        raise OptionError(
            f"no player {name!r}.{did_you_mean(name, NAMES)} There are {', '.join(NAMES)}, folders "
            f"of policies, and {LANGUAGE}FOLDER"
        )


def newest_policy(folder: Path) -> Path:
    """Return the folder of a policy: the folder itself, or the newest policy of a run."""
    if (folder / "policy").is_dir():
        return folder / "policy"
    trained = sorted(
        (path for path in (folder / "players").glob("player-*") if path.is_dir()),
        key=lambda path: int(path.name.rpartition("-")[2]),
    )
    return trained[-1] if trained else folder


def team_source(config: BattleConfig) -> TeamSource:
    """Return the source of teams for the settings."""
    if config.pastes is None:
        return GeneratedTeams(config.format, config.teams)
    return PastedTeams(config.pastes, config.format, config.teams)


def battle_starts(
    source: TeamSource, config: BattleConfig, seed: int, split: str = "train"
) -> Iterator[BattleRecord]:
    """Yield starts of battles endlessly: two teams of a split, and a seed of the randomness."""
    rng, names = np.random.default_rng(seed), source.names(split)
    while True:
        one, two = (names[int(i)] for i in rng.integers(len(names), size=2))
        chance = seed_of(rng.integers(2**16, size=4).tolist())
        teams = teams_of(source, f"{one}{VERSUS}{two}")
        yield BattleRecord(config.format, chance, teams, config.open_sheets)
