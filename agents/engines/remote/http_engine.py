"""The engine `http`: a vLLM server writes the responses."""

from __future__ import annotations

import atexit
import http.client
import os
import queue
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from anchorgym.agents.engines.contract import Capabilities, EngineError
from anchorgym.agents.engines.factories import EngineOptionError, ServedModel
from anchorgym.agents.engines.remote.adapter_routes import AdapterRoutes, served_models
from anchorgym.agents.engines.remote.addresses import is_loopback, parse_url, require_safe
from anchorgym.agents.engines.remote.contract import (
    AdapterFiles,
    Answer,
    BadAnswerError,
    EngineUnavailableError,
    MissingRouteError,
    Order,
    WrongWeightsError,
)
from anchorgym.agents.engines.remote.engine import RemoteEngine
from anchorgym.agents.engines.remote.forms import AdapterForm, WholeForm
from anchorgym.agents.engines.remote.http_client import HttpClient, hang_up
from anchorgym.agents.engines.remote.leases import Leases
from anchorgym.agents.engines.remote.options import require_number, require_switches, require_text
from anchorgym.agents.engines.remote.publishing import Publisher
from anchorgym.agents.engines.remote.vllm_wire import (
    SCORING,
    read_choice,
    read_model,
    read_scores,
    sampling_of,
)
from anchorgym.agents.engines.remote.weights_folder import write_adapters, write_weights

if TYPE_CHECKING:
    from torch import Tensor

TOKEN: Final = "ANCHORGYM_ENGINE_TOKEN"
"""Environment variable that holds the token, so that it is in no file of the run."""
NO_WEIGHTS: Final = "none"
_GENERATE: Final = "/inference/v1/generate"
_LOADING: Final = "none"
"""Label of weights that are being replaced."""


class HttpBackend:
    """A vLLM server.

    Args:
        client: calls the server.
        model: name of its model; "" for the only one that it has.
        weights: folder, which the server can read too, that weights are written to; None if the
            server's weights are fixed.
        concurrency: most requests at a time.
        patience: longest wait for a server that is dead, in seconds.
        seeds: whether requests carry their seeds.
        token: whether the client has a token.
        adapters: whether the server's weights are fixed, and adapters are loaded beside them.
    """

    def __init__(
        self,
        client: HttpClient,
        *,
        model: str = "",
        weights: Path | None = None,
        concurrency: int = 64,
        patience: float = 600.0,
        seeds: bool = True,
        token: bool = False,
        adapters: bool = False,
    ) -> None:
        self._client, self._model = client, model
        self._folder, self._patience, self._has_token = weights, patience, token
        self._seeds = seeds
        self._limit: int | None = None
        self._calls = ThreadPoolExecutor(concurrency, thread_name_prefix="anchorgym-http")
        self._arrived: queue.SimpleQueue[tuple[str, Answer | EngineError]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._connections: dict[str, http.client.HTTPConnection | None] = {}
        self._adapters = AdapterRoutes(client) if adapters else None
        self._leases = Leases(AdapterRoutes(client).unload)
        self._newest = ""
        """Label of the adapters that were loaded last."""

    @property
    def limit(self) -> int | None:
        """Largest number of tokens of a context, as the server says."""
        return self._limit

    @property
    def takes_weights(self) -> bool:
        """Whether there is a folder for weights."""
        return self._folder is not None

    def begin(self, order: Order) -> None:
        """Ask the server in a thread."""
        with self._lock:
            self._connections[order.id] = None
        self._leases.begin(order.id, order.weights)
        self._calls.submit(self._ask, order)

    def collect(self, timeout: float | None) -> list[tuple[str, Answer | EngineError]]:
        """Return the answers that have come; see `Backend.collect`."""
        found = []
        try:
            found.append(self._arrived.get(timeout=timeout))
            while True:
                found.append(self._arrived.get_nowait())
        except queue.Empty:
            return found

    def abort(self, order: str) -> None:
        """Hang up: the server drops a request that nobody waits for."""
        with self._lock:
            connection = self._connections.pop(order, None)
        if connection is not None:
            hang_up(connection)
        self._leases.end(order)

    def score(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the log-probabilities of texts; see `Backend.score`."""
        self._meet()
        # A server on a CPU whose head could have an adapter dies of several texts at once.
        each = self._calls.map if self._adapters is None else map
        answers = each(lambda text: self._generate(list(text), SCORING), texts)
        return [read_scores(answer, text) for answer, text in zip(answers, texts, strict=True)]

    def publish(self, tensors: Mapping[str, Tensor], label: str) -> None:
        """Have the server read the weights from the folder; see `Backend.publish`."""
        assert self._folder is not None
        require_safe(self._client.address, token=self._has_token)
        self._meet()
        folder = write_weights(self._folder, tensors, label)
        self._client.post("/pause?mode=abort")
        try:
            self._client.post("/update_weight_version", {"new_version": _LOADING})
            reload = {"method": "reload_weights", "kwargs": {"weights_path": str(folder)}}
            self._client.post("/collective_rpc", reload)
            self._client.post("/reset_prefix_cache")
            self._client.post("/update_weight_version", {"new_version": label})
        finally:
            self._client.post("/resume")

    def publish_adapters(self, adapters: AdapterFiles, label: str) -> None:
        """Have the server load adapters from the folder; see `Backend.publish_adapters`."""
        assert self._folder is not None
        assert self._adapters is not None
        require_safe(self._client.address, token=self._has_token)
        self._meet()
        self._leases.keep(label)
        self._adapters.load(label, write_adapters(self._folder, adapters, label))
        self._newest = label

    def drop(self, label: str) -> None:
        """Have the server unload adapters that no order uses any more."""
        self._leases.drop(label)

    def weights(self) -> frozenset[str]:
        """Return the labels of the server's weights, or of its adapters."""
        require_safe(self._client.address, token=self._has_token)
        if self._adapters is not None:
            return self._adapters.loaded()
        found = self._client.get("/weight_info")
        return frozenset({str(found.get("weight_version"))} if isinstance(found, dict) else ())

    def revive(self) -> bool:
        """Wait until the server says that it is well; see `Backend.revive`."""
        began = time.monotonic()
        for attempt in range(10**6):
            try:
                self._client.get("/health", timeout=min(10.0, self._client.timeout))
            except (EngineUnavailableError, BadAnswerError) as error:
                waited = time.monotonic() - began
                if waited >= self._patience:
                    raise EngineUnavailableError(
                        f"{error}. It was waited for {waited:.0f} seconds (engine.patience_s)"
                    ) from error
                time.sleep(min(5.0, 0.1 * 2 ** min(attempt, 6), self._patience - waited))
            else:
                return attempt > 0
        raise AssertionError

    def rest(self) -> None:
        """Do nothing: the server is not in this machine's way."""

    def _meet(self) -> None:
        """Ask the server for its model's name and limit, once."""
        if self._limit is not None:
            return
        named = served_models(self._client)
        if (self._model and self._model not in named) or not named:
            raise EngineOptionError(
                "model", f"the server has no model {self._model!r}, but {', '.join(named)}"
            )
        self._model = self._model or next(iter(named))
        limit = named[self._model].get("max_model_len")
        self._limit = limit if isinstance(limit, int) else None

    def _generate(
        self, tokens: list[int], sampling: Mapping[str, Any], order: Order | None = None
    ) -> Any:
        body: dict[str, Any] = {"token_ids": tokens, "sampling_params": dict(sampling)}
        labelled = self._newest if order is None else order.weights
        if model := labelled if self._adapters is not None else self._model:
            body["model"] = model
        opened = None
        if order is not None:
            about = {"request_id": order.id, "cache_salt": order.weights, "output_mode": "tokens"}
            body |= about
            opened = partial(self._connected, order.id)
        try:
            return self._client.post(_GENERATE, body, opened=opened)
        except MissingRouteError as error:
            if self._adapters is None:
                raise
            raise WrongWeightsError(f"the server has lost its adapters: {error}") from error

    def _connected(self, order: str, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if order in self._connections:
                self._connections[order] = connection

    def _ask(self, order: Order) -> None:
        with self._lock:
            if order.id not in self._connections:
                return  # dropped before it was asked
        answer: Answer | EngineError
        try:
            said = self._generate(list(order.prompt), sampling_of(order, seeds=self._seeds), order)
            answer = read_choice(said)
            if self._adapters is not None:
                answer = replace(answer, weights=(read_model(said),))
            elif self._folder is None:  # its label says nothing of ours
                answer = replace(answer, weights=())
        except EngineError as error:
            answer = error
        except Exception as error:  # which a thread would keep for itself
            answer = BadAnswerError(f"the server's answer cannot be read ({error!r})")
        with self._lock:
            self._connections.pop(order.id, None)
        self._leases.end(order.id)
        self._arrived.put((order.id, answer))


@dataclass(frozen=True)
class HttpFactory:
    """Makes engines whose responses a vLLM server writes.

    Args:
        url: address of the server, such as `http://127.0.0.1:8000`.
        token: token that the server asks for (its `--api-key`); by default the value of the
            environment variable `ANCHORGYM_ENGINE_TOKEN`, which no file of the run shows.
        model: name of the model on the server, if it has several.
        weights: folder that weights are written to, which the server has to be able to read; by
            default a temporary one if the server is on this machine. `none` never changes the
            server's weights, for evaluations.
        concurrency: most requests at a time.
        timeout_s: longest wait for an answer, in seconds.
        patience_s: longest wait for a server that is dead to come back, in seconds.
        attempts: most attempts at a request that is not answered as it should.
        seeds: whether requests carry their seeds, so that a run can be repeated.
        probe: whether the server's log-probabilities are compared with the model's after every
            publication of weights.
        rehearse: whether very different weights are published once at first, which shows weights
            that do not arrive.
        adapters: whether adapters are published alone, for a server that has their base model and
            was started with `--enable-lora`.

    Raises:
        EngineOptionError: an option is missing, or cannot have that value.
    """

    url: str = ""
    token: str = ""
    model: str = ""
    weights: str = ""
    concurrency: int = 64
    timeout_s: float = 600.0
    patience_s: float = 600.0
    attempts: int = 4
    seeds: bool = True
    probe: bool = True
    rehearse: bool = True
    adapters: bool = False
    _made: list[Publisher] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parse_url(self.url)
        require_text(token=self.token, model=self.model, weights=self.weights)
        if not all("!" <= sign <= "~" for sign in self._secret):
            raise EngineOptionError(
                "token",
                "the token has a line break, a blank or a character that is not ASCII, which no "
                f"request can carry: correct engine.token, or {TOKEN}",
            )
        for option in ("concurrency", "attempts"):
            require_number(option, getattr(self, option), 1, whole=True)
        require_number("timeout_s", self.timeout_s, 1e-3)
        require_number("patience_s", self.patience_s, 0)
        require_switches(
            seeds=self.seeds, probe=self.probe, rehearse=self.rehearse, adapters=self.adapters
        )
        if self.adapters and self.weights == NO_WEIGHTS:
            raise EngineOptionError(
                "weights",
                "engine.adapters publishes adapters through a folder, so engine.weights cannot be "
                "none: name a folder that the server can read",
            )

    @property
    def capabilities(self) -> Capabilities:
        """The engine's capabilities beyond sampling."""
        return Capabilities(
            nucleus=True,
            shared_forks=True,
            trainable=self.weights != NO_WEIGHTS,
            seeded=self.seeds,
        )

    def make(self, served: ServedModel) -> RemoteEngine:
        """Return an engine that gives the server the weights of `served.model` when it is asked."""
        if not self._made:
            self._made.append(self._publisher())
        return RemoteEngine(
            self._made[0], served, capabilities=self.capabilities, attempts=self.attempts
        )

    @property
    def _secret(self) -> str:
        return self.token or os.environ.get(TOKEN, "")

    def _publisher(self) -> Publisher:
        client = HttpClient(parse_url(self.url), self._secret, self.timeout_s)
        backend = HttpBackend(
            client,
            model=self.model,
            weights=self._folder(client),
            concurrency=self.concurrency,
            patience=self.patience_s,
            seeds=self.seeds,
            token=bool(self._secret),
            adapters=self.adapters,
        )
        form = AdapterForm() if self.adapters else WholeForm()
        return Publisher(backend, probe=self.probe, rehearse=self.rehearse, form=form)

    def _folder(self, client: HttpClient) -> Path | None:
        if self.weights == NO_WEIGHTS:
            return None
        if self.weights:
            return Path(self.weights).absolute()
        if not is_loopback(client.address):
            raise EngineOptionError(
                "weights",
                "engine.weights is missing: name a folder that this machine and the server's can "
                "both reach under the same path, or none to evaluate with the server's weights",
            )
        folder = tempfile.TemporaryDirectory(prefix="anchorgym-weights-")
        atexit.register(folder.cleanup)
        return Path(folder.name)
