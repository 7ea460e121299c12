"""LambdaExecutor on the wire: each form of an answer, of a failure and of a closed connection; TLS and proxies."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme

from crud_api.errors import ApiError, DeadlineExceededError, ExecutorBusyError, ExecutorFailedError
from crud_api.executor.connection import Connections
from crud_api.executor.endpoint import find
from crud_api.executor.lambda_ import LambdaExecutor
from query_executor.contract import Failure, Reply, Request, Statement
from tests.network import silent_port
from tests.wire import REPLY, Wire, answer, reset

SELECT = Request([Statement("SELECT 1")], read_only=True)
Client = Callable[..., LambdaExecutor]
Environment = Callable[..., None]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The environment of a Lambda function, and what a test adds."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy") or name == "REQUESTS_CA_BUNDLE":
            monkeypatch.delenv(name)
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_SESSION_TOKEN": "token", "AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)

    def add(**more: str) -> None:
        for name, value in more.items():
            monkeypatch.setenv(name, value)

    return add


@pytest.fixture
def client(environment: Environment) -> Client:
    """Make an executor that calls this server."""

    def make(
        server: Wire | int,
        read_timeout_s: float = 60,
        scheme: str = "http",
        host: str = "localhost",
        name: str = "executor",
    ) -> LambdaExecutor:
        port = server if isinstance(server, int) else server.port
        environment(AWS_ENDPOINT_URL_LAMBDA=f"{scheme}://{host}:{port}")
        return LambdaExecutor(name, read_timeout_s)

    return make


def outcome(invoke: Callable[[Request], Reply | Failure], request: Request = SELECT) -> Any:
    """The reply, or the class and the cause of the error."""
    try:
        return invoke(request)
    except ApiError as error:
        return type(error), error.cause, dict(error.headers)


def chunked(*parts: bytes, ends: bool = True) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + (b"0\r\n\r\n" if ends else b"")
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body


@pytest.mark.parametrize(
    "response",
    [
        answer(),
        answer(Connection="close"),
        chunked(REPLY[:5], REPLY[5:]),
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(),
        b"HTTP/1.0 200 OK\r\n\r\n" + REPLY,  # it ends with the connection
    ],
)
def test_each_form_of_an_answer_is_read(client: Client, response: bytes) -> None:
    with Wire(response, closes=b"HTTP/1.0" in response) as server:
        assert isinstance(outcome(client(server)), Reply)


@pytest.mark.parametrize(
    "response",
    [
        answer(REPLY[:5], length=len(REPLY)),
        chunked(REPLY[:5], ends=False),
        b"HTTP/1.0 200 OK\r\n\r\n" + REPLY[:5],
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        None,
        answer(b""),
        answer(b"[]"),
        answer(b"<html>"),
        answer(b'{"errorMessage": "x"}', X_Amz_Function_Error="Unhandled"),
    ],
)
def test_an_answer_that_is_cut_or_is_none_is_lost_and_never_asked_for_again(
    client: Client, response: bytes | None
) -> None:
    with Wire(response, closes=True) as server:
        kind, _, headers = outcome(client(server))
    assert (kind, headers) == (ExecutorFailedError, {})
    assert len(server.requests) == 1


def test_a_function_that_ran_out_of_time_was_too_slow(client: Client) -> None:
    body = b'{"errorType": "Sandbox.Timedout", "errorMessage": "Error: Task timed out after 25.00 seconds"}'
    with Wire(answer(body, X_Amz_Function_Error="Unhandled")) as server:
        assert outcome(client(server)) == (DeadlineExceededError, "function time-out", {})


def test_an_answer_that_does_not_come_was_too_slow(client: Client) -> None:
    with Wire("hang") as server:
        assert outcome(client(server, read_timeout_s=0.2)) == (DeadlineExceededError, "read time-out", {})
    assert len(server.requests) == 1


def test_the_rest_of_an_answer_that_does_not_come_was_too_slow(client: Client) -> None:
    with Wire(answer(REPLY[:5], length=50), "hang") as server:
        assert outcome(client(server, read_timeout_s=0.2))[0] is DeadlineExceededError
    assert len(server.requests) == 1


BUSY = {"Retry-After": "1"}


@pytest.mark.parametrize(
    ("status", "code", "kind", "headers"),
    [
        ("429 Too Many Requests", "TooManyRequestsException", ExecutorBusyError, BUSY),
        ("502 Bad Gateway", "EC2ThrottledException", ExecutorBusyError, BUSY),
        ("502 Bad Gateway", "ENILimitReachedException:http://internal.amazon.com/", ExecutorBusyError, BUSY),
        ("502 Bad Gateway", "ResourceNotReadyException", ExecutorBusyError, BUSY),
        ("409 Conflict", "ResourceConflictException", ExecutorBusyError, BUSY),
        ("500 Internal Server Error", "ServiceException", ExecutorBusyError, BUSY),
        ("502 Bad Gateway", "KMSAccessDeniedException", ExecutorFailedError, {}),
        ("404 Not Found", "ResourceNotFoundException", ExecutorFailedError, {}),
        ("403 Forbidden", "AccessDeniedException", ExecutorFailedError, {}),
        ("403 Forbidden", "InvalidSignatureException", ExecutorFailedError, {}),
        ("413 Payload Too Large", "RequestTooLargeException", ExecutorFailedError, {}),
    ],
)
def test_a_refusal_of_lambda_is_told_by_its_code(
    client: Client, status: str, code: str, kind: type[ApiError], headers: dict[str, str]
) -> None:
    for response in (
        answer(b'{"Type": "User", "message": "Rate Exceeded."}', status, x_amzn_ErrorType=code),
        answer(b"-", status, x_amzn_ErrorType=code),
        answer(json.dumps({"code": code}).encode(), status),
        answer(json.dumps({"__type": f"com.amazonaws.lambda#{code}".split(":")[0]}).encode(), status),
    ):
        with Wire(response) as server:
            assert outcome(client(server)) == (kind, code.split(":", maxsplit=1)[0], headers)
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", ["302 Found", "400 Bad Request", "500 Oops", "502 Bad Gateway", "503 Busy"])
def test_a_status_without_a_code_is_a_failure(client: Client, status: str) -> None:
    with Wire(answer(b"<html>", status, Location="http://localhost:1/")) as server:
        kind, cause, headers = outcome(client(server))
    assert (kind, cause, headers) == (ExecutorFailedError, status[:3], {})
    assert len(server.requests) == 1


def test_requests_share_a_connection(client: Client) -> None:
    with Wire() as server:
        invoke = client(server)
        assert [isinstance(outcome(invoke), Reply) for _ in range(3)] == [True] * 3
        assert [sent.connection for sent in server.requests] == [1, 1, 1]


def test_a_connection_is_kept_after_a_refusal_and_not_after_a_cut_answer(client: Client) -> None:
    throttled = answer(b"{}", "429 Too Many Requests", x_amzn_ErrorType="TooManyRequestsException")
    with Wire(throttled, answer(), None, answer()) as server:
        invoke = client(server)
        outcomes = [isinstance(outcome(invoke), Reply) for _ in range(4)]
    assert (outcomes, [sent.connection for sent in server.requests]) == ([False, True, False, True], [1, 1, 1, 2])


def test_threads_have_connections_of_their_own(client: Client) -> None:
    both = threading.Barrier(2)
    with Wire() as server:
        invoke = client(server)

        def two(_: int) -> list[Any]:
            both.wait()
            return [outcome(invoke) for _ in range(50)]

        with ThreadPoolExecutor(2) as pool:
            answers = [one for mine in pool.map(two, range(2)) for one in mine]
    assert all(isinstance(one, Reply) for one in answers)
    assert len(server.requests) == 100


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_that_was_closed_while_idle_is_found_dead_before_a_request_is_written(
    client: Client, scheme: str, environment: Environment, authority: Path, tls: ssl.SSLContext
) -> None:
    environment(AWS_CA_BUNDLE=str(authority))
    with Wire(closes=True, tls=tls if scheme == "https" else None) as server:
        invoke = client(server, scheme=scheme)
        for number in (1, 2, 3):
            assert isinstance(outcome(invoke), Reply)
            assert server.closed.wait(60)
            server.closed.clear()
            assert server.connections == number
    assert len(server.requests) == 3


@pytest.mark.parametrize("size", [0, 100_000, 6_000_000])
def test_large_requests_and_answers_pass(client: Client, size: int) -> None:
    reply = {"results": [{"columns": [], "rows": [["x" * size]], "row_count": 1, "truncated": False}]}
    with Wire(answer(json.dumps(reply).encode()), chunked(json.dumps(reply).encode())) as server:
        invoke = client(server)
        for _ in range(2):
            found = outcome(invoke, Request([Statement("SELECT :a", {"a": "y" * min(size, 5_900_000)})]))
            assert len(found.results[0].rows[0][0]) == size
    assert {sent.body.count(b"y") for sent in server.requests} == {min(size, 5_900_000)}


def test_an_answer_before_the_end_of_a_request_is_read(client: Client) -> None:
    """Lambda refuses a request that is too large before it has read it."""
    refusal = answer(b"{}", "413 Payload Too Large", x_amzn_ErrorType="RequestTooLargeException")
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(1000)
                sock.sendall(refusal)

        thread = threading.Thread(target=serve)
        thread.start()
        large = Request([Statement("SELECT :a", {"a": "y" * 5_000_000})])
        found = outcome(client(listener.getsockname()[1]), large)
        thread.join()
    assert found == (ExecutorFailedError, "RequestTooLargeException", {})


def test_the_functions_name_is_quoted_and_the_trace_is_passed_on(environment: Environment, client: Client) -> None:
    trace = 'Root=1-6789-abc;Parent=53;Sampled=1;Lineage="a:1|é"'
    with Wire() as server:
        environment(_X_AMZN_TRACE_ID=trace)
        assert isinstance(outcome(client(server)), Reply)
        environment(AWS_LAMBDA_FUNCTION_NAME="crud-api-dev")
        arn = "arn:aws:lambda:eu-central-1:123456789012:function:query-executor:live"
        assert isinstance(outcome(client(server, name=arn)), Reply)
    first, second = server.requests
    assert first.line == "POST /2015-03-31/functions/executor/invocations HTTP/1.1"
    assert "x-amzn-trace-id" not in first.headers
    quoted = "arn%3Aaws%3Alambda%3Aeu-central-1%3A123456789012%3Afunction%3Aquery-executor%3Alive"
    assert second.line == f"POST /2015-03-31/functions/{quoted}/invocations HTTP/1.1"
    assert second.headers["x-amzn-trace-id"] == 'Root=1-6789-abc;Parent=53;Sampled=1;Lineage="a:1%7C%C3%A9"'
    assert "x-amzn-trace-id" not in second.headers["authorization"]
    assert second.headers["x-amz-security-token"] == "token"


@pytest.fixture(scope="module")
def authorities() -> tuple[trustme.CA, trustme.CA]:
    return trustme.CA(), trustme.CA()


@pytest.fixture
def authority(authorities: tuple[trustme.CA, trustme.CA], tmp_path: Path) -> Path:
    authorities[0].cert_pem.write_to_path(tmp_path / "authority.pem")
    return tmp_path / "authority.pem"


@pytest.fixture(scope="module")
def tls(authorities: tuple[trustme.CA, trustme.CA]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authorities[0].issue_cert("localhost").configure_cert(context)
    return context


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_the_environment_names_the_certificates_to_trust(
    client: Client, environment: Environment, authority: Path, tls: ssl.SSLContext, name: str
) -> None:
    environment(**{name: str(authority)})
    with Wire(tls=tls) as server:
        invoke = client(server, scheme="https")
        assert isinstance(outcome(invoke), Reply)
        assert isinstance(outcome(invoke), Reply)
    assert {sent.connection for sent in server.requests} == {1}


@pytest.mark.parametrize("wrong", ["another authority", "another name", "the system's authorities"])
def test_a_server_that_is_not_known_gets_no_request(
    client: Client, environment: Environment, authority: Path, authorities: Any, tls: ssl.SSLContext, wrong: str
) -> None:
    if wrong == "another authority":
        authorities[1].cert_pem.write_to_path(authority)
    if wrong != "the system's authorities":
        environment(AWS_CA_BUNDLE=str(authority))
    with Wire(tls=tls) as server:
        invoke = client(server, scheme="https", host="127.0.0.1" if wrong == "another name" else "localhost")
        kind, _, headers = outcome(invoke)
    assert (kind, headers) == (ExecutorFailedError, {})
    assert server.requests == []


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_of_certificates_that_cannot_be_read_is_a_failure(
    client: Client, environment: Environment, tmp_path: Path, tls: ssl.SSLContext, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "bundle").write_text(content)
    environment(AWS_CA_BUNDLE=str(tmp_path / "bundle"))
    with Wire(tls=tls) as server:
        assert outcome(client(server, scheme="https"))[0] is ExecutorFailedError
    assert server.requests == []


def test_a_port_where_nobody_listens_and_one_that_is_silent_are_worth_another_try(client: Client) -> None:
    assert outcome(client(1))[::2] == (ExecutorBusyError, BUSY)
    with silent_port() as port:
        assert outcome(client(port))[::2] == (ExecutorBusyError, BUSY)


def test_a_host_without_an_address_is_worth_another_try(client: Client) -> None:
    assert outcome(client(1, host="nowhere.invalid"))[::2] == (ExecutorBusyError, BUSY)


def test_a_tunnel_of_a_proxy_is_used(
    client: Client, environment: Environment, authority: Path, tls: ssl.SSLContext
) -> None:
    with Wire(tls=tls) as server, Wire(tunnels_to=lambda _: server.port) as proxy:
        environment(AWS_CA_BUNDLE=str(authority), HTTPS_PROXY=f"http://me:p%40ss@localhost:{proxy.port}")
        invoke = client(server, scheme="https")
        assert isinstance(outcome(invoke), Reply)
        assert isinstance(outcome(invoke), Reply)
    (connect,) = proxy.requests
    assert connect.line.split()[:2] == ["CONNECT", f"localhost:{server.port}"]
    assert connect.headers["proxy-authorization"] == "Basic bWU6cEBzcw=="  # me:p@ss
    assert [sent.connection for sent in server.requests] == [1, 1]
    assert "proxy-authorization" not in server.requests[0].headers


def test_a_proxy_gets_the_whole_url_of_an_endpoint_without_tls(client: Client, environment: Environment) -> None:
    with Wire() as proxy:
        environment(HTTP_PROXY=f"localhost:{proxy.port}")
        assert isinstance(outcome(client(1, host="lambda.test")), Reply)
    (sent,) = proxy.requests
    assert sent.line == "POST http://lambda.test:1/2015-03-31/functions/executor/invocations HTTP/1.1"
    assert sent.headers["host"] == "lambda.test:1"


@pytest.mark.parametrize("spared", ["localhost", ".test,localhost", "*", "localhost:{port}"])
def test_no_proxy_spares_the_endpoint(client: Client, environment: Environment, spared: str) -> None:
    with Wire() as server, Wire() as proxy:
        environment(HTTP_PROXY=f"http://localhost:{proxy.port}", NO_PROXY=spared.format(port=server.port))
        assert isinstance(outcome(client(server)), Reply)
    assert proxy.requests == []


def test_a_proxy_that_refuses_is_worth_another_try(client: Client, environment: Environment) -> None:
    with Wire(answer(b"", "407 Proxy Authentication Required")) as proxy:
        environment(HTTPS_PROXY=f"http://localhost:{proxy.port}")
        assert outcome(client(1, scheme="https"))[::2] == (ExecutorBusyError, BUSY)
    environment(HTTPS_PROXY="http://localhost:1")
    assert outcome(client(2, scheme="https"))[::2] == (ExecutorBusyError, BUSY)


@pytest.mark.parametrize("ending", ["closed", "reset", "silent"])
def test_a_connection_that_ends_before_a_request_is_written_is_worth_another_try(
    environment: Environment, ending: str
) -> None:
    """The handshake of TLS does not succeed, so nothing can be stored."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        ended = threading.Event()

        def serve() -> None:
            sock, _ = listener.accept()
            if ending == "silent":
                ended.wait(60)
            sock.recv(1)
            reset(sock) if ending == "reset" else sock.close()

        thread = threading.Thread(target=serve)
        thread.start()
        environment(AWS_ENDPOINT_URL_LAMBDA=f"https://localhost:{listener.getsockname()[1]}")
        found = outcome(LambdaExecutor("executor"))
        ended.set()
        thread.join()
    assert found[::2] == (ExecutorBusyError, BUSY)


def test_a_proxy_that_closes_its_tunnel_is_worth_another_try(environment: Environment) -> None:
    with Wire(None) as proxy:
        environment(HTTPS_PROXY=f"http://localhost:{proxy.port}", AWS_ENDPOINT_URL="https://localhost:1")
        assert outcome(LambdaExecutor("executor"))[::2] == (ExecutorBusyError, BUSY)


def test_a_proxy_behind_tls_is_refused(environment: Environment) -> None:
    environment(HTTPS_PROXY="https://localhost:1")
    kind, cause, _ = outcome(LambdaExecutor("executor"))
    assert (kind, "must begin with http://" in cause) == (ExecutorFailedError, True)


@pytest.mark.parametrize("token", ["two\nlines", "é😀"])
def test_a_key_that_no_header_can_hold_is_never_sent(environment: Environment, token: str) -> None:
    with Wire() as server:
        environment(AWS_ENDPOINT_URL=f"http://localhost:{server.port}", AWS_SESSION_TOKEN=token)
        assert outcome(LambdaExecutor("executor")) == (ExecutorFailedError, "InvalidHeader", {})
    assert server.requests == []


def test_a_connection_that_was_idle_for_long_is_not_used_again(environment: Environment) -> None:
    with Wire() as server:
        environment(AWS_ENDPOINT_URL=f"http://localhost:{server.port}")
        connections = Connections(find(os.environ), os.environ, idle_s=0)
        for _ in range(2):
            connections.post(connections.take(), "/", {}, b"", 60)
    assert [sent.connection for sent in server.requests] == [1, 2]


def test_a_throttle_has_its_reason_in_the_log(environment: Environment) -> None:
    """The reason says whose limit it was: the executor's, or the account's."""
    body = {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User", "message": "Rate Exceeded."}
    response = answer(json.dumps(body).encode(), "429 Too Many Requests", x_amzn_ErrorType="TooManyRequestsException")
    with Wire(response) as server:
        environment(AWS_ENDPOINT_URL=f"http://localhost:{server.port}")
        _, cause, _ = outcome(LambdaExecutor("executor"))
    assert cause == "TooManyRequestsException: ReservedFunctionConcurrentInvocationLimitExceeded"


def test_an_answer_of_something_on_the_way_does_not_say_that_nothing_was_stored(environment: Environment) -> None:
    with Wire(answer(b"<html>", "504 Gateway Timeout")) as server:
        environment(AWS_ENDPOINT_URL=f"http://localhost:{server.port}")
        with pytest.raises(ExecutorFailedError, match="It is not known whether a change was stored"):
            LambdaExecutor("executor")(SELECT)
