"""Opening WebShop in a browser from the command line."""

from __future__ import annotations

import http.client
import threading

import pytest

from anchorgym.envs.webshop.server import SiteServer
from anchorgym.training.cli import main


@pytest.mark.parametrize(
    ("flags", "answered"),
    [
        ((), {"localhost": 200, "127.0.0.1": 200, "shop.example": 400}),
        (("--allow-host", "shop.example", "--allow-host=B.example"),
         {"localhost": 200, "shop.example": 200, "b.example": 200, "c.example": 400}),
        (("--host", "0.0.0.0"), {"localhost": 200, "0.0.0.0": 200, "shop.example": 400}),
    ],
)  # fmt: skip
def test_the_shop_answers_to_the_names_that_are_allowed_until_it_is_interrupted(
    flags: tuple[str, ...],
    answered: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serve, statuses, ports = SiteServer.serve_forever, {}, []

    def visit_and_interrupt(server: SiteServer) -> None:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        ports.append(server.server_port)
        for host in answered:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
            connection.request("GET", "/index", headers={"Host": host})
            statuses[host] = connection.getresponse().status
            connection.close()
        server.shutdown()
        thread.join()
        raise KeyboardInterrupt

    monkeypatch.setattr(SiteServer, "serve_forever", visit_and_interrupt)
    assert main(["webshop", "serve", "--port", "0", "--env.n_products", "50", *flags]) == 0
    assert statuses == answered
    name = "localhost" if flags[:1] == ("--host",) else "127.0.0.1"
    assert f"http://{name}:{ports[0]}/" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--port", "99999999"), "--port"),
        (("--host", "nowhere.invalid"), "cannot serve at"),
        (("--host", "a" * 70), "cannot serve at"),
        (("--task", "nothing"), "unknown task"),
        (("--allow-host",), "--allow-host needs a value"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    flags: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["webshop", "serve", "--port", "0", "--env.n_products", "50", *flags]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
