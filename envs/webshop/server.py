"""The web server of the shop's site: it waits for no browser.

One thread reads all requests and a few answer them, each only when it has arrived whole. What does
not arrive in time is closed, and of too many connections the one that has waited longest.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from typing import Any, Final

from anchorgym.envs.errors import AnchorgymError, requires_extra

with requires_extra("webshop-site", "the shop as a web site"):
    from waitress import wasyncore
    from waitress.adjustments import Adjustments
    from waitress.channel import HTTPChannel
    from waitress.server import TcpWSGIServer

THREADS: Final = 4
"""Threads that answer requests."""
MOST_CONNECTIONS: Final = 128
REQUEST_SECONDS: Final = 10.0
"""Time that a request has to arrive whole and its answer to be fetched, from the answer before."""
LARGEST_FORM: Final = 1 << 16
"""Most bytes of a request's body."""
LARGEST_HEADER: Final = 1 << 15
_BACKLOG: Final = 1024
_TICK: Final = 0.25
"""Seconds between looks for connections that are overdue."""
Application = Callable[[dict[str, Any], Any], Any]


class AddressError(AnchorgymError, OSError):
    """An address that cannot be served at."""


class _Connection(HTTPChannel):  # type: ignore[misc]
    """A connection that knows since when the server waits for its browser."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.waits_since = time.monotonic()
        super().__init__(*args, **kwargs)

    @property
    def is_served(self) -> bool:
        """Whether a request arrived whole and is not answered yet."""
        return bool(self.requests)

    def service(self) -> None:
        """Answer a request; see `HTTPChannel.service`."""
        super().service()
        self.waits_since = time.monotonic()


class SiteServer(TcpWSGIServer):  # type: ignore[misc]
    """A server that listens already; `serve_forever` answers.

    Args:
        app: the web site.
        listening: the socket that browsers connect to.
        seconds: that a request has to arrive in.
    """

    channel_class = _Connection

    def __init__(
        self, app: Application, listening: socket.socket, seconds: float = REQUEST_SECONDS
    ) -> None:
        self.seconds = seconds
        self._stops = False
        self._looks_at = 0.0
        logging.getLogger("waitress").addHandler(logging.NullHandler())
        settings = Adjustments(
            sockets=[listening],
            threads=THREADS,
            backlog=_BACKLOG,
            ident="",
            connection_limit=1 << 30,  # the limit is kept below
            channel_timeout=1 << 30,
            log_socket_errors=False,
            max_request_body_size=LARGEST_FORM,
            max_request_header_size=LARGEST_HEADER,
        )
        info = (listening.family, listening.type, listening.proto, listening.getsockname())
        super().__init__(app, {}, True, listening, adj=settings, sockinfo=info, bind_socket=False)

    @property
    def server_port(self) -> int:
        """The port that it serves at."""
        return int(self.effective_port)

    def serve_forever(self) -> None:
        """Answer until `shutdown`, or a KeyboardInterrupt, which is passed on."""
        while not self._stops:
            wasyncore.loop(timeout=_TICK, use_poll=True, map=self._map, count=1)
            now = time.monotonic()
            if now >= self._looks_at:
                self._looks_at = now + _TICK
                self._close_overdue(now)

    def shutdown(self) -> None:
        """Make `serve_forever` return; another thread calls this."""
        self._stops = True
        self.pull_trigger()

    def server_close(self) -> None:
        """Close all connections and the socket, once `serve_forever` has returned."""
        self.task_dispatcher.shutdown()
        wasyncore.close_all(self._map)

    def readable(self) -> bool:
        """Whether another connection can be accepted."""
        if not self.accepting:
            return False
        connections = self.active_channels.values()
        return len(connections) < MOST_CONNECTIONS or any(not c.is_served for c in connections)

    def handle_accept(self) -> None:
        """Accept a connection, and close the one that has waited longest if it is one too many."""
        super().handle_accept()  # first: a number of a closed file could be given again at once
        if len(self.active_channels) > MOST_CONNECTIONS:
            waiting = [c for c in self.active_channels.values() if not c.is_served]
            if waiting:
                min(waiting, key=lambda c: c.waits_since).handle_close()

    def _close_overdue(self, now: float) -> None:
        for connection in list(self.active_channels.values()):
            if not connection.is_served and connection.waits_since < now - self.seconds:
                connection.handle_close()


def make_server(
    app: Application, host: str, port: int, *, seconds: float = REQUEST_SECONDS
) -> SiteServer:
    """Return a server that listens already; `serve_forever` answers.

    Args:
        app: the web site.
        host: name or address of this machine.
        port: 0 takes any that is free.
        seconds: that a request has to arrive in.

    Raises:
        AddressError: the address is taken, or is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        raise AddressError(
            f"cannot serve at {host}:{port}: {error}. Choose another --port, such as 0 for any"
        ) from error
    return SiteServer(app, listening, seconds)
