"""The options of the engine `http`: what cannot be is said before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest

from anchorgym.agents.engines import EngineOptionError, engine_factory
from anchorgym.agents.engines.remote.http_engine import TOKEN


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "the address is missing"),
        ({"url": "localhost:8000"}, "no address of a server"),
        ({"url": "http://me:secret@host"}, "engine.token"),
        ({"url": "http://127.0.0.1:80/a b"}, "no address of a server"),
        ({"url": "http://" + "a" * 300}, "is no address"),
        ({"url": "http://127.0.0.1:80", "concurrency": 0}, "concurrency must be a whole number"),
        ({"url": "http://127.0.0.1:80", "timeout_s": "x"}, "timeout_s must be a number"),
        ({"url": "http://127.0.0.1:80", "timeout_s": 0}, "timeout_s must be a number"),
        ({"url": "http://127.0.0.1:80", "seeds": "x"}, "seeds must be true or false"),
        ({"url": "http://127.0.0.1:80", "adress": "x"}, "takes no option 'adress'"),
    ],
)
def test_options_that_cannot_be_are_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(EngineOptionError, match=says):
        engine_factory("http", **options)


@pytest.mark.parametrize("token", ["sec\nret", "secret™", "sec ret"])
def test_a_token_that_cannot_be_sent_is_not_shown(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = {"url": "http://127.0.0.1:80"}
    with pytest.raises(EngineOptionError, match="the token has a line break") as error:
        engine_factory("http", **address, token=token)
    assert "sec" not in str(error.value)
    monkeypatch.setenv(TOKEN, token)
    with pytest.raises(EngineOptionError, match=TOKEN):
        engine_factory("http", **address)
