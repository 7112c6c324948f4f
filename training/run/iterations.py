"""Iterations of reinforcement learning: roll out groups, compute advantages, update the policy."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from anchorgym.agents.engines.contract import Sampling
from anchorgym.agents.engines.seeding import mix_seed
from anchorgym.agents.engines.temperature import AdaptiveTemperature
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.agents.policies.scripted import ExpertPolicy
from anchorgym.gigpo import Counts, State, TurnBatch, novelty_bonus
from anchorgym.training.config.section import ConfigError
from anchorgym.training.config.sections import TrainConfig
from anchorgym.training.inspect.recording import Recorder
from anchorgym.training.learning.columns import anchor_statistics, turn_batch
from anchorgym.training.learning.contract import PolicyLearner, require_finite
from anchorgym.training.learning.learner_batch import compute_advantages, explored
from anchorgym.training.rollout.fork_store import ForkStore
from anchorgym.training.rollout.group_sampler import GroupSampler, Played
from anchorgym.training.rollout.play import rollout
from anchorgym.training.rollout.strategies import make_strategy
from anchorgym.training.rollout.strategies.hints import HintedPolicy, mask_hints
from anchorgym.training.rollout.timers import Timers
from anchorgym.training.rollout.types import Episode, Start
from anchorgym.training.run.components import Components
from anchorgym.training.run.memory import release_spare_memory


class Iterations:
    """Runs iterations, each of which depends on its number and the state of the training alone.

    Args:
        config: configuration of the job.
        components: components of the job.
        policy: policy that plays and is trained in place.
        learner: learner of the policy.
        state: state of the algorithm, which it changes.
        visits: counts of visited states in earlier iterations, to which each iteration adds.
        timers: timers of the phases.
        recorder: recorder of the episodes.
    """

    def __init__(
        self,
        config: TrainConfig,
        components: Components,
        policy: ModelPolicy,
        learner: PolicyLearner,
        state: State,
        visits: Counts,
        timers: Timers,
        recorder: Recorder,
    ) -> None:
        self._config, self._components, self._policy, self._learner = (
            config,
            components,
            policy,
            learner,
        )
        self._state, self._visits = state, visits
        self._timers, self._recorder = timers, recorder
        self.anchors = anchor_statistics([], config.algorithm.anchor)
        """Statistics of the step groups of the last iteration."""
        self._store: ForkStore | None = None
        self._expert_turns = 0
        self._noise, self._plays = 0, 0
        self._strategy = make_strategy(
            config,
            components.algorithm,
            state,
            limit=components.train_envs.first.max_turns,
            solve=self._solve,
        )
        self._sampler = GroupSampler(
            components.algorithm,
            state,
            self._strategy,
            components.panels.train,
            tasks=config.rollout.tasks,
            redraws=config.rollout.redraws,
            play=self._play,
            batch_of=self._batch,
        )

    def take(self, iteration: int) -> dict[str, Any]:
        """Run one iteration; return its metrics.

        Raises:
            ConfigError: the context had no room for a turn in any episode.
        """
        began = time.process_time(), time.monotonic()
        events = Counter(getattr(self._policy.engine, "counts", ()))
        self._expert_turns = 0
        self._noise, self._plays = mix_seed(self._config.seed, "iteration", iteration), 0
        played = self._played(random.Random(f"{self._config.seed}/{iteration}"))
        batch = self._batch(played.episodes)
        if len(batch) == 0:
            raise ConfigError(
                "policy.max_context: no episode had room for a single turn; "
                f"{self._policy.max_context} tokens are too few for this environment"
            )
        seed = self._config.seed + iteration
        kept = self._batch(played.kept) if played.dropped else batch
        options = self._config.algorithm
        # Turns of dropped groups are visits too.
        if played.dropped and options.exploration != "none":
            novelty_bonus(self._batch(played.lost), options.exploration, self._visits)
        learner_batch = compute_advantages(
            self._components.algorithm,
            self._state,
            self._learner,
            played.kept if played.dropped else played.episodes,
            explored(kept, options.exploration, options.exploration_coef, self._visits),
            seed,
        )
        trained_on = np.repeat(
            [e.start.group not in played.dropped for e in played.episodes],
            [len(e.turns) for e in played.episodes],
        )
        advantages = np.zeros(len(batch))
        advantages[trained_on] = learner_batch.advantages
        self.anchors = anchor_statistics(played.episodes, self._config.algorithm.anchor)
        self._recorder.iteration(iteration, played.episodes, batch, advantages)
        self._timers.lap("advantages")
        statistics = self._learner.update(learner_batch.all_rows, seed)
        require_finite(statistics, self._learner)
        self._learner.publish(self._policy.engine)
        release_spare_memory()
        self._timers.lap("update")
        return {
            **_figures(played.episodes),
            "expert_turns": self._expert_turns,
            "valid": float(np.mean(batch.valid)),
            "zero_advantage": float(np.mean(advantages == 0)),
            "dropped_groups": len(played.dropped),
            "dropped_turns": int(np.count_nonzero(~trained_on)),
            "redraws": played.redraws,
            **({"broken_tasks": len(played.broken)} if played.broken else {}),
            **_engine_events(self._policy.engine, events),
            "cpu_seconds": round(time.process_time() - began[0], 3),
            "wall_seconds": round(time.monotonic() - began[1], 3),
            **statistics,
        }

    def _played(self, rng: random.Random) -> Played:
        """Roll out the groups; sessions and states for forks are kept until all have finished."""
        if not self._strategy.forks:
            return self._sampler.take(rng)
        with ForkStore() as self._store:
            return self._sampler.take(rng)

    def _play(self, starts: Sequence[Start]) -> list[Episode]:
        rollouts = self._config.rollout
        rule = self._components.algorithm.temperature(self._state)
        adaptive = None if rule is None else AdaptiveTemperature(**asdict(rule))
        self._plays += 1
        seed = mix_seed(self._noise, self._plays)
        sampling = Sampling(self._policy.max_response, rollouts.temperature, adaptive, seed)
        hints = [start.hint for start in starts]
        episodes = rollout(
            HintedPolicy(self._policy, iter(hints)) if any(hints) else self._policy,
            self._components.train_envs,
            starts,
            sampling,
            self._timers,
            patience=rollouts.patience,
            store=self._store,
            driver=self._components.driver,
        )
        if rollouts.hints == "masked":
            mask_hints(episodes)
        return episodes

    def _solve(self, tasks: Sequence[str]) -> list[int]:
        """Return the expert's number of turns for each task."""
        starts = [Start(task) for task in tasks]
        played = rollout(
            ExpertPolicy(),
            self._components.train_envs,
            starts,
            Sampling(),
            driver=self._components.driver,
        )
        lengths = [len(episode.turns) for episode in played]
        self._expert_turns += sum(lengths)
        return lengths

    def _batch(self, episodes: Sequence[Episode]) -> TurnBatch:
        anchor = self._config.algorithm.anchor
        return turn_batch(episodes, anchor, forks=self._strategy.forks)


def _figures(episodes: Sequence[Episode]) -> dict[str, float]:
    """Return metrics of an iteration's episodes; success and returns exclude forks and
    hinted episodes."""
    forks = [e for e in episodes if e.start.origin is not None]
    hinted = [e for e in episodes if e.start.hint]
    sampled = [e for e in episodes if e.start.origin is None and not e.start.hint]
    turns = sum(len(episode.turns) for episode in episodes)
    return {
        "success": float(np.mean([episode.won for episode in sampled])),
        "returns": float(np.mean([episode.score for episode in sampled])),
        "turns": float(np.mean([len(episode.turns) for episode in sampled])),
        "episodes": len(episodes),
        "forks": len(forks),
        "hinted": len(hinted),
        "environment_turns": turns,
        "fork_turns": sum(len(episode.turns) for episode in forks),
        "generated_tokens": sum(_generated(episode) for episode in episodes),
    }


def _engine_events(engine: object, before: Counter[str]) -> dict[str, int]:
    """Return how often what an engine counts has happened, such as answers of no use."""
    events = Counter(getattr(engine, "counts", ())) - before
    return {f"engine_{name}": n for name, n in events.items()}


def _generated(episode: Episode) -> int:
    """Count the tokens that the policy has written."""
    return sum(len(turn.response) for turn in episode.turns[episode.start.hint :])
