"""Language policies with their own model, which can be trained, saved and loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anchorgym.agents.engines.contract import UnsupportedRequestError
from anchorgym.agents.engines.factories import EngineFactory, ServedModel, SharedEngine
from anchorgym.agents.engines.families import require_supported
from anchorgym.agents.engines.forward import position_limit
from anchorgym.agents.policies.folder import (
    CONFIG,
    GENERATION,
    TOKENIZER,
    PolicyError,
    load_model,
    load_tokenizer,
    read_object,
)
from anchorgym.agents.policies.language import UNCONSTRAINED, Form, LanguagePolicy
from anchorgym.agents.prompts.chat import ChatTemplate
from anchorgym.agents.prompts.examples import MOST, Example, situations
from anchorgym.agents.prompts.shown import ShownActions
from anchorgym.agents.prompts.template import Template, TemplateError, TinyTemplate
from anchorgym.agents.quiet import no_progress_bars
from anchorgym.envs.durable import whole_folder
from anchorgym.envs.errors import did_you_mean

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

SETTINGS_FILE = "anchorgym_policy.json"
LARGE = 10**9
"""Number of weights from which a model is large: what is published is of models of that size."""
_CHAT_RESPONSE, _LARGE_RESPONSE = 256, 512
_NEW = ("end_tokens", "system", "think", "tools", "message", "examples")
"""Settings that earlier versions cannot read, which are saved only where they are used."""


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


class ModelPolicy(LanguagePolicy):
    """A language policy with its model, its tokenizer and an engine that samples from them.

    Args:
        model: a causal language model.
        tokenizer: tokenizer with the markers that the template needs.
        prompt: prompt settings.
        env_id: environment whose vocabulary the model has; "" for general language models.
        engine: factory of the engine; by default an engine in this process.
        folder: folder that model and tokenizer were read from, if any.

    Raises:
        PolicyError: the settings contradict each other.
        UnsupportedModelError: the model is of a family that engine and learner do not compute.
        UnsupportedRequestError: the settings go beyond the engine's capabilities.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        prompt: PromptSettings | None = None,
        *,
        env_id: str = "",
        engine: EngineFactory | None = None,
        folder: Path | None = None,
    ) -> None:
        require_supported(model)
        self.model = model
        self.tokenizer = tokenizer
        self.prompt_settings = prompt = prompt or PromptSettings()
        self.env_id = env_id
        named = _end_ids(model, tokenizer, prompt.end_tokens)
        template = _template(tokenizer, prompt, named)
        if prompt.constrained and prompt.template != "tiny":
            raise PolicyError(
                "constrained decoding needs responses that are an action alone: set "
                "policy.constrained to false, or use the template 'tiny'"
            )
        if engine is None:
            from anchorgym.agents.engines.torch_engine import TorchFactory

            engine = TorchFactory()
        if prompt.constrained and not engine.capabilities.constrained_decoding:
            raise UnsupportedRequestError("constrained_decoding", UNCONSTRAINED)
        self._factory, self._folder = engine, folder
        self.end_ids: tuple[int, ...] = tuple(dict.fromkeys((template.eos_id, *named)))
        """Tokens that end a response; the first closes a turn of the prompt's format."""
        served = ServedModel(model, tokenizer, self.end_ids, folder)
        positions = position_limit(model.config) or 0
        max_context = min(positions, prompt.max_context or positions)
        _require_room(prompt, template, max_context)
        super().__init__(
            template,
            engine.make(served),
            form=prompt.form,
            history=prompt.history,
            shows_actions=prompt.shows_actions,
            constrained=prompt.constrained,
            max_context=max_context,
            max_response=prompt.max_response,
        )

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def save(self, folder: str | Path) -> None:
        """Write model, tokenizer and settings as safetensors and JSON, all or nothing.

        Raises:
            ForeignFilesError: the folder holds files that are not those of a policy.
        """
        prompt = self.prompt_settings
        usual = PromptSettings()
        left_out = {name for name in _NEW if getattr(prompt, name) == getattr(usual, name)}
        settings = {"env_id": self.env_id, **prompt.model_dump(mode="json", exclude=left_out)}
        with whole_folder(Path(folder)) as fresh:
            with no_progress_bars():
                self.model.save_pretrained(fresh)
                self.tokenizer.save_pretrained(fresh)
            (fresh / SETTINGS_FILE).write_text(json.dumps(settings) + "\n", encoding="utf-8")

    def with_prompt(self, **changes: object) -> ModelPolicy:
        """Return a policy of the same model and tokenizer with other prompt settings.

        The engine is the same too, unless responses end by other tokens.

        Raises:
            PolicyError: a setting does not exist, or cannot have that value.
        """
        settings = {**self.prompt_settings.model_dump(), **changes}
        prompt = _validated(settings, "prompt settings")
        same = prompt.end_tokens == self.prompt_settings.end_tokens
        return ModelPolicy(
            self.model,
            self.tokenizer,
            prompt,
            env_id=self.env_id,
            engine=SharedEngine(self.engine) if same else self._factory,
            folder=self._folder,
        )


def load_policy(folder: str | Path, *, engine: EngineFactory | None = None) -> ModelPolicy:
    """Load a saved policy, or any chat model in Hugging Face format.

    A model that was not saved by `ModelPolicy.save` is prompted through its tokenizer's chat
    template, with the last two turns and the admissible actions (`PromptSettings.for_chat`).

    Args:
        folder: folder of the saved policy or model.
        engine: factory of the engine; by default an engine in this process.

    Raises:
        PolicyError: the folder holds neither a policy nor a model, or a file of it is damaged.
        TemplateError: the tokenizer has no chat template, or one that cannot be used.
        UnsupportedModelError: the model is of a family that engine and learner do not compute, or
            their log-probabilities differ from its own.
        UnsupportedRequestError: the policy goes beyond the engine's capabilities.
    """
    folder = Path(folder)
    settings = folder / SETTINGS_FILE
    if settings.is_file():
        env_id, prompt = _read_settings(settings)
    elif (folder / CONFIG).is_file() and (folder / TOKENIZER).is_file():
        env_id, prompt = "", None
    else:
        raise PolicyError(
            f"{folder} holds no policy ({SETTINGS_FILE} is missing) and no Hugging Face model "
            "with config.json and tokenizer.json: give the folder that a run has saved, such as "
            "runs/NAME/policy"
        )
    tokenizer = load_tokenizer(folder)
    model = load_model(folder)
    if len(tokenizer) > model.config.vocab_size:
        raise PolicyError(
            f"{folder / TOKENIZER} has {len(tokenizer)} tokens, but the model of {CONFIG} only "
            f"{model.config.vocab_size}: they are not of one model"
        )
    prompt = prompt or PromptSettings.for_chat(model.num_parameters())
    try:
        return ModelPolicy(model, tokenizer, prompt, env_id=env_id, engine=engine, folder=folder)
    except TemplateError as error:
        raise TemplateError(f"{folder / TOKENIZER}: {error}") from error


def _template(
    tokenizer: PreTrainedTokenizerFast, prompt: PromptSettings, end_ids: Sequence[int]
) -> Template:
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


def _require_room(prompt: PromptSettings, template: Template, max_context: int) -> None:
    """Check that worked examples leave room for a turn."""
    shared = template.n_shared if isinstance(template, ChatTemplate) else 0
    if prompt.examples and shared + prompt.max_response >= max_context:
        raise PolicyError(
            f"the {len(prompt.examples)} worked examples take {shared} of the {max_context} tokens "
            f"of a context, which leaves no room for a turn: lower policy.examples"
        )


def _end_ids(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, named: Iterable[str]
) -> tuple[int, ...]:
    """Return the tokens that settings, tokenizer and model say to end a response.

    Raises:
        PolicyError: one of them is no token.
    """
    vocabulary = tokenizer.get_vocab()
    for token in named:
        if token not in vocabulary:
            raise PolicyError(
                f"policy.end_tokens: the tokenizer has no token {token!r}."
                f"{did_you_mean(token, tokenizer.added_tokens_encoder)}"
            )
    ids: list[object] = [*(vocabulary[token] for token in named), tokenizer.eos_token_id]
    for config in (model.generation_config, model.config):
        ended = getattr(config, "eos_token_id", None)
        ids += ended if isinstance(ended, (list, tuple)) else [ended]
    found: list[int] = []
    for number in ids:
        if number is None:
            continue
        if not isinstance(number, int) or not 0 <= number < model.config.vocab_size:
            raise PolicyError(
                f"eos_token_id {number!r} of {GENERATION} or {CONFIG} is no token of the model, "
                f"which has {model.config.vocab_size}: name its end tokens there"
            )
        found.append(int(number))
    return tuple(dict.fromkeys(found))


def _read_settings(path: Path) -> tuple[str, PromptSettings]:
    settings = read_object(path)
    env_id = settings.pop("env_id", None)
    if not isinstance(env_id, str):
        raise PolicyError(f"{path} is damaged (env_id is no text): save the policy again")
    return env_id, _validated(settings, str(path))


def _validated(settings: dict[str, object], source: str) -> PromptSettings:
    try:
        return PromptSettings.model_validate(settings)
    except ValidationError as error:
        wrong = "; ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors())
        raise PolicyError(f"{source} cannot be used: {wrong}") from error
