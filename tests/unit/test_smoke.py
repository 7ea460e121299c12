"""When the smoke test waits, and when it fails at once. The tests give the answers of the server."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme

from infra.aws.account import Account
from infra.errors import SmokeError
from infra.gateway import deployed, smoke
from infra.gateway.responses import PROBLEMS
from tests.unit.test_stage import stage

Answer = tuple[int, Any]
OWN = {"type": "urn:problem-type:crud-api:internal-error", "detail": "The cause is in the log, under this instance: 1."}
GATEWAYS = {"type": "urn:problem-type:crud-api:internal-error", "detail": PROBLEMS["DEFAULT_5XX"].detail}


@dataclass
class Server:
    """Returns its answers in turn. It repeats the last answer."""

    answers: list[Answer]
    asked: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def served() -> Iterator[Callable[..., Server]]:
    """Starts servers. With a context they use TLS."""
    started: list[ThreadingHTTPServer] = []

    def serve(*answers: Answer, tls: ssl.SSLContext | None = None) -> Server:
        server = Server(list(answers))

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(f"{self.command} {self.path}")
                status, body = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            do_POST = do_DELETE = do_PUT = do_GET  # noqa: N815 - the names of http.server

            def log_message(self, *_: Any) -> None:
                pass

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            http.socket = tls.wrap_socket(http.socket, server_side=True)
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        started.append(http)
        server.url = f"{'https' if tls else 'http'}://127.0.0.1:{http.server_port}"
        return server

    yield serve
    for http in started:
        http.shutdown()
        http.server_close()


def failure(server: Server, **members: Any) -> tuple[str, list[str], int]:
    """Return how the test of this server fails, what it printed before, and how often it retried."""
    said: list[str] = []
    pauses: list[None] = []
    testing = smoke.Smoke(server.url, smoke.nobody, said.append, pause=lambda: pauses.append(None), **members)
    with pytest.raises(SmokeError) as raised:
        testing.run()
    return str(raised.value), said, len(pauses)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 504])
def test_a_problem_of_the_apis_own_is_the_answer_and_not_waited_for(served: Callable[..., Server], status: int) -> None:
    server = served((status, OWN))
    message, said, pauses = failure(server)
    assert f"Expected: GET /customers?limit=1. It answered: {status}" in message
    assert (said, pauses, len(server.asked)) == ([], 0, 1)


@pytest.mark.parametrize(("status", "body"), [(500, None), (403, {"message": "Forbidden"}), (504, GATEWAYS)])
def test_what_the_gateway_says_before_it_knows_the_api_is_waited_for(
    served: Callable[..., Server], status: int, body: Any
) -> None:
    server = served((status, body), (status, body), (404, OWN))
    message, said, pauses = failure(server)
    assert "It answered: 404" in message
    assert said == [f"GET /customers?limit=1: {status} yet; trying again for up to {smoke.SETTLES_S} s"]
    assert pauses == 2


@pytest.mark.parametrize("status", [502, 503])
def test_an_api_that_may_not_invoke_its_executor_yet_is_waited_for_but_not_as_long(
    served: Callable[..., Server], status: int
) -> None:
    """At a first deploy its role is new in IAM. After a while it works."""
    message, said, pauses = failure(served((status, OWN), (404, OWN)))
    assert "It answered: 404" in message
    assert said == [f"GET /customers?limit=1: {status} yet; trying again for up to {smoke.OWN_SETTLES_S} s"]
    assert pauses == 1
    assert smoke.OWN_SETTLES_S < smoke.SETTLES_S


@pytest.fixture
def authority(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """The context of a server, and the file of the authority that signed its certificate."""
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(str(tmp_path / "mine.pem"))
    return context, str(tmp_path / "mine.pem")


def test_a_certificate_that_is_not_trusted_ends_the_test_at_once(
    served: Callable[..., Server], authority: tuple[ssl.SSLContext, str]
) -> None:
    message, said, pauses = failure(served((200, {}), tls=authority[0]))
    assert "CERTIFICATE_VERIFY_FAILED" in message
    assert "Name the file of the certificates to trust in AWS_CA_BUNDLE" in message
    assert (said, pauses) == ([], 0)


def test_the_certificates_that_boto3_trusts_are_trusted(
    served: Callable[..., Server], authority: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, file = authority
    server = served((404, OWN), tls=context)
    monkeypatch.setenv("AWS_CA_BUNDLE", file)
    session = boto3.session.Session(region_name="eu-central-1")
    account = Account("123456789012", "eu-central-1", "arn:aws:iam::123456789012:user/one", session)
    said: list[str] = []
    with pytest.raises(SmokeError, match="It answered: 404"):
        deployed.smoke_test(account, stage(), server.url, smoke.nobody, said.append).run()
    assert len(server.asked) == 1


@pytest.mark.parametrize("where", ["the environment", "the profile", "nowhere"])
def test_an_accounts_certificates_are_those_of_boto3(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "config").write_text("[profile mine]\nca_bundle = /mine.pem\n" if where == "the profile" else "")
    if where == "the environment":
        monkeypatch.setenv("AWS_CA_BUNDLE", "/mine.pem")
    session = boto3.session.Session(region_name="eu-central-1", profile_name="mine" if where == "the profile" else None)
    found = Account("123456789012", "eu-central-1", "arn:aws:iam::123456789012:user/one", session).ca_bundle
    if where == "nowhere":  # not Python's file: python.org's Python for macOS has none
        assert found is not None
        assert Path(found).parent.name in ("botocore", "certifi")
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusted.load_verify_locations(cafile=found)
        assert trusted.cert_store_stats()["x509_ca"] > 50
    else:
        assert found == "/mine.pem"


NOT_PERMITTED = {"type": "urn:problem-type:crud-api:not-permitted", "detail": "No database role is for this caller."}
FORBIDDEN = {"type": "urn:problem-type:crud-api:forbidden", "detail": "A row-level security policy refuses this row."}
REFUSED = (403, {"type": "urn:problem-type:crud-api:access-denied", "detail": PROBLEMS["ACCESS_DENIED"].detail})


def test_rows_that_the_database_keeps_from_this_caller_are_no_failure(served: Callable[..., Server]) -> None:
    server = served((403, NOT_PERMITTED), REFUSED, (200, {"status": "ok"}))
    said: list[str] = []
    smoke.Smoke(server.url, smoke.nobody, said.append, pause=lambda: None).run()
    assert server.asked == ["GET /customers?limit=1"] * 2 + ["GET /ready"]
    assert said[-1].startswith("the database keeps the rows")


def test_rows_that_this_caller_may_not_store_are_no_failure(served: Callable[..., Server]) -> None:
    server = served((200, {"items": []}), REFUSED, (200, {"status": "ok"}), (403, FORBIDDEN), (404, OWN))
    said: list[str] = []
    smoke.Smoke(server.url, smoke.nobody, said.append, pause=lambda: None).run()
    assert "POST /customers" in server.asked
    assert said[-1].startswith("the database lets this caller store no customer")


def test_a_database_that_is_not_ready_fails(served: Callable[..., Server]) -> None:
    server = served((200, {"items": []}), REFUSED, (503, OWN))
    message, _, _ = failure(server)
    assert "Expected: GET /ready: 200" in message
