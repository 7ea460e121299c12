"""What API Gateway does before the app, for `make run`: it refuses a request without credentials, and says who calls.

Nothing is verified: this machine has no user pool and no API keys.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from chalice.app import CognitoUserPoolAuthorizer, IAMAuthorizer
from chalice.local import LambdaContext, LocalGateway, LocalGatewayAuthorizer

from infra import hints

# A browser opens these paths by itself, so it sends no token. They expose no row.
PAGES = frozenset({"/", "/docs", "/docs/{asset}", "/openapi.json"})
_DATES = frozenset({"exp", "iat"})  # API Gateway writes these two as Fri Nov 27 16:26:29 UTC 2026
_YEAR_10000 = 253_402_300_800
Event = dict[str, Any]


class RefusedRequestError(Exception):
    """API Gateway would refuse the request. `kind` is the type of its response (infra/gateway/responses.py)."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Gateway(LocalGateway):
    """Chalice's local gateway with the authorizer of this module. `chalice local` keeps its own."""

    def __init__(self, app: Any, config: Any) -> None:
        super().__init__(app, config)
        self._authorizer = Authorizer(app)


class Authorizer(LocalGatewayAuthorizer):
    """Adds to the event what API Gateway adds, for the kinds of access that crud_api/access.py declares."""

    def authorize(
        self, raw_path: str, lambda_event: Event, lambda_context: LambdaContext
    ) -> tuple[Event, LambdaContext]:
        """Raises `RefusedRequestError`."""
        route, context = self._route_for_event(lambda_event), lambda_event["requestContext"]
        if route is None or context["resourcePath"] in PAGES:
            return lambda_event, lambda_context
        if route.api_key_required:
            key = lambda_event["headers"].get("x-api-key")
            if not key:
                raise RefusedRequestError("INVALID_API_KEY", "the request has no x-api-key")
            context["identity"] |= {"apiKey": key, "apiKeyId": key}
        if isinstance(route.authorizer, CognitoUserPoolAuthorizer):
            claims = read_token(lambda_event["headers"].get("authorization", ""))
            context["authorizer"] = {"claims": as_texts(claims)}
        elif not isinstance(route.authorizer, IAMAuthorizer):  # Chalice would warn at each request
            super().authorize(raw_path, lambda_event, lambda_context)
        return lambda_event, lambda_context


def read_token(header: str) -> dict[str, Any]:
    """The claims of the ID token in an Authorization header. The signature is not looked at.

    Like API Gateway it takes the token with the word Bearer before it and without. Raises `RefusedRequestError`.
    """
    scheme, _, rest = header.strip().partition(" ")
    segments = (rest.strip() if scheme.lower() == "bearer" else header.strip()).split(".")
    if not header.strip():
        raise _unauthorized("the request has no Authorization")
    if len(segments) != 3:
        raise _unauthorized("the token is no JWT, which has three parts")
    _, claims = (_read(segment) for segment in segments[:2])
    if not isinstance(claims.get("sub"), str):
        raise _unauthorized("the token has no sub")
    if claims.get("token_use") != "id":
        raise _unauthorized("the token is no ID token: its token_use is not id")
    expires = claims.get("exp")
    if not isinstance(expires, int | float):
        raise _unauthorized("the token has no exp")
    if expires <= time.time():
        raise _unauthorized("the token has expired")
    return claims


def as_texts(claims: Mapping[str, Any]) -> dict[str, str]:
    """The claims as API Gateway gives them to a function: each value is a text."""
    return {name: _as_text(value, is_date=name in _DATES) for name, value in claims.items()}


def _as_text(value: Any, *, is_date: bool = False) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ",".join(map(_as_text, value))
    if is_date and isinstance(value, int) and 0 <= value < _YEAR_10000:
        return time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(value))
    return json.dumps(value)


def _read(segment: str) -> dict[str, Any]:
    """A part of a JWT: base64url without padding (RFC 7515, section 2), of a JSON object."""
    try:
        found = json.loads(base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _unauthorized("the token is no JWT: its parts are not JSON")
    return found


def _unauthorized(reason: str) -> RefusedRequestError:
    return RefusedRequestError("UNAUTHORIZED", reason)


def answer(kind: str, request_id: str, origins: Iterable[str]) -> tuple[int, dict[str, str], str]:
    """(status, headers, body) of API Gateway's own response in a deployed stage."""
    from infra.gateway.responses import responses  # noqa: PLC0415 - it imports botocore, and few runs refuse a request

    response = responses("", tuple(origins))[kind]
    prefix = "gatewayresponse.header."
    headers = {
        name.removeprefix(prefix): value.removeprefix("'").removesuffix("'")
        for name, value in response["responseParameters"].items()
    }
    body = response["responseTemplates"]["application/json"].replace("$context.requestId", request_id)
    return int(response["statusCode"]), headers, body


def how_to_call(access: str, url: str) -> list[str]:
    """The lines of the terminal that say how to send a request."""
    request = f"{url}/customers"
    match access:
        case "cognito":
            token = hints.make("token", SUB="ada").replace("make", "make -s", 1)
            return [
                "access    cognito, and this machine verifies no token: never let others reach it",
                f"try       {hints.curl(request, f'Authorization: Bearer $({token})')}",
            ]
        case "api_key":
            return [
                "access    api_key, and this machine takes any key as the id of a caller: never let others reach it",
                f"try       {hints.curl(request, 'x-api-key: ada')}",
            ]
        case "iam":
            return [
                "access    iam, but this machine checks no signature: it lets every request in, and knows no caller",
                f"try       {hints.curl(request)}",
            ]
        case _:
            return [f"try       {hints.curl(request)}"]
