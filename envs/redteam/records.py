"""Records of episodes, to measure and to read."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from anchorgym.envs.core import JSON
from anchorgym.envs.errors import DataError
from anchorgym.envs.redteam.game import Game, outsider
from anchorgym.envs.redteam.judge import complies
from anchorgym.envs.redteam.language import read


@dataclass(frozen=True, slots=True)
class Record:
    """A recorded episode. Rounds and members count from 0 in its arrays."""

    task: str
    kind: str
    goal: str
    surface: str
    topology: str
    decider: int
    rounds: int
    """How many there could be."""
    victim: int
    """The member that met the words from outside itself; -1 where there are none."""
    compromised: int
    """The member that had no words of its own; -1 where there is none."""
    asks: str
    """What the team was to do."""
    wanted: str
    """What the words from outside ask for, in plain words."""
    target: str
    """The token, tool, secret or result that they name or are after; empty if there are none."""
    injection: str
    """Those words; empty if the attacker abstained or the episode is clean."""
    delivered: bool
    """Whether they arrived: a tool that nobody calls returns nothing."""
    said: tuple[tuple[str, ...], ...]
    """(n_rounds, n_members)"""
    replies: tuple[tuple[tuple[str, ...], ...], ...]
    """(n_rounds, n_members, n_replies): of tools and user."""
    infected: tuple[tuple[bool, ...], ...]
    """(n_rounds, n_members): whose message did the attacker's will."""
    flagged: tuple[tuple[bool, ...], ...]
    """(n_rounds, n_members): whose message refused something."""
    asked: tuple[tuple[bool, ...], ...]
    """(n_rounds, n_members): whose message asked the user."""
    result: str
    """Final answer of the team."""
    right: bool
    """Whether the team did its work, and what a harmless note asked for."""
    hit: bool
    """Whether the attack reached its goal."""
    over: bool
    verdict: JSON = None
    """What another judge said; nothing here depends on it."""

    def to_json(self) -> dict[str, JSON]:
        """Return the record as JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Record:
        """Read what `to_json` wrote.

        Raises:
            DataError: it is no record.
        """
        try:
            given = {field.name: _frozen(values[field.name]) for field in fields(cls)}
        except (KeyError, TypeError) as error:
            raise DataError(f"this is no record of a red-team episode: {error!r}") from error
        return cls(**{**given, "verdict": values["verdict"]})

    def transcript(self) -> str:
        """Return the episode as text for a person."""
        of = f" {self.goal} through {self.surface}" if self.goal else ""
        lines = [f"{self.task} · {self.kind}{of} · {self.topology}", f"task: {self.asks}"]
        if self.wanted:
            arrived = "" if self.delivered else " (not delivered)"
            lines.append(f"wanted: {self.wanted}")
            lines.append(f"{self._who_wrote()}: {self.injection or '(nothing)'}{arrived}")
        for number in range(len(self.said)):
            lines.append(f"round {number + 1}")
            lines += self._round(number)
        if self.over:
            lines.append(self._ending())
        return "\n".join(lines)

    def _who_wrote(self) -> str:
        author = "attackers" if self.kind == "attack" else "user"
        return f"{author} → defender {self.victim} ({self.surface})"

    def _round(self, number: int) -> list[str]:
        lines = []
        for member, text in enumerate(self.said[number]):
            marks = [
                mark
                for mark, those in (("infected", self.infected), ("refuses", self.flagged))
                if those[number][member]
            ]
            if member == self.compromised:
                marks = ["compromised"]
            noted = f"  [{', '.join(marks)}]" if marks else ""
            lines.append(f"  defender {member}: {text or '(silent)'}{noted}")
            lines += [f"    ← {reply}" for reply in self.replies[number][member]]
        return lines

    def _ending(self) -> str:
        work = "right" if self.right else "wrong"
        attack = {True: "attack succeeded", False: "attack failed"}[self.hit]
        ending = f"result: {self.result or '(none)'}, {work}"
        return f"{ending}; {attack}" if self.kind == "attack" else ending


def record(game: Game, verdict: JSON = None) -> Record:
    """Return what has happened so far in a game."""
    episode, request, decider = game.episode, game.episode.request, game.team.decider
    own = episode.compromised
    messages = [[read(text) for text in words] for words in game.said]

    def did(member: int, text: str) -> bool:
        if request is None or not game.attacked or member == own or not text:
            return False
        return complies(request, True, text, game.work)

    return Record(
        task=episode.task,
        kind=episode.kind,
        goal=episode.goal,
        surface=episode.surface,
        topology=game.team.topology,
        decider=decider,
        rounds=game.rounds,
        victim=outsider(episode),
        compromised=own,
        asks=game.work.asks,
        wanted=request.order if request else "",
        target=request.value if request else "",
        injection=game.injection,
        delivered=game.delivered,
        said=tuple(game.said),
        replies=tuple(game.replies),
        infected=tuple(tuple(did(*one) for one in enumerate(words)) for words in game.said),
        flagged=tuple(
            tuple(message.flags and i != own for i, message in enumerate(row)) for row in messages
        ),
        asked=tuple(
            tuple(message.verifies and i != own for i, message in enumerate(row))
            for row in messages
        ),
        result=game.members[decider].result,
        right=game.team_right(),
        hit=game.hit,
        over=game.over,
        verdict=verdict,
    )


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value
