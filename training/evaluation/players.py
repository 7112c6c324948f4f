"""Lookup of players by name: saved policies and scripted players."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anchorgym.agents.policies.base import Policy
from anchorgym.agents.policies.scripted import ExpertPolicy, RandomPolicy
from anchorgym.training.rollout.env_pool import EnvPool

if TYPE_CHECKING:
    from anchorgym.agents.engines import EngineFactory
    from anchorgym.agents.policies.model import ModelPolicy
    from anchorgym.agents.prompts.examples import Example

SCRIPTED = ("expert", "random")


@dataclass(frozen=True, slots=True)
class Player:
    """A policy with its name."""

    name: str
    make: Callable[[], Policy]
    """Returns the policy, with its own random draws reset."""
    env_id: str
    """Id of the environment that the policy was made for; empty for scripted players."""
    reads_prompts: bool = False
    """Whether the policy is a language policy with settings of prompts."""


def load_player(
    name: str,
    *,
    seed: int = 0,
    engine: EngineFactory | None = None,
    prompt: Mapping[str, Any] | None = None,
) -> Player:
    """Return the player of a name.

    Args:
        name: `expert` (the environment's honest expert), `random` (admissible actions at random),
            the folder of a saved policy, or `module:Name` for a loader of the user's own.
        seed: seed of the player's random draws.
        engine: factory of the engine of a saved policy; by default one in this process.
        prompt: prompt settings of a saved policy that replace its own.

    Raises:
        PolicyError: the folder holds no saved policy, or the loader returns none.
        PluginError: there is no such loader.
    """
    if name == "expert":
        return Player(name, ExpertPolicy, "")
    if name == "random":
        return Player(name, lambda: RandomPolicy(seed), "")
    from anchorgym.agents.policies.model import ModelPolicy
    from anchorgym.training.run.policies import named_policy

    policy = named_policy(name, engine=engine, seed=seed, known=SCRIPTED)
    if not isinstance(policy, ModelPolicy):
        return Player(name, lambda: policy, "")
    if prompt:
        policy = policy.with_prompt(**prompt)
    return _language_player(name, policy)


def prompted(player: Player, **changes: Any) -> Player:
    """Return a player with other settings of prompts; one without prompts stays as it is.

    Raises:
        PolicyError: a setting cannot have that value.
    """
    from anchorgym.agents.policies.model import ModelPolicy

    policy = player.make()
    if not isinstance(policy, ModelPolicy):
        return player
    return _language_player(player.name, policy.with_prompt(**changes))


def played_examples(
    env_id: str, arguments: Mapping[str, Any], split: str, n: int, seed: int
) -> tuple[Example, ...]:
    """Return worked examples for players, from training tasks of an environment.

    Args:
        env_id: id of the environment.
        arguments: its keyword arguments.
        split: split that the players are evaluated on.
        n: number of turns.
        seed: seed of the examples.

    Raises:
        ConfigError: the training tasks are those of the evaluation.
    """
    from anchorgym.training.evaluation.evaluate import training_split
    from anchorgym.training.imitation.worked_examples import worked_examples

    played = EnvPool.of(env_id, **arguments).first
    trained = training_split(played)
    env = EnvPool.of(env_id, **{**arguments, "split": trained}).first
    return worked_examples(env, env.tasks(trained), played.tasks(split), n, seed)


def _language_player(name: str, policy: ModelPolicy) -> Player:
    return Player(name, lambda: policy, policy.env_id, reads_prompts=True)
