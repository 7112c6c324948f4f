"""The main job: clone an expert, improve by reinforcement in groups, measure before and after.

The loop knows no algorithm and no world: it allocates tasks, rolls out groups, asks the
algorithm for advantages, updates, logs and saves.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from anchorgym.agents.engine import Sampling
from anchorgym.agents.model_policy import ModelPolicy
from anchorgym.envs.errors import AnchorgymError
from anchorgym.gigpo import State, TurnBatch
from anchorgym.training.cloning import clone, demonstrations
from anchorgym.training.config import ConfigError, TrainConfig
from anchorgym.training.corrections import Corrections
from anchorgym.training.curve import draw_curve
from anchorgym.training.evaluation import Evaluation, Interval, evaluate, paired_difference
from anchorgym.training.learner import Learner
from anchorgym.training.parts import Parts, assemble, new_policy
from anchorgym.training.reporting import Display, MetricsLog
from anchorgym.training.rollouts import Episode, Start, Timers, rollout


class RunExistsError(AnchorgymError, FileExistsError):
    """The folder already holds a run."""


@dataclass(slots=True)
class Run:
    """A finished run and what it measured."""

    folder: Path
    policy: ModelPolicy
    before: dict[str, Evaluation] = field(default_factory=dict)
    """Of the clone: "greedy" and "sampled"."""
    after: dict[str, Evaluation] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    """CPU seconds by phase."""

    def gain(self, mode: str) -> Interval:
        """Return the paired gain in success of "greedy" or "sampled" play."""
        return paired_difference(self.after[mode], self.before[mode])


def train(config: TrainConfig, out: str | Path, console: Console | None = None) -> Run:
    """Run a training job and leave everything in `out`.

    The folder gets `config.json`, `metrics.jsonl` (as it happens), `clone/` and `policy/` (model
    and tokenizer; `policy/` is renewed at every point of the curve), `result.json` and
    `curve.png`. A run that is interrupted leaves its policy as it is, and the curve so far.

    Args:
        config: what to do.
        out: a folder that does not hold a run yet.
        console: shows progress there.

    Raises:
        RunExistsError: `out` holds a run.
    """
    folder = Path(out)
    if (folder / "config.json").exists():
        raise RunExistsError(f"{folder} already holds a run: give another folder")
    parts = assemble(config)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    log = MetricsLog(folder / "metrics.jsonl")
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        return _Job(config, parts, folder, log, Display(console)).run()
    finally:
        torch.set_num_threads(threads)
        log.close()


class _Job:
    def __init__(
        self, config: TrainConfig, parts: Parts, folder: Path, log: MetricsLog, display: Display
    ) -> None:
        self.config, self.parts = config, parts
        self.folder, self.log, self.display = folder, log, display
        self.state: State = parts.algorithm.initial_state()
        self.timers = Timers()
        self.policy = parts.policy or self._new_policy()

    def run(self) -> Run:
        result = Run(self.folder, self.policy, seconds=self.timers)
        if self.parts.exam == self.config.env.split:
            self.display.say(f"evaluation on {self.parts.exam}: no tasks are held out")
        known = self.policy.env_id
        if known not in ("", self.config.env.id):
            self.display.say(f"warning    the policy knows the words of {known} only")
        try:
            self._clone()
            self.policy.save(self.folder / "clone")
            result.before = self._measure("before")
            self._reinforce()
            result.after = result.before
            if self.config.rollout.iterations:
                result.after = self._measure("after")
        except KeyboardInterrupt:
            self.policy.save(self.folder / "policy")
            self._draw()
            raise
        write_result(result)
        self._draw()
        return result

    def _draw(self) -> None:
        title = f"{self.config.algorithm.name} on {self.config.env.id}"
        draw_curve(self.folder / "metrics.jsonl", self.folder / "curve.png", title)

    def _new_policy(self) -> ModelPolicy:
        if not self.parts.expert:
            self.display.say("teacher    no honest expert: random play shows what can be written")
        policy = new_policy(self.config, self.parts, self.display)
        self.timers.lap("vocabulary")
        size = sum(parameter.numel() for parameter in policy.model.parameters())
        self.display.say(f"policy     {size:,} parameters, {len(policy.tokenizer):,} words")
        self.log.write("policy", parameters=size, words=len(policy.tokenizer))
        return policy

    def _clone(self) -> None:
        config = self.config.clone
        rows = demonstrations(
            self.parts.worlds.first,
            self.parts.teacher,
            self.policy.template,
            noise=config.noise,
            max_tokens=min(config.max_tokens, self.policy.max_context),
            seed=self.config.seed,
        )
        self.timers.start()
        corrections = Corrections(
            self.policy,
            self.parts.gym,
            self.parts.teacher,
            share=config.corrections,
            max_tokens=config.max_tokens,
            seed=self.config.seed,
        )
        updates = self.config.clone_updates
        with self.display.phase("clone", updates) as phase:
            for step in clone(
                self.policy,
                rows,
                config,
                updates=updates,
                seed=self.config.seed,
                corrections=corrections.draw if config.corrections and self.parts.expert else None,
            ):
                phase.step(f"loss per token {step.action_loss:.3f}")
                self.log.write("clone", **asdict(step))
        self.timers.lap("clone")

    def _reinforce(self) -> None:
        rollouts = self.config.rollout
        learner = Learner(
            self.policy,
            self.parts.algorithm,
            self.config.learner,
            temperature=rollouts.temperature,
        )
        self.policy.engine.reseed(self.config.seed)
        if rollouts.iterations:
            self._validate(0)
        else:
            self.policy.save(self.folder / "policy")
        with self.display.phase(self.config.algorithm.name, rollouts.iterations) as phase:
            for iteration in range(1, rollouts.iterations + 1):
                success = self._iterate(learner, iteration)
                phase.step(f"success of training episodes {success:.2f}")
                last = iteration == rollouts.iterations
                if iteration % self.config.evaluation.every == 0 or last:
                    self._validate(iteration)
                    self.policy.save(self.folder / "policy")

    def _iterate(self, learner: Learner, iteration: int) -> float:
        began = time.process_time()
        episodes = rollout(
            self.policy,
            self.parts.gym,
            self._starts(iteration),
            Sampling(self.policy.max_response, self.config.rollout.temperature),
            self.timers,
        )
        batch = turn_batch(episodes, self.config.algorithm.anchor)
        if len(batch) == 0:
            raise ConfigError(
                "policy.max_context: no episode had room for a single turn; "
                f"{self.policy.max_context} tokens are too few for this environment"
            )
        algorithm = self.parts.algorithm
        kept = algorithm.keep(batch, self.state)[batch.group]
        advantages = np.where(kept, algorithm.advantages(batch, self.state), 0.0)
        self.timers.lap("advantages")
        statistics = learner.update(episodes, advantages, seed=self.config.seed + iteration)
        self.timers.lap("update")
        success = float(np.mean([episode.won for episode in episodes]))
        self.log.write(
            "train",
            iteration=iteration,
            success=success,
            turns=len(batch) / len(episodes),
            valid=float(np.mean(batch.valid)),
            zero_advantage=float(np.mean(advantages == 0)),
            cpu_seconds=round(time.process_time() - began, 3),
            **statistics,
        )
        return success

    def _starts(self, iteration: int) -> list[Start]:
        """Draw the tasks of an iteration; the algorithm says how often each is played."""
        rollouts = self.config.rollout
        rng = random.Random(f"{self.config.seed}/{iteration}")
        panel = self.parts.worlds.first.tasks()
        tasks = [panel[rng.randrange(len(panel))] for _ in range(rollouts.tasks)]
        budget = rollouts.tasks * rollouts.group_size
        shares = self.parts.algorithm.allocate(tasks, budget, self.state)
        return [
            Start(task, group, rng.getrandbits(31))
            for group, (task, share) in enumerate(zip(tasks, shares.tolist(), strict=True))
            for _ in range(share)
        ]

    def _validate(self, iteration: int) -> None:
        e = self.config.evaluation
        point = evaluate(
            self.policy,
            self.parts.worlds,
            split=self.parts.curve,
            tasks=e.curve_tasks,
            max_response=self.policy.max_response,
        )
        self.timers.lap("evaluation")
        self.log.write(
            "validate", iteration=iteration, split=self.parts.curve, success=asdict(point.success)
        )

    def _measure(self, when: str) -> dict[str, Evaluation]:
        tasks, exam = self.config.evaluation.tasks, self.parts.exam
        found = {}
        self.timers.start()
        for mode, temperature in (("greedy", 0.0), ("sampled", 1.0)):
            self.policy.engine.reseed(self.config.seed)
            found[mode] = evaluate(
                self.policy,
                self.parts.worlds,
                split=exam,
                tasks=tasks,
                temperature=temperature,
                max_response=self.policy.max_response,
            )
            self.log.write(when, mode=mode, split=exam, success=asdict(found[mode].success))
            self.display.say(f"{when:<10} {exam} {mode:<8} success {found[mode].success} %")
        self.timers.lap("evaluation")
        return found


def turn_batch(episodes: Sequence[Episode], anchor: str) -> TurnBatch:
    """Return the turns of episodes as the columns that algorithms work on."""
    rows = [(n, e, turn) for n, e in enumerate(episodes) for turn in e.turns]
    return TurnBatch.from_rows(
        group=np.array([e.start.group for _, e, _ in rows]),
        trajectory=np.array([n for n, _, _ in rows]),
        anchor=[t.anchor if anchor == "state" else t.observation for _, _, t in rows],
        reward=np.array([t.reward for _, _, t in rows]),
        valid=np.array([t.valid for _, _, t in rows]),
    )


def write_result(run: Run) -> None:
    """Write `result.json`: figures before and after, paired gains, CPU seconds."""
    result = {
        "before": {mode: e.to_json() for mode, e in run.before.items()},
        "after": {mode: e.to_json() for mode, e in run.after.items()},
        "gain": {mode: asdict(run.gain(mode)) for mode in run.after},
        "cpu_seconds": {phase: round(s, 1) for phase, s in run.seconds.items()},
    }
    text = json.dumps(result, indent=1, allow_nan=False)
    (run.folder / "result.json").write_text(text + "\n", encoding="utf-8")
