"""The training job, in steps from which it can be resumed.

The random draws of a step depend on the seed, the phase and the step's number alone, and the engine
keeps nothing between steps. A checkpoint therefore only has to hold the learner's state and a few
counters, and a run that was killed and resumed ends bit for bit like one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from anchorgym.agents.policies.model import ModelPolicy, load_policy
from anchorgym.envs import panel_hash
from anchorgym.envs.durable import whole_folder
from anchorgym.envs.plugins import require_methods
from anchorgym.training.config.sections import TrainConfig
from anchorgym.training.evaluation.evaluate import evaluate
from anchorgym.training.evaluation.figures import Evaluation
from anchorgym.training.imitation.cloning import Cloning
from anchorgym.training.imitation.dagger import Corrections
from anchorgym.training.imitation.demonstrations import demonstrations, usual_limit
from anchorgym.training.inspect.plotting.anchors import draw_anchors
from anchorgym.training.inspect.plotting.curve import draw_curve
from anchorgym.training.inspect.recording import Recorder
from anchorgym.training.learning.demonstrations import Demonstration
from anchorgym.training.learning.learners import learner_for
from anchorgym.training.learning.schedules import learning_rate
from anchorgym.training.learning.usual import is_pretrained
from anchorgym.training.rollout.timers import Timers
from anchorgym.training.rollout.types import Episode
from anchorgym.training.run.checkpoints import CheckpointError, Saves, file_hashes
from anchorgym.training.run.components import Components, new_policy
from anchorgym.training.run.display import Display
from anchorgym.training.run.first_look import advice, first_look
from anchorgym.training.run.iterations import Iterations
from anchorgym.training.run.memory import release_memory, reuse_memory
from anchorgym.training.run.metrics import MetricsLog
from anchorgym.training.run.progress import PHASES, Progress
from anchorgym.training.run.recovery import Recovery
from anchorgym.training.run.remarks import remarks, trained_on
from anchorgym.training.run.results import Run, write_result

START = "start"
"""Folder of the initial policy, which gives tokenizer and model shape to a resumed run."""

CLONE, BEST, LAST = "clone", "policy", "last"
"""Folders of the policies after cloning, of the best iteration, and of the last one."""
_CLONING, _LEARNER = "cloning", "learner"
"""Parts of a checkpoint, in the phases of cloning and reinforcement learning."""
_TEMPERATURES = {"greedy": 0.0, "sampled": 1.0}
"""Sampling temperature of the final evaluations, by mode."""


class Job:
    """Does the work of a run, from the start or from a checkpoint.

    Args:
        config: configuration of the job.
        components: components of the job; on resuming, with the policy in `start/`.
        folder: folder of the run.
        log: log of the metrics.
        display: progress display.
        recovery: checkpoints of the run, and what it has written beside them.

    Raises:
        CheckpointError: the environment's training tasks have changed since the run began.
    """

    def __init__(
        self,
        config: TrainConfig,
        components: Components,
        folder: Path,
        log: MetricsLog,
        display: Display,
        recovery: Recovery,
    ) -> None:
        self.config, self.components, self.folder = config, components, folder
        self.log, self.display = log, display
        self.timers = Timers()
        self._recovery, saved = recovery, recovery.saved
        self._recorder = Recorder(folder, config, components)
        self._panel = panel_hash(components.panels.train)
        self._saved = saved
        if saved is None:
            self.at = Progress(algorithm=components.algorithm.initial_state())
        else:
            if saved.state["panel"] != self._panel:
                raise CheckpointError(
                    "the environment's training tasks are not those that the run began with: "
                    "restore its data, or begin a new run"
                )
            self.at = Progress(**saved.state["progress"])
            self.timers.add(self.at.cpu_seconds, self.at.wall_seconds or self.at.cpu_seconds)

    def run(self) -> Run:
        """Run to the end; an interruption still writes the policy and the curve."""
        reuse_memory()
        self.policy = self._first_policy()
        work = {
            "clone": self._clone,
            "before": self._before,
            "reinforce": self._reinforce,
            "after": self._after,
        }
        try:
            for phase in PHASES[PHASES.index(self.at.phase) :]:
                if phase != self.at.phase:
                    self.at.phase, self.at.done, self._saved = phase, 0, None
                    self._save({})
                release_memory()
                work[phase]()
        except KeyboardInterrupt:
            if not (self.folder / BEST).exists():
                self._write_policy(BEST)
            self._draw()
            raise
        run = self._result()
        self._draw()
        write_result(run)
        return run

    # Phases ---------------------------------------------------------------------------------

    def _first_policy(self) -> ModelPolicy:
        """Return the policy that the phase began with; that of `start/` is made if missing."""
        if self.components.policy is not None and self._saved:
            self.display.say(f"resumed    {self.at.phase} {self.at.done or ''}".rstrip())
            return self._written(self.at.policy)
        for remark in remarks(self.config, self.components):
            self.display.say(remark)
        policy = self.components.policy or new_policy(self.config, self.components, self.display)
        self.timers.lap("vocabulary")
        size = policy.n_parameters
        self.display.say(f"policy     {size:,} parameters, {len(policy.tokenizer):,} words")
        self.log.write("policy", parameters=size, words=len(policy.tokenizer))
        self._write_policy(START, policy)
        # Load it from disk, as a resumed run does.
        policy = self._load(self.folder / START)
        if is_pretrained(policy):
            self._look(policy)
        return policy

    def _look(self, policy: ModelPolicy) -> None:
        """Say what a pretrained model writes before it is trained."""
        look = first_look(policy, self.config, self.components)
        for line in advice(look, policy, self.config, self.components):
            self.display.say(line)
        self.log.write("look", **asdict(look))
        self.timers.lap("first look")

    def _clone(self) -> None:
        updates = self.config.clone_updates
        correct = self.config.clone.corrections and self.components.expert
        cloning = Cloning(
            self.policy,
            self._demonstrations,
            self.config.clone,
            updates=updates,
            seed=self.config.seed,
            corrections=self._corrections() if correct else None,
            micro_tokens=self.config.learner.micro_tokens,
            packing=self.config.learner.packing,
        )
        parts = {_CLONING: cloning.learner}
        self.timers.start()
        with cloning, self.display.phase("clone", updates, self.at.done) as shown:
            if self._saved:
                cloning.learner.load(self._saved.part(_CLONING))
            else:
                self._save(parts)
            while cloning.done < updates:
                for step in cloning.pool():
                    shown.step(f"loss per token {step.action_loss:.3f}")
                    self.log.write("clone", **asdict(step))
                self.at.done = cloning.done
                self.timers.lap("clone")
                self._save(parts, now=False)
        cloning.learner.publish(self.policy.engine)
        self._write_policy(CLONE)
        self.at.policy = CLONE

    @cached_property
    def _max_tokens(self) -> int:
        """Return the largest number of tokens in a demonstration."""
        components, given = self.components, self.config.clone.max_tokens
        if given is not None:
            return given
        env, seed = components.eval_envs.first, f"{self.config.seed}/lengths"
        return usual_limit(env, components.panels.train, components.teacher, self.policy, seed)

    def _demonstrations(self, pool: int) -> Iterator[Demonstration]:
        config, components = self.config.clone, self.components
        return demonstrations(
            components.eval_envs.first,
            components.panels.train,
            components.teacher,
            self.policy,
            noise=config.noise,
            max_tokens=min(self._max_tokens, self.policy.max_context),
            seed=f"{self.config.seed}/demonstrations/{pool}",
        )

    def _corrections(self) -> Callable[[int, int], list[Demonstration]]:
        config, components = self.config.clone, self.components
        corrections = Corrections(
            self.policy,
            components.train_envs,
            components.panels.train,
            components.teacher,
            share=config.corrections,
            max_tokens=self._max_tokens,
            driver=components.driver,
        )
        seed = self.config.seed
        return lambda pool, n: corrections.draw(n, f"{seed}/corrections/{pool}")

    def _before(self) -> None:
        self._measure("before")

    def _reinforce(self) -> None:
        config, algorithm = self.config, self.components.algorithm
        last = config.rollout.iterations
        if last == 0:
            self._write_policy(BEST)
            self.at.policy = BEST
            return
        learner = learner_for(
            self.policy, algorithm, config.learner, temperature=config.rollout.temperature
        )
        if self._saved and _LEARNER in self._saved.parts:
            learner.load(self._saved.part(_LEARNER))
            learner.publish(self.policy.engine)
        iterations = Iterations(
            config,
            self.components,
            self.policy,
            learner,
            self.at.algorithm,
            self.at.visits,
            self.timers,
            self._recorder,
        )
        if self.at.validated < 0:
            self._validate(0)
        with self.display.phase(config.algorithm.name, last, self.at.done) as shown:
            for number in range(self.at.done + 1, last + 1):
                learner.set_learning_rate(learning_rate(config.learner, number, last))
                measured = iterations.take(number)
                self.log.write("train", iteration=number, **measured)
                self.log.write("anchors", iteration=number, **iterations.anchors.to_json())
                shown.step(
                    f"training episodes: success {measured['success']:.2f}, "
                    f"rewards {measured['returns']:.2f}"
                )
                self.at.done = number
                if number % config.evaluation.every == 0 or number == last:
                    self._validate(number)
                self._save({_LEARNER: learner}, now=False)
        if self.at.best != last:
            self._write_policy(LAST)
            # A resumed run repeats the iterations after its checkpoint bit for bit, so a policy
            # that was written after the checkpoint is the same one.
            self.policy = self._written(BEST)
        self.at.policy = BEST

    def _validate(self, iteration: int) -> None:
        panels = self.components.panels
        figures = evaluate(
            self.policy,
            self.components.eval_envs,
            split=panels.validation,
            tasks=panels.validation_tasks,
            max_response=self.policy.max_response,
            driver=self.components.driver,
            trained_on=trained_on(panels.validation, self.config, self.components),
        )
        success = figures.success
        better = not panels.chooses or success.mean >= self.at.best_success
        if better:
            self.at.best, self.at.best_success = iteration, success.mean
            self._write_policy(BEST)
        self.at.validated = iteration
        self.timers.lap("evaluation")
        self.log.write(
            "validate",
            iteration=iteration,
            split=panels.validation,
            training_tasks=figures.training_tasks,
            success=asdict(success),
            returns=figures.returns,
            best=better,
        )

    def _written(self, name: str) -> ModelPolicy:
        """Load a policy that the run has written.

        Raises:
            CheckpointError: the folder does not hold that policy any more.
        """
        folder = self.folder / name
        if file_hashes(folder) != self.at.written[name]:
            raise CheckpointError(
                f"{folder} is not the policy any more that the run has written there: put it back, "
                "or begin the run again in another folder"
            )
        return self._load(folder)

    def _load(self, folder: Path) -> ModelPolicy:
        """Load a policy of the run, with the run's engine."""
        policy = load_policy(folder, engine=self.components.engine)
        made = f"engine.name: {self.config.engine.name!r}"
        require_methods(policy.engine, ("submit", "poll", "free"), "an engine", made)
        return policy

    def _after(self) -> None:
        if self.config.rollout.iterations:
            self._measure("after")
        else:
            self.at.evaluations["after"] = self.at.evaluations["before"]

    def _measure(self, when: str) -> None:
        found = self.at.evaluations.setdefault(when, {})
        split = self.components.panels.test
        for mode in self.config.evaluation.modes:
            if mode in found:
                continue
            self.timers.start()
            episodes: list[Episode] = []
            figures = evaluate(
                self.policy,
                self.components.eval_envs,
                split=split,
                tasks=self.config.evaluation.tasks,
                temperature=_TEMPERATURES[mode],
                max_response=self.policy.max_response,
                observe=episodes.extend,
                driver=self.components.driver,
                trained_on=self.config.env.split,
            )
            self._recorder.evaluation(f"{when}-{mode}", episodes)
            self.timers.lap("evaluation")
            found[mode] = figures.to_json()
            self.log.write(
                when,
                mode=mode,
                split=split,
                training_tasks=figures.training_tasks,
                success=asdict(figures.success),
                returns=figures.returns,
            )
            self.display.say(
                f"{when:<10} {figures.panel_name} {mode:<8} success {figures.success} %, "
                f"rewards {figures.returns:.3f}"
            )
            self._save({})

    # Details --------------------------------------------------------------------------------

    def _save(self, parts: Mapping[str, Saves], *, now: bool = True) -> None:
        """Save a checkpoint; unless `now`, only if the last one is old enough."""
        if not now and not self._recovery.due():
            return
        self.at.cpu_seconds, self.at.wall_seconds = dict(self.timers.cpu), dict(self.timers.wall)
        state = {
            "progress": asdict(self.at),
            "panel": self._panel,
            "elapsed": self.log.elapsed,
        }
        self.log.flush()
        self._recovery.save(state, parts)
        self.timers.lap("checkpoints")

    def _write_policy(self, name: str, policy: ModelPolicy | None = None) -> None:
        with whole_folder(self.folder / name) as fresh:
            (policy or self.policy).save(fresh)
        self.at.written[name] = file_hashes(self.folder / name)

    def _draw(self) -> None:
        title = f"{self.config.algorithm.name} on {self.config.env.id}"
        draw_curve(self.folder / "metrics.jsonl", self.folder / "curve.png", title)
        draw_anchors(self.folder, self.config.algorithm.anchor)

    def _result(self) -> Run:
        found = {
            when: {mode: Evaluation.from_json(values) for mode, values in of.items()}
            for when, of in self.at.evaluations.items()
        }
        return Run(
            self.folder,
            self.policy,
            found["before"],
            found["after"],
            cpu_seconds=dict(self.timers.cpu),
            wall_seconds=dict(self.timers.wall),
            iteration=self.at.best,
        )
