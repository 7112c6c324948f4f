"""General settings of commands that train."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import (
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from anchorgym.training.config.limits import MOST_THREADS
from anchorgym.training.config.section import FOR_FILES, Section

MOVABLE: Final = (
    *("url", "token", "model", "weights", "memory", "concurrency"),
    *("timeout_s", "patience_s", "attempts"),
)
"""Options that say where and how an engine runs, and change no result: a resumed run may have
others."""


class EngineConfig(Section):
    """Engine that writes the responses. Keys beyond the name are its own options."""

    model_config = ConfigDict(
        extra="allow", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    name: str = "torch"
    """`torch` runs the model in this process, with the option `max_batch`, the most sessions that
    are answered together; `vllm` has vLLM run it in this process; `http` has a vLLM server run it,
    at the address `engine.url`, with the token `engine.token`. docs/engines.md says which options
    they take. `module:Name` is the factory class of an engine of your own."""

    @property
    def options(self) -> dict[str, Any]:
        """The engine's own options."""
        return dict(self.model_extra or {})

    @model_serializer(mode="wrap")
    def _without_secrets(self, dump: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        values = dump(self)
        if info.context == FOR_FILES:
            values.pop("token", None)
        return values


class DriverConfig(Section):
    """Driver, which lets episodes meet engines. Keys beyond the name are its own options."""

    model_config = ConfigDict(
        extra="allow", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    name: str = "lock_step"
    """`lock_step`, where all episodes take their turns together, or `module:Name`."""

    @property
    def options(self) -> dict[str, Any]:
        """The driver's own options."""
        return dict(self.model_extra or {})


class CheckpointConfig(Section):
    """Checkpoints, from which an interrupted run is resumed."""

    seconds: float = Field(30.0, ge=0)
    """Least number of seconds between two checkpoints, or 20 times what the last one took if that
    is more; 0 saves after every step that a run can go on from, such as an iteration, an epoch, or
    a pool of demonstrations."""
    keep: int = Field(2, ge=1)
    """Number of checkpoints that are kept; older ones are removed."""


class RunConfig(Section):
    """General settings of all commands that train."""

    seed: int = Field(0, ge=0)
    """Seed of every random draw of the run."""
    threads: int | None = Field(None, ge=1, le=MOST_THREADS)
    """Number of threads of tensor operations; more than 1 rarely pays on shared cores. By default
    the environment variable OMP_NUM_THREADS says it, and 1 where that is not set."""
    checkpoint: CheckpointConfig = CheckpointConfig()


class ModelConfig(Section):
    """How language policies run: device, data type and engine, which may be given by its name."""

    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """Device of language policies, in play and in training: `cpu`, `cuda`, `cuda:N`, or `auto` for
    the first GPU, and the CPU without one."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Data type of a policy's weights in play and in training. With `bfloat16` the optimizer keeps
    them in float32 too, so that small updates are not lost. `auto` is the one that a loaded policy
    was saved in if the device computes in it, and float32 for a new one."""
    engine: EngineConfig = EngineConfig()
    """Engine that writes the responses of language policies."""


class PolicyRunConfig(RunConfig, ModelConfig):
    """General settings of commands that train language policies.

    `driver` may be given by its name alone.
    """

    driver: DriverConfig = DriverConfig()
