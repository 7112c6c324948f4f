"""vLLM in this process: what it is given, and what it gives."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from anchorgym.agents.engines.contract import EngineError
from anchorgym.agents.engines.remote.contract import (
    AdapterFiles,
    AdaptersError,
    Answer,
    BadAnswerError,
    EngineUnavailableError,
    Order,
)
from anchorgym.agents.engines.remote.leases import Leases
from anchorgym.agents.engines.remote.vllm_wire import SCORING, read_scores, sampling_of
from anchorgym.agents.engines.remote.weights_folder import write_adapters
from anchorgym.envs.errors import reason_of

if TYPE_CHECKING:
    from torch import Tensor


class VllmBackend:
    """vLLM in this process.

    Args:
        engine: vLLM's `LLMEngine`.
        limit: largest number of tokens of a context.
        seeds: whether requests carry their seeds.
        sleeps: whether its memory is given up between rollouts.
        folder: folder that adapters are written to; None if whole weights are published.
    """

    takes_weights = True

    def __init__(
        self,
        engine: Any,
        *,
        limit: int,
        seeds: bool,
        sleeps: bool,
        folder: Path | None = None,
    ) -> None:
        self._engine, self._seeds, self._sleeps = engine, seeds, sleeps
        self._limit = limit
        self._label = ""
        self._folder = folder
        self._loaded: dict[str, Any] = {}
        """vLLM's requests for adapters, by label."""
        self._numbers = itertools.count(1)
        self._leases = Leases(self._unload)
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
        self._leases.begin(order.id, order.weights)
        try:
            sampling = sampling_of(order, seeds=self._seeds)
            self._add(order.id, prompt, sampling, self._loaded.get(order.weights))
        except ValueError as error:  # vLLM's word for requests that it does not take
            refused = BadAnswerError(f"vLLM does not take a request ({reason_of(error)})")
            self._early.append((order.id, refused))

    def collect(self, timeout: float | None) -> list[tuple[str, Answer | EngineError]]:
        """Have vLLM compute until it has finished something; see `Backend.collect`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        found, self._early = self._early, []
        while not found and self._engine.has_unfinished_requests():
            found += [(output.request_id, self._answer(output)) for output in self._finished()]
            if deadline is not None and time.monotonic() >= deadline:
                break
        for order, _ in found:
            self._leases.end(order)
        return found

    def abort(self, order: str) -> None:
        """Have vLLM drop an order."""
        self._engine.abort_request([order])
        self._leases.end(order)

    def score(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the log-probabilities of texts; see `Backend.score`."""
        self._wake()
        asked = {f"score-{number}": text for number, text in enumerate(texts)}
        for name, text in asked.items():
            self._add(
                name, {"prompt_token_ids": list(text)}, SCORING, self._loaded.get(self._label)
            )
        found: dict[str, list[float]] = {}
        while len(found) < len(asked):
            for output in self._finished():
                name = output.request_id
                if name in asked:
                    said = {"prompt_logprobs": output.prompt_logprobs}
                    found[name] = read_scores(said, asked[name])
                else:
                    self._early.append((name, self._answer(output)))
        return [found[name] for name in asked]

    def publish(self, tensors: Mapping[str, Tensor], label: str) -> None:
        """Hand tensors over to vLLM's model; see `Backend.publish`."""
        self._wake()
        self._label = ""
        self._engine.collective_rpc(_take_weights, args=(dict(tensors),))
        self._engine.reset_prefix_cache()
        self._engine.set_weight_version(label)
        self._label = label

    def publish_adapters(self, adapters: AdapterFiles, label: str) -> None:
        """Have vLLM load adapters from a folder; see `Backend.publish_adapters`."""
        from vllm.lora.request import LoRARequest

        assert self._folder is not None
        self._wake()
        self._leases.keep(label)
        folder = write_adapters(self._folder, adapters, label)
        request = LoRARequest(label, next(self._numbers), str(folder))
        try:
            self._engine.add_lora(request)
        except Exception as error:
            raise AdaptersError(
                f"vLLM does not serve these adapters ({reason_of(error)}): set engine.max_rank to "
                "at least their rank, or engine.adapters to false to publish merged weights"
            ) from error
        self._loaded[label], self._label = request, label

    def drop(self, label: str) -> None:
        """Have vLLM unload adapters that no order uses any more."""
        self._leases.drop(label)

    def _unload(self, label: str) -> None:
        if request := self._loaded.pop(label, None):
            self._engine.remove_lora(request.lora_int_id)

    def weights(self) -> frozenset[str]:
        """Return the labels of the present weights, or of the adapters."""
        return frozenset({self._label} if self._folder is None else self._loaded)

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
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()  # what torch keeps of an update is vLLM's now
            self._engine.wake_up()
            self._asleep = False

    def _add(
        self,
        number: str,
        prompt: Mapping[str, Any],
        sampling: Mapping[str, Any],
        adapters: Any,
    ) -> None:
        from vllm import SamplingParams

        if adapters is None:
            self._engine.add_request(number, prompt, SamplingParams(**sampling))
        else:
            given = SamplingParams(**sampling)
            self._engine.add_request(number, prompt, given, lora_request=adapters)

    def _answer(self, output: Any) -> Answer | EngineError:
        answer = _answer(output)
        if self._folder is not None and isinstance(answer, Answer):
            used = output.lora_request
            answer = replace(answer, weights=(used.lora_name if used is not None else "",))
        return answer

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
