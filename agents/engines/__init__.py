"""Engines sample tokens: the contract, and the engine that runs a model in this process."""

from anchorgym.agents.engines.contract import (
    Capabilities,
    Engine,
    EngineError,
    Generation,
    Sampling,
    SessionKey,
    StaleWeightsError,
    Stop,
    UnsupportedRequestError,
    WeightsError,
    WeightSource,
    new_key,
)
from anchorgym.agents.engines.factories import (
    ENGINES,
    EngineFactory,
    EngineOptionError,
    ServedModel,
    UnknownEngineError,
    engine_factory,
    find_engine,
)
from anchorgym.agents.engines.seeding import mix_seed

__all__ = [
    "ENGINES",
    "Capabilities",
    "Engine",
    "EngineError",
    "EngineFactory",
    "EngineOptionError",
    "Generation",
    "Sampling",
    "ServedModel",
    "SessionKey",
    "StaleWeightsError",
    "Stop",
    "UnknownEngineError",
    "UnsupportedRequestError",
    "WeightSource",
    "WeightsError",
    "engine_factory",
    "find_engine",
    "mix_seed",
    "new_key",
]
