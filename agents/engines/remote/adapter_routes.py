"""Routes by which a vLLM server loads and unloads adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from anchorgym.agents.engines.contract import EngineError
from anchorgym.agents.engines.remote.contract import (
    AdaptersError,
    BadAnswerError,
    MissingRouteError,
)
from anchorgym.agents.engines.remote.http_client import HttpClient

_MODELS: Final = "/v1/models"
_LOAD, _UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"
_UNLOADING: Final = 10.0
"""Longest wait for adapters to be unloaded, in seconds."""
_START: Final = (
    "start the server with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, --enable-lora and "
    "--max-lora-rank of at least the adapters' rank"
)
_OR_MERGED: Final = "or set engine.adapters to false to publish merged weights"


class AdapterRoutes:
    """Loads adapters on a server, each under a name of its own.

    Args:
        client: calls the server.
    """

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def load(self, name: str, folder: Path) -> None:
        """Have the server load adapters from a folder, also if the name is loaded already.

        Raises:
            AdaptersError: the server has no such routes, does not find the folder, or does not
                serve these adapters.
            EngineError: it did not answer.
        """
        if name in self.loaded():
            self.unload(name)
        body = {"lora_name": name, "lora_path": str(folder)}
        try:
            self._client.post(_LOAD, body, reads=False)
        except MissingRouteError as error:
            raise AdaptersError(
                f"the server loads no adapters, or does not find {folder}: {_START}, name a "
                f"folder that it can read as engine.weights, {_OR_MERGED}. {error}"
            ) from error
        except BadAnswerError as error:
            self._client.get("/health")  # a server that died is another matter
            raise AdaptersError(
                f"the server does not serve these adapters: {_START}, {_OR_MERGED}. {error}"
            ) from error

    def unload(self, name: str) -> None:
        """Unload adapters; a server that has lost them, or is away, has nothing to unload."""
        try:
            self._client.post(_UNLOAD, {"lora_name": name}, timeout=_UNLOADING, reads=False)
        except EngineError:
            return

    def loaded(self) -> frozenset[str]:
        """Return the names of the models and adapters that the server has.

        Raises:
            EngineError: it does not say.
        """
        return frozenset(served_models(self._client))


def served_models(client: HttpClient) -> dict[str, dict[str, Any]]:
    """Return what a server says about each of its models and adapters, by name.

    Raises:
        EngineError: it did not answer, or does not say.
    """
    found = client.get(_MODELS)
    models = found.get("data") if isinstance(found, dict) else None
    if not isinstance(models, list) or not all(isinstance(one, dict) for one in models):
        raise BadAnswerError("the server does not say which models it has")
    return {str(one.get("id")): one for one in models}
