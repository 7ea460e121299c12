"""`make run` with ACCESS: it refuses like API Gateway and tells the app who calls, but it verifies nothing."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from chalice.app import Response
from chalice.config import Config

from crud_api.access import protect, read_access
from crud_api.application import create_app
from infra.__main__ import main
from infra.gateway.responses import responses
from infra.local.gateway import as_texts, how_to_call
from infra.local.server import create_server
from query_executor.contract import Reply
from tests.servers import free_port

PROJECT = Path(__file__).parents[2]
ORIGIN = "https://app.example.com"
IN_2100 = 4_102_444_800  # a fixed time: every process of pytest has to make the same tokens


def jwt(head: Any = None, **claims: Any) -> str:
    told = {"sub": "ada", "token_use": "id", "exp": IN_2100, **claims}
    return f"{segment({'alg': 'RS256'} if head is None else head)}.{segment(told)}.c2ln"


def segment(value: Any) -> str:
    """A part of a JWT. A claim that is None is left out."""
    told = {key: one for key, one in value.items() if one is not None} if isinstance(value, dict) else value
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


class Server:
    """A local server whose app has one more route, /whoami: it shows who calls."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], Any]:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, headers={name.replace("_", "-"): one for name, one in headers.items()})
            answer = connection.getresponse()
            text = answer.read().decode()
        is_json = "json" in (answer.headers["Content-Type"] or "")
        return answer.status, dict(answer.headers.items()), json.loads(text) if is_json and text else text


@contextmanager
def serving(kind: str) -> Iterator[Server]:
    access, pool = read_access({"ACCESS": kind}, deployed=False)
    app = create_app(lambda _: Reply([]), access=access, cors_origins=[ORIGIN])

    @app.route("/whoami")
    def whoami() -> Any:
        assert app.current_request is not None
        context = app.current_request.context
        shown = {"authorizer": context.get("authorizer"), "identity": context["identity"]}
        return Response(json.dumps(shown), {"Content-Type": "application/json"})

    port = free_port()
    config = Config.create(chalice_stage="local")
    server = create_server(protect(app, access, pool), config, "127.0.0.1", port, [ORIGIN])
    thread = threading.Thread(target=server.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Server(port)
    finally:
        server.shutdown()
        server.server.server_close()


@pytest.fixture(scope="module")
def cognito() -> Iterator[Server]:
    with serving("cognito") as server:
        yield server


def assert_is_the_gateways(answer: tuple[int, dict[str, str], Any], access: str, kind: str) -> None:
    """Check that an answer is the response that a deploy gives API Gateway."""
    status, headers, problem = answer
    wanted = responses(access, (ORIGIN,))[kind]
    assert str(status) == wanted["statusCode"]
    for name, value in wanted["responseParameters"].items():
        assert headers[name.removeprefix("gatewayresponse.header.")] == value.strip("'")
    document = json.loads(wanted["responseTemplates"]["application/json"])
    assert problem.pop("instance").startswith("urn:uuid:")
    assert document.pop("instance") == "urn:uuid:$context.requestId"
    assert problem == document


@pytest.mark.parametrize(
    "header",
    [
        None, "", "Bearer", "Bearer ", "Basic YTpi", "x", "a.b", "a.b.c", "a.b.c.d", "Bearer é.é.é", "..",
        jwt(exp=1469814773), jwt(exp=None), jwt(exp=True), jwt(exp="9999999999"), jwt(sub=None), jwt(sub=7),
        jwt(token_use="access"), jwt(token_use=None), jwt(head=[]), f"Bearer {jwt(exp=0)}",
    ],
)  # fmt: skip
def test_a_request_without_a_valid_form_of_token_is_refused_like_in_aws(cognito: Server, header: str | None) -> None:
    sent = {} if header is None else {"Authorization": header}
    assert_is_the_gateways(cognito.ask("/customers/a", **sent), "cognito", "UNAUTHORIZED")
    assert cognito.ask("/customers", "POST", **sent)[0] == 401


def test_the_token_is_taken_with_bearer_and_without(cognito: Server) -> None:
    for header in (jwt(), f"Bearer {jwt()}", f"bearer {jwt()}"):
        status, _, body = cognito.ask("/whoami", Authorization=header)
        assert (status, body["authorizer"]["claims"]["sub"]) == (200, "ada")


def test_every_claim_reaches_the_app_as_a_text_and_groups_with_commas(cognito: Server) -> None:
    sent = jwt(
        **{"cognito:groups": ["admins", "staff"], "custom:tenant": "7", "identities": [{"userId": "1"}]},
        email_verified=True, auth_time=1469814773, exp=IN_2100, iat=1469811173, score=1.5,
    )  # fmt: skip
    _, _, body = cognito.ask("/whoami", Authorization=f"Bearer {sent}")
    assert body["authorizer"] == {
        "claims": {
            "sub": "ada",
            "token_use": "id",
            "cognito:groups": "admins,staff",
            "custom:tenant": "7",
            "identities": '{"userId": "1"}',
            "email_verified": "true",
            "auth_time": "1469814773",
            "exp": "Fri Jan 01 00:00:00 UTC 2100",
            "iat": "Fri Jul 29 16:52:53 UTC 2016",
            "score": "1.5",
        }
    }


def test_a_date_that_is_none_does_not_break_the_server() -> None:
    for value in (10**300, -1, "soon", {"a": 1}, True):
        assert isinstance(as_texts({"iat": value})["iat"], str)


@pytest.mark.parametrize("path", ["/health", "/", "/docs", "/docs/start.js", "/openapi.json"])
def test_monitors_and_browsers_need_no_token(cognito: Server, path: str) -> None:
    assert cognito.ask(path)[0] not in (401, 403)


def test_the_page_asks_for_the_token(cognito: Server) -> None:
    description = cognito.ask("/openapi.json")[2]
    assert description["security"] == [{"cognito": []}]
    assert description["components"]["securitySchemes"]["cognito"]["scheme"] == "bearer"


def test_a_preflight_and_an_unknown_path_need_no_token(cognito: Server) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
    assert cognito.ask("/customers", "OPTIONS", **asked)[0] == 204
    assert cognito.ask("/nothing")[0] == 404


def test_no_request_warns() -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for kind in ("cognito", "iam", "api_key", "none"):
            with serving(kind) as server:
                assert server.ask("/whoami", Authorization=jwt(), x_api_key="ada")[0] == 200
    assert [one for one in warned if "local mode" in str(one.message)] == []


def test_with_api_key_any_key_is_the_id_of_a_caller_and_none_is_refused() -> None:
    with serving("api_key") as server:
        assert_is_the_gateways(server.ask("/customers/a"), "api_key", "INVALID_API_KEY")
        status, _, body = server.ask("/whoami", x_api_key="ada", Authorization=jwt())
        assert (status, body["identity"]["apiKeyId"], body["authorizer"]) == (200, "ada", None)
        assert server.ask("/health")[0] == 200


@pytest.mark.parametrize("kind", ["iam", "none"])
def test_with_iam_or_none_every_request_gets_in_without_a_caller(kind: str) -> None:
    with serving(kind) as server:
        status, _, body = server.ask("/whoami", Authorization=jwt(), x_api_key="ada")
        assert (status, body) == (200, {"authorizer": None, "identity": {"sourceIp": "127.0.0.1"}})


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["token", *arguments]) == 0
    return capsys.readouterr().out


def test_the_token_of_make_token_gets_in(cognito: Server, capsys: pytest.CaptureFixture[str]) -> None:
    token = printed(capsys, "--sub", "ada", "--groups", "admins,staff", "--claims", '{"email": "ada@example.com"}')
    assert token.count("\n") == 1
    status, _, body = cognito.ask("/whoami", Authorization=f"Bearer {token.strip()}")
    claims = body["authorizer"]["claims"]
    assert (status, claims["cognito:groups"], claims["email"]) == (200, "admins,staff", "ada@example.com")
    assert claims["cognito:username"] == claims["sub"] == "ada"
    assert "localhost" in claims["iss"]


def test_the_token_is_unsigned_and_valid_for_an_hour(capsys: pytest.CaptureFixture[str]) -> None:
    head, claims, signature = printed(capsys, "--sub", "ada").strip().split(".")
    assert (json.loads(base64.urlsafe_b64decode(head + "=="))["alg"], signature) == ("none", "")
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert told["exp"] - told["iat"] == 3600
    assert "cognito:groups" not in told


def test_claims_replace_what_the_token_would_say(cognito: Server, capsys: pytest.CaptureFixture[str]) -> None:
    token = printed(capsys, "--sub", "ada", "--claims", '{"exp": 1}').strip()
    assert cognito.ask("/whoami", Authorization=token)[0] == 401


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "error: SUB names the user: make token SUB=ada\n"),
        (["--sub", "ada", "--claims", "{"], 'CLAIMS must be a JSON object: make token SUB=ada CLAIMS=\'{"email":'),
        (["--sub", "ada", "--claims", "[1]"], "CLAIMS must be a JSON object"),
    ],
)
def test_a_token_that_cannot_be_made_is_refused_with_a_command(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["token", *arguments]) == 1
    shown = capsys.readouterr()
    assert (shown.out, said in shown.err) == ("", True)


def test_make_hands_on_groups_and_claims_as_they_are_typed() -> None:
    done = subprocess.run(
        [
            "make", "-s", "--old-file=.venv/.installed-local", "--old-file=.venv/bin/python", "token", "SUB=o'ada",
            "GROUPS=admins,staff", 'CLAIMS={"name": "it\'s $5"}',
        ],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    claims = done.stdout.split(".")[1]
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert (told["sub"], told["cognito:groups"], told["name"]) == ("o'ada", ["admins", "staff"], "it's $5")


def test_the_terminal_says_what_is_not_checked() -> None:
    said = {kind: "\n".join(how_to_call(kind, "http://h:1")) for kind in ("cognito", "api_key", "iam", "none")}
    assert "this machine verifies no token: never let others reach it" in said["cognito"]
    assert '"Authorization: Bearer $(make -s token SUB=ada)"' in said["cognito"]
    assert "takes any key" in said["api_key"]
    assert "checks no signature" in said["iam"]
    assert said["none"] == "try       curl 'http://h:1/customers'"
