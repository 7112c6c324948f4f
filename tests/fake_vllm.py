"""A server that speaks vLLM's routes, over a model in this process, and misbehaves on demand."""

from __future__ import annotations

import copy
import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from fake_adapters import FakeAdapters
from safetensors.torch import load_file

from anchorgym.agents import Sampling
from anchorgym.agents.engines import Generation, Stop
from anchorgym.agents.engines.remote.weights_folder import require_stable
from anchorgym.agents.engines.torch_engine import TorchEngine
from anchorgym.agents.policies.folder import load_model

Answer = dict[str, Any]


def _nan(answer: Answer) -> None:
    answer["choices"][0]["logprobs"]["content"][0]["logprob"] = float("nan")


def _infinite(answer: Answer) -> None:
    answer["choices"][0]["logprobs"]["content"][-1]["logprob"] = float("-inf")


def _few(answer: Answer) -> None:
    answer["choices"][0]["logprobs"]["content"].pop()


def _foreign(answer: Answer) -> None:
    choice = answer["choices"][0]
    choice["token_ids"][0] = choice["logprobs"]["content"][0]["token_id"] = 10**6


def _short(answer: Answer) -> None:
    choice = answer["choices"][0]
    choice["token_ids"], choice["logprobs"]["content"] = [3], choice["logprobs"]["content"][:1]
    choice["logprobs"]["content"][0]["token_id"] = 3


def _aborted(answer: Answer) -> None:
    answer["choices"][0]["finish_reason"] = "abort"


def _version(answer: Answer) -> None:
    answer["choices"][0]["weight_versions"] = [{"version": "other-3", "start": 0, "end": 1}]


def _other(answer: Answer) -> None:
    answer["choices"] = "none"


SPOILED: dict[str, Callable[[Answer], None]] = {
    "nan": _nan,
    "infinite": _infinite,
    "few logprobs": _few,
    "foreign token": _foreign,
    "too short": _short,
    "aborted": _aborted,
    "wrong version": _version,
    "another form": _other,
}
"""Faults of an answer's content."""
BROKEN = ("500", "hang up", "cut off", "half JSON", "late")
"""Faults of the line."""


class FakeVllm:
    """A server; use it in a `with` block.

    Args:
        folder: folder of the model that it starts from.
        token: token that `/inference` and `/v1` ask for; "" for none.
        dev: whether it has the routes that change weights.
        rank: largest rank of adapters, 0 for a server that was started without them; None for one
            without the routes that load them.
    """

    def __init__(
        self, folder: Path, *, token: str = "", dev: bool = True, rank: int | None = None
    ) -> None:
        self.folder, self.token, self.dev = folder, token, dev
        self.faults: list[str] = []
        """Faults of the next responses, one each."""
        self.stale = ""
        """Beginning of the names of weights that a reload leaves as they are; "all" for all."""
        self.late_s = 1.0
        self.raw = False
        """Whether log-probabilities are those of temperature 1."""
        self.calls: Counter[str] = Counter()
        self.ids: list[str] = []
        self.salts: set[str] = set()
        self.seeds: list[int | None] = []
        self._lock = threading.Lock()  # the engine changes the model's attention while it writes
        self.held = threading.Event()
        """Responses wait for it."""
        self.held.set()
        self.rank, self.port = rank, 0
        self._server: ThreadingHTTPServer | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start with the weights of the folder, on the same port as before."""
        self.version = "default"
        self.model = copy.deepcopy(load_model(self.folder))
        self.adapters = FakeAdapters(self.rank or 0)
        self._asked: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=self._work, args=(self._asked,), daemon=True).start()
        fake = self

        class Handler(_Handler):
            server_model = fake

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def die(self) -> None:
        """End at once; who waits for an answer gets none."""
        if self._server is not None:
            self._server.shutdown()
            self._server.close_all()
            self._server.server_close()
            self._asked.put(None)
        self._server = None

    def __enter__(self) -> FakeVllm:
        return self

    def __exit__(self, *_: object) -> None:
        self.held.set()
        self.die()

    def generate(self, body: Answer) -> Answer:
        """Answer a request as vLLM does."""
        tokens, how = body["token_ids"], body["sampling_params"]
        name = body.get("model") or "m"
        model = self.adapters.models.get(name, self.model)
        if "prompt_logprobs" in how:
            return {"model": name, "prompt_logprobs": self._scores(model, tokens), "choices": []}
        if "-cold-" not in body["request_id"]:  # of the engine's users
            self.ids.append(body["request_id"])
        self.salts.add(body["cache_salt"])
        self.seeds.append(how["seed"])
        self.held.wait(20)
        version = self.version
        future: Future[Generation] = Future()
        self._asked.put((model, tokens, how, future))
        written = future.result(60)
        logprobs = written.logprobs
        if self.raw:
            scores = self._scores(model, [*tokens, *written.tokens])[len(tokens) :]
            logprobs = tuple(next(iter(entry.values()))["logprob"] for entry in scores)
        content = [
            {"token_id": token, "logprob": logprob, "top_logprobs": []}
            for token, logprob in zip(written.tokens, logprobs, strict=True)
        ]
        choice = {
            "finish_reason": "stop" if written.stop == Stop.EOS else "length",
            "token_ids": list(written.tokens),
            "weight_versions": [{"version": version, "start": 0, "end": len(content)}],
            "logprobs": {"content": content},
        }
        return {"request_id": body["request_id"], "model": name, "choices": [choice]}

    def reload(self, folder: Path) -> None:
        """Take the weights of a folder, but for those that stay old."""
        require_stable(folder)
        if self.stale == "all":
            return
        if self.stale:  # an old head beside a new embedding: no longer one tensor
            head: Any = self.model.get_output_embeddings()
            head.weight = torch.nn.Parameter(head.weight.detach().clone(), requires_grad=False)
        own = self.model.state_dict()
        for name, tensor in load_file(folder / "model.safetensors").items():
            if not (self.stale and name.startswith(self.stale)):
                own[name].copy_(tensor)

    @torch.no_grad()
    def _scores(self, model: Any, tokens: list[int]) -> list[Any]:
        with self._lock:
            logits = model(torch.tensor([tokens])).logits[0]
        logprobs = torch.log_softmax(logits.float(), -1)
        return [None] + [
            {str(token): {"logprob": float(logprobs[n, token]), "rank": 1}}
            for n, token in enumerate(tokens[1:])
        ]

    def _work(self, asked: queue.Queue[Any]) -> None:
        """Answer requests in one thread, those that have come together in one batch."""
        for number in range(10**9):
            batch = [asked.get()]
            while not asked.empty():
                batch.append(asked.get())
            if None in batch:
                return
            for model in {id(one[0]): one[0] for one in batch}.values():
                self._write(model, number, [one[1:] for one in batch if one[0] is model])

    def _write(self, model: Any, number: int, batch: list[Any]) -> None:
        """Answer requests of one model together."""
        engine = TorchEngine(model, ())
        waiting = {}
        for i, (tokens, how, future) in enumerate(batch):
            sampling = Sampling(
                how["max_tokens"],
                how["temperature"],
                seed=number if how["seed"] is None else how["seed"],
                top_p=how["top_p"],
                stop_ids=tuple(how["stop_token_ids"]),
            )
            engine.submit(i, tokens, sampling)
            waiting[i] = future
        with self._lock:
            while engine.waiting:
                for key, generation in engine.poll():
                    waiting[key].set_result(generation)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    block_on_close = False

    def __init__(self, *args: Any) -> None:
        self.open: set[Any] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def close_all(self) -> None:
        for request in list(self.open):
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients hang up on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server_model: FakeVllm

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        fake = self.server_model
        path = self.path.partition("?")[0]
        fake.calls[path] += 1
        if path == "/health":
            self._say(None)
        elif path == "/v1/models" and self._allowed():
            limit = fake.model.config.max_position_embeddings
            models = [{"id": "m", "max_model_len": limit}]
            models += [{"id": name, "max_model_len": None} for name in fake.adapters.models]
            self._say({"data": models})
        elif path == "/weight_info" and fake.dev:
            self._say({"weight_version": fake.version})
        elif path != "/v1/models":
            self._say({"detail": "Not Found"}, 404)

    def do_POST(self) -> None:
        fake = self.server_model
        path = self.path.partition("?")[0]
        fake.calls[path] += 1
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if path == "/inference/v1/generate":
            if self._allowed():
                self._generate(body)
        elif path in ("/v1/load_lora_adapter", "/v1/unload_lora_adapter"):
            if self._allowed():
                self._adapt(path, body)
        elif not fake.dev:
            self._say({"detail": "Not Found"}, 404)
        elif path == "/collective_rpc":
            fake.reload(Path(body["kwargs"]["weights_path"]))
            self._say({"results": [None]})
        elif path == "/update_weight_version":
            fake.version = body["new_version"]
            self._say({"success": True})
        else:
            self._say({"success": True})

    def _adapt(self, path: str, body: Answer) -> None:
        fake, name = self.server_model, body["lora_name"]
        if fake.rank is None:
            status, said = 404, {"detail": "Not Found"}
        elif path == "/v1/unload_lora_adapter":
            status, said = fake.adapters.unload(name)
        else:
            status, said = fake.adapters.load(fake.model, name, Path(body["lora_path"]))
        self._send(said.encode() if isinstance(said, str) else json.dumps(said).encode(), status)

    def _generate(self, body: Answer) -> None:
        fake = self.server_model
        if body.get("model") not in (None, "m", *fake.adapters.models):
            said = f"The model `{body['model']}` does not exist. Valid aliases: m."
            self._say({"error": {"message": said}}, 404)
            return
        scoring = "prompt_logprobs" in body["sampling_params"]
        fault = fake.faults.pop(0) if fake.faults and not scoring else ""
        if fault == "500":
            self._say({"error": "EngineDeadError"}, 500)
        elif fault == "400":
            self._say({"error": {"message": "a token is out of vocabulary"}}, 400)
        elif fault == "hang up":
            self.close_connection = True
        elif fault == "late":
            time.sleep(fake.late_s)
            self._say(fake.generate(body))
        else:
            answer = fake.generate(body)
            if fault in SPOILED:
                SPOILED[fault](answer)
            if fault == "wrong adapter":
                answer["model"] = "other-3"
            text = json.dumps(answer).encode()
            if fault == "cut off":
                self._send(text[: len(text) // 2], 200, len(text))
            elif fault == "half JSON":
                self._send(text[: len(text) // 2], 200)
            else:
                self._send(text, 200)

    def _allowed(self) -> bool:
        token = self.server_model.token
        if token and self.headers.get("Authorization") != f"Bearer {token}":
            self._say({"error": "Unauthorized"}, 401)
            return False
        return True

    def _say(self, value: Any, status: int = 200) -> None:
        self._send(b"" if value is None else json.dumps(value).encode(), status)

    def _send(self, text: bytes, status: int, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text) if length is None else length))
        self.end_headers()
        self.wfile.write(text)


@contextmanager
def restarting(server: FakeVllm, after: float) -> Iterator[None]:
    """Have a dead server start again, after some seconds."""
    timer = threading.Timer(after, server.start)
    timer.start()
    yield
    timer.join()
