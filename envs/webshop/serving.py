"""The shop as a web site: the environment behind real pages, for people.

Every browser has an environment of its own, found by a signed cookie. A click posts the action that
its button stands for, with a token of the cookie, so that no other site can click; the environment
takes a step, and the browser is sent to the address of the page it is on now. An address that is
not the present page's leads there: what was done stays done.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Collection
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from anchorgym.envs.errors import requires_extra
from anchorgym.envs.webshop.customers import Customer, Customers, ShopFullError
from anchorgym.envs.webshop.html import STYLE
from anchorgym.envs.webshop.pages import address
from anchorgym.envs.webshop.server import LARGEST_FORM

with requires_extra("webshop-site", "the shop as a web site"):
    from flask import Flask, Response, redirect, request, session
    from werkzeug.wrappers import Response as BaseResponse

COOKIE: Final = "webshop"
LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
"""Names of this machine to itself, which the site always answers to."""
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_REMEMBERED: Final = timedelta(days=7)
_LONGEST_ADDRESS: Final = 2000
"""Characters of an address that every browser takes."""
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(:\d+)?")
_OUT_OF_DATE: Final = (
    "<!DOCTYPE html><title>WebShop</title><p>This page is out of date, or cookies are off. "
    '<a href="/">Back to the shop</a></p>'
)


def make_app(*, task: str | None = None, hosts: Collection[str] = (), **arguments: Any) -> Flask:
    """Return the web site.

    Args:
        task: what every customer begins with; None draws one.
        hosts: names that it answers to beside those of this machine to itself, without ports.
        arguments: of the environment.

    Raises:
        AnchorgymError: they make no environment, or there is no such task.
    """
    # Flask looks for a folder of its own beside the package, and loses its way in a namespace.
    nowhere = str(Path(__file__).with_name("instance"))
    app = Flask("anchorgym.envs.webshop", static_folder=None, instance_path=nowhere)
    app.url_map.merge_slashes = False
    app.config.update(
        MAX_CONTENT_LENGTH=LARGEST_FORM,
        SECRET_KEY=secrets.token_bytes(32),
        SESSION_COOKIE_NAME=COOKIE,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=_REMEMBERED,
    )
    allowed = {_host_name(name) for name in (*LOCAL_HOSTS, *hosts)} - {""}
    _guard(app, allowed)
    _add_pages(app, Customers(task, arguments))
    return app


def _guard(app: Flask, allowed: Collection[str]) -> None:
    """Refuse requests to other names and forms of other sites; add the headers to all answers."""

    @app.before_request
    def check() -> BaseResponse | None:
        if _host_name(request.headers.get("Host", "")) not in allowed:
            text = "This shop does not answer to that name: it is allowed by --allow-host."
            return Response(text, 400, mimetype="text/plain")
        if request.method == "POST":
            token, given = session.get("token", ""), request.form.get("token", "")
            if not token or not secrets.compare_digest(token.encode(), given.encode()):
                return Response(_OUT_OF_DATE, 403)
        return None

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response


def _add_pages(app: Flask, customers: Customers) -> None:
    style = files("anchorgym.envs.webshop").joinpath("site", STYLE).read_text(encoding="utf-8")
    lock = threading.Lock()  # of the customers and the pages they share; never held while reading

    @app.get(f"/{STYLE}")
    def stylesheet() -> Response:
        return Response(style, mimetype="text/css")

    @app.post("/act")
    def act() -> BaseResponse:
        keywords = request.form.get("keywords")
        action = f"search[{keywords}]" if keywords is not None else request.form.get("action", "")
        with lock:
            customer = customers.take(session["customer"])
            customer.act(action)
            return redirect(_here(customer), 303)

    @app.post("/new")
    def new() -> BaseResponse:
        with lock:
            customer = customers.take(session["customer"])
            customer.start()
            return redirect(_here(customer), 303)

    @app.get("/", defaults={"path": ""})
    @app.get("/<path:path>")
    def show(path: str) -> BaseResponse:
        if "customer" not in session:
            session.permanent = True
            session["customer"], session["token"] = (secrets.token_urlsafe(16) for _ in range(2))
        with lock:
            customer = customers.look(session["customer"])
            here = _here(customer)
            if request.path != unquote(here):
                return redirect(here, 303)
            return Response(customer.page(session["token"]), mimetype="text/html")

    @app.errorhandler(ShopFullError)
    def full(error: ShopFullError) -> BaseResponse:
        return Response(str(error), 503, mimetype="text/plain")


def _here(customer: Customer) -> str:
    """Return the address of a customer's page.

    Where browsers would take it for another one, or might not take it, a hash stands for it: they
    resolve `.` and `..`, however these are written.
    """
    at = customer.env.shopping
    here = address(at)
    if len(here) <= _LONGEST_ADDRESS and not {"", ".", ".."} & set(here[1:].split("/")):
        return here
    return f"/{at.where}/{hashlib.blake2b(here.encode(), digest_size=8).hexdigest()}"


def _host_name(host: str) -> str:
    """Return the name in a Host header without its port; empty where it is none."""
    found = _HOST.fullmatch(host.strip().lower())
    return found[1] if found else ""
