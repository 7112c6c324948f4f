"""Lock-step rollouts: many episodes, one batch of decisions a turn."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from anchorgym.agents.engine import Sampling
from anchorgym.agents.policy import Generation, Policy, Prompt, Session, View
from anchorgym.envs import Info, TextEnv, TextVectorEnv, make
from anchorgym.envs.errors import ContractError
from anchorgym.training.driver import answer_in_step


@dataclass(frozen=True, slots=True)
class Origin:
    """The state that a fork begins in: where its parent took a turn."""

    parent: Episode
    turn: int
    """Number of that turn since the task's start, from 0."""

    @property
    def lived(self) -> list[Turn]:
        """The parent's own turns before it."""
        return self.parent.turns[: self.turn - self.parent.first_turn]


@dataclass(frozen=True, slots=True)
class Start:
    """Where an episode begins, and which group it belongs to."""

    task: str
    group: int = 0
    seed: int = 0
    """Of the randomness from there on."""
    origin: Origin | None = None
    """Of a fork; None begins at the task's start."""
    hint: int = 0
    """So many of the first turns are an expert's."""


@dataclass(slots=True)
class Turn:
    """One observation, one response, one transition."""

    observation: str
    anchor: bytes
    context: tuple[int, ...] = ()
    """Tokens that were read before the response, but for those of earlier turns."""
    restart: bool = False
    """Whether the context began anew: earlier turns were not read."""
    response: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    """Of the response's tokens, when they were sampled."""
    allowed: tuple[tuple[int, ...], ...] = ()
    """Tokens among which each one was chosen; empty when the response was free."""
    version: int = 0
    """Of the weights that wrote the response."""
    temperatures: tuple[float, ...] = ()
    """Of the response's tokens; empty where all were drawn at that of the rollout."""
    action: str = ""
    text: str = ""
    """What the policy wrote, as text."""
    reward: float = 0.0
    valid: bool = True
    reason: str = ""
    """Why the action was invalid."""


@dataclass(slots=True)
class Episode:
    """What happened from one start."""

    start: Start
    task_type: str
    turns: list[Turn] = field(default_factory=list)
    won: bool = False
    stop: str = ""
    """"terminated", "turns" (the limit), "context" (the transcript was full) or "stuck"."""
    goal: str = ""
    final_observation: str = ""
    """What was seen after the last action."""

    @property
    def score(self) -> float:
        """The sum of rewards."""
        return sum(turn.reward for turn in self.turns)

    @property
    def first_turn(self) -> int:
        """Number of its first turn since the task's start."""
        return self.start.origin.turn if self.start.origin else 0

    @property
    def history(self) -> list[Turn]:
        """All turns since the task's start: of a fork, those that its parents took too."""
        origin = self.start.origin
        if origin is None:
            return self.turns
        return [*origin.parent.history[: origin.turn], *self.turns]


class Timers(defaultdict[str, float]):
    """CPU seconds by phase."""

    def __init__(self) -> None:
        super().__init__(float)
        self._last = time.process_time()

    def start(self) -> None:
        """Begin counting from now."""
        self._last = time.process_time()

    def lap(self, phase: str) -> None:
        """Book the time since the last call on a phase."""
        now = time.process_time()
        self[phase] += now - self._last
        self._last = now


class Worlds:
    """Environments of one kind, kept between rollouts."""

    def __init__(self, env_id: str, **arguments: object) -> None:
        self._make: Callable[[], TextEnv] = lambda: make(env_id, **arguments)
        self._envs: list[TextEnv] = [self._make()]

    @property
    def first(self) -> TextEnv:
        """One of them, to ask about tasks."""
        return self._envs[0]

    def take(self, n: int) -> TextVectorEnv:
        """Return `n` environments as a vector."""
        while len(self._envs) < n:
            self._envs.append(self._make())
        return TextVectorEnv(self._envs[:n])


class Kept:
    """Sessions of finished episodes and the states they met, so that forks go on from any turn.

    As a context manager it closes them at the end.
    """

    def __init__(self) -> None:
        self._sessions: dict[int, tuple[Episode, Session]] = {}
        self._snapshots: dict[int, list[bytes]] = defaultdict(list)

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        for kept in self._sessions.values():
            kept[1].close()
        self._sessions.clear()
        self._snapshots.clear()

    def remember(self, episode: Episode, env: TextEnv) -> None:
        """Keep the state in which an episode takes its next turn."""
        self._snapshots[id(episode)].append(env.snapshot())

    def keep(self, episode: Episode, session: Session) -> None:
        """Keep the session of an episode."""
        session.shelve()
        self._sessions[id(episode)] = episode, session

    def restore(self, env: TextEnv, start: Start, origin: Origin) -> tuple[str, Info]:
        """Put an environment where a fork begins, and return what is seen there.

        The start's seed redraws the randomness from there on, so that siblings do not share it.

        Raises:
            ContractError: the environment is in another state than the parent was.
        """
        turn = len(origin.lived)
        seen = env.restore(self._snapshots[id(origin.parent)][turn], seed=start.seed)
        expected, found = origin.parent.turns[turn].anchor, seen[1]["anchor"]
        if found != expected:
            raise ContractError(
                f"turn {origin.turn} of task {start.task!r} was taken in the state "
                f"{expected.hex()}, and its snapshot was restored as {found.hex()}: verify the "
                "environment with `anchorgym check`"
            )
        return seen

    def fork(self, env: TextEnv, origin: Origin) -> Session:
        """Return a session that has lived through the parent's turns before the origin's."""
        _, session = self._sessions[id(origin.parent)]
        return session.fork(env, origin.turn)


def rollout(
    policy: Policy,
    worlds: Worlds,
    starts: Sequence[Start],
    sampling: Sampling,
    timers: Timers | None = None,
    *,
    patience: int | None = None,
    kept: Kept | None = None,
) -> list[Episode]:
    """Play one episode from each start, all at once; finished episodes drop out.

    The turns of a fork are its own; what was read and written before them is part of the context
    of the first.

    Args:
        policy: who plays.
        worlds: where.
        starts: of the episodes.
        sampling: how responses are drawn.
        timers: for the CPU seconds.
        patience: an episode is cut as "stuck" after so many invalid turns in a row.
        kept: sessions and states of what was played before; those of these episodes are added.
            Starts that have an origin need it.

    Returns:
        (n_starts,) episodes, in the order of the starts.

    Raises:
        ContractError: an environment did not come back to a state, or gave no finite reward.
    """
    timers = Timers() if timers is None else timers
    timers.start()
    vector = worlds.take(len(starts))
    places = list(zip(starts, vector.envs, strict=True))
    observations, infos = vector.adopt([_begin(env, start, kept) for start, env in places])
    episodes = [Episode(start, env.task_type(start.task)) for start, env in places]
    sessions = [_open(policy, env, start, kept) for start, env in places]
    for episode, info, seen in zip(episodes, infos["env"], observations, strict=True):
        episode.goal, episode.final_observation = info["goal"], seen
        if info["won"]:  # nothing is left to do
            episode.won, episode.stop = True, "terminated"
    live = [i for i, episode in enumerate(episodes) if not episode.stop]
    timers.lap("environment")
    try:
        while live:
            live, prompts = _ask(sessions, episodes, live, observations, infos["env"], kept)
            timers.lap("prompts")
            if kept is not None:
                for i in live:
                    kept.remember(episodes[i], vector.envs[i])
                timers.lap("environment")
            generations = _answers(policy, sessions, live, prompts, sampling)
            timers.lap("generation")
            actions: list[str | None] = [None] * len(starts)
            for i in live:
                turn = episodes[i].turns[-1]
                _note(turn, prompts[i], generations.get(i))
                if len(episodes[i].turns) == 1:
                    _read_before(turn, starts[i].origin)
                decision = sessions[i].decide(generations.get(i))
                actions[i] = turn.action = decision.action
                turn.text = decision.text
            timers.lap("prompts")
            observations, rewards, ended, cut, infos = vector.step(actions)
            timers.lap("environment")
            for i in live:
                _book(episodes[i], infos["env"][i], float(rewards[i]), bool(ended[i]), bool(cut[i]))
                episodes[i].final_observation = observations[i]
                if not episodes[i].stop and _is_stuck(episodes[i], patience):
                    episodes[i].stop = "stuck"
                if episodes[i].stop:
                    _leave(sessions[i], episodes[i], kept)
            live = [i for i in live if not episodes[i].stop]
    finally:  # a rollout that is interrupted leaves nothing in the engine
        for i in live:
            sessions[i].close()
    return episodes


def _begin(env: TextEnv, start: Start, kept: Kept | None) -> tuple[str, Info]:
    if start.origin is None:
        return env.reset(seed=start.seed, options={"task": start.task})
    if kept is None:
        raise ValueError("a fork goes on from what was kept: give rollout(kept=...)")
    return kept.restore(env, start, start.origin)


def _open(policy: Policy, env: TextEnv, start: Start, kept: Kept | None) -> Session:
    if start.origin is None or kept is None:
        return policy.open(env)
    return kept.fork(env, start.origin)


def _leave(session: Session, episode: Episode, kept: Kept | None) -> None:
    if kept is None:
        session.close()
    else:
        kept.keep(episode, session)


def _ask(
    sessions: Sequence[Session],
    episodes: Sequence[Episode],
    live: Sequence[int],
    observations: Sequence[str],
    infos: Sequence[Info],
    kept: Kept | None,
) -> tuple[list[int], dict[int, Prompt]]:
    """Begin a turn in each live episode; one whose context is full ends here."""
    prompts: dict[int, Prompt] = {}
    for i in live:
        prompt = sessions[i].prompt(observations[i], View.of(infos[i]))
        if prompt is None:
            episodes[i].stop = "context"
            _leave(sessions[i], episodes[i], kept)
            continue
        prompts[i] = prompt
        episodes[i].turns.append(Turn(observations[i], infos[i]["anchor"]))
    return list(prompts), prompts


def _answers(
    policy: Policy,
    sessions: Sequence[Session],
    live: Sequence[int],
    prompts: dict[int, Prompt],
    sampling: Sampling,
) -> dict[int, Generation]:
    """Have the engine answer every live session (none, for policies without one)."""
    if policy.engine is None:
        return {}
    asked = [(sessions[i].key, prompts[i]) for i in live]
    answers = answer_in_step(policy.engine, asked, sampling)
    return {i: answers[sessions[i].key] for i in live}


def _note(turn: Turn, prompt: Prompt, generation: Generation | None) -> None:
    """Keep the tokens of a turn: those that were sampled are those that are trained on."""
    turn.context, turn.restart = prompt.tokens, prompt.restart
    if generation is not None:
        turn.response, turn.logprobs = generation.tokens, generation.logprobs
        turn.allowed, turn.version = generation.allowed, generation.version
        turn.temperatures = generation.temperatures


def _read_before(first: Turn, origin: Origin | None) -> None:
    """Put what a fork has read and written before its own turns into the context of the first."""
    if origin is None or first.restart:
        return
    before: tuple[int, ...] = ()
    for turn in origin.parent.history[: origin.turn]:
        before = () if turn.restart else before
        before += (*turn.context, *turn.response)
    first.context, first.restart = (*before, *first.context), True


def _is_stuck(episode: Episode, patience: int | None) -> bool:
    if patience is None:
        return False
    last = episode.turns[-patience:]
    return len(last) == patience and not any(turn.valid for turn in last)


def _book(episode: Episode, info: Info, reward: float, ended: bool, cut: bool) -> None:
    turn = episode.turns[-1]
    if not math.isfinite(reward):
        raise ContractError(
            f"the environment gave the reward {reward} for the action {turn.action[:80]!r} in turn "
            f"{len(episode.turns)} of task {episode.start.task!r}: verify it with `anchorgym check`"
        )
    turn.reward, turn.valid, turn.reason = reward, info["action_valid"], info["reason"]
    episode.won = info["won"]
    if ended or cut:
        episode.stop = "terminated" if ended else "turns"
