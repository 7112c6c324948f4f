"""Engine factories: how an engine is named in settings, and what it is made for."""

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

ENGINES: Final = {"torch": "anchorgym.agents.engines.torch_engine:TorchFactory"}
"""Factories that ship with the package, by name: the module, and the class in it."""


class UnknownEngineError(AnchorgymError, LookupError):
    """A name under which there is no engine."""


class EngineOptionError(EngineError):
    """An option that an engine does not take.

    Attributes:
        option: its name.
    """

    def __init__(self, option: str, problem: str) -> None:
        self.option = option
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The language model that an engine is made for."""

    model: PreTrainedModel
    """In this process. An engine elsewhere begins with the weights of `folder`, or is given these
    by `load_weights`."""
    tokenizer: PreTrainedTokenizerBase
    """Its length is the number of token ids."""
    eos_ids: tuple[int, ...]
    """Tokens that close a response."""
    folder: Path | None = None
    """Where model and tokenizer were read from; None for a model that was never saved."""


class EngineFactory(Protocol):
    """Makes engines; its constructor takes the options of the `engine` section by keyword."""

    @property
    def capabilities(self) -> Capabilities:
        """What its engines can do beyond sampling."""
        ...

    def make(self, served: ServedModel) -> Engine:
        """Return an engine that writes with a model."""
        ...


def find_engine(name: str) -> Callable[..., EngineFactory]:
    """Return the factory class of an engine: one of `ENGINES`, or `module:Name`.

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
        EngineOptionError: it does not take an option, or not that value.
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
    """A factory that hands out one engine that is there already.

    Args:
        engine: writes with the model that it is asked for.
    """

    engine: Engine

    @property
    def capabilities(self) -> Capabilities:
        """Those of the engine."""
        return self.engine.capabilities

    def make(self, served: ServedModel) -> Engine:
        """Return the engine."""
        return self.engine
