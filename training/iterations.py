"""One iteration of reinforcement: play groups, compare their turns, update the policy."""

from __future__ import annotations

import random
import time
from collections.abc import Hashable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from anchorgym.agents.engine import Sampling
from anchorgym.agents.model_policy import ModelPolicy
from anchorgym.agents.temperature import AdaptiveTemperature
from anchorgym.gigpo import State, TurnBatch
from anchorgym.training.config import ConfigError, TrainConfig
from anchorgym.training.drawing import Drawing
from anchorgym.training.learner import Learner
from anchorgym.training.lessons import judged
from anchorgym.training.parts import Parts
from anchorgym.training.recording import Recorder
from anchorgym.training.rollouts import Episode, Start, Timers, rollout


class Iterations:
    """Plays and learns; what an iteration does depends on its number and the weights alone.

    Args:
        config: of the job.
        parts: of the job.
        policy: who plays, and is trained in place.
        learner: that trains it.
        state: what the algorithm remembers; it changes it.
        timers: for the CPU seconds.
        recorder: of the episodes.
    """

    def __init__(
        self,
        config: TrainConfig,
        parts: Parts,
        policy: ModelPolicy,
        learner: Learner,
        state: State,
        timers: Timers,
        recorder: Recorder,
    ) -> None:
        self._config, self._parts, self._policy, self._learner = config, parts, policy, learner
        self._state, self._timers, self._recorder = state, timers, recorder
        self._drawing = Drawing(
            parts.algorithm,
            state,
            parts.panels.train,
            tasks=config.rollout.tasks,
            group_size=config.rollout.group_size,
            redraws=config.rollout.redraws,
            play=self._play,
            batch_of=lambda episodes: turn_batch(episodes, config.algorithm.anchor),
        )

    def take(self, iteration: int) -> dict[str, Any]:
        """Play and update once; return what was measured.

        Raises:
            ConfigError: no episode had room for a turn.
        """
        began = time.process_time()
        played = self._drawing.take(random.Random(f"{self._config.seed}/{iteration}"))
        batch = turn_batch(played.episodes, self._config.algorithm.anchor)
        if len(batch) == 0:
            raise ConfigError(
                "policy.max_context: no episode had room for a single turn; "
                f"{self._policy.max_context} tokens are too few for this environment"
            )
        seed = self._config.seed + iteration
        lesson = judged(
            self._parts.algorithm,
            self._state,
            self._learner,
            played.kept if played.dropped else played.episodes,
            turn_batch(played.kept, self._config.algorithm.anchor) if played.dropped else batch,
            seed,
        )
        learnt = np.repeat(
            [e.start.group not in played.dropped for e in played.episodes],
            [len(e.turns) for e in played.episodes],
        )
        advantages = np.zeros(len(batch))
        advantages[learnt] = lesson.advantages
        self._recorder.iteration(iteration, played.episodes, batch, advantages)
        self._timers.lap("advantages")
        statistics = self._learner.update(
            lesson.episodes,
            lesson.advantages,
            seed,
            columns=lesson.columns,
            replayed=lesson.replayed,
        )
        self._timers.lap("update")
        return {
            "success": float(np.mean([episode.won for episode in played.episodes])),
            "turns": len(batch) / len(played.episodes),
            "valid": float(np.mean(batch.valid)),
            "zero_advantage": float(np.mean(advantages == 0)),
            "episodes": len(played.episodes),
            "dropped_groups": len(played.dropped),
            "dropped_turns": int(np.count_nonzero(~learnt)),
            "redraws": played.redraws,
            "cpu_seconds": round(time.process_time() - began, 3),
            **statistics,
        }

    def _play(self, starts: Sequence[Start]) -> list[Episode]:
        rollouts = self._config.rollout
        rule = self._parts.algorithm.temperature(self._state)
        adaptive = None if rule is None else AdaptiveTemperature(**asdict(rule))
        sampling = Sampling(self._policy.max_response, rollouts.temperature, adaptive)
        gym, patience = self._parts.gym, rollouts.patience
        return rollout(self._policy, gym, starts, sampling, self._timers, patience=patience)


def turn_batch(episodes: Sequence[Episode], anchor: str) -> TurnBatch:
    """Return the turns of episodes as the columns that algorithms work on."""
    rows = [(n, e, turn) for n, e in enumerate(episodes) for turn in e.turns]
    return TurnBatch.from_rows(
        group=np.array([e.start.group for _, e, _ in rows]),
        trajectory=np.array([n for n, _, _ in rows]),
        anchor=[key for e in episodes for key in anchor_keys(e, anchor)],
        reward=np.array([t.reward for _, _, t in rows]),
        valid=np.array([t.valid for _, _, t in rows]),
        truncated=np.array([e.stop != "terminated" for _, e, _ in rows]),
    )


def anchor_keys(episode: Episode, anchor: str) -> list[Hashable]:
    """Return what each turn of an episode is grouped by, (n_turns,).

    Args:
        episode: that was played.
        anchor: "state", the key that the environment gave; "observation", the text that was shown;
            "history:k", the last k texts ("history:1" is "observation").
    """
    if anchor == "state":
        return [turn.anchor for turn in episode.turns]
    texts = [turn.observation for turn in episode.turns]
    if anchor == "observation":
        return [*texts]
    length = int(anchor.removeprefix("history:"))
    return [tuple(texts[max(0, i + 1 - length) : i + 1]) for i in range(len(texts))]
