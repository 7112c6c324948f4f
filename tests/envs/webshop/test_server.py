"""The shop's server before browsers that are slow, silent, many or wrong: with real sockets."""

from __future__ import annotations

import http.client
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from anchorgym.envs.webshop.generator import asin_of
from anchorgym.envs.webshop.server import MOST_CONNECTIONS, SiteServer, make_server
from anchorgym.envs.webshop.serving import make_app

TASK = f"{asin_of(0)}/0"
PATIENCE = 30.0
"""Seconds after which a test takes the server for stuck."""
UNFINISHED = (
    b"",
    b"GET /index HT",
    b"GET /index HTTP/1.1\r\nHost: localhost\r\n",
    b"POST /act HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nkeywords=",
    b"POST /act HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nke",
    b"POST /act HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
)


@contextmanager
def served(seconds: float = PATIENCE) -> Iterator[SiteServer]:
    """A server that answers in a thread of this process."""
    server = make_server(make_app(task=TASK), "127.0.0.1", 0, seconds=seconds)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def connect(server: SiteServer, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.server_port), timeout=PATIENCE)
    connection.sendall(sent)
    return connection


class Visitor:
    """A browser with a cookie and one connection for each request."""

    def __init__(self, server: SiteServer) -> None:
        self._server, self._cookie = server, ""

    def ask(
        self, method: str, path: str, body: str | None = None
    ) -> tuple[http.client.HTTPResponse, str]:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._server.server_port, timeout=PATIENCE
        )
        headers = {"Cookie": self._cookie, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        cookie = answer.headers.get("Set-Cookie", "")
        self._cookie = cookie.partition(";")[0] or self._cookie
        connection.close()
        return answer, text

    def search(self, keywords: str) -> str:
        """Search as a browser does, and return the page that it comes to."""
        _, page = self.ask("GET", "/index")
        token = re.search(r'name="token" value="([^"]+)"', page)
        assert token is not None
        answer, _ = self.ask("POST", "/act", f"keywords={keywords}&token={token[1]}")
        assert answer.status == 303
        return self.ask("GET", answer.headers["Location"])[1]


@pytest.mark.parametrize("sent", UNFINISHED)
def test_an_unfinished_request_stops_nobody(sent: bytes) -> None:
    with served() as server, ExitStack() as open_:
        for _ in range(8):  # more than there are threads
            open_.enter_context(connect(server, sent))
        assert "Page 1" in Visitor(server).search("shirts")


def test_half_open_connections_hold_neither_threads_nor_the_shop() -> None:
    with served() as server, ExitStack() as open_:
        threads = threading.active_count()
        for number in range(400):
            open_.enter_context(connect(server, UNFINISHED[number % len(UNFINISHED)]))
        assert "Page 1" in Visitor(server).search("shirts")
        assert threading.active_count() <= threads  # those of earlier tests may end meanwhile
        assert len(server.active_channels) <= MOST_CONNECTIONS


@pytest.mark.parametrize("sent", UNFINISHED)
def test_a_request_that_does_not_arrive_in_time_is_given_up(sent: bytes) -> None:
    with served(seconds=0.3) as server, connect(server, sent) as connection:
        assert_closed(connection)


def test_a_request_that_arrives_byte_by_byte_is_given_up_too() -> None:
    with served(seconds=0.5) as server, connect(server) as connection:
        stop = threading.Event()

        def drip() -> None:
            request = b"GET /index HTTP/1.1\r\nX: " + b"x" * 10_000
            for place in range(len(request)):
                try:
                    connection.send(request[place : place + 1])
                except OSError:
                    return
                if stop.wait(0.05):
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        assert_closed(connection)
        stop.set()
        thread.join()


def test_an_answer_that_nobody_fetches_is_given_up() -> None:
    page = b"GET /style.css HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with served(seconds=0.5) as server, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        connection.connect(("127.0.0.1", server.server_port))
        connection.sendall(page * 500)
        for _ in range(int(PATIENCE / 0.1)):
            if not server.active_channels:
                break
            threading.Event().wait(0.1)
        assert not server.active_channels


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /index HTTP/1.0\r\n\r\n", 400),
        (b"GET /index HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400),
        (b"POST /act HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST /act HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET /index HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET /index HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
    ],
)
def test_what_is_no_request_is_refused_without_a_version(request_: bytes, status: int) -> None:
    with served() as server, connect(server, request_) as connection:
        head = connection.recv(1 << 16).split(b"\r\n\r\n")[0].decode()
        assert int(head.split()[1]) == status
        assert not re.search(r"^(server|via|x-powered-by):|waitress|werkzeug", head, re.I | re.M)


def test_answers_come_in_order_on_one_connection() -> None:
    with served() as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENCE)
        for path, status in (("/index", 200), ("/nowhere", 303), ("/style.css", 200)):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
        connection.close()


def assert_closed(connection: socket.socket) -> None:
    """Wait until the server closes a connection."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        pass
