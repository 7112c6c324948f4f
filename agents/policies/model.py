"""Language policies with their own model, which can be trained, saved and loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from anchorgym.agents.engines.adapters import merge_adapters
from anchorgym.agents.engines.contract import UnsupportedRequestError
from anchorgym.agents.engines.factories import EngineFactory, ServedModel, SharedEngine
from anchorgym.agents.engines.families import require_supported
from anchorgym.agents.engines.forward import position_limit
from anchorgym.agents.engines.peft_format import ADAPTER
from anchorgym.agents.engines.placing import place_of
from anchorgym.agents.policies.adapters import (
    Adapters,
    Base,
    adapters_of,
    attach_new,
    base_of,
    load_adapted,
    save_adapters,
    weights_digest,
)
from anchorgym.agents.policies.folder import (
    CONFIG,
    GENERATION,
    TOKENIZER,
    PolicyError,
    load_model,
    load_tokenizer,
    read_object,
)
from anchorgym.agents.policies.language import UNCONSTRAINED, LanguagePolicy
from anchorgym.agents.policies.prompt_settings import (
    PromptSettings,
    require_room,
    template_of,
    validated,
)
from anchorgym.agents.prompts.template import TemplateError
from anchorgym.agents.quiet import no_progress_bars
from anchorgym.envs.durable import whole_folder
from anchorgym.envs.errors import did_you_mean

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

SETTINGS_FILE = "anchorgym_policy.json"
_BASE_DIGEST = "base_sha256"
"""Key of the digest of the base model of adapters, beside the prompt settings."""
_NEW = ("end_tokens", "system", "think", "tools", "message", "examples")
"""Settings that earlier versions cannot read, which are saved only where they are used."""


class ModelPolicy(LanguagePolicy):
    """A language policy with its model, its tokenizer and an engine that samples from them.

    Args:
        model: a causal language model.
        tokenizer: tokenizer with the markers that the template needs.
        prompt: prompt settings.
        env_id: environment whose vocabulary the model has; "" for general language models.
        engine: factory of the engine; by default an engine in this process.
        folder: folder that model and tokenizer were read from, if any.
        base: base model of the adapters that `model` has, if any.

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
        base: Base | None = None,
    ) -> None:
        require_supported(model)
        self.model = model
        self.base = base
        """Base model of the policy's adapters (LoRA); None if the whole model is trained."""
        self.tokenizer = tokenizer
        self.prompt_settings = prompt = prompt or PromptSettings()
        self.env_id = env_id
        named = _end_ids(model, tokenizer, prompt.end_tokens)
        template = template_of(tokenizer, prompt, named)
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
        served = ServedModel(model, tokenizer, self.end_ids, base.folder if base else folder)
        positions = position_limit(model.config) or 0
        max_context = min(positions, prompt.max_context or positions)
        require_room(prompt, template, max_context)
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

    @property
    def adapters(self) -> Adapters | None:
        """Size and place of the policy's adapters; None without any."""
        return adapters_of(self.model)

    def add_adapters(
        self, rank: int, alpha: float, targets: str | Sequence[str] = "all-linear", *, seed: int = 0
    ) -> None:
        """Train low-rank adapters (LoRA) from now on; the model's own weights stay as they are.

        The policy stays the same at first. Its folders hold the adapters alone.

        Args:
            rank: rank of the adapters.
            alpha: the adapters' product is scaled by `alpha / rank`.
            targets: `all-linear`, `attention`, or names of layers, see `linear_layers`.
            seed: seed of the adapters.

        Raises:
            MissingExtraError: peft is not installed.
            PolicyError: the policy has adapters already, was never saved as a whole, or has no such
                layers.
        """
        self.base = attach_new(self.model, self._folder, rank, alpha, targets, seed=seed)

    def merge_adapters(self) -> None:
        """Turn adapters into changes of the model's own weights, which are then saved whole."""
        merge_adapters(self.model)
        self.base = None

    def save(self, folder: str | Path) -> None:
        """Write model, tokenizer and settings as safetensors and JSON, all or nothing.

        Of a policy with adapters, these are written alone, in the format of peft.

        Raises:
            ForeignFilesError: the folder holds files that are not those of a policy.
        """
        prompt = self.prompt_settings
        usual = PromptSettings()
        left_out = {name for name in _NEW if getattr(prompt, name) == getattr(usual, name)}
        settings = {"env_id": self.env_id, **prompt.model_dump(mode="json", exclude=left_out)}
        if self.base is not None:
            settings[_BASE_DIGEST] = self.base.sha256
        with whole_folder(Path(folder)) as fresh:
            with no_progress_bars():
                if self.base is None:
                    self.model.save_pretrained(fresh)
                else:
                    save_adapters(self.model, self.base, fresh)
                self.tokenizer.save_pretrained(fresh)
            (fresh / SETTINGS_FILE).write_text(json.dumps(settings) + "\n", encoding="utf-8")

    def with_prompt(self, **changes: object) -> ModelPolicy:
        """Return a policy of the same model and tokenizer with other prompt settings.

        The engine is the same too, unless responses end by other tokens.

        Raises:
            PolicyError: a setting does not exist, or cannot have that value.
        """
        settings = {**self.prompt_settings.model_dump(), **changes}
        prompt = validated(settings, "prompt settings")
        same = prompt.end_tokens == self.prompt_settings.end_tokens
        return ModelPolicy(
            self.model,
            self.tokenizer,
            prompt,
            env_id=self.env_id,
            engine=SharedEngine(self.engine) if same else self._factory,
            folder=self._folder,
            base=self.base,
        )


def load_policy(folder: str | Path, *, engine: EngineFactory | None = None) -> ModelPolicy:
    """Load a saved policy, or any chat model in Hugging Face format.

    A model that was not saved by `ModelPolicy.save` is prompted through its tokenizer's chat
    template, with the last two turns and the admissible actions (`PromptSettings.for_chat`).

    Args:
        folder: folder of the saved policy or model.
        engine: factory of the engine; by default an engine in this process. `placed_engines` says
            on which device and in which data type the model is loaded, which is otherwise float32
            on a CPU.

    Raises:
        PolicyError: the folder holds neither a policy nor a model, or a file of it is damaged.
        TemplateError: the tokenizer has no chat template, or one that cannot be used.
        UnsupportedModelError: the model is of a family that engine and learner do not compute, or
            their log-probabilities differ from its own.
        UnsupportedRequestError: the policy goes beyond the engine's capabilities.
    """
    folder = Path(folder)
    base = base_of(folder) if (folder / ADAPTER).is_file() else None
    # What a folder of adapters does not hold is its base model's.
    places = (folder,) if base is None else (folder, base.folder)
    settings = _first(SETTINGS_FILE, places)
    prompt, digest = None, ""
    if settings is not None:
        env_id, prompt, digest = _read_settings(settings)
    elif base is not None or ((folder / CONFIG).is_file() and (folder / TOKENIZER).is_file()):
        env_id = ""
    else:
        raise PolicyError(
            f"{folder} holds no policy ({SETTINGS_FILE} is missing) and no Hugging Face model "
            "with config.json and tokenizer.json: give the folder that a run has saved, such as "
            "runs/NAME/policy"
        )
    tokens = (_first(TOKENIZER, places) or folder / TOKENIZER).parent
    tokenizer = load_tokenizer(tokens)
    where, dtype = place_of(engine)
    if base is None:
        model = load_model(folder, where, dtype)
    else:
        model = load_adapted(folder, replace(base, sha256=digest), where, dtype)
        base = replace(base, sha256=digest or weights_digest(base.folder))
    if len(tokenizer) > model.config.vocab_size:
        raise PolicyError(
            f"{tokens / TOKENIZER} has {len(tokenizer)} tokens, but the model of {CONFIG} only "
            f"{model.config.vocab_size}: they are not of one model"
        )
    prompt = prompt or PromptSettings.for_chat(model.num_parameters())
    try:
        return ModelPolicy(
            model, tokenizer, prompt, env_id=env_id, engine=engine, folder=folder, base=base
        )
    except TemplateError as error:
        raise TemplateError(f"{tokens / TOKENIZER}: {error}") from error


def _first(name: str, places: Sequence[Path]) -> Path | None:
    """Return the first file of a name; None if no place has one."""
    return next((path for place in places if (path := place / name).is_file()), None)


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


def _read_settings(path: Path) -> tuple[str, PromptSettings, str]:
    """Return the environment's id, the prompt settings, and the digest of a base model."""
    settings = read_object(path)
    digest = settings.pop(_BASE_DIGEST, "")
    env_id = settings.pop("env_id", None)
    if not isinstance(env_id, str):
        raise PolicyError(f"{path} is damaged (env_id is no text): save the policy again")
    if not isinstance(digest, str):
        raise PolicyError(f"{path} is damaged ({_BASE_DIGEST} is no text): save the policy again")
    return env_id, validated(settings, str(path)), digest
