"""Lock-step rollouts: many episodes, one batch of decisions a turn."""

from __future__ import annotations

import math
from collections.abc import Sequence

from anchorgym.agents.engines.contract import Generation, Sampling
from anchorgym.agents.policies.base import Policy, Prompt, Session, View
from anchorgym.envs import Info, TextEnv
from anchorgym.envs.errors import ContractError
from anchorgym.training.rollout.drivers.lock_step import answer_in_step
from anchorgym.training.rollout.env_pool import Worlds
from anchorgym.training.rollout.fork_store import ForkStore
from anchorgym.training.rollout.timers import Timers
from anchorgym.training.rollout.types import Episode, Origin, Start, Turn


def rollout(
    policy: Policy,
    worlds: Worlds,
    starts: Sequence[Start],
    sampling: Sampling,
    timers: Timers | None = None,
    *,
    patience: int | None = None,
    store: ForkStore | None = None,
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
        store: sessions and states of what was played before; those of these episodes are added.
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
    observations, infos = vector.adopt([_begin(env, start, store) for start, env in places])
    episodes = [Episode(start, env.task_type(start.task)) for start, env in places]
    sessions = [_open(policy, env, start, store) for start, env in places]
    for episode, info, seen in zip(episodes, infos["env"], observations, strict=True):
        episode.goal, episode.final_observation = info["goal"], seen
        if info["won"]:  # nothing is left to do
            episode.won, episode.stop = True, "terminated"
    live = [i for i, episode in enumerate(episodes) if not episode.stop]
    timers.lap("environment")
    try:
        while live:
            live, prompts = _ask(sessions, episodes, live, observations, infos["env"], store)
            timers.lap("prompts")
            if store is not None:
                for i in live:
                    store.remember(episodes[i], vector.envs[i])
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
                    _leave(sessions[i], episodes[i], store)
            live = [i for i in live if not episodes[i].stop]
    finally:  # a rollout that is interrupted leaves nothing in the engine
        for i in live:
            sessions[i].close()
    return episodes


def _begin(env: TextEnv, start: Start, store: ForkStore | None) -> tuple[str, Info]:
    if start.origin is None:
        return env.reset(seed=start.seed, options={"task": start.task})
    if store is None:
        raise ValueError("a fork goes on from what was store: give rollout(store=...)")
    return store.restore(env, start, start.origin)


def _open(policy: Policy, env: TextEnv, start: Start, store: ForkStore | None) -> Session:
    if start.origin is None or store is None:
        return policy.open(env)
    return store.fork(env, start.origin)


def _leave(session: Session, episode: Episode, store: ForkStore | None) -> None:
    if store is None:
        session.close()
    else:
        store.keep(episode, session)


def _ask(
    sessions: Sequence[Session],
    episodes: Sequence[Episode],
    live: Sequence[int],
    observations: Sequence[str],
    infos: Sequence[Info],
    store: ForkStore | None,
) -> tuple[list[int], dict[int, Prompt]]:
    """Begin a turn in each live episode; one whose context is full ends here."""
    prompts: dict[int, Prompt] = {}
    for i in live:
        prompt = sessions[i].prompt(observations[i], View.of(infos[i]))
        if prompt is None:
            episodes[i].stop = "context"
            _leave(sessions[i], episodes[i], store)
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
