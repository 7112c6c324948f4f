"""The shop in a browser: the same pages, the same purchases."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, find_chromium
from flask.testing import FlaskClient

from anchorgym.envs.errors import UnknownTaskError
from anchorgym.envs.webshop import WebShopEnv
from anchorgym.envs.webshop import customers as customers_module
from anchorgym.envs.webshop.customers import Customers, ShopFullError
from anchorgym.envs.webshop.generator import asin_of
from anchorgym.envs.webshop.server import AddressError, make_server
from anchorgym.envs.webshop.serving import make_app

TASK = f"{asin_of(0)}/0"


@pytest.fixture
def customer() -> FlaskClient:
    return make_app(task=TASK).test_client()


def click(customer: FlaskClient, action: str) -> str:
    """Post an action as a button does, and return the page that follows."""
    form = {"keywords": action[7:-1]} if action.startswith("search[") else {"action": action}
    form["token"] = token(customer)
    answer = customer.post("/act", data=form)
    assert answer.status_code == 303
    answer = customer.get(answer.headers["Location"])
    assert answer.status_code == 200
    return answer.text


def token(customer: FlaskClient) -> str:
    """Return the token of the forms of the page that a customer is on."""
    answer = customer.get("/", follow_redirects=True)
    found = re.search(r'name="token" value="([^"]+)"', answer.text)
    return found[1] if found else ""


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


@pytest.mark.parametrize(
    "keywords",
    [".", "..", "...", "%2e", "%2f", "/", "//", "a//b", "../..", "?", "#", "a?b#c", "+", "%", "\\",
     ";", "a;b=c", "\r\nX: y", "ein Hemd ä 茶", "x" * 3000],
)  # fmt: skip
def test_whatever_is_searched_for_has_a_page_with_an_address_of_its_own(
    customer: FlaskClient, keywords: str
) -> None:
    """Browsers resolve dots and refuse what is too long, so addresses hold neither."""
    assert "Page 1 (" in click(customer, f"search[{keywords}]")
    where = customer.get("/", headers={"Host": "localhost"}).headers["Location"]
    assert len(where) <= 2000
    assert not {"", ".", ".."} & set(where[1:].split("/"))
    assert 'id="search_input"' in click(customer, "click[back to search]")


def test_a_search_for_nothing_leads_to_the_same_page(customer: FlaskClient) -> None:
    for keywords in ("", " "):
        assert "search[] needs keywords" in click(customer, f"search[{keywords}]")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:3000", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:3000", 200),
        ("shop.example:80", 200),
        ("[fe80::1]", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("localhost@evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("", 400),
        ("localhost:x", 400),
    ],
)
def test_it_answers_only_to_names_that_are_its_own(host: str, status: int) -> None:
    customer = make_app(task=TASK, hosts=("shop.example", "[fe80::1]", "")).test_client()
    for path in ("/index", "/style.css"):
        assert customer.get(path, headers={"Host": host}).status_code == status


def test_forms_of_other_sites_are_refused(customer: FlaskClient) -> None:
    other = make_app(task=TASK).test_client()
    stolen = token(other)
    own = token(customer)
    for path in ("/act", "/new"):
        for wrong in ({}, {"token": ""}, {"token": stolen}, {"token": own[:-1]}, {"token": "é"}):
            form = {"action": "click[x]", "keywords": "shirts", **wrong}
            assert customer.post(path, data=form).status_code == 403
    assert 'id="search_input"' in customer.get("/index").text
    stranger = make_app(task=TASK).test_client()
    assert stranger.post("/act", data={"keywords": "shirts"}).status_code == 403
    assert "Page 1" in click(customer, "search[shirts]")


def test_every_form_carries_the_token(customer: FlaskClient) -> None:
    for action in ("search[shirts]", f"click[{asin_of(0)}]", "click[features]", "click[< prev]",
                   "click[buy now]"):  # fmt: skip
        page = customer.get("/", follow_redirects=True).text
        assert page.count("<form") == page.count(f'name="token" value="{token(customer)}"') > 0
        if action.startswith("search"):
            click(customer, "search[dress shirts slim fit]")
        elif action.replace("<", "&lt;") in page:
            click(customer, action)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/index", 200), ("GET", "/", 303), ("GET", "/style.css", 200), ("POST", "/act", 403),
     ("PUT", "/act", 405), ("POST", "/nowhere", 403)],
)  # fmt: skip
def test_no_answer_can_be_framed_or_says_what_serves_it(
    customer: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = customer.open(path, method=method)
    assert answer.status_code == status
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "Server" not in answer.headers


def test_a_changed_cookie_is_a_new_visitor(customer: FlaskClient) -> None:
    click(customer, "search[shirts]")
    cookie = customer.get_cookie("webshop")
    assert cookie is not None
    customer.set_cookie("webshop", cookie.value[:-4] + "AAAA")
    assert 'id="search_input"' in customer.get("/", follow_redirects=True).text


def test_visitors_who_only_look_take_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(customers_module, "MOST_CUSTOMERS", 2)
    app = make_app(task=TASK)
    customer = app.test_client()
    click(customer, "search[shirts]")
    for _ in range(5):
        assert app.test_client().get("/index").status_code == 200
        assert app.test_client().post("/act", data={"keywords": "x"}).status_code == 403
    assert "Page 1" in customer.get("/", follow_redirects=True).text


def test_a_customer_who_came_lately_keeps_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(customers_module, "MOST_CUSTOMERS", 2)
    now = 0.0
    customers = Customers(TASK, {}, clock=lambda: now)
    first = customers.take("first")
    first.act("search[shirts]")
    now = 1000.0
    customers.take("second")
    with pytest.raises(ShopFullError):
        customers.take("third")
    assert customers.look("first") is first
    now = 2900.0
    third = customers.take("third")
    assert customers.look("third") is third
    assert customers.look("first") is first
    assert customers.look("second").env.turn == 0


def test_a_full_shop_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(customers_module, "MOST_CUSTOMERS", 1)
    app = make_app(task=TASK)
    click(app.test_client(), "search[shirts]")
    late = app.test_client()
    answer = late.post("/act", data={"keywords": "shirts", "token": token(late)})
    assert (answer.status_code, "full" in answer.text) == (503, True)


def test_the_first_page_is_the_same_until_something_is_done() -> None:
    customer = make_app().test_client()
    first = customer.get("/index").text
    assert customer.get("/index").text == first
    goal = re.search(r"Instruction:</h4><p>(.*?)</p>", first)
    assert goal is not None
    assert goal[1] in click(customer, "search[shirts]")


def test_turns_run_out_and_another_customer_can_begin() -> None:
    customer = make_app(max_turns=2, task=TASK).test_client()
    click(customer, "search[shirts]")
    assert "out of turns" in click(customer, "click[next >]")
    assert "out of turns" in click(customer, "click[< prev]")
    page = customer.post("/new", data={"token": token(customer)}, follow_redirects=True).text
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
