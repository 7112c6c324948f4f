"""Where weights may be published."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from anchorgym.agents.engines.remote.addresses import is_loopback, parse_url, require_safe
from anchorgym.agents.engines.remote.contract import EngineUnavailableError, UnsafeAddressError


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://[::1]:8000/v1", "https://127.1.2.3"]
)
def test_this_machine_is_safe_without_a_token(url: str) -> None:
    assert is_loopback(parse_url(url))
    require_safe(parse_url(url), token=False)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.3:8000", "http://192.168.1.2", "http://[fd00::1]:1"]
)
def test_a_private_network_needs_a_token(url: str) -> None:
    address = parse_url(url)
    assert not is_loopback(address)
    with pytest.raises(UnsafeAddressError, match=r"give engine\.token"):
        require_safe(address, token=False)
    require_safe(address, token=True)


@pytest.mark.parametrize("url", ["http://8.8.8.8:8000", "https://[2600::1]:8000"])
def test_a_public_address_is_refused_with_advice(url: str) -> None:
    with pytest.raises(
        UnsafeAddressError, match="public address: reach the server through a tunnel"
    ):
        require_safe(parse_url(url), token=True)


def test_a_name_is_as_safe_as_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ["127.0.0.1", "93.184.216.34"]

    def resolve(*_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, 80)) for place in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(UnsafeAddressError):
        require_safe(parse_url("http://gpu-box:8000"), token=True)
    found.pop()
    require_safe(parse_url("http://gpu-box:8000"), token=False)


def test_an_unknown_host_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(EngineUnavailableError, match="no host 'nowhere'"):
        require_safe(parse_url("http://nowhere:1"), token=False)


def test_an_address_keeps_its_path() -> None:
    assert parse_url("https://host:8443/llm/v1/") == (True, "host", 8443, "/llm")
    assert parse_url("http://host").port == 80
