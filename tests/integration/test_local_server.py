"""The server of `make run` reads and answers like API Gateway. It accepts only the names of this machine."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing
from email.message import Message
from http.client import HTTPConnection, HTTPResponse
from io import BytesIO

import pytest
from chalice.config import Config

from crud_api.application import create_app
from crud_api.errors import ApiError
from infra.local.server import create_server, is_name_of_this_machine, read_body
from query_executor.contract import Reply, Request, Result
from tests.executor import eventually
from tests.servers import free_port

ORIGIN = "https://app.example.com"
ROW = '{"customer_id":"a","customer_name":"Ada"}'
JSON = {"Content-Type": "application/json"}


def execute(request: Request) -> Reply:
    if request.statements[0].sql.startswith("DELETE"):
        return Reply([Result([], [[True]], 1)])
    row: list[str | None] = [ROW, "e" * 32, None if request.read_only else "a"]
    return Reply([Result([], [row], 1)])


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = free_port()
    config = Config.create(chalice_stage="local")
    server = create_server(create_app(execute, cors_origins=[ORIGIN]), config, "127.0.0.1", port, [ORIGIN])
    thread = threading.Thread(target=server.server.serve_forever, daemon=True)
    thread.start()
    yield port
    server.shutdown()
    server.server.server_close()


@pytest.fixture
def connection(port: int) -> Iterator[HTTPConnection]:
    """One connection for all requests of a test. Bytes that a request leaves unread would break the next request."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        yield connection


def ask(connection: HTTPConnection, method: str, path: str, body: object = None, **headers: str) -> HTTPResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    chunked = isinstance(body, list)
    connection.request(method, path, body, sent, encode_chunked=chunked)  # type: ignore[arg-type]
    return connection.getresponse()


@pytest.mark.parametrize("path", ["/health", "/customers/a", "/openapi.json", "/docs", "/nothing", "/customers/a/b/c"])
def test_head_is_get_without_the_body_and_the_connection_goes_on(connection: HTTPConnection, path: str) -> None:
    got = ask(connection, "GET", path)
    body = got.read()
    for _ in range(2):
        headed = ask(connection, "HEAD", path)
        assert (headed.status, headed.read()) == (got.status, b"")
        names = ("Content-Type", "Content-Length", "ETag", "Cache-Control")
        assert [headed.headers[name] for name in names] == [got.headers[name] for name in names]
    assert int(got.headers["Content-Length"]) == len(body) > 0


def test_a_chunked_body_is_read_and_the_connection_goes_on(connection: HTTPConnection) -> None:
    for _ in range(2):
        answer = ask(connection, "POST", "/customers", [ROW[:5].encode(), ROW[5:].encode()], **JSON)
        assert (answer.status, answer.read()) == (201, ROW.encode())


def test_an_answer_without_a_body_says_neither_type_nor_length(connection: HTTPConnection) -> None:
    for method, status in (("DELETE", 204), ("GET", 304)):
        headers = {"If-None-Match": "*"} if method == "GET" else {}
        answer = ask(connection, method, "/customers/a", **headers)
        assert (answer.status, answer.read()) == (status, b"")
        assert (answer.headers["Content-Type"], answer.headers["Content-Length"]) == (None, None)
    minimal = ask(connection, "POST", "/customers", ROW, Prefer="return=minimal", **JSON)
    assert (minimal.status, minimal.read(), minimal.headers["Location"]) == (201, b"", "/customers/a")
    assert (minimal.headers["Content-Type"], minimal.headers["Content-Length"]) == (None, "0")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer é"}])
def test_an_unknown_path_is_a_problem_that_a_page_may_read(connection: HTTPConnection, headers: dict[str, str]) -> None:
    answer = ask(connection, "GET", "/nothing", Origin=ORIGIN, **headers)
    assert (answer.status, json.loads(answer.read())["type"]) == (404, "urn:problem-type:crud-api:not-found")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    other = ask(connection, "GET", "/nothing", Origin="https://b.example.com")
    assert other.read()
    assert other.headers["Access-Control-Allow-Origin"] is None


def test_an_unknown_path_below_rest_v1_is_an_error_of_that_dialect(connection: HTTPConnection) -> None:
    answer = ask(connection, "GET", "/rest/v1/customers/a/b", Origin=ORIGIN)
    assert (answer.status, json.loads(answer.read())) == (404, {
        "code": "PGRST125", "message": "Invalid path specified in request URL", "details": None, "hint": None,
    })  # fmt: skip
    assert answer.headers["Proxy-Status"] == "PostgREST; error=PGRST125"
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


def test_a_header_in_several_lines_has_all_their_values(connection: HTTPConnection) -> None:
    connection.putrequest("GET", "/rest/v1/customers?limit=0")
    connection.putheader("Prefer", "handling=strict")
    connection.putheader("Prefer", "what=ever")
    connection.endheaders()
    answer = connection.getresponse()
    assert json.loads(answer.read())["details"] == "Invalid preferences: what=ever"


def test_a_semicolon_is_a_part_of_a_path(connection: HTTPConnection) -> None:
    answer = ask(connection, "GET", "/rest/v1/customer;s?select=x")
    assert "'demo.customer;s'" in json.loads(answer.read())["message"]


def test_the_root_leads_a_browser_to_the_page(connection: HTTPConnection) -> None:
    answer = ask(connection, "GET", "/")
    assert (answer.status, answer.read(), answer.headers["Location"]) == (302, b"", "/docs")


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost", True), ("localhost:8000", True), ("LOCALHOST.:8000", True), ("api.localhost", True),
        ("127.0.0.1:8000", True), ("192.0.2.7", True), ("[::1]:8000", True), ("[::1]", True), ("laptop:80", True),
        (None, True), ("evil.example", False), ("localhost.evil.example", False), ("127.0.0.1.evil.example", False),
        ("evil.example:127", False), ("", False), ("a@localhost", False), ("[::1", False), ("2130706433.x", False),
    ],
)  # fmt: skip
def test_it_answers_to_this_machines_names_alone(host: str | None, known: bool) -> None:
    assert is_name_of_this_machine(host, {"laptop"}) is known


def test_a_page_whose_name_leads_here_gets_no_answer(connection: HTTPConnection) -> None:
    for method, body in (("GET", None), ("POST", ROW)):
        answer = ask(connection, method, "/customers", body, Host="evil.example:8000", **JSON)
        problem = json.loads(answer.read())
        assert (answer.status, problem["status"], ROW in str(problem)) == (421, 421, False)
    assert ask(connection, "GET", "/health").read() == b'{"status":"ok"}'


FRAMED = [
    ({"Content-Length": "2"}, b"{}", b"{}"),
    ({"Content-Length": "0"}, b"", None),
    ({}, b"", None),
    ({"Transfer-Encoding": "chunked"}, b"1\r\n{\r\n1;x=y\r\n}\r\n0\r\nA: b\r\n\r\n", b"{}"),
    ({"Transfer-Encoding": "Chunked"}, b"0A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    ({"Transfer-Encoding": "chunked"}, b"0\r\n\r\n", b""),
]
UNFRAMED = [
    ({"Content-Length": "x"}, b"{}", 400),
    ({"Content-Length": "-1"}, b"{}", 400),
    ({"Content-Length": "3"}, b"{}", 400),
    ({"Content-Length": "10000001"}, b"", 413),
    ({"Transfer-Encoding": "gzip, chunked"}, b"0\r\n\r\n", 400),
    ({"Transfer-Encoding": "chunked", "Content-Length": "2"}, b"0\r\n\r\n", 400),
    ({"Transfer-Encoding": "chunked"}, b"{}", 400),
    ({"Transfer-Encoding": "chunked"}, b"-1\r\n", 400),
    ({"Transfer-Encoding": "chunked"}, b"2\r\n{}x\r\n0\r\n\r\n", 400),
    ({"Transfer-Encoding": "chunked"}, b"5\r\n{}", 400),
    ({"Transfer-Encoding": "chunked"}, b"FFFFFFFF\r\n", 413),
]


def message(headers: dict[str, str]) -> Message:
    made = Message()
    for name, value in headers.items():
        made[name] = value
    return made


@pytest.mark.parametrize(("headers", "sent", "body"), FRAMED)
def test_a_body_ends_where_its_framing_says(headers: dict[str, str], sent: bytes, body: bytes | None) -> None:
    stream = BytesIO(sent + b"GET / HTTP/1.1")
    assert read_body(stream, message(headers)) == body
    assert stream.read() == b"GET / HTTP/1.1"


@pytest.mark.parametrize(("headers", "sent", "status"), UNFRAMED)
def test_a_body_without_an_end_is_refused(headers: dict[str, str], sent: bytes, status: int) -> None:
    with pytest.raises(ApiError) as caught:
        read_body(BytesIO(sent), message(headers))
    assert caught.value.status == status


@pytest.mark.parametrize("sent", [b"GE", b"POST /customers HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"])
def test_a_client_that_goes_away_leaves_no_traceback_in_the_terminal(
    port: int, sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    before = _connections()  # the server of another test may have some
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() sends RST
    client.sendall(sent)
    eventually(lambda: bool(_connections() - before))
    client.close()
    eventually(lambda: not _connections() - before)
    assert "Traceback" not in capfd.readouterr().err


def _connections() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "process_request_thread" in thread.name}


def test_after_a_body_without_an_end_the_connection_ends(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(b"POST /customers HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
