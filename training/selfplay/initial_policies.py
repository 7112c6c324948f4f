"""Initial policies of a run's roles: new policies, after a warm-up if the settings ask for it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from anchorgym.agents.policies.base import Policy
from anchorgym.agents.policies.model import ModelPolicy, load_policy
from anchorgym.agents.policies.tabular import TabularPolicy
from anchorgym.envs.durable import whole_folder
from anchorgym.training.imitation.scripts import clone, count, new_language_policy
from anchorgym.training.learning.usual import usual_clone
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.sides import Seats
from anchorgym.training.run.components import find_factory
from anchorgym.training.run.display import Display
from anchorgym.training.run.metrics import MetricsLog
from anchorgym.training.run.policies import add_adapters, named_policy
from anchorgym.training.run.recovery import Recovery, Written
from anchorgym.training.selfplay.assembly import empty_table
from anchorgym.training.selfplay.config import TABULAR, TINY, CoevolveConfig, RoleConfig
from anchorgym.training.selfplay.players import SCRIPTED, scripted, strategy
from anchorgym.training.selfplay.roles import RoleError

Makers = Mapping[str, Callable[[], Policy]]
"""Makers of initial policies by role, in place of those that settings name."""


class InitialPolicies:
    """Makes the initial policies of roles.

    A finished warm-up is saved in `folder/ROLE`, its losses in `folder/ROLE.jsonl`; an interrupted
    one resumes after the last pool of transcripts.

    Args:
        config: configuration of the run.
        settings: settings and agents of each role.
        envs: pool of environments in which scripts are played.
        folder: folder of the policies after their warm-up.
        makers: makers of initial policies, see `Makers`.
        display: progress display.
    """

    def __init__(
        self,
        config: CoevolveConfig,
        settings: Mapping[str, tuple[RoleConfig, tuple[str, ...]]],
        envs: EnvPool[Any],
        folder: Path,
        makers: Makers,
        display: Display,
    ) -> None:
        self._config, self._settings, self._envs = config, settings, envs
        self._folder, self._makers, self._display = folder, makers, display
        self._others: dict[str, Policy] = {}
        self._engine = find_factory(config)

    def warm_up(self) -> None:
        """Let every role clone its scripts, if that is not done yet.

        Raises:
            RoleError: a policy cannot clone scripts.
            ConfigError: a `tiny` policy could not write the actions of its scripts.
        """
        for role, (settings, _) in self._settings.items():
            if not settings.policy.shared_with and self._pupils(role):
                self._warm(role)

    def fresh(self, role: str) -> Policy:
        """Return a new copy of a role's initial policy, after its warm-up."""
        kept = self._folder / role
        if not kept.exists():
            return self._new(role)
        if not TabularPolicy.is_kept_in(kept):
            return load_policy(kept, engine=self._engine)
        policy = self._new(role)
        if not isinstance(policy, TabularPolicy):
            raise RoleError(f"{kept} holds a table, but {role} follows none: give another folder")
        policy.load(kept)
        return policy

    def _warm(self, role: str) -> None:
        kept = self._folder / role
        if kept.exists():
            shutil.rmtree(self._cloning(role), ignore_errors=True)
            return
        pupil = self._new(role)
        self._folder.mkdir(parents=True, exist_ok=True)
        if isinstance(pupil, TabularPolicy):
            matches = self._settings[role][0].warmup.matches
            seed = f"{self._config.seed}/warm-up/{role}"
            count(pupil, self._pupils(role), self._envs, self._cast, matches=matches, seed=seed)
        elif isinstance(pupil, ModelPolicy):
            self._clone(role, pupil)
        else:
            raise RoleError(
                f"{role} follows a {type(pupil).__name__}, which cannot be taught: leave "
                "warmup.scripts empty"
            )
        with whole_folder(kept) as fresh:
            pupil.save(fresh)
        shutil.rmtree(self._cloning(role), ignore_errors=True)

    def _clone(self, role: str, pupil: ModelPolicy) -> None:
        warmup = self._settings[role][0].warmup
        recovery = Recovery(
            self._cloning(role), Written((f"../{role}.jsonl",)), self._config.checkpoint
        )
        log = MetricsLog(self._folder / f"{role}.jsonl")
        steps = clone(
            pupil,
            self._pupils(role),
            self._envs,
            self._cast,
            usual_clone(warmup.cloning, pupil),
            updates=warmup.updates,
            seed=self._config.seed,
            recovery=recovery,
        )
        done = recovery.saved.state["done"] if recovery.saved else 0
        try:
            with self._display.phase(f"warm-up of {role}", warmup.updates, done) as shown:
                for step in steps:
                    log.write("warm-up", **asdict(step))
                    shown.step(f"loss per token {step.action_loss:.3f}")
        finally:
            log.close()

    def _cloning(self, role: str) -> Path:
        return self._folder / f"{role}.cloning"

    def _pupils(self, role: str) -> tuple[str, ...]:
        """Return the agents of all roles that share a role's policy, which clones their scripts."""
        return tuple(
            agent
            for name, (settings, agents) in self._settings.items()
            if (settings.policy.shared_with or name) == role and settings.warmup.scripts
            for agent in agents
        )

    def _new(self, role: str) -> Policy:
        if role in self._makers:
            return self._makers[role]()
        settings, seed = self._settings[role][0].policy, self._config.seed
        if settings.name == TABULAR:
            return empty_table(self._envs.first)
        if settings.name == TINY:
            return new_language_policy(
                self._envs,
                self._cast,
                settings,
                env_id=self._config.env.id,
                matches=settings.vocabulary_tasks,
                seed=seed,
            )
        policy = scripted(settings.name, seed)
        if policy is not None:
            return policy
        loaded = named_policy(
            settings.name, engine=self._engine, seed=seed, known=(TABULAR, TINY, *SCRIPTED)
        )
        if settings.examples:
            raise RoleError(f"{role}: examples are drawn in worlds of one agent only")
        lora = self._settings[role][0].lora
        if isinstance(loaded, ModelPolicy):
            add_adapters(loaded, lora, seed=seed)
        elif lora.rank:
            raise RoleError(f"{role}: adapters (LoRA) are for language policies only")
        changes = settings.prompt_changes()
        if not changes:
            return loaded
        if not isinstance(loaded, ModelPolicy):
            raise RoleError(f"{role}: {', '.join(changes)} can be set of language policies only")
        return loaded.with_prompt(**changes)

    def _cast(self, rng: random.Random) -> Seats:
        """Draw a script for every role that clones some; other roles play their initial policy."""
        seats: dict[str, Policy] = {}
        for role, (settings, agents) in self._settings.items():
            scripts = settings.warmup.scripts
            if scripts:
                policy = strategy(rng.choice(scripts), rng.getrandbits(31))
            else:
                policy = self._other(settings.policy.shared_with or role)
            seats |= dict.fromkeys(agents, policy)
        return seats

    def _other(self, role: str) -> Policy:
        if role not in self._others:
            self._others[role] = self._new(role)
        return self._others[role]
