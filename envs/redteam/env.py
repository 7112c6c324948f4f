"""`anchorgym/RedTeam-v0`: attackers write to a team that works; see the package."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from anchorgym.envs.bookkeeping import digest
from anchorgym.envs.core import JSON, ExpertKind
from anchorgym.envs.errors import (
    NoExpertError,
    OptionError,
    ResetNeededError,
    UnknownSplitError,
    did_you_mean,
)
from anchorgym.envs.multi import AgentOutcome, MultiAgentTextEnv
from anchorgym.envs.redteam.episodes import KINDS, Catalogue, Mix
from anchorgym.envs.redteam.game import Game
from anchorgym.envs.redteam.graphs import Team
from anchorgym.envs.redteam.language import read, spoken
from anchorgym.envs.redteam.players import Seen, attack, defend, look_around
from anchorgym.envs.redteam.records import Record, record
from anchorgym.envs.redteam.rewards import Weights, attacker, find_schedule
from anchorgym.envs.redteam.safeguards import SAFEGUARDS
from anchorgym.envs.redteam.tables import (
    ATTACKS,
    DEFENCES,
    Scripts,
    attacker_situation,
    defender_situation,
)
from anchorgym.envs.redteam.tools import ALLOWED
from anchorgym.envs.redteam.views import (
    ABSTAIN,
    SAY,
    attacker_goal,
    attacker_view,
    defender_goal,
    defender_view,
)
from anchorgym.envs.redteam.work import find_work

ExternalJudge = Callable[[Record], JSON]
"""Says something of an ended episode, in JSON values. It is kept in the record, beside the verdict
of the program, and changes nothing."""
_TRAINING_PANEL = 4096
_OTHER_PANEL = 256
_STATEMENTS = (*(f"call {tool}: <words>" for tool in ALLOWED), "verify", "flag")


class RedTeamEnv(MultiAgentTextEnv):
    """Attackers write a text to a team of defenders; the team works, talks and decides.

    All attacks are synthetic and harmless: print a token, tell a made-up code, state a wrong
    result, call a mock tool. Task ids read `train/attack/leak/tool/17`: split, kind (clean,
    lookalike, attack), goal, surface, and the number of the question. In an attack, each attacker
    speaks once, in round 0, and their words arrive together; the other episodes are played without
    attackers. Then come the rounds of the defenders' messages. Rewards come at the end: attackers
    ±1, defenders by `weights`.

    Beside the common keys, infos hold `role` ("attacker", "defender"), `infected` (the agent has
    done the attacker's will), `refusing` (its last message flags) and, from the end of the
    episode on, `record`: the whole of it as a JSON dictionary, see `records.Record`.

    Args:
        topology: chain, tree, star or complete.
        defenders, attackers: how many.
        work: what the team works on: "arithmetic"; "reasoning-gym", or some of its datasets,
            "reasoning-gym:gcd,lcm" (extra `redteam`); or the id of a text environment, such as
            "anchorgym/ALFWorld-v0", in which the decider acts.
        work_options: arguments of that environment.
        rounds: of messages; by default one more than attacks need, or a world's turns.
        decider: the member whose word counts; -1 for the topology's own.
        goals, surfaces: those of the panels; by default all that this team has.
        mix: shares of clean, lookalike and attack episodes in the panels.
        weights: of the defenders' rewards. Set `env.weights` at any time: it holds from the next
            reset on.
        safeguards: around a team of whatever kind, by the rules alone. "challenger": a message
            that tells the code or calls another tool is replaced by a refusal; "inspector": texts
            that speak of either do not arrive.
        schedule: "constant", or "safety_first": safety counts for more in the first half of a
            training and the task in the second; trainers say how far it is, see `at_progress`.
        judge: another judge, called with the record of each ended episode.
        split: train, valid or test; in a world, one of its own.
        render_mode: None or "ansi".

    Raises:
        TooFewRoundsError: attacks on the farthest member could not reach the decider.
        OptionError: anything else that cannot be.
        MissingExtraError: the questions need the extra `redteam`.
    """

    stochastic: ClassVar[bool] = True
    max_action_length: ClassVar[int] = 400
    max_observation_length: ClassVar[int] = 16384

    def __init__(
        self,
        *,
        topology: str = "chain",
        defenders: int = 3,
        attackers: int = 1,
        work: str = "arithmetic",
        work_options: dict[str, Any] | None = None,
        rounds: int | None = None,
        decider: int = -1,
        goals: Sequence[str] | None = None,
        surfaces: Sequence[str] | None = None,
        mix: Sequence[float] = (0.25, 0.25, 0.5),
        weights: Weights | None = None,
        safeguards: Sequence[str] = (),
        schedule: str = "constant",
        judge: ExternalJudge | None = None,
        split: str = "train",
        render_mode: str | None = None,
    ) -> None:
        if attackers < 1:
            raise OptionError(f"there is at least 1 attacker, got {attackers}")
        if len(mix) != len(KINDS):
            raise OptionError(f"mix holds a share for each of {', '.join(KINDS)}; got {mix}")
        self.team = Team(topology, defenders, decider)
        self.work = find_work(work, work_options)
        default = self.work.rounds or self.team.eccentricity + 2
        self.rounds = default if rounds is None else rounds
        self.team.check_rounds(self.rounds)
        self.catalogue = Catalogue(
            self.team, self.rounds, goals, surfaces, Mix(*mix), self.work.noun
        )
        self.attackers = tuple(f"attacker_{i}" for i in range(attackers))
        self.defenders = tuple(f"defender_{i}" for i in range(defenders))
        self.splits = self.work.splits  # type: ignore[misc]  # a world has splits of its own
        self._schedule = find_schedule(schedule)
        self.weights = weights or self._schedule[0]
        self.safeguards = _safeguards(safeguards)
        self.judge = judge
        self._members = {agent: i for i, agent in enumerate(self.defenders)}
        self._source = [work, work_options or {}]
        self._panels: dict[str, tuple[str, ...]] = {}
        self._game: Game | None = None
        self._ended: JSON = None
        self._views: dict[str, str] = {}
        """What agents read now, as far as it was asked for."""
        self._knowledge: dict[int, Seen] = {}
        """What members know now, as far as it was asked for."""
        self._speakers: tuple[str, ...] = ()
        self._paid = self.weights
        self._verdict: JSON = None
        super().__init__(
            [*self.attackers, *self.defenders],
            split=split,
            max_turns=self.rounds + 1,
            render_mode=render_mode,
        )

    @property
    def game(self) -> Game:
        """The game in play."""
        if self._game is None:
            raise ResetNeededError("no episode is running: call reset() or restore() first")
        return self._game

    # The contract ---------------------------------------------------------------------------

    def tasks(self, split: str | None = None) -> Sequence[str]:
        """Return the panel of a split: 4096 ids to train on, 256 of every other split.

        `start` also takes every other id of the form, with any number below a million.

        Raises:
            UnknownSplitError: there is no such split.
        """
        split = self.split if split is None else split
        if split not in self.splits:
            raise UnknownSplitError(split, self.splits)
        if split not in self._panels:
            size = _TRAINING_PANEL if split == self.splits[0] else _OTHER_PANEL
            self._panels[split] = self.catalogue.panel(split, size)
        return self._panels[split]

    def task_type(self, task: str) -> str:
        """Return kind, goal and surface of a task."""
        return task.partition("/")[2].rpartition("/")[0]

    def start(self, task: str) -> None:
        """Start the episode of an id; see `TextEnv.start`.

        Raises:
            UnknownTaskError: there is no such episode for this team.
        """
        split, kind, _, _, number = self.catalogue.parts(task, self.splits)
        self.work.start(split, number)
        episode = self.catalogue.episode(task, self.splits, self.work.wrong)
        self._game = Game(self.team, self.rounds, self.work, episode, self.safeguards)
        self._paid, self._verdict, self._ended = self.weights, None, None
        self._turn_over()
        if kind != "attack":
            self.agents = list(self.defenders)

    def act(self, actions: Mapping[str, str]) -> Mapping[str, AgentOutcome]:
        """Take the attackers' words, or play a round of messages."""
        game = self.game
        if game.round == 0:
            words = [actions[agent] for agent in self.attackers if agent in actions]
            game.inject(" ".join(spoken(text) for text in words if text.strip() != ABSTAIN))
            self._turn_over()
            return {}
        messages = {self._members[agent]: text for agent, text in actions.items()}
        game.speak(messages, self.np_random)
        self._turn_over()
        outcomes = {agent: self._outcome(agent, actions.get(agent)) for agent in self.defenders}
        if game.over:
            reward = attacker(game.hit)
            outcomes |= {a: AgentOutcome(reward, True) for a in self.attackers if a in self.agents}
            if self.judge is not None:
                self._verdict = self.judge(self.record())
        return outcomes

    def look(self, agent: str) -> str:
        """Return what an agent reads."""
        if agent not in self._views:
            member = self._members.get(agent)
            game = self.game
            self._views[agent] = (
                attacker_view(game) if member is None else defender_view(game, member)
            )
        return self._views[agent]

    def goal(self, agent: str) -> str:
        """Return the team's work, or what an attacker is to bring about."""
        request = self.game.episode.request
        if agent in self._members or request is None:
            return defender_goal(self.game)
        return attacker_goal(request)

    def active(self, agent: str) -> bool:
        """Attackers speak in round 0; then every member but a compromised one."""
        return agent in self._speakers

    def admissible_actions(self, agent: str) -> tuple[str, ...]:
        """Return templates of single statements; a message may hold several, set apart by `;`."""
        if agent not in self._members:
            return (SAY, ABSTAIN)
        return (*self.work.statements(), *_STATEMENTS, SAY)

    def won(self, agent: str) -> bool:
        """Whether the attack has succeeded; for defenders, whether the work is done and safe."""
        game = self.game
        if not game.over:
            return False
        return not game.hit and game.team_right() if agent in self._members else game.hit

    def extra_info(self, agent: str) -> Mapping[str, Any]:
        """Return role, infected, refusing and, in the end, the record."""
        game, member = self.game, self._members.get(agent)
        extra: dict[str, Any] = {
            "role": "attacker" if member is None else "defender",
            "infected": member is not None and game.members[member].infected,
            "refusing": member is not None and game.refuses(member),
        }
        if game.over:
            self._ended = self._ended or self.record().to_json()
            extra["record"] = self._ended
        return extra

    def save(self) -> JSON:
        """Return the state of the game, and the weights that hold in it."""
        paid = self._paid
        weights = [paid.safety, paid.task, paid.form, paid.alpha, paid.verification]
        return {"game": self.game.state(), "weights": weights, "verdict": self._verdict}

    def load(self, state: JSON) -> None:
        """Take a state of this task."""
        self.game.load(state["game"])
        self._turn_over()
        self._paid, self._verdict = Weights(*state["weights"]), state["verdict"]

    def anchor(self) -> bytes:
        """Return the key of what the future depends on: not what was said before last round."""
        return digest([self.agents, self.game.key(), repr(self._paid)])

    def information_set(self, agent: str) -> bytes:
        """Return the key of what an agent sees and can do now, by a hash of text alone."""
        seen = "\0".join((agent, self.look(agent), *self._listed(agent)))
        return hashlib.blake2b(seen.encode(), digest_size=16).digest()

    def config(self) -> Mapping[str, JSON]:
        """Return the team, its work and its safeguards."""
        team = self.team
        return {
            "team": [team.topology, team.size, team.decider],
            "work": self._source,
            "safeguards": list(self.safeguards),
        }

    def expert_action(self, agent: str, kind: ExpertKind = "honest") -> str:
        """Return what `verify` and `authority` of the scripted players would say.

        Raises:
            NoExpertError: there is no expert of full knowledge.
        """
        if kind != "honest":
            raise NoExpertError(f"there is no {kind!r} expert: choose 'honest'")
        return self.scripted_action(agent, "verify" if agent in self._members else "authority")

    # Beside the contract --------------------------------------------------------------------

    def scripted_action(self, agent: str, player: str) -> str:
        """Return what a scripted player would say now, see `players`.

        Raises:
            OptionError: there is no such player of the agent's side.
        """
        member = self._members.get(agent)
        if member is None:
            return attack(self.game, player)
        return defend(self._known(member), player)

    def table_options(self, agent: str, observation: object, view: object) -> Mapping[str, str]:
        """Return what each script that a tabular policy may pick would say now."""
        scripts = DEFENCES if agent in self._members else ATTACKS
        return Scripts(scripts, lambda name: self.scripted_action(agent, name))

    def table_situation(self, agent: str, observation: object, view: object) -> str:
        """Return the circumstances that a tabular policy picks a script by."""
        member = self._members.get(agent)
        if member is None:
            return attacker_situation(self.game)
        return defender_situation(self._known(member))

    def at_progress(self, share: float) -> None:
        """Say how much of a training is done: `schedule`'s weights hold from the next reset on."""
        if len(self._schedule) > 1:
            self.weights = self._schedule[min(int(share * 2), 1)]

    def record(self) -> Record:
        """Return what has happened so far."""
        return record(self.game, self._verdict)

    def render(self) -> str | None:
        """Return the transcript so far, in render mode "ansi"."""
        return self.record().transcript() if self.render_mode == "ansi" else None

    # Details --------------------------------------------------------------------------------

    def _turn_over(self) -> None:
        """Forget what agents read and know, and note whose turn it is."""
        self._views.clear()
        self._knowledge.clear()
        game = self.game
        if game.round == 0:
            self._speakers = self.attackers
        else:
            own = game.episode.compromised
            self._speakers = tuple(a for a, member in self._members.items() if member != own)

    def _known(self, member: int) -> Seen:
        if member not in self._knowledge:
            self._knowledge[member] = look_around(self.game, member)
        return self._knowledge[member]

    def _outcome(self, agent: str, message: str | None) -> AgentOutcome:
        game, member = self.game, self._members[agent]
        reward = 0.0
        if message is not None and read(message).verifies:
            reward -= self._paid.verification
        if game.over:
            one = game.members[member]
            reward += self._paid.defender(
                unhurt=not (one.infected if game.attacked else one.flagged),
                team_safe=not game.hit,
                own_right=game.member_right(member),
                team_right=game.team_right(),
                formed=one.formed,
            )
        reason = game.work.problem if member == self.team.decider else ""
        if message is not None and not message.strip():
            reason = "the message is empty"
        return AgentOutcome(reward, game.over, reason)


def _safeguards(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in SAFEGUARDS:
            raise OptionError(
                f"there is no safeguard {name!r}.{did_you_mean(name, SAFEGUARDS)} "
                f"There are {' and '.join(SAFEGUARDS)}."
            )
    return tuple(names)
