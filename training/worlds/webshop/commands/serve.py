"""`anchorgym webshop serve`: open WebShop in a browser."""

from __future__ import annotations

from argparse import Namespace

from anchorgym.training.commands import EXIT_OK
from anchorgym.training.commands.command import (
    Command,
    Settings,
    UsageError,
    option,
    switch,
)

_ENV = "anchorgym/WebShop-v0"
_ANY = ("0.0.0.0", "::")
"""Addresses that stand for all of this computer's."""


def run(known: Namespace, given: Settings) -> int:
    """Serve until interrupted."""
    import webbrowser

    from anchorgym.envs.webshop.server import make_server
    from anchorgym.envs.webshop.serving import make_app
    from anchorgym.training.commands.environment import environment

    env = environment(given)
    if env.id not in (None, _ENV):
        raise UsageError(f"the environment is {_ENV}: leave out --env {env.id}")
    named = f"[{known.host}]" if ":" in known.host else known.host
    app = make_app(task=known.task, hosts=(named, *known.allow_host), **env.arguments)
    server = make_server(app, known.host, known.port)
    shown = "localhost" if known.host in _ANY else named
    address = f"http://{shown}:{server.server_port}/"
    print(f"WebShop is open at {address} (Ctrl-C closes it)", flush=True)
    if known.open:
        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()
    return EXIT_OK


COMMAND = Command(
    name="webshop serve",
    summary="Open WebShop as pages for a browser.",
    about="""
        Serves the pages of anchorgym/WebShop-v0, the same that agents see, and prints their
        address. Each browser gets a session of its own. Ctrl-C stops the server.
        Other computers reach it under the names that --allow-host gives.""",
    examples=(
        "anchorgym webshop serve --open",
        "anchorgym webshop serve --env.data FOLDER --env.split test",
        "anchorgym webshop serve --host 0.0.0.0 --allow-host shop.example.org",
    ),
    arguments=(
        option(
            "--host",
            "ADDRESS",
            "Address to serve at; by default this computer only.",
            default="127.0.0.1",
        ),
        option(
            "--port",
            "N",
            "Port to serve at; 0 takes any that is free.",
            type=int,
            default=3000,
            least=0,
        ),
        option(
            "--allow-host",
            "NAME",
            "Name that browsers may call this computer by, beside localhost and the --host "
            "address; it can be given several times.",
            many=True,
        ),
        option("--task", "ID", "First task; by default a random one of the split."),
        switch("--open", "Open the shop in the browser."),
    ),
    settings="anchorgym.training.commands.environment:EnvironmentSettings",
    run=run,
)
