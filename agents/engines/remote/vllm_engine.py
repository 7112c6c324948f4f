"""The engine `vllm`: vLLM writes the responses, in this process."""

from __future__ import annotations

import atexit
import importlib.util
import os
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
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
from anchorgym.agents.engines.remote.contract import (
    Answer,
    BadAnswerError,
    EngineUnavailableError,
    Order,
)
from anchorgym.agents.engines.remote.engine import RemoteEngine
from anchorgym.agents.engines.remote.options import require_number, require_switches
from anchorgym.agents.engines.remote.publishing import Publisher
from anchorgym.agents.engines.remote.vllm_wire import SCORING, read_scores, sampling_of
from anchorgym.agents.quiet import no_progress_bars
from anchorgym.envs.errors import MissingExtraError, reason_of, requires_extra

if TYPE_CHECKING:
    from torch import Tensor

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


_TOKENS: Final = 4096
"""Least number of tokens that vLLM reads at once on a CPU."""


class VllmBackend:
    """vLLM in this process.

    Args:
        engine: vLLM's `LLMEngine`.
        limit: largest number of tokens of a context.
        seeds: whether requests carry their seeds.
        sleeps: whether its memory is given up between rollouts.
    """

    takes_weights = True

    def __init__(self, engine: Any, *, limit: int, seeds: bool, sleeps: bool) -> None:
        self._engine, self._seeds, self._sleeps = engine, seeds, sleeps
        self._limit = limit
        self._label = ""
        self._asleep = False
        self._early: list[tuple[str, Answer | EngineError]] = []

    @property
    def limit(self) -> int | None:
        """Largest number of tokens of a context."""
        return self._limit

    def begin(self, order: Order) -> None:
        """Give vLLM an order."""
        self._wake()
        prompt = {"prompt_token_ids": list(order.prompt), "cache_salt": order.weights}
        try:
            self._add(order.id, prompt, sampling_of(order, seeds=self._seeds))
        except ValueError as error:  # vLLM's word for requests that it does not take
            refused = BadAnswerError(f"vLLM does not take a request ({reason_of(error)})")
            self._early.append((order.id, refused))

    def collect(self, timeout: float | None) -> list[tuple[str, Answer | EngineError]]:
        """Have vLLM compute until it has finished something; see `Backend.collect`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        found, self._early = self._early, []
        while not found and self._engine.has_unfinished_requests():
            found += [(output.request_id, _answer(output)) for output in self._finished()]
            if deadline is not None and time.monotonic() >= deadline:
                break
        return found

    def abort(self, order: str) -> None:
        """Have vLLM drop an order."""
        self._engine.abort_request([order])

    def score(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the log-probabilities of texts; see `Backend.score`."""
        self._wake()
        asked = {f"score-{number}": text for number, text in enumerate(texts)}
        for name, text in asked.items():
            self._add(name, {"prompt_token_ids": list(text)}, SCORING)
        found: dict[str, list[float]] = {}
        while len(found) < len(asked):
            for output in self._finished():
                name = output.request_id
                if name in asked:
                    said = {"prompt_logprobs": output.prompt_logprobs}
                    found[name] = read_scores(said, asked[name])
                else:
                    self._early.append((name, _answer(output)))
        return [found[name] for name in asked]

    def publish(self, tensors: Mapping[str, Tensor], label: str) -> None:
        """Hand tensors over to vLLM's model; see `Backend.publish`."""
        self._wake()
        self._label = ""
        self._engine.collective_rpc(_take_weights, args=(dict(tensors),))
        self._engine.reset_prefix_cache()
        self._engine.set_weight_version(label)
        self._label = label

    def weights(self) -> str:
        """Return the label of the present weights."""
        return self._label

    def revive(self) -> bool:
        """Do nothing: what fails in this process does not come back."""
        return False

    def rest(self) -> None:
        """Free the memory of keys and values, and move the weights to the processor's memory."""
        if self._sleeps and not self._asleep:
            self._engine.reset_prefix_cache()
            self._engine.sleep(level=1)
            self._asleep = True

    def _wake(self) -> None:
        if self._asleep:
            self._engine.wake_up()
            self._asleep = False

    def _add(self, number: str, prompt: Mapping[str, Any], sampling: Mapping[str, Any]) -> None:
        from vllm import SamplingParams

        self._engine.add_request(number, prompt, SamplingParams(**sampling))

    def _finished(self) -> Iterator[Any]:
        try:
            return iter([output for output in self._engine.step() if output.finished])
        except Exception as error:
            raise EngineUnavailableError(
                f"vLLM failed ({reason_of(error)}): start the run again, which goes on where it was"
            ) from error


def _answer(output: Any) -> Answer | EngineError:
    """Return what vLLM has written."""
    written = output.outputs[0]
    if written.finish_reason not in ("stop", "length"):
        return BadAnswerError(f"vLLM broke the response off ({written.finish_reason})")
    tokens = [int(token) for token in written.token_ids]
    try:
        logprobs = [
            float(entry[token].logprob)
            for token, entry in zip(tokens, written.logprobs, strict=True)
        ]
    except (KeyError, TypeError, ValueError) as error:
        return BadAnswerError(f"vLLM's log-probabilities are of other tokens ({error!r})")
    spans = written.weight_versions or ()
    return Answer(tokens, logprobs, tuple(str(span.version) for span in spans))


def _take_weights(worker: Any, tensors: dict[str, Tensor]) -> None:
    """Replace the weights of vLLM's model; it runs where that model is."""
    runner = worker.model_runner
    runner.reload_weights(weights_iterator=iter(tensors.items()))
    model = runner.get_model()
    head, device = getattr(model, "lm_head", None), next(model.parameters()).device
    method = getattr(head, "quant_method", None)
    if device.type == "cpu" and method is not None:
        # A head that is the embedding is not loaded itself, so its packed copy would stay old.
        method.process_weights_after_loading(head)


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

    def __post_init__(self) -> None:
        require_number("memory", self.memory, 0.01)
        if self.memory > 1:
            raise EngineOptionError("memory", f"memory is a share, at most 1: {self.memory}")
        for option in ("max_batch", "attempts"):
            require_number(option, getattr(self, option), 1, whole=True)
        require_switches(
            eager=self.eager,
            sleep=self.sleep,
            seeds=self.seeds,
            probe=self.probe,
            rehearse=self.rehearse,
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
        key = (self, served.model.config.to_json_string(), served.model.dtype)
        if key not in _STARTED:
            backend = self._start(served)
            _STARTED[key] = Publisher(backend, probe=self.probe, rehearse=self.rehearse)
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
        )
        try:
            with _own_generators():
                engine = LLMEngine.from_engine_args(arguments)
        except Exception as error:
            raise EngineError(
                f"vLLM does not start with this model ({reason_of(error)}): lower engine.memory if "
                "memory is short, or take the engine torch"
            ) from error
        return VllmBackend(engine, limit=limit, seeds=self.seeds, sleeps=self.sleep)


_STARTED: Final[dict[object, Publisher]] = {}
"""What runs in this process, by factory, architecture and data type."""


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
    folder = tempfile.TemporaryDirectory(prefix="anchorgym-vllm-")
    atexit.register(folder.cleanup)
    with no_progress_bars():
        save_plain(served.model, Path(folder.name))
    return Path(folder.name)
