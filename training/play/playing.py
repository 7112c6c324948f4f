"""One episode, played turn by turn by a person, who can take turns back, or by a policy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anchorgym.agents.engines.contract import Sampling
from anchorgym.agents.policies.base import Policy, View
from anchorgym.agents.policies.human import Command, Desk, HumanPolicy, Seen, expert_kind
from anchorgym.agents.policies.scripted import ScriptedPolicy
from anchorgym.envs import ExpertKind, Info, TextEnv, make
from anchorgym.envs.errors import NoExpertError
from anchorgym.envs.texts import require_text
from anchorgym.training.rollout.drivers import LockStepDriver, SamplingRule
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.episode_run import EpisodeRun
from anchorgym.training.rollout.play import rollout
from anchorgym.training.rollout.types import Start, StopReason
from anchorgym.training.rollout.worlds import AGENT, SoloWorld

if TYPE_CHECKING:
    from anchorgym.training.inspect.trajectories import EpisodeRecord, TurnRecord


@dataclass(slots=True)
class Game:
    """An episode of one task; every turn can be taken back.

    Unlike an `EpisodeRun`, which cannot go back, it steps and rewinds one `SoloWorld`.

    Args:
        env: environment of the episode.
        task: id of the task; None draws one by the seed.
        seed: seed that is given to `reset`.
    """

    env: TextEnv
    task: str | None
    seed: int
    stop: StopReason = StopReason.LEFT
    """Why the episode ended; `StopReason.LEFT` while it runs."""
    turns: list[TurnRecord] = field(default_factory=list)
    _world: SoloWorld = field(init=False)
    _before: list[bytes] = field(default_factory=list)
    """Snapshots of the state before each turn."""

    def __post_init__(self) -> None:
        self._world = SoloWorld(self.env)
        self.restart()

    @property
    def over(self) -> bool:
        """Whether no further turn can be taken."""
        return not self._world.agents

    @property
    def info(self) -> Info:
        """The present info of the environment."""
        return self._world.info()

    @property
    def seen(self) -> Seen:
        """The present observation and view."""
        text, view, _ = self._world.sight()
        return text, view

    @property
    def score(self) -> float:
        """The sum of rewards."""
        return sum(turn["reward"] for turn in self.turns)

    def restart(self) -> None:
        """Start the same task again, with the same seed."""
        self._world.reset(Start(self.task or "", 0, self.seed))
        self.task = self.env.task
        self.turns.clear()
        self._before.clear()
        self.stop = StopReason.TERMINATED if self.over else StopReason.LEFT  # won at the start

    def undo(self) -> bool:
        """Take the last turn back; return False if there is none."""
        if not self.turns:
            return False
        self.turns.pop()
        self._world.restore(self._before.pop(), None)
        self.stop = StopReason.LEFT
        return True

    def take(self, action: str, response: str = "") -> TurnRecord:
        """Play a turn and return its record."""
        self._before.append(self._world.snapshot())
        text, _, anchor = self._world.sight()
        arrival = self._world.step({AGENT: action})[AGENT]
        turn: TurnRecord = {
            "observation": text,
            "anchor": anchor.hex(),
            "response": response,
            "action": action,
            "reward": arrival.reward,
            "valid": self.info["action_valid"],
            "reason": self.info["reason"],
        }
        self.turns.append(turn)
        if arrival.stop:
            self.stop = arrival.stop
        return turn

    def record(self) -> EpisodeRecord:
        """Return the episode so far as JSON values."""
        task = self.env.task
        return {
            "task": task,
            "task_type": self.env.task_type(task),
            "seed": self.seed,
            "group": 0,
            "goal": self.info["goal"],
            "won": self.info["won"],
            "stop": self.stop.value,
            "turns": list(self.turns),
            "final_observation": self._world.observation,
        }


def play_person(game: Game, desk: Desk, ended: Callable[[Game], None]) -> None:
    """Let a person play until they leave.

    Args:
        game: episode to play.
        desk: interface to the person.
        ended: callback that shows the end of an episode.

    Raises:
        EOFError: the person leaves before the end.
    """
    person = HumanPolicy(desk, _game_commands(game, desk))
    session = person.open(game.env)
    while True:
        while not game.over:
            session.prompt(*game.seen)
            game.take(session.decide(None).action)
        ended(game)
        _afterwards(game, desk, person)
        if game.over:
            return


def _afterwards(game: Game, desk: Desk, person: HumanPolicy) -> None:
    """After an episode's end, wait until the person takes a turn back, restarts or leaves."""
    while game.over:
        try:
            line = desk.ask("over (:undo, :restart, :quit) > ", (":undo", ":restart", ":quit"))
            if line.strip().startswith(":"):
                person.obey(game.env, line.strip())
            elif not line.strip():
                return
            else:
                desk.say("The episode is over; this cost nothing.")
        except (EOFError, KeyboardInterrupt):
            return


def _game_commands(game: Game, desk: Desk) -> dict[str, Command]:
    def undo(env: TextEnv, argument: str) -> Seen | None:
        """Take the last turn back."""
        if not game.undo():
            desk.say("There is no turn to take back.")
            return None
        return game.seen

    def restart(env: TextEnv, argument: str) -> Seen | None:
        """Start the same task again."""
        game.restart()
        return game.seen

    def state(env: TextEnv, argument: str) -> None:
        """Show the task, the key of the state and the progress."""
        desk.say(f"task      {env.task}")
        desk.say(f"anchor    {env.anchor().hex()}")
        desk.say(f"progress  {env.progress():.0%}, score {game.score:g}")

    return {"state": state, "undo": undo, "restart": restart}


@dataclass(frozen=True, slots=True)
class ExpertGame:
    """The result of the environment's expert on a task."""

    kind: ExpertKind
    turns: int
    won: bool


class _AnyExpert(ScriptedPolicy):
    """Plays like the expert that has an answer at the start, the honest one first."""

    def __init__(self) -> None:
        self.kind: ExpertKind | None = None

    def choose(self, env: TextEnv, observation: str, view: View) -> str:
        """Ask the expert.

        Raises:
            NoExpertError: there is no expert, or it has no answer any more.
        """
        if self.kind is None:
            self.kind = expert_kind(env)
        if self.kind is None:
            raise NoExpertError(f"{type(env).__name__} has no expert")
        return require_text(env.expert_action(self.kind), "expert's action", env)


def expert_game(env_id: str, arguments: dict[str, Any], task: str, seed: int) -> ExpertGame | None:
    """Let the environment's expert play a task; return None if there is no expert."""
    env, expert = make(env_id, **arguments), _AnyExpert()
    run = EpisodeRun(SoloWorld(env), {AGENT: expert}, Start(task, 0, seed))
    with suppress(NoExpertError):
        LockStepDriver().play([run], SamplingRule())
    if expert.kind is None:
        return None
    return ExpertGame(expert.kind, env.turn, run.match.sides[AGENT].won)


def play_policy(
    policy: Policy, env_id: str, arguments: dict[str, Any], task: str, seed: int, temperature: float
) -> EpisodeRecord:
    """Let a policy play a task; return the record of the episode."""
    from anchorgym.training.inspect.trajectories import episode_record

    sampling = Sampling(policy.max_response, temperature, seed=seed)
    envs = EnvPool.of(env_id, **arguments)
    (episode,) = rollout(policy, envs, [Start(task, 0, seed)], sampling)
    return episode_record(episode)
