"""The engine `vllm`: vLLM writes the responses, in this process."""

from __future__ import annotations

import atexit
import importlib.util
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from anchorgym.agents.engines.adapters import save_plain
from anchorgym.agents.engines.contract import Capabilities, EngineError
from anchorgym.agents.engines.factories import EngineOptionError, ServedModel
from anchorgym.agents.engines.forward import position_limit
from anchorgym.agents.engines.remote.engine import RemoteEngine
from anchorgym.agents.engines.remote.forms import AdapterForm, WholeForm
from anchorgym.agents.engines.remote.options import require_number, require_switches
from anchorgym.agents.engines.remote.publishing import Publisher
from anchorgym.agents.engines.remote.vllm_backend import VllmBackend
from anchorgym.agents.quiet import no_progress_bars
from anchorgym.envs.errors import MissingExtraError, reason_of, requires_extra

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_SETTINGS: Final = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # weights are handed over as tensors
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}
"""Environment variables that vLLM reads when it starts, where they are not set."""
_OF_CPU: Final = {
    "KMP_BLOCKTIME": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_CPU_KVCACHE_SPACE": "1",
}


_RANKS: Final = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks that vLLM can be given room for."""
_TOGETHER: Final = 2
"""Adapters that vLLM computes with at a time, such as those of two roles."""
_TOKENS: Final = 4096
"""Least number of tokens that vLLM reads at once on a CPU."""


@dataclass(frozen=True)
class VllmFactory:
    """Makes engines whose responses vLLM writes, in this process.

    All of them share one vLLM, which has the weights of the engine that was asked last.

    Args:
        memory: share of the GPU's memory that vLLM takes.
        max_batch: most sessions that are answered together.
        eager: whether CUDA graphs are left out, to start faster and need less memory.
        sleep: whether vLLM gives up its memory between rollouts, for the learner; a CPU ignores it.
        seeds: whether requests carry their seeds, so that a run can be repeated.
        attempts: most attempts at a request that is not answered as it should.
        probe: whether vLLM's log-probabilities are compared with the model's after every update.
        rehearse: whether very different weights are loaded once at first, which shows weights that
            do not arrive.
        adapters: whether adapters are published alone, beside the weights of their base model.
        max_rank: largest rank of these adapters that vLLM has room for.

    Raises:
        EngineOptionError: an option cannot have that value.
        MissingExtraError: vLLM is not installed.
    """

    memory: float = 0.5
    max_batch: int = 256
    eager: bool = False
    sleep: bool = True
    seeds: bool = True
    attempts: int = 4
    probe: bool = True
    rehearse: bool = True
    adapters: bool = False
    max_rank: int = 64

    def __post_init__(self) -> None:
        require_number("memory", self.memory, 0.01)
        if self.memory > 1:
            raise EngineOptionError("memory", f"memory is a share, at most 1: {self.memory}")
        for option in ("max_batch", "attempts", "max_rank"):
            require_number(option, getattr(self, option), 1, whole=True)
        require_switches(
            eager=self.eager,
            sleep=self.sleep,
            seeds=self.seeds,
            probe=self.probe,
            rehearse=self.rehearse,
            adapters=self.adapters,
        )
        if self.max_rank > _RANKS[-1]:
            raise EngineOptionError(
                "max_rank",
                f"vLLM serves adapters up to rank {_RANKS[-1]}, not {self.max_rank}: set "
                "engine.adapters to false to publish merged weights",
            )
        if importlib.util.find_spec("vllm") is None:
            raise MissingExtraError("the engine vllm", "vllm")

    @property
    def capabilities(self) -> Capabilities:
        """The engine's capabilities beyond sampling."""
        return Capabilities(nucleus=True, shared_forks=True, seeded=self.seeds)

    def make(self, served: ServedModel) -> RemoteEngine:
        """Return an engine that computes with the weights of `served.model`.

        Raises:
            MissingExtraError: a package that vLLM needs is not installed.
            EngineError: vLLM does not run on this machine, or does not compute this model.
        """
        base = served.folder if self.adapters else None
        key = (self, served.model.config.to_json_string(), served.model.dtype, base)
        if key not in _STARTED:
            backend = self._start(served)
            form = AdapterForm() if self.adapters else WholeForm()
            _STARTED[key] = Publisher(backend, probe=self.probe, rehearse=self.rehearse, form=form)
        return RemoteEngine(
            _STARTED[key], served, capabilities=self.capabilities, attempts=self.attempts
        )

    def _start(self, served: ServedModel) -> VllmBackend:
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        with requires_extra("vllm", "the engine vllm"):
            from vllm import EngineArgs, LLMEngine
            from vllm.platforms import current_platform
        if current_platform.is_unspecified():
            raise EngineError(
                "vLLM finds no device that it was built for on this machine: take the engine "
                "torch, or http with a server elsewhere"
            )
        for name, value in _OF_CPU.items() if current_platform.is_cpu() else ():
            os.environ.setdefault(name, value)
        limit = position_limit(served.model.config) or 4096
        # On a CPU vLLM 0.32 dies of a seed whose prompt is read in several pieces.
        whole = current_platform.is_cpu() and self.seeds
        arguments = EngineArgs(
            model=str(_saved(served)),
            skip_tokenizer_init=True,
            dtype=str(served.model.dtype).removeprefix("torch."),
            max_model_len=limit,
            max_num_seqs=self.max_batch,
            gpu_memory_utilization=self.memory,
            enable_chunked_prefill=False if whole else None,
            max_num_batched_tokens=max(limit, _TOKENS) if whole else None,
            enforce_eager=self.eager or current_platform.is_cpu(),
            enable_sleep_mode=self.sleep and not current_platform.is_cpu(),
            logprobs_mode="processed_logprobs",
            generation_config="vllm",
            disable_log_stats=True,
            **self._room(served),
        )
        try:
            with _own_generators():
                engine = LLMEngine.from_engine_args(arguments)
        except Exception as error:
            raise EngineError(
                f"vLLM does not start with this model ({reason_of(error)}): lower engine.memory if "
                "memory is short, or take the engine torch"
            ) from error
        folder = _temporary() if self.adapters else None
        return VllmBackend(engine, limit=limit, seeds=self.seeds, sleeps=self.sleep, folder=folder)

    def _room(self, served: ServedModel) -> dict[str, Any]:
        """Return vLLM's settings for adapters.

        They leave out the head, which has no adapter: on a CPU vLLM 0.32 dies of several texts that
        it scores with adapters if its head could have one.
        """
        if not self.adapters:
            return {}
        return {
            "enable_lora": True,
            "max_lora_rank": next(rank for rank in _RANKS if rank >= self.max_rank),
            "max_loras": _TOGETHER,
            "lora_target_modules": _linear_names(served.model),
        }


_STARTED: Final[dict[object, Publisher]] = {}
"""What runs in this process, by factory, architecture and data type."""


def _linear_names(model: PreTrainedModel) -> list[str]:
    """Return the last parts of the names of a model's linear layers but its head."""
    head = model.get_output_embeddings()
    paths = [
        name.partition(".lora_")[0].removesuffix(".base_layer")
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    ]
    return sorted({path.rpartition(".")[2] for path in paths})


@contextmanager
def _own_generators() -> Iterator[None]:
    """Keep the random generators of this process, which vLLM seeds when it starts."""
    plain, numbers = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(plain)
        np.random.set_state(numbers)


def _saved(served: ServedModel) -> Path:
    """Return a folder with the model, which vLLM starts from."""
    if served.folder is not None:
        return served.folder
    folder = _temporary()
    with no_progress_bars():
        save_plain(served.model, folder)
    return folder


def _temporary() -> Path:
    """Return a new folder that goes with this process."""
    folder = tempfile.TemporaryDirectory(prefix="anchorgym-vllm-")
    atexit.register(folder.cleanup)
    return Path(folder.name)
