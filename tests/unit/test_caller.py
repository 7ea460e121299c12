"""The caller is what API Gateway has verified. Nothing that a client can write makes or changes it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import pytest

from crud_api.access import NO_ROLES, Roles, read_roles
from crud_api.application import create_app
from crud_api.errors import AccessError
from crud_api.request.caller import NOBODY, Caller, identify
from query_executor.contract import Failure, Reply, Request, Result
from tests.gateway_events import event

ROLE = "arn:aws:sts::123456789012:assumed-role/Backend"
KEY = {"identity": {"apiKeyId": "k1", "apiKey": "secret", "userArn": None, "cognitoIdentityId": None}}
SIGNED = {"identity": {"userArn": f"{ROLE}/session-1", "apiKeyId": None, "cognitoIdentityId": None}}
USER = {"identity": {"userArn": "arn:aws:iam::123456789012:user/ada"}}
POOL = {"identity": {"userArn": f"{ROLE}/CognitoIdentityCredentials", "cognitoIdentityId": "eu-west-1:7"}}
TOKEN = {"authorizer": {"claims": {"sub": "u1", "email": "ada@example.com", "cognito:groups": "admins,staff"}}}
EVERYTHING = {**TOKEN, "identity": {**SIGNED["identity"], **KEY["identity"], "userArn": f"{ROLE}/session-1"}}


@pytest.mark.parametrize(
    ("access", "context", "id_", "claims"),
    [
        ("none", EVERYTHING, "", {}),
        ("api_key", EVERYTHING, "key k1", {"sub": "k1"}),
        ("iam", EVERYTHING, f"arn {ROLE}/session-1", {"sub": f"{ROLE}/session-1", "principal": ROLE}),
        ("iam", USER, "arn arn:aws:iam::123456789012:user/ada", {"sub": USER["identity"]["userArn"],
                                                                 "principal": USER["identity"]["userArn"]}),
        ("iam", POOL, "identity eu-west-1:7", {"sub": "eu-west-1:7", "principal": ROLE}),
        ("cognito", EVERYTHING, "sub u1",
         {"sub": "u1", "email": "ada@example.com", "cognito:groups": ["admins", "staff"]}),
        ("cognito", {"authorizer": {"claims": {"sub": "u1"}}}, "sub u1", {"sub": "u1"}),
        ("api_key", TOKEN, "", {}), ("iam", TOKEN, "", {}), ("cognito", KEY, "", {}), ("cognito", SIGNED, "", {}),
        ("api_key", {}, "", {}), ("iam", {"identity": None}, "", {}), ("cognito", {"authorizer": None}, "", {}),
        ("cognito", {"authorizer": {"claims": "sub=u1"}}, "", {}), ("cognito", {"authorizer": {"claims": {}}}, "", {}),
    ],
)  # fmt: skip
def test_each_kind_of_access_knows_its_callers_by_what_it_verifies(
    access: str, context: Mapping[str, Any], id_: str, claims: Mapping[str, Any]
) -> None:
    assert identify(access)(context) == Caller(id_, claims)


_FORGED = {"sub": "forged", "role": "postgres", "cognito:groups": ["admins"], "apiKeyId": "forged", "userArn": "forged"}
_TEXT = json.dumps(_FORGED)
_TOKEN = ".".join(urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in ('{"alg":"none"}', _TEXT, ""))
PRETENDING = [
    {"Authorization": [f"Bearer {_TOKEN}"]}, {"Authorization": [_TOKEN]}, {"X-Api-Key": ["forged"]},
    {"X-Amzn-Oidc-Identity": ["forged"], "X-Amzn-Oidc-Data": [_TOKEN]}, {"X-Forwarded-User": ["forged"]},
    {"X-Amz-Security-Token": ["forged"], "X-Amz-Date": ["20261127T000000Z"]}, {"Role": ["postgres"]},
    {"X-Jwt-Claims": [_TEXT]}, {"Request.Jwt.Claims": [_TEXT]}, {"X-Amz-Request-Context": [json.dumps(EVERYTHING)]},
    {"X-User-Arn": ["forged"]}, {"Cookie": [f"token={_TOKEN}; claims={_TEXT}"]}, {"Accept-Profile": ["forged"]},
    {"Prefer": ["tx=commit, role=postgres"]}, {"Claims": [_TEXT]}, {"Cognito-Identity-Id": ["forged"]},
]  # fmt: skip


@pytest.mark.parametrize("access", ["none", "api_key", "iam", "cognito"])
@pytest.mark.parametrize("headers", PRETENDING)
def test_no_header_query_or_body_makes_a_caller(access: str, headers: dict[str, list[str]]) -> None:
    asked: list[Request] = []

    def execute(request: Request) -> Reply | Failure:
        asked.append(request)
        return Reply([Result([], [['{"x":1}', "0" * 32, "C1"]], 1)])

    app = create_app(execute, access=access)
    body = json.dumps({"customer_id": "C1", "customer_name": _TEXT})
    for method, path, parts in (
        ("GET", "/customers/C1", {"resource": "/customers/{customer_id}", "path_parameters": {"customer_id": "C1"}}),
        ("POST", "/customers", {"body": body}),
    ):
        sent = event(method, path, headers={**headers, "Content-Type": ["application/json"]}, **parts)
        for name in ("claims", "authorizer", "identity", "requestContext.authorizer"):
            sent[name] = _FORGED  # beside the request's context, where a client's own members would be
        app(sent, None)
    for request in asked:
        assert request.settings["request.jwt.claims"] == "{}"
        assert request.role is None
    assert [request.settings["request.method"] for request in asked] == ["GET", "POST"]
    assert [request.settings["request.path"] for request in asked] == ["/customers/C1", "/customers"]


@pytest.mark.parametrize(
    ("path", "said"), [("/a\x00b", "/a%00b"), ("/é", "/%C3%A9"), ("/\ud800", "/%ED%A0%80"), ("/a%b", "/a%b")]
)
def test_a_path_that_a_setting_cannot_hold_is_encoded(path: str, said: str) -> None:
    asked: list[Request] = []

    def execute(request: Request) -> Reply | Failure:
        asked.append(request)
        return Reply([Result([], [], 0)])

    sent = event("GET", "/customers/C1", resource="/customers/{customer_id}", path_parameters={"customer_id": "C1"})
    create_app(execute)({**sent, "path": path}, None)
    assert asked[0].settings["request.path"] == said


ADMINS = {"DB_ROLES": "admins=crud_admin, staff ,a=b=c", "DB_DEFAULT_ROLE": "customer"}


@pytest.mark.parametrize(
    ("groups", "role"),
    [("staff,admins", "crud_admin"), ("staff", "staff"), ("a=b", "c"), ("admin", "customer"), (None, "customer"),
     ("crud_admin", "customer"), ("Staff", "customer"), ("", "customer")],
)  # fmt: skip
def test_the_first_role_whose_value_the_claim_has_is_the_callers(groups: str | None, role: str) -> None:
    claims = {"sub": "u1", **({} if groups is None else {"cognito:groups": groups})}
    caller = identify("cognito", read_roles(ADMINS, "cognito"))({"authorizer": {"claims": claims}})
    assert (caller.role, caller.is_refused) == (role, False)


@pytest.mark.parametrize(
    ("access", "context", "environ", "role"),
    [
        ("api_key", KEY, {"DB_ROLES": "k1=integration"}, "integration"),
        ("iam", SIGNED, {"DB_ROLES": f"{ROLE}=backend"}, "backend"),
        ("cognito", {"authorizer": {"claims": {"sub": "u", "role": "author"}}},
         {"DB_ROLES": "author", "DB_ROLE_CLAIM": "role"}, "author"),
        ("none", {}, {"DB_DEFAULT_ROLE": "reader"}, "reader"),
        ("cognito", TOKEN, {}, None),
    ],
)  # fmt: skip
def test_each_kind_of_access_has_a_claim_for_roles(
    access: str, context: Mapping[str, Any], environ: Mapping[str, str], role: str | None
) -> None:
    caller = identify(access, read_roles(environ, access))(context)
    assert (caller.role, caller.is_refused) == (role, False)


@pytest.mark.parametrize(
    ("access", "context"), [("cognito", TOKEN), ("cognito", {}), ("none", EVERYTHING), ("iam", KEY)]
)
def test_a_caller_without_a_role_is_refused_before_the_database_is_asked(
    access: str, context: Mapping[str, Any]
) -> None:
    def execute(_: Request) -> Reply | Failure:
        raise AssertionError("the database was asked")

    app = create_app(execute, access=access, roles=Roles("cognito:groups", (("owners", "owner"),)))
    sent = event("GET", "/customers")
    sent["requestContext"] |= context
    answer = app(sent, None)
    assert answer["statusCode"] == 403
    assert json.loads(answer["body"])["type"] == "urn:problem-type:crud-api:not-permitted"
    assert app(event("GET", "/health"), None)["statusCode"] == 200
    assert app(event("GET", "/openapi.json"), None)["statusCode"] == 200


def test_a_monitor_asks_as_the_executors_user_whoever_calls() -> None:
    asked: list[Request] = []

    def execute(request: Request) -> Reply | Failure:
        asked.append(request)
        return Reply([Result([], [[True, None]], 1)])

    app = create_app(execute, access="cognito", roles=Roles("sub", (("u1", "one"),)))
    assert app(event("GET", "/ready"), None)["statusCode"] == 200
    assert asked[0].role is None


def test_the_database_finds_the_role_among_the_claims() -> None:
    asked: list[Request] = []

    def execute(request: Request) -> Reply | Failure:
        asked.append(request)
        return Reply([Result([], [], 0)])

    sent = event("GET", "/customers")
    sent["requestContext"] |= TOKEN
    create_app(execute, access="cognito", roles=read_roles(ADMINS, "cognito"))(sent, None)
    assert asked[0].role == "crud_admin"
    claims = {**TOKEN["authorizer"]["claims"], "cognito:groups": ["admins", "staff"], "role": "crud_admin"}
    assert json.loads(asked[0].settings["request.jwt.claims"]) == claims


@pytest.mark.parametrize(
    ("access", "environ", "said"),
    [
        ("cognito", {"DB_ROLES": "a=none"}, "names 'none'"), ("cognito", {"DB_ROLES": "a="}, "names ''"),
        ("cognito", {"DB_ROLES": "a=" + "b" * 64}, "which is not the name"),
        ("none", {"DB_DEFAULT_ROLE": "none"}, "'none'"), ("cognito", {"DB_ROLES": "a=b, a=c"}, "gives 'a' two roles"),
        ("iam", {"DB_ROLE_CLAIM": "sub"}, "DB_ROLES is empty"),
        ("cognito", {"DB_ROLES": "a", "DB_ROLE_CLAIM": "custom:role"}, "write themselves"),
        ("cognito", {"DB_ROLES": "a", "DB_ROLE_CLAIM": "email"}, "write themselves"),
    ],
)  # fmt: skip
def test_roles_that_would_not_do_are_refused_at_the_start(access: str, environ: Mapping[str, str], said: str) -> None:
    with pytest.raises(AccessError, match=said):
        read_roles(environ, access)


def test_without_roles_every_caller_is_let_in_as_before() -> None:
    assert read_roles({"DB_ROLES": " , "}, "cognito") is NO_ROLES
    assert identify("none")({}) == NOBODY
