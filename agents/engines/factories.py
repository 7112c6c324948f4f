"""Engine factories, which make the engine that a setting names for a language model."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from anchorgym.agents.engines.contract import Capabilities, Engine, EngineError
from anchorgym.envs.errors import AnchorgymError, did_you_mean
from anchorgym.envs.plugins import is_reference, load_object

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ENGINES: Final = {
    "torch": "anchorgym.agents.engines.torch_engine:TorchFactory",
    "vllm": "anchorgym.agents.engines.remote.vllm_engine:VllmFactory",
    "http": "anchorgym.agents.engines.remote.http_engine:HttpFactory",
}
"""Engine factories of this package by name, as `module:Class`."""


class UnknownEngineError(AnchorgymError, LookupError):
    """An engine name that is unknown."""


class EngineOptionError(EngineError):
    """An option that an engine does not take.

    Attributes:
        option: name of the option.
    """

    def __init__(self, option: str, problem: str) -> None:
        self.option = option
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The language model that an engine is made for."""

    model: PreTrainedModel
    """The model in this process. An engine elsewhere starts from the weights in `folder`, or
    receives these by `load_weights`."""
    tokenizer: PreTrainedTokenizerBase
    """The tokenizer; its length is the number of token ids."""
    eos_ids: tuple[int, ...]
    """Tokens that close a response."""
    folder: Path | None = None
    """Folder of the model in Hugging Face format; of a model with adapters, that of its base model.
    None for a model that was never saved."""


class EngineFactory(Protocol):
    """Makes engines; its constructor takes the options of the `engine` section by keyword."""

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities of the factory's engines beyond sampling."""
        ...

    def make(self, served: ServedModel) -> Engine:
        """Return an engine that samples from a model."""
        ...


def find_engine(name: str) -> Callable[..., EngineFactory]:
    """Return the factory class of an engine, named in `ENGINES` or as `module:Name`.

    Raises:
        UnknownEngineError: there is no engine of that name.
        PluginError: the module cannot be imported, or does not define the class.
    """
    reference = ENGINES.get(name, name)
    if not is_reference(reference):
        raise UnknownEngineError(
            f"there is no engine {name!r}.{did_you_mean(name, ENGINES)} There are "
            f"{', '.join(ENGINES)}, and your own as module:Name"
        )
    found: Callable[..., EngineFactory] = load_object(reference, "an engine factory")
    return found


def engine_factory(name: str = "torch", **options: Any) -> EngineFactory:
    """Return the factory of an engine with its options.

    Raises:
        UnknownEngineError: there is no engine of that name.
        PluginError: the module cannot be imported, or does not define the class.
        EngineOptionError: the engine does not take an option, or not that value.
    """
    made = find_engine(name)
    known = [
        parameter.name
        for parameter in inspect.signature(made).parameters.values()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise EngineOptionError(
            unknown[0],
            f"the engine {name!r} takes no option {unknown[0]!r}."
            f"{did_you_mean(unknown[0], known)} It takes {', '.join(known) or 'none'}",
        )
    return made(**options)


@dataclass(frozen=True, slots=True)
class SharedEngine:
    """A factory that always returns one existing engine.

    Args:
        engine: engine that samples from the served model.
    """

    engine: Engine

    @property
    def capabilities(self) -> Capabilities:
        """The engine's capabilities."""
        return self.engine.capabilities

    def make(self, served: ServedModel) -> Engine:
        """Return the engine."""
        return self.engine
