"""Connections to Lambda's endpoint, by a proxy if the environment names one. They are kept between requests."""

from __future__ import annotations

import ssl
import sys
import time
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPMessage, HTTPSConnection
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from crud_api.executor import outcomes
from crud_api.executor.certificates import tls_context
from crud_api.executor.endpoint import Endpoint
from crud_api.settings import EXECUTOR_CONNECT_S

# Seconds. AWS's NAT gateways and endpoints of a VPC forget a connection after 350, say nothing, and reset it when the
# next request is written. Then nobody knows that it did not run. By the clock of the day, since others stand still
# while Lambda freezes a function.
IDLE_S = 300
_KEPT = 10  # idle connections: a server with threads needs several, a function one


class Answer(NamedTuple):
    """A response of HTTP, read to its end."""

    status: int
    headers: HTTPMessage
    body: bytes


class Connections:
    """Connections to one endpoint. Threads can share it: each request has a connection of its own."""

    def __init__(self, endpoint: Endpoint, environ: Mapping[str, str], idle_s: float = IDLE_S) -> None:
        self._endpoint = endpoint
        self._idle_s = idle_s
        self._idle: list[tuple[HTTPConnection, float]] = []
        self._proxy = _proxy(endpoint, environ)
        self._context = tls_context(environ) if endpoint.scheme == "https" else None

    def __del__(self) -> None:
        for connection, _ in self._idle:
            connection.close()

    def take(self) -> HTTPConnection:
        """A connection that is open as far as this side knows. Raises `OSError`; nothing was sent."""
        with suppress(IndexError):  # another thread took the last
            while self._idle:
                connection, since = self._idle.pop()
                if 0 <= time.time() - since < self._idle_s and _is_open(connection):
                    return connection
                connection.close()
        connection = self._new()
        connection.auto_open = 0  # else http.client would connect again by itself
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    def post(
        self, connection: HTTPConnection, path: str, headers: Mapping[str, str], payload: bytes, timeout_s: float
    ) -> Answer:
        """The answer to a POST, sent once. Raises `OSError` and `HTTPException`; the POST may have arrived.

        `timeout_s` limits each wait for the other side.
        """
        try:
            connection.sock.settimeout(timeout_s)
            if self._proxy is not None and self._context is None:
                path = f"http://{self._endpoint.netloc}{path}"
                headers = {**headers, **_authorization(self._proxy)}
            with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it read everything
                connection.request("POST", path, payload, headers)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None and len(self._idle) < _KEPT:
            self._idle.append((connection, time.time()))
        else:
            connection.close()
        return answer

    def _new(self) -> HTTPConnection:
        endpoint, proxy, context = self._endpoint, self._proxy, self._context
        host, port = (endpoint.host, endpoint.port) if proxy is None else (proxy.hostname or "", proxy.port)
        if context is None:
            return HTTPConnection(host, port, timeout=EXECUTOR_CONNECT_S)
        connection = HTTPSConnection(host, port, timeout=EXECUTOR_CONNECT_S, context=context)
        if proxy is not None:
            connection.set_tunnel(endpoint.host, endpoint.port, _authorization(proxy))
        return connection


def _is_open(connection: HTTPConnection) -> bool:
    """Whether the other side has not closed an idle connection. Lambda closes many while it freezes a function."""
    sock = connection.sock
    try:
        sock.settimeout(0)
        sock.recv(1)  # its end, or an answer to no request
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False


def _proxy(endpoint: Endpoint, environ: Mapping[str, str]) -> SplitResult | None:
    # urllib.request takes as long to import as everything else here, and few functions have a proxy. macOS and Windows
    # have settings besides the environment.
    if sys.platform == "linux" and not any(name.lower().endswith("_proxy") for name in environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415

    url = None if proxy_bypass(endpoint.netloc) else getproxies().get(endpoint.scheme)
    if not url:
        return None
    proxy = urlsplit(url if "://" in url else f"http://{url.removeprefix('//')}")
    if proxy.scheme != "http" or not proxy.hostname:
        # http.client cannot speak TLS within TLS.
        raise outcomes.refused("InvalidProxiesConfigError", "the proxy's URL must begin with http://")
    return proxy if proxy.port else proxy._replace(netloc=f"{proxy.netloc}:80")


def _authorization(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username or proxy.password is None:
        return {}
    text = f"{unquote(proxy.username)}:{unquote(proxy.password)}"
    return {"Proxy-Authorization": f"Basic {b64encode(text.encode()).decode()}"}
