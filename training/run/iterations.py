"""One iteration of reinforcement: play groups, compare their turns, update the policy."""

from __future__ import annotations

import random
import time
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


class Iterations:
    """Plays and learns; what an iteration does depends on its number and the weights alone.

    Args:
        config: of the job.
        components: of the job.
        policy: who plays, and is trained in place.
        learner: that trains it.
        state: what the algorithm remembers; it changes it.
        visits: of states in all iterations before; those of an iteration are added.
        timers: for the seconds.
        recorder: of the episodes.
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
        """What the step groups of the last iteration are like."""
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
        """Play and update once; return what was measured.

        Raises:
            ConfigError: no episode had room for a turn.
        """
        began = time.process_time(), time.monotonic()
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
        wanted = self._config.algorithm
        # What is not learnt from was visited all the same.
        if played.dropped and wanted.exploration != "none":
            novelty_bonus(self._batch(played.lost), wanted.exploration, self._visits)
        learnt_from = compute_advantages(
            self._components.algorithm,
            self._state,
            self._learner,
            played.kept if played.dropped else played.episodes,
            explored(kept, wanted.exploration, wanted.exploration_coef, self._visits),
            seed,
        )
        learnt = np.repeat(
            [e.start.group not in played.dropped for e in played.episodes],
            [len(e.turns) for e in played.episodes],
        )
        advantages = np.zeros(len(batch))
        advantages[learnt] = learnt_from.advantages
        self.anchors = anchor_statistics(played.episodes, self._config.algorithm.anchor)
        self._recorder.iteration(iteration, played.episodes, batch, advantages)
        self._timers.lap("advantages")
        statistics = self._learner.update(learnt_from.all_rows, seed)
        require_finite(statistics, self._learner)
        self._learner.publish(self._policy.engine)
        self._timers.lap("update")
        return {
            **_figures(played.episodes),
            "expert_turns": self._expert_turns,
            "valid": float(np.mean(batch.valid)),
            "zero_advantage": float(np.mean(advantages == 0)),
            "dropped_groups": len(played.dropped),
            "dropped_turns": int(np.count_nonzero(~learnt)),
            "redraws": played.redraws,
            "cpu_seconds": round(time.process_time() - began[0], 3),
            "wall_seconds": round(time.monotonic() - began[1], 3),
            **statistics,
        }

    def _played(self, rng: random.Random) -> Played:
        """Play the groups; the engine keeps what forks may go on from until all are played."""
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
        """Return how many turns the expert needs for each task."""
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
    """Return what an iteration has played: forks and hinted episodes say nothing of success."""
    forks = [e for e in episodes if e.start.origin is not None]
    hinted = [e for e in episodes if e.start.hint]
    sampled = [e for e in episodes if e.start.origin is None and not e.start.hint]
    turns = sum(len(episode.turns) for episode in episodes)
    return {
        "success": float(np.mean([episode.won for episode in sampled])),
        "turns": float(np.mean([len(episode.turns) for episode in sampled])),
        "episodes": len(episodes),
        "forks": len(forks),
        "hinted": len(hinted),
        "environment_turns": turns,
        "fork_turns": sum(len(episode.turns) for episode in forks),
        "generated_tokens": sum(_generated(episode) for episode in episodes),
    }


def _generated(episode: Episode) -> int:
    """Count the tokens that the policy has written."""
    return sum(len(turn.response) for turn in episode.turns[episode.start.hint :])
