"""What a user should know of a run before it begins: where its figures come from."""

from __future__ import annotations

from collections.abc import Iterator

from anchorgym.agents.engines.adapters import adapter_weights
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.agents.prompts.chat import ChatTemplate
from anchorgym.training.config.sections import TrainConfig
from anchorgym.training.run.components import Components


def remarks(config: TrainConfig, components: Components) -> Iterator[str]:
    """Yield a line on each thing that is not as it should best be."""
    panels, policy = components.panels, components.policy
    known = policy.env_id if policy else ""
    if policy is not None and (adapters := policy.adapters) is not None:
        trained = sum(weight.numel() for weight in adapter_weights(policy.model).values())
        yield f"adapters   {trained:,} weights of rank {adapters.rank} are trained alone"
    if config.clone.teacher == "full":
        yield "teacher    the expert that knows everything, also what the player has not seen"
    elif config.clone.teacher == "random":
        yield "teacher    random play, which shows what can be written"
    elif not components.expert:
        yield "teacher    no honest expert: random play shows what can be written"
    if panels.test == config.env.split:
        yield (
            f"warning    success is measured on {panels.test}, the training tasks, and says "
            "nothing of others: give the environment held-out tasks, as in "
            'splits = ("train", "test")'
        )
    elif panels.validation == config.env.split and panels.chooses:
        yield f"validation {panels.validation_tasks} training tasks are held out"
    if policy is not None and _keeps_what_is_dropped(policy):
        yield (
            "remark     the model's chat format drops earlier thoughts, and transcripts keep them, "
            "as they were sampled: --policy.form window shows earlier actions alone"
        )
    if known not in ("", config.env.id):
        yield f"warning    the policy knows the words of {known} only"


def _keeps_what_is_dropped(policy: ModelPolicy) -> bool:
    """Whether transcripts hold thoughts that the model's chat format would leave out."""
    template, prompt = policy.template, policy.prompt_settings
    if not isinstance(template, ChatTemplate) or prompt.form == "window" or prompt.tools:
        return False
    return prompt.think and template.drops_thoughts


def trained_on(split: str, config: TrainConfig, components: Components) -> str:
    """Return the split of training tasks; empty if those of `split` are set aside of it."""
    panels, trained = components.panels, config.env.split
    return "" if split == trained and panels.chooses else trained
