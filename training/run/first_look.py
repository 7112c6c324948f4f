"""A first look at what a pretrained model writes, before any time is spent on its training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from anchorgym.agents.engines.contract import Sampling
from anchorgym.agents.engines.seeding import mix_seed
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.training.config.sections import TrainConfig
from anchorgym.training.rollout.env_pool import EnvPool
from anchorgym.training.rollout.play import rollout
from anchorgym.training.rollout.types import Start
from anchorgym.training.run.components import Components

_TASKS, _TURNS = 4, 6
_SHOWN = 200
"""Most characters of a response that is shown."""


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What a policy wrote in a few turns."""

    turns: int
    readable: int
    """Turns whose response could be read as an action."""
    valid: int
    """Turns whose action the environment took."""
    cut: int
    """Turns whose response was cut at its greatest length."""
    example: str
    """A response that could not be read, or else one whose action was invalid; "" without any."""

    def advice(
        self,
        policy: ModelPolicy,
        *,
        expert: bool,
        warms_up: bool = False,
        held_out: bool = True,
    ) -> Iterator[str]:
        """Yield a line on what was seen, and one on what to try where that is little.

        Args:
            policy: policy that was looked at.
            expert: whether an expert of the environment is cloned, or would be.
            warms_up: whether the policy is cloned next, and so needs no further advice.
            held_out: whether success is measured on other tasks than those of training.
        """
        yield (
            f"first look {self.readable} of {self.turns} turns could be read as an action, "
            f"{self.valid} of these were valid"
        )
        if 2 * self.valid >= self.turns:
            return
        said = " ".join(self.example.split())
        said = said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"
        yield f"           the model wrote: {said!r}"
        if warms_up:
            return
        tries = []
        if 2 * self.cut >= self.turns:
            longer = f"--policy.max-response {2 * policy.max_response}"
            shorter = ", or --policy.think false" if policy.prompt_settings.think else ""
            tries.append(f"{longer}{shorter}, as most responses were cut")
        if 2 * self.readable < self.turns:
            who = "the expert" if expert else "random play"
            tries.append(f"--clone.updates 20, a warm-up on how {who} writes actions")
            if held_out and not policy.prompt_settings.examples:
                tries.append(f"--policy.examples 4, which shows it turns of {who} in every prompt")
        elif policy.shows_actions != "all":
            tries.append("--policy.shows-actions all, which lists what is possible")
        if tries:
            yield f"           try {'; '.join(tries)}"


def first_look(policy: ModelPolicy, config: TrainConfig, components: Components) -> FirstLook:
    """Let a policy take a few turns of training tasks, and return what it wrote."""
    arguments = {**components.train_arguments}
    arguments["max_turns"] = min(_TURNS, arguments["max_turns"])
    starts = [Start(task, i, i) for i, task in enumerate(components.panels.train[:_TASKS])]
    seed = mix_seed(config.seed, "first look")
    episodes = rollout(
        policy,
        EnvPool.of(config.env.id, **arguments),
        starts,
        Sampling(policy.max_response, config.rollout.temperature, seed=seed),
        driver=components.driver,
    )
    turns = [turn for episode in episodes for turn in episode.turns]
    unread = [turn.text for turn in turns if not turn.action]
    invalid = [turn.text for turn in turns if turn.action and not turn.valid]
    return FirstLook(
        turns=len(turns),
        readable=len(turns) - len(unread),
        valid=sum(bool(turn.action) and turn.valid for turn in turns),
        cut=sum(len(turn.response) >= policy.max_response for turn in turns),
        example=next(iter([*unread, *invalid]), ""),
    )


def advice(
    look: FirstLook, policy: ModelPolicy, config: TrainConfig, components: Components
) -> Iterator[str]:
    """Yield lines on what was seen, and on what to try in this run; see `FirstLook.advice`."""
    return look.advice(
        policy,
        expert=components.expert,
        warms_up=config.clone_updates > 0,
        held_out=components.panels.test != config.env.split,
    )
