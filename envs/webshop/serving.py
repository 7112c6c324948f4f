"""The shop as a web site: the environment behind real pages, for people.

Every browser has an environment of its own, found by a cookie. A click posts the action that its
button stands for, the environment takes a step, and the browser is sent to the address of the page
it is on now. An address that is not the present page's leads there: what was done stays done.
"""

from __future__ import annotations

import secrets
import socket
import threading
from collections import OrderedDict
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from anchorgym.envs.errors import AnchorgymError, requires_extra
from anchorgym.envs.webshop.env import WebShopEnv
from anchorgym.envs.webshop.html import STYLE, as_html
from anchorgym.envs.webshop.pages import address

with requires_extra("webshop-site", "the shop as a web site"):
    from flask import Flask, Response, redirect, request
    from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler
    from werkzeug.serving import make_server as make_wsgi_server
    from werkzeug.wrappers import Response as BaseResponse

COOKIE: Final = "webshop"
MOST_CUSTOMERS: Final = 256
"""Customers that are remembered, those seen last."""
MAX_TURNS: Final = 100
"""Turn limit of people, unless they choose another."""
_SECONDS: Final = 7 * 24 * 3600
_LARGEST_FORM: Final = 1 << 16


class AddressError(AnchorgymError, OSError):
    """An address that cannot be served at."""


class Customer:
    """One browser's environment, and how its last action was taken."""

    def __init__(self, env: WebShopEnv, task: str | None) -> None:
        self.env = env
        self.reason = ""
        self.over = False
        self.start(task)

    def start(self, task: str | None = None) -> None:
        """Begin a task: one that is named, or another one that is drawn."""
        options = None if task is None else {"task": task}
        self.env.reset(seed=secrets.randbits(31), options=options)
        self.reason, self.over = "", False

    def act(self, action: str) -> None:
        """Take a turn, unless the episode is over."""
        if not (self.over or self.env.shopping.done):
            _, _, _, self.over, info = self.env.step(action)
            self.reason = info["reason"]

    def page(self) -> str:
        """Return the page that the customer is on."""
        at = self.env.shopping
        return as_html(
            at,
            at.page,
            turn=self.env.turn,
            max_turns=self.env.max_turns,
            reason=self.reason,
            parts=at.parts,
            over=self.over and not at.done,
        )


class Customers:
    """All customers by their cookie; the ones who came longest ago are forgotten."""

    def __init__(self, task: str | None, arguments: dict[str, Any]) -> None:
        self._task = task
        self._arguments = {"max_turns": MAX_TURNS, **arguments, "observation": "html"}
        self._known: OrderedDict[str, Customer] = OrderedDict()
        self.lock = threading.Lock()
        self._new()  # what is wrong with the arguments is said before anything is served

    def find(self, key: str | None) -> tuple[str, Customer]:
        """Return the customer of a cookie, or a new one with a new cookie."""
        if key is None or key not in self._known:
            key = secrets.token_urlsafe(16)
            self._known[key] = self._new()
            if len(self._known) > MOST_CUSTOMERS:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return key, self._known[key]

    def _new(self) -> Customer:
        return Customer(WebShopEnv(**self._arguments), self._task)


def make_app(*, task: str | None = None, **arguments: Any) -> Flask:
    """Return the web site.

    Args:
        task: what every customer begins with; None draws one.
        arguments: of the environment.

    Raises:
        AnchorgymError: they make no environment, or there is no such task.
    """
    # Flask looks for a folder of its own beside the package, and loses its way in a namespace.
    nowhere = str(Path(__file__).with_name("instance"))
    app = Flask("anchorgym.envs.webshop", static_folder=None, instance_path=nowhere)
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST_FORM
    customers = Customers(task, arguments)
    style = files("anchorgym.envs.webshop").joinpath("site", STYLE).read_text(encoding="utf-8")

    @app.get(f"/{STYLE}")
    def stylesheet() -> Response:
        return Response(style, mimetype="text/css")

    @app.post("/act")
    def act() -> BaseResponse:
        with customers.lock:
            key, customer = customers.find(request.cookies.get(COOKIE))
            keywords = request.form.get("keywords")
            action = f"search[{keywords}]" if keywords is not None else request.form.get("action")
            customer.act(action or "")
            return _known(redirect(address(customer.env.shopping), 303), key)

    @app.post("/new")
    def new() -> BaseResponse:
        with customers.lock:
            key, customer = customers.find(request.cookies.get(COOKIE))
            customer.start()
            return _known(redirect(address(customer.env.shopping), 303), key)

    @app.get("/", defaults={"path": ""})
    @app.get("/<path:path>")
    def show(path: str) -> BaseResponse:
        with customers.lock:
            key, customer = customers.find(request.cookies.get(COOKIE))
            here = address(customer.env.shopping)
            if f"/{path}" != unquote(here):
                return _known(redirect(here, 303), key)
            return _known(Response(customer.page(), mimetype="text/html"), key)

    return app


def make_server(app: Flask, host: str, port: int) -> BaseWSGIServer:
    """Return a server that listens already; `serve_forever` answers.

    Raises:
        AddressError: the address is taken, or is not this machine's.
    """
    try:
        with socket.create_server((host, port)) as probe:
            port = probe.getsockname()[1]
        return make_wsgi_server(host, port, app, threaded=True, request_handler=_Quiet)
    except (OSError, OverflowError) as error:
        raise AddressError(
            f"cannot serve at {host}:{port}: {error}. Choose another --port, such as 0 for any"
        ) from error


class _Quiet(WSGIRequestHandler):
    """Says nothing of every request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return


def _known(response: BaseResponse, key: str) -> BaseResponse:
    response.set_cookie(COOKIE, key, max_age=_SECONDS, httponly=True, samesite="Lax")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = "default-src 'self'; img-src data:"
    return response
