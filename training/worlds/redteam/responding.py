"""Best-response attackers, which are trained against a frozen team."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from anchorgym.agents.policies.base import Policy
from anchorgym.training.run.display import Display
from anchorgym.training.selfplay.coevolution import Coevolution
from anchorgym.training.selfplay.config import (
    CoevolveConfig,
    RoleConfig,
    RolePolicyConfig,
    WarmupConfig,
)


def best_attacker(
    config: CoevolveConfig,
    defender: Policy,
    folder: Path,
    *,
    iterations: int,
    seed: int,
    begin: Callable[[], Policy] | None = None,
) -> Policy:
    """Train a new attacker against a frozen team and return it.

    Args:
        config: configuration of the team's run, which gives the world and the size of an iteration.
        defender: policy of the team, which is not changed.
        folder: folder for the files of the training, which is empty or holds the same training, up
            to where it was interrupted.
        iterations: number of training iterations.
        seed: seed of all random draws.
        begin: function that makes the initial policy; by default that of the run's attackers, or
            an empty table if these were not trained.
    """
    kept = config.roles.get("attacker", RoleConfig())
    alone = kept.trainable and not kept.policy.shared_with
    begins = {"policy": kept.policy if alone else RolePolicyConfig(), "warmup": WarmupConfig()}
    roles = {
        "attacker": kept.model_copy(update={**begins, "trainable": True}),
        "defender": RoleConfig(trainable=False),
    }
    values: dict[str, Any] = {
        "roles": roles,
        "generations": 1,
        "iterations": iterations,
        "payoff_games": 0,
        "seed": seed,
        "schedule": type(config.schedule)(),
        "best_response": type(config.best_response)(),
    }
    settings = config.model_copy(update=values)
    folder.mkdir(parents=True, exist_ok=True)
    makers: dict[str, Callable[[], Policy]] = {"defender": lambda: defender}
    if begin is not None:
        makers["attacker"] = begin
    run = Coevolution(settings, folder, makers, Display())
    for _ in run.generations():
        pass
    return run.roles.roles["attacker"].policy
