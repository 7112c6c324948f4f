"""Addresses of servers: where weights may be published."""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

from anchorgym.agents.engines.factories import EngineOptionError
from anchorgym.agents.engines.remote.contract import EngineUnavailableError, UnsafeAddressError


class Address(NamedTuple):
    """The address of a server."""

    secure: bool
    """Whether it is spoken to by HTTPS."""
    host: str
    port: int
    path: str
    """Path before those of the routes, without a final slash."""


def parse_url(url: object) -> Address:
    """Return the address that a URL names.

    Raises:
        EngineOptionError: it is no URL of a server, or holds a password.
    """
    wanted = "give the server's address, such as --engine.url http://127.0.0.1:8000"
    if not isinstance(url, str) or not url:
        raise EngineOptionError("url", f"the address is missing: {wanted}")
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise EngineOptionError("url", f"{url!r} is no address ({error}): {wanted}") from error
    further = parts.query or parts.fragment or not all("!" <= sign <= "~" for sign in parts.path)
    if parts.scheme not in ("http", "https") or not parts.hostname or further:
        raise EngineOptionError("url", f"{url!r} is no address of a server: {wanted}")
    if parts.username or parts.password:
        raise EngineOptionError("url", "the address holds a password: give engine.token instead")
    secure = parts.scheme == "https"
    path = parts.path.rstrip("/").removesuffix("/v1")
    usual = 443 if secure else 80
    return Address(secure, parts.hostname, usual if port is None else port, path)


def is_loopback(address: Address) -> bool:
    """Whether a server is on this machine."""
    return all(ip.is_loopback for ip in _resolved(address))


def require_safe(address: Address, *, token: bool) -> None:
    """Check that weights may be published at an address.

    The routes for it ask for no token by themselves, and who can call them can replace the model.

    Args:
        address: address of the server.
        token: whether requests carry a token, which a proxy before the server can ask for.

    Raises:
        UnsafeAddressError: the address is public, or is not on this machine and has no token.
        EngineUnavailableError: the host is not known.
    """
    found = _resolved(address)
    if all(ip.is_loopback for ip in found):
        return
    if not all(ip.is_private or ip.is_loopback for ip in found):
        raise UnsafeAddressError(
            f"weights are not published to {address.host}, which is a public address: reach the "
            "server through a tunnel (ssh -L) or a private network, or take engine.weights none "
            "to evaluate only"
        )
    if not token:
        raise UnsafeAddressError(
            f"weights are not published to {address.host} without a token, as anybody in that "
            "network could replace the model: put a proxy that asks for one before the server, and "
            "give engine.token"
        )


def _resolved(address: Address) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise EngineUnavailableError(
            f"there is no host {address.host!r} ({error}): check engine.url"
        ) from error
    return [ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in found]
