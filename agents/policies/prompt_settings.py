"""Prompt settings of language policies, and the templates that they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anchorgym.agents.policies.folder import PolicyError
from anchorgym.agents.policies.language import Form
from anchorgym.agents.prompts.chat import ChatTemplate
from anchorgym.agents.prompts.examples import MOST, Example, situations
from anchorgym.agents.prompts.shown import ShownActions
from anchorgym.agents.prompts.template import Template, TinyTemplate

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

LARGE = 10**9
"""Number of weights from which a model is large: what is published is of models of that size."""
_CHAT_RESPONSE, _LARGE_RESPONSE = 256, 512


class PromptSettings(BaseModel):
    """Prompt settings of a language policy, which are saved beside its model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    template: Literal["tiny", "chat"] = "tiny"
    form: Form = "transcript"
    history: int = Field(2, ge=0)
    shows_actions: ShownActions = "none"
    constrained: bool = False
    max_context: int | None = Field(None, ge=1)
    """Longest context, response included, in tokens; by default all positions of the model."""
    max_response: int = Field(8, ge=1)
    end_tokens: tuple[str, ...] = ()
    """Tokens that end a response, beside those that the model and its chat format name."""
    system: str = ""
    """System message of a chat model; by default that of its chat format, if it has one."""
    think: bool = True
    """Whether a chat model is asked to think before it acts."""
    tools: bool = False
    """Whether a chat model acts by calls of a tool."""
    message: str = ""
    """Template of a chat model's user messages; "" stands for GiGPO's prompt. See `FileMessage`."""
    examples: tuple[Example, ...] = Field((), max_length=MOST)
    """Worked examples, which every conversation of a chat model begins with."""

    @classmethod
    def for_chat(cls, n_parameters: int = 0) -> Self:
        """Return the settings of GiGPO's prompt: the last two turns and the admissible actions.

        The longest response is that of GiGPO's experiments (arXiv 2505.10978), 512 tokens, for
        models of their size, and half of it for smaller ones.

        Args:
            n_parameters: number of the model's weights.
        """
        longest = _LARGE_RESPONSE if n_parameters >= LARGE else _CHAT_RESPONSE
        return cls(template="chat", form="window", shows_actions="all", max_response=longest)


def template_of(
    tokenizer: PreTrainedTokenizerFast, prompt: PromptSettings, end_ids: Sequence[int]
) -> Template:
    """Return the template that prompt settings mean.

    Args:
        tokenizer: tokenizer of the model.
        prompt: prompt settings.
        end_ids: tokens that may end a response.

    Raises:
        PolicyError: the settings contradict each other.
        TemplateError: the tokenizer has no chat template, or one that cannot be used.
    """
    if prompt.template == "chat":
        return _chat_template(tokenizer, prompt, end_ids)
    if prompt.system or not prompt.think or prompt.tools or prompt.message or prompt.examples:
        raise PolicyError(
            "policy.system, think, tools, template_file and examples are for chat models, and this "
            "policy knows the words of one environment alone: leave them out"
        )
    return TinyTemplate(tokenizer)


def _chat_template(
    tokenizer: PreTrainedTokenizerFast, prompt: PromptSettings, end_ids: Sequence[int]
) -> ChatTemplate:
    message = None
    if prompt.message:
        from anchorgym.agents.prompts.message_files import FileMessage

        message = FileMessage(prompt.message)
    examples = situations(
        prompt.examples,
        window=prompt.form == "window",
        history=prompt.history,
        shows=prompt.shows_actions,
    )
    return ChatTemplate(
        tokenizer,
        end_ids,
        system=prompt.system,
        think=prompt.think,
        tools=prompt.tools,
        message=message,
        examples=list(examples),
    )


def require_room(prompt: PromptSettings, template: Template, max_context: int) -> None:
    """Check that worked examples leave room for a turn.

    Raises:
        PolicyError: they do not.
    """
    shared = template.n_shared if isinstance(template, ChatTemplate) else 0
    if prompt.examples and shared + prompt.max_response >= max_context:
        raise PolicyError(
            f"the {len(prompt.examples)} worked examples take {shared} of the {max_context} tokens "
            f"of a context, which leaves no room for a turn: lower policy.examples"
        )


def validated(settings: dict[str, object], source: str) -> PromptSettings:
    """Return prompt settings that were read from a file, or given by name.

    Raises:
        PolicyError: a setting does not exist, or cannot have its value.
    """
    try:
        return PromptSettings.model_validate(settings)
    except ValidationError as error:
        wrong = "; ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors())
        raise PolicyError(f"{source} cannot be used: {wrong}") from error
