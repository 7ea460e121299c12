"""Chalice's local server, made more like API Gateway, and closed to pages of other origins.

It also reads HEAD and chunked bodies, which Chalice does not. An unknown path is a problem, and an answer without a
body says so. gateway.py says who calls. `chalice local` itself stays as it is.
"""

from __future__ import annotations

import functools
import logging
import re
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from typing import Any, BinaryIO

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import (
    ChaliceRequestHandler,
    LocalDevServer,
    LocalGateway,
    LocalGatewayException,
    create_local_server,
)

from crud_api.errors import ApiError, BodyTooLargeError, MalformedBodyError, NotFoundError, PostgrestError
from crud_api.response import rest_v1
from crud_api.response.problems import to_response
from crud_api.routes import REST
from infra.local.gateway import Gateway, RefusedRequestError, answer

_MAX_BODY_BYTES = 10_000_000  # the limit of API Gateway; the API's own is lower
_MAX_LINE = 65536
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/@]+)(:[0-9]{0,5})?")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")  # RFC 9112, section 7.1
_WITHOUT_BODY = frozenset({204, 304})  # RFC 9112, section 6.3
_log = logging.getLogger(__name__)


class Handler(ChaliceRequestHandler):
    """One connection. `names` are the names of this machine. Pages of `origins` may read the answers."""

    # It sends the head and the body of a reply apart. The body would wait 40 ms for the client of a kept connection.
    disable_nagle_algorithm = True

    def __init__(self, *request: Any, gateway: LocalGateway, names: Collection[str], origins: Collection[str]) -> None:
        self.local_gateway, self._names, self._origins = gateway, names, origins
        BaseHTTPRequestHandler.__init__(self, *request)  # Chalice's own makes its gateway here

    def handle(self) -> None:
        """Answer the requests of the connection. A client that goes away is no error, so the terminal shows nothing."""
        with suppress(ConnectionError):
            super().handle()

    def _generic_handle(self) -> None:
        try:
            body = read_body(self.rfile, self.headers)
        except ApiError as error:
            self.close_connection = True  # the beginning of the next request is unknown
            self._answer_problem(error)
            return
        # A page of another origin may point its own name here (DNS rebinding). The browser still sends that name.
        if not is_name_of_this_machine(self.headers.get("host"), self._names):
            self._answer_problem(_misdirected())
            return
        # HEAD has the headers of GET (RFC 9110, section 9.3.2), its Content-Length among them.
        method = "GET" if self.command == "HEAD" else self.command
        try:
            headers = {name: ", ".join(self.headers.get_all(name, [])) for name in self.headers}
            path, *query = self.path.split("?", 1)
            # Chalice takes what follows a semicolon for parameters of the path, and leaves it out.
            path = "?".join([path.replace(";", "%3B"), *query])
            response = self.local_gateway.handle_request(method, path, headers, body)
        except RefusedRequestError as error:
            _log.warning("refused: %s", error)
            self._answer(*answer(error.kind, str(uuid.uuid4()), self._origins))
            return
        except (LocalGatewayException, UnicodeEncodeError):  # the latter when Chalice repeats Authorization
            self._answer_problem(NotFoundError("There is no such path."))
            return
        self._answer(response["statusCode"], {**response["headers"], **response["multiValueHeaders"]}, response["body"])

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = _generic_handle  # noqa: N815

    def _answer_problem(self, error: ApiError) -> None:
        if isinstance(error, NotFoundError) and self.path.startswith(REST):
            response = rest_v1.error(PostgrestError("Invalid path specified in request URL", 404, "PGRST125"))
        else:
            response = to_response(error, str(uuid.uuid4()))
        origin = self.headers.get("origin")
        allowed = {"Access-Control-Allow-Origin": origin} if origin in self._origins else {}
        self._answer(response.status_code, {**response.headers, **allowed}, response.body)

    def _answer(self, status: int, headers: Mapping[str, Any], text: str | None) -> None:
        body = (text or "").encode()
        self.send_response(status)
        if status not in _WITHOUT_BODY:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in headers.items():
            for line in value if isinstance(value, list) else [value]:
                self.send_header(name, line)
        self.end_headers()
        if self.command != "HEAD" and status not in _WITHOUT_BODY:
            self.wfile.write(body)


def create_server(app: Chalice, config: Config, host: str, port: int, origins: Collection[str] = ()) -> LocalDevServer:
    """The server, which already listens on `host`. It answers to that name too."""
    server = create_local_server(app, config, host, port)
    server.server.RequestHandlerClass = functools.partial(
        Handler, gateway=Gateway(app, config), names=frozenset({host.lower()}), origins=origins
    )
    return server


def is_name_of_this_machine(header: str | None, names: Collection[str]) -> bool:
    """Whether a Host header is localhost, an IP address or one of the names. No page can own these."""
    if header is None:  # HTTP/1.0; no browser sends it
        return True
    match = _HOST.fullmatch(header.strip())
    if match is None:
        return False
    name = match[1].lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost") or name in names:
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def read_body(stream: BinaryIO, headers: Message) -> bytes | None:
    """The body of a request (RFC 9112, section 6). Raises `MalformedBodyError` and `BodyTooLargeError`."""
    codings, lengths = headers.get_all("transfer-encoding", []), set(headers.get_all("content-length", []))
    if codings:
        if lengths or ",".join(codings).strip().lower() != "chunked":
            raise MalformedBodyError("The body must have either a Content-Length or the transfer encoding chunked.")
        return _read_chunks(stream)
    if not lengths:
        return None
    (length, *others) = lengths
    if others or not (length.isascii() and length.isdigit() and len(length) < 16):
        raise MalformedBodyError("Content-Length is not a number.")
    return _read(stream, int(length), _MAX_BODY_BYTES) or None


def _read_chunks(stream: BinaryIO) -> bytes:
    body = bytearray()
    while True:
        match = _CHUNK_SIZE.fullmatch(stream.readline(_MAX_LINE))
        if match is None:
            raise MalformedBodyError("A chunk of the body has no size.")
        if not (size := int(match[1], 16)):
            break
        body += _read(stream, size, _MAX_BODY_BYTES - len(body))
        if stream.readline(3) not in {b"\r\n", b"\n"}:
            raise MalformedBodyError("A chunk of the body is longer than its size.")
    while stream.readline(_MAX_LINE) not in {b"\r\n", b"\n", b""}:
        pass  # trailers
    return bytes(body)


def _read(stream: BinaryIO, size: int, most: int) -> bytes:
    if size > most:
        raise BodyTooLargeError(f"The limit is {_MAX_BODY_BYTES} bytes.")
    body = stream.read(size)
    if len(body) < size:
        raise MalformedBodyError("The body is shorter than its Content-Length.")
    return body


def _misdirected() -> ApiError:
    error = ApiError("Send it to localhost or an IP address of this machine, or start the server with --host NAME.")
    error.status, error.slug, error.title = 421, "misdirected", "The server has a different name"
    return error
