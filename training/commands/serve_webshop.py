"""`anchorgym serve-webshop`: shop in a browser."""

from __future__ import annotations

import argparse
import webbrowser

from anchorgym.training.commands import EXIT_OK, environment_arguments

HELP = "open WebShop as pages for a browser"
TAKES_ENV_ARGUMENTS = True


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that are not the environment's own."""
    parser.description = (
        "Serves the pages of anchorgym/WebShop-v0, the same that agents see. Each browser is a "
        "customer of its own. --env.KEY VALUE gives the environment an argument of its own."
    )
    parser.add_argument("--host", default="127.0.0.1", help="default: this computer only")
    parser.add_argument("--port", type=int, default=3000, help="0 takes any (default: 3000)")
    parser.add_argument("--data", help="folder with the official files")
    parser.add_argument("--split", help="to draw tasks from")
    parser.add_argument("--task", help="id of the first task (default: drawn from the split)")
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def run(known: argparse.Namespace, rest: list[str]) -> int:
    """Serve until interrupted."""
    from anchorgym.envs.webshop.serving import make_app, make_server

    arguments = environment_arguments(known, rest)
    server = make_server(make_app(task=known.task, **arguments), known.host, known.port)
    address = f"http://{known.host}:{server.server_port}/"
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
