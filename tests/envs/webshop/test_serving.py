"""The shop in a browser: the same pages, the same purchases."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, find_chromium
from flask.testing import FlaskClient

from anchorgym.envs.errors import UnknownTaskError
from anchorgym.envs.webshop import WebShopEnv
from anchorgym.envs.webshop.generator import asin_of
from anchorgym.envs.webshop.serving import AddressError, make_app, make_server

TASK = f"{asin_of(0)}/0"


@pytest.fixture
def customer() -> FlaskClient:
    return make_app(task=TASK).test_client()


def click(customer: FlaskClient, action: str) -> str:
    """Post an action as a button does, and return the page that follows."""
    form = {"keywords": action[7:-1]} if action.startswith("search[") else {"action": action}
    answer = customer.post("/act", data=form, follow_redirects=True)
    assert answer.status_code == 200
    return answer.text


def test_a_person_is_shown_what_the_environment_shows(customer: FlaskClient) -> None:
    env = WebShopEnv(observation="html", max_turns=100)
    env.reset(options={"task": TASK})
    assert customer.get("/", follow_redirects=True).status_code == 200
    done = False
    while not done:
        action = env.expert_action()
        *_, done, _, _ = env.step(action)
        page = click(customer, action)
        for text in (env.goal, *(piece.text for piece in env.shopping.page.pieces)):
            assert (
                text.replace("&", "&amp;")
                .replace("'", "&#39;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace('"', "&#34;")
                in page
            )
    assert "Your score (min 0.0, max 1.0): 1<" in page
    assert "within the limit" in page


def test_an_action_that_does_nothing_says_why(customer: FlaskClient) -> None:
    assert "nothing to click" in click(customer, "click[buy now]")
    assert "search[] needs keywords" in click(customer, "search[]")
    assert "an action is" in click(customer, "")


def test_customers_do_not_meet() -> None:
    app = make_app(task=TASK)
    one, other = app.test_client(), app.test_client()
    click(one, "search[shirts]")
    assert 'id="search_input"' in other.get("/", follow_redirects=True).text
    assert "Page 1" in one.get("/", follow_redirects=True).text


def test_any_address_leads_to_the_page_one_is_on(customer: FlaskClient) -> None:
    click(customer, "search[red & blue/shirts]")
    answer = customer.get("/item_page/W0001/x/1/{}")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/search_results/red+%26+blue%2Fshirts/1"
    assert customer.get(answer.headers["Location"]).status_code == 200


def test_turns_run_out_and_another_customer_can_begin() -> None:
    customer = make_app(max_turns=2, task=TASK).test_client()
    click(customer, "search[shirts]")
    assert "out of turns" in click(customer, "click[next >]")
    assert "out of turns" in click(customer, "click[< prev]")
    page = customer.post("/new", follow_redirects=True).text
    assert 'id="search_input"' in page
    assert "0 of 2 turns" in page


def test_what_cannot_be_served_is_said_at_once() -> None:
    with pytest.raises(UnknownTaskError):
        make_app(task="nothing")
    app = make_app()
    server = make_server(app, "127.0.0.1", 0)
    try:
        with pytest.raises(AddressError, match="--port"):
            make_server(app, "127.0.0.1", server.server_port)
    finally:
        server.server_close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = make_server(make_app(task=TASK), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_browser_can_shop(address: str, tmp_path: Path) -> None:
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium here: apt-get install chromium, or put one on PATH")
    env = WebShopEnv(max_turns=100)
    env.reset(options={"task": TASK})
    with Browser(program) as browser:
        browser.look()
        browser.send("Page.navigate", url=f"{address}/")
        arrive(browser, "/index")
        while not env.shopping.done:
            action = env.expert_action()
            env.step(action)
            if action.startswith("search["):
                keywords = json.dumps(action[7:-1])
                browser.run(f"document.querySelector('#search_input').value = {keywords}")
                browser.run("document.querySelector('.search button').click()")
            else:
                button = f"button[value={json.dumps(action)}]"
                browser.run(f"document.querySelector({json.dumps(button)}).click()")
            arrive(browser, address_of(env))
        assert "Your score (min 0.0, max 1.0): 1" in browser.run("document.body.innerText")
        assert browser.complaints == []
        assert all(url.startswith((address, "data:", "about:")) for url in browser.requests)
        for width in (1280, 400):
            browser.look(width=width)
            assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        browser.screenshot(tmp_path / "receipt.png")


def address_of(env: WebShopEnv) -> str:
    from anchorgym.envs.webshop.pages import address

    return address(env.shopping)


def arrive(browser: Browser, where: str) -> None:
    """Wait until a page is there."""
    end = time.monotonic() + 60
    script = "document.readyState + ' ' + location.pathname"
    while browser.run(script) != f"complete {where}":
        assert time.monotonic() < end, f"the browser is at {browser.run(script)}, not {where}"
        time.sleep(0.05)
