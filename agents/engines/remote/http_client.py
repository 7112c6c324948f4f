"""Calls of a server, whose failures are told apart: not there, no use, refused."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final

from anchorgym.agents.engines.remote.addresses import Address
from anchorgym.agents.engines.remote.contract import (
    BadAnswerError,
    EngineUnavailableError,
    MissingRouteError,
    RefusedRequestError,
)
from anchorgym.envs.errors import reason_of
from anchorgym.envs.texts import parse_json

_SHOWN: Final = 300
"""Characters of a server's message that an error shows."""
_LARGEST: Final = 2**28
"""Largest answer that is read, in bytes."""
_CONNECTING: Final = 10.0
"""Longest wait for a connection, in seconds."""
_TEMPORARY: Final = (408, 425, 429)
"""Statuses below 500 after which a request may be made again."""

Opened = Callable[[http.client.HTTPConnection], None]


class HttpClient:
    """Calls the routes of a server, each through a connection of its own.

    Args:
        address: address of the server.
        token: token that every request carries; "" for none.
        timeout: longest wait for an answer, in seconds.
    """

    def __init__(self, address: Address, token: str, timeout: float) -> None:
        self.address, self.timeout = address, timeout
        self._token = token

    def get(self, path: str, timeout: float | None = None) -> Any:
        """Return the JSON value of a route; see `post`."""
        return self._call("GET", path, None, timeout, None)

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        opened: Opened | None = None,
        reads: bool = True,
    ) -> Any:
        """Return the JSON value that a route answers with; None for an empty answer.

        Args:
            path: path of the route.
            body: JSON values to send.
            timeout: longest wait, in seconds; the client's by default.
            opened: is given the connection, so that it can be closed meanwhile.
            reads: whether the answer is read; None is returned otherwise.

        Raises:
            EngineUnavailableError: the server cannot be reached, or did not answer in time.
            MissingRouteError: it has no such route, or not the model of the request.
            RefusedRequestError: it does not take such requests.
            BadAnswerError: it failed, or its answer is no JSON.
        """
        return self._call("POST", path, body or {}, timeout, opened, reads=reads)

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        timeout: float | None,
        opened: Opened | None,
        *,
        reads: bool = True,
    ) -> Any:
        place = self.address
        kind = http.client.HTTPSConnection if place.secure else http.client.HTTPConnection
        seconds = self.timeout if timeout is None else timeout
        connection = kind(place.host, place.port, timeout=min(_CONNECTING, seconds))
        text = None if body is None else json.dumps(body)
        try:
            if opened is not None:
                opened(connection)
            connection.connect()
            connection.sock.settimeout(seconds)
            connection.request(method, place.path + path, text, self._headers())
            answer = connection.getresponse()
            status, read = answer.status, answer.read(_LARGEST)
        except TimeoutError as error:
            raise EngineUnavailableError(
                f"{self._named} did not answer {path} in {seconds:g} seconds: raise "
                "engine.timeout_s, or look at the server's log"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise EngineUnavailableError(
                f"{self._named} cannot be reached, or broke off ({reason_of(error)}): start it, "
                "or check engine.url"
            ) from error
        finally:
            connection.close()
        return self._value(path, status, read, reads=reads)

    def _value(self, path: str, status: int, read: bytes, *, reads: bool) -> Any:
        if status >= 500 or status in _TEMPORARY:
            raise BadAnswerError(f"{self._named} failed at {path} with {status}: {_shown(read)}")
        if status in (401, 403):
            raise RefusedRequestError(
                f"{self._named} wants another token ({status}): set engine.token to its --api-key"
            )
        if status == 404:
            raise MissingRouteError(
                f"{self._named} has no route {path}: start it with VLLM_SERVER_DEV_MODE=1 and "
                f"--enable-scale-out, and give the name of its model. It says: {_shown(read)}"
            )
        if status >= 300:
            raise RefusedRequestError(f"{self._named} refused {path} ({status}): {_shown(read)}")
        if not read or not reads:
            return None
        try:
            return parse_json(read, number=float)
        except ValueError as error:
            raise BadAnswerError(
                f"{self._named} gave no whole answer to {path} ({reason_of(error)})"
            ) from error

    @property
    def _named(self) -> str:
        return f"the server at {self.address.host}:{self.address.port}"

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers


def hang_up(connection: http.client.HTTPConnection) -> None:
    """Close a connection whose answer another thread is waiting for."""
    plug = connection.sock
    if plug is None:
        return
    try:
        plug.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _shown(read: bytes) -> str:
    return " ".join(read.decode("utf-8", "replace").split())[:_SHOWN] or "nothing"
