"""One game, played turn by turn: by a person who may go back, or once more as it was recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anchorgym.agents.policies.base import Policy, View
from anchorgym.agents.policies.human import Command, Desk, HumanPolicy, Seen, expert_kind
from anchorgym.envs import ExpertKind, Info, TextEnv, make
from anchorgym.envs.errors import NoExpertError

if TYPE_CHECKING:
    from anchorgym.training.inspect.trajectories import EpisodeRecord, TurnRecord


@dataclass(slots=True)
class Game:
    """An episode of one task; every turn can be taken back.

    Args:
        env: where it is played.
        task: its id; None has the seed draw one.
        seed: given to `reset`.
    """

    env: TextEnv
    task: str | None
    seed: int
    observation: str = ""
    info: Info = field(init=False)
    over: bool = False
    stop: str = "left"
    """Why the episode ended; "left" while it has not."""
    turns: list[TurnRecord] = field(default_factory=list)
    _before: list[bytes] = field(default_factory=list)
    """A snapshot of the state before each turn."""

    def __post_init__(self) -> None:
        self.restart()

    @property
    def seen(self) -> Seen:
        """What a policy sees now."""
        return self.observation, View.of(self.info)

    @property
    def score(self) -> float:
        """The sum of rewards."""
        return sum(turn["reward"] for turn in self.turns)

    def restart(self) -> None:
        """Start the same task again, with the same seed."""
        options = None if self.task is None else {"task": self.task}
        self.observation, self.info = self.env.reset(seed=self.seed, options=options)
        self.task = self.env.task
        self.turns.clear()
        self._before.clear()
        self.over = bool(self.info["won"])  # nothing is left to do
        self.stop = "terminated" if self.over else "left"

    def undo(self) -> bool:
        """Take the last turn back; False where there is none."""
        if not self.turns:
            return False
        self.turns.pop()
        self.observation, self.info = self.env.restore(self._before.pop())
        self.over, self.stop = False, "left"
        return True

    def take(self, action: str, response: str = "") -> TurnRecord:
        """Play a turn and return what became of it."""
        self._before.append(self.env.snapshot())
        seen, anchor = self.observation, self.info["anchor"]
        self.observation, reward, ended, cut, self.info = self.env.step(action)
        turn: TurnRecord = {
            "observation": seen,
            "anchor": anchor.hex(),
            "response": response,
            "action": action,
            "reward": float(reward),
            "valid": self.info["action_valid"],
            "reason": self.info["reason"],
        }
        self.turns.append(turn)
        if ended or cut:
            self.over, self.stop = True, "terminated" if ended else "turns"
        return turn

    def record(self) -> EpisodeRecord:
        """Return the episode as it stands, as JSON values."""
        task = self.env.task
        return {
            "task": task,
            "task_type": self.env.task_type(task),
            "seed": self.seed,
            "group": 0,
            "goal": self.info["goal"],
            "won": self.info["won"],
            "stop": self.stop,
            "turns": list(self.turns),
            "final_observation": self.observation,
        }


def play_person(game: Game, desk: Desk, ended: Callable[[Game], None]) -> None:
    """Have a person play until they leave.

    Args:
        game: what is played.
        desk: where the person sits.
        ended: called whenever an episode ends, to show how.

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
    """Wait until an episode that is over is taken up again, or left."""
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
    """How the environment's expert does on a task."""

    kind: ExpertKind
    turns: int
    won: bool


def expert_game(env_id: str, arguments: dict[str, Any], task: str, seed: int) -> ExpertGame | None:
    """Have the environment's expert play a task; None where there is no expert."""
    env = make(env_id, **arguments)
    _, info = env.reset(seed=seed, options={"task": task})
    if info["won"]:
        return None
    kind = expert_kind(env)
    over = kind is None
    try:
        while kind is not None and not over:
            _, _, ended, cut, info = env.step(env.expert_action(kind))
            over = ended or cut
    except NoExpertError:  # it has lost its way
        pass
    return None if kind is None else ExpertGame(kind, env.turn, info["won"])


def play_policy(
    policy: Policy, env_id: str, arguments: dict[str, Any], task: str, seed: int, temperature: float
) -> EpisodeRecord:
    """Have a policy play a task and return what happened."""
    from anchorgym.agents.engines.contract import Sampling
    from anchorgym.training.inspect.trajectories import episode_record
    from anchorgym.training.rollout.env_pool import Worlds
    from anchorgym.training.rollout.rollouts import rollout
    from anchorgym.training.rollout.types import Start

    sampling = Sampling(getattr(policy, "max_response", Sampling().max_tokens), temperature)
    worlds = Worlds(env_id, **arguments)
    (episode,) = rollout(policy, worlds, [Start(task, 0, seed)], sampling)
    return episode_record(episode)
