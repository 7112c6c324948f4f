"""What keeping keys and values, and training whole transcripts, is worth; all in one run."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from anchorgym.agents import ModelPolicy, Sampling, View
from anchorgym.envs import make
from anchorgym.gigpo import make_algorithm
from anchorgym.training import EnvPool, Episode, Start, TrainConfig, Turn, rollout
from anchorgym.training.config.sections import LearnerConfig
from anchorgym.training.learning.language_learner import LanguageLearner
from anchorgym.training.learning.rows import training_rows
from anchorgym.training.rollout.fork_store import ForkStore
from anchorgym.training.rollout.timers import Timers
from anchorgym.training.rollout.types import Origin
from anchorgym.training.run.components import assemble, new_policy
from anchorgym.training.run.display import Display

WORLD = "anchorgym/ALFWorld-v0"
EPISODES, TURNS = 32, 20
ROUNDS = 2


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield (what, measured, bar)."""
    torch.set_num_threads(1)
    config = TrainConfig.parse({"env": WORLD, "policy": {"vocabulary_tasks": 200}})
    policy = new_policy(config, assemble(config), Display())
    starts = [Start(task, i, i) for i, task in enumerate(make(WORLD).tasks()[:EPISODES])]
    timers = Timers()
    episodes = rollout(policy, EnvPool.of(WORLD, max_turns=TURNS), starts, sampling(policy), timers)
    update(policy, episodes)
    timers.lap("update")
    share = timers.cpu["environment"] / sum(timers.cpu.values())
    yield "share of the environment in an iteration, new games included", f"{share:.1%}", "< 2 %"

    yield "generation: reading each transcript anew, over keeping it", *generation(policy, episodes)
    yield from forking(policy, starts)
    whole = lambda: update(policy, episodes)  # noqa: E731
    apart = [alone for episode in episodes for alone in turns_apart(episode)]
    window = [alone for episode in episodes for alone in windows(policy, episode)]
    for name, other in (
        ("training: a row a turn with all before it, over transcripts", apart),
        ("training: windows of two turns with the actions, over transcripts", window),
    ):
        yield name, f"{ratio(lambda rows=other: update(policy, rows), whole):.1f} ×", "≥ 2 ×"
    packed = ratio(lambda: update(policy, window, packing=True), lambda: update(policy, window))
    yield "training: windows packed into rows, over sorted and padded", f"{packed:.2f} ×", ""


def sampling(policy: ModelPolicy) -> Sampling:
    return Sampling(policy.max_response, 1.0)


def generation(policy: ModelPolicy, episodes: Sequence[Episode]) -> tuple[str, str]:
    """Generate for the same prompts, with and without what was computed in earlier turns."""

    def play(keep: bool) -> None:
        engine = policy.engine
        for turn in range(TURNS):
            if not keep:
                engine.load_weights(policy.model.state_dict(), 0)
            for i, episode in enumerate(episodes):
                if turn < len(episode.turns):
                    engine.submit(i, episode.turns[turn].context, sampling(policy))
            while engine.poll():
                pass
        for i in range(len(episodes)):
            engine.free(i)

    return f"{ratio(lambda: play(False), lambda: play(True)):.1f} ×", "≥ 1.6 ×"


def forking(policy: ModelPolicy, starts: Sequence[Start]) -> Iterator[tuple[str, str, str]]:
    """Fork episodes at an early and a late turn, with and without what their parents computed."""
    cuts = (TURNS // 4, 3 * TURNS // 4)
    best: dict[tuple[bool, int], float] = defaultdict(lambda: float("inf"))
    for _ in range(ROUNDS):
        worlds = EnvPool.of(WORLD, max_turns=TURNS)
        with ForkStore() as store:
            roots = rollout(policy, worlds, starts, sampling(policy), store=store)
            for keep in (True, False):
                if not keep:
                    policy.engine.load_weights(policy.model.state_dict(), 0)
                for turn in cuts:
                    forks = [
                        Start(root.start.task, root.start.group, seed, Origin(root, turn))
                        for root in roots
                        if len(root.turns) > turn
                        for seed in range(2)
                    ]
                    began = time.process_time()
                    rollout(policy, worlds, forks, sampling(policy), store=store)
                    spent = time.process_time() - began
                    best[keep, turn] = min(best[keep, turn], spent)
    for turn in cuts:
        what = f"forks at turn {turn} of {TURNS}: reading what they share anew, over keeping it"
        yield what, f"{best[False, turn] / best[True, turn]:.2f} ×", ""


def update(policy: ModelPolicy, episodes: Sequence[Episode], *, packing: bool = False) -> None:
    """Take one pass over episodes without moving the weights."""
    algorithm = make_algorithm("grpo", kl_coef=0.0)
    config = LearnerConfig(learning_rate=1e-12, minibatch=16, packing=packing)
    learner = LanguageLearner(policy, algorithm, config, temperature=1.0)
    rows = training_rows(episodes, np.ones(sum(len(e.turns) for e in episodes)))
    learner.update(rows, seed=0)


def turns_apart(episode: Episode) -> Iterator[Episode]:
    """Each turn's response after everything that was read and written before it."""
    before: tuple[int, ...] = ()
    for turn in episode.turns:
        context = (*before, *turn.context)
        before = (*context, *turn.response)
        yield Episode(episode.start, "", [_row(context, turn)])


def windows(policy: ModelPolicy, episode: Episode) -> Iterator[Episode]:
    """Each turn's response after a window: the last two turns and the admissible actions."""
    session = policy.with_prompt(form="window", shows_actions="all").open(make(WORLD))
    env = make(WORLD)
    observation, info = env.reset(seed=episode.start.seed, options={"task": episode.start.task})
    for turn in episode.turns:
        prompt = session.prompt(observation, View.of(info))
        assert prompt is not None
        session.write(turn.action)
        yield Episode(episode.start, "", [_row(prompt.tokens, turn)])
        observation, *_, info = env.step(turn.action)


def _row(context: tuple[int, ...], turn: Turn) -> Turn:
    return Turn("", b"", context, True, turn.response, turn.logprobs)


def ratio(slow: Callable[[], None], fast: Callable[[], None]) -> float:
    """Return how many times more CPU the first takes: best of rounds that take turns."""
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for i, work in enumerate((slow, fast)):
            began = time.process_time()
            work()
            best[i] = min(best[i], time.process_time() - began)
    return best[0] / best[1]
