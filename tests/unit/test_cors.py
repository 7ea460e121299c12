"""Pages of other origins may not read a response, unless the settings name their origin."""

from __future__ import annotations

from typing import Any

import pytest
from chalice.test import Client

from crud_api.application import create_app
from crud_api.settings import Settings
from query_executor.contract import Reply, Request
from tests.gateway_events import event

ORIGINS = ("https://app.example.com", "http://localhost:3000")
NAMED = {"Origin": ["https://app.example.com"]}


def refuse(request: Request) -> Reply:
    raise AssertionError(request.statements)


def answer(method: str, path: str, *, origins: tuple[str, ...] = ORIGINS, **parts: Any) -> dict[str, Any]:
    reply: dict[str, Any] = create_app(refuse, cors_origins=origins)(event(method, path, **parts), None)
    return reply


def allowed(reply: dict[str, Any]) -> str | None:
    headers: dict[str, str] = reply["headers"]
    return headers.get("Access-Control-Allow-Origin")


def test_it_is_off_unless_asked_for() -> None:
    reply = answer("GET", "/health", origins=(), headers=NAMED)
    assert not [name for name in reply["headers"] if name.startswith("Access-Control") or name == "Vary"]
    assert answer("OPTIONS", "/customers", origins=(), headers=NAMED)["statusCode"] == 405
    assert Settings.from_environment({}).cors_origins == ()
    assert Settings.from_environment({"CORS_ORIGINS": ""}).cors_origins == ()


def test_a_named_origin_may_read_the_answer_and_its_headers() -> None:
    for origin in ORIGINS:
        reply = answer("GET", "/health", headers={"Origin": [origin]})
        assert (allowed(reply), reply["headers"]["Vary"]) == (origin, "Origin")
        assert reply["headers"]["Access-Control-Expose-Headers"] == (
            "Age, ETag, Link, Location, Preference-Applied, Idempotency-Replayed, Retry-After, "
            "Content-Location, Content-Range"
        )


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example.com", "https://app.example.com.evil.org", "http://app.example.com", "null", "*",
     "https://app.example.com:8443", "HTTPS://APP.EXAMPLE.COM", ""],
)  # fmt: skip
def test_another_origin_may_not_and_caches_tell_them_apart(origin: str) -> None:
    for method, status in (("GET", 200), ("OPTIONS", 204)):
        reply = answer(method, "/health", headers={"Origin": [origin]})
        assert (reply["statusCode"], allowed(reply), reply["headers"]["Vary"]) == (status, None, "Origin")
        assert "Access-Control-Allow-Headers" not in reply["headers"]


def test_a_request_without_origin_is_answered_as_ever() -> None:
    assert allowed(answer("GET", "/health")) is None


@pytest.mark.parametrize(
    ("status", "method", "path", "parts"),
    [
        (400, "GET", "/customers", {"query": {"nickname": ["x"]}}),
        (400, "POST", "/customers", {"body": "{"}),
        (404, "GET", "/docs/x", {"resource": "/docs/{asset}", "path_parameters": {"asset": "x"}}),
        (405, "DELETE", "/customers", {}),
        (413, "POST", "/customers", {"body": " " * 1_000_001}),
        (415, "POST", "/customers", {"body": "{}", "type": "text/plain"}),
        (422, "POST", "/customers", {"body": "{}"}),
        (500, "GET", "/customers", {}),
    ],
)
def test_problems_can_be_read_too(status: int, method: str, path: str, parts: dict[str, Any]) -> None:
    content_type = parts.pop("type", "application/json")
    reply = answer(method, path, headers={**NAMED, "Content-Type": [content_type]}, **parts)
    assert (reply["statusCode"], allowed(reply)) == (status, "https://app.example.com")
    assert reply["headers"]["Content-Type"] == "application/problem+json"


def test_every_path_answers_its_preflight_with_its_methods() -> None:
    app = create_app(refuse, cors_origins=ORIGINS)
    for path, methods in app.routes.items():
        names = {name: "x" for name in ("customer_id", "order_id", "asset", "table") if f"{{{name}}}" in path}
        asked = {**NAMED, "Access-Control-Request-Method": ["GET"]}
        reply = app(event("OPTIONS", path, path_parameters=names, headers=asked), None)
        assert (reply["statusCode"], reply["body"], allowed(reply)) == (204, "", ORIGINS[0])
        assert reply["headers"]["Access-Control-Allow-Methods"] == ", ".join(sorted(set(methods) - {"OPTIONS"}))
        assert reply["headers"]["Access-Control-Allow-Headers"] == (
            "cache-control, content-type, if-match, if-none-match, idempotency-key, prefer, x-api-key, authorization, "
            "accept-profile, apikey, content-profile, range, range-unit, x-client-info"
        )
        assert reply["headers"]["Access-Control-Max-Age"] == "600"
        assert "OPTIONS" in methods


def test_chalices_local_server_asks_the_app_as_well() -> None:
    with Client(create_app(refuse, cors_origins=ORIGINS), stage_name="local") as client:
        reply = client.http.request("OPTIONS", "/orders/x", headers={"Origin": ORIGINS[1]})
        assert (reply.status_code, reply.headers["Access-Control-Allow-Origin"]) == (204, ORIGINS[1])


@pytest.mark.parametrize(
    "text",
    ["*", "app.example.com", "https://app.example.com/", "https://app.example.com/x", "null", "https://*.example.com",
     "https://app.example.com,*", "ftp://app.example.com", "https://APP.example.com", "https://a.b:", "https://a b"],
)  # fmt: skip
def test_what_no_browser_sends_is_no_setting(text: str) -> None:
    with pytest.raises(ValueError, match="CORS_ORIGINS names"):
        Settings.from_environment({"CORS_ORIGINS": text})


def test_the_setting_is_a_list() -> None:
    settings = Settings.from_environment({"CORS_ORIGINS": " https://app.example.com , http://localhost:3000,"})
    assert settings.cors_origins == ORIGINS
